"""A child gets ready or says why not, and ends with whoever asked for it."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from twinhelm.lab.house import House, child
from twinhelm.lab.words import LabError


def program(tmp_path, text):
    file = tmp_path / "program.py"
    file.write_text(text)
    return sys.executable, str(file)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def test_a_child_is_ended_with_the_block(tmp_path):
    pid_file = tmp_path / "pid"
    argv = program(
        tmp_path,
        f"import os, time\nopen({str(pid_file)!r}, 'w').write(str(os.getpid()) + '.')\n"
        "time.sleep(60)\n",
    )

    def ready():
        text = pid_file.read_text() if pid_file.exists() else ""
        return int(text[:-1]) if text.endswith(".") else None

    with child("it", argv, tmp_path / "log", ready) as pid:
        assert alive(pid)
    assert not alive(pid)


def test_a_child_that_ends_is_told_with_its_last_words(tmp_path):
    argv = program(tmp_path, "raise SystemExit('the port is taken')")
    with (
        pytest.raises(LabError, match="it ended with 1: the port is taken"),
        child("it", argv, tmp_path / "log", lambda: None),
    ):
        pass


def test_a_child_that_never_gets_ready_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr("twinhelm.lab.house.PATIENCE_S", 0.2)
    argv = program(tmp_path, "import time; time.sleep(60)")
    began = time.monotonic()
    with (
        pytest.raises(LabError, match="it is not ready: it said nothing"),
        child("it", argv, tmp_path / "log", lambda: None),
    ):
        pass
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("url", ["", "ftp://a", "127.0.0.1:9700", "http://a:b"])
def test_what_is_no_address_is_told(url):
    with pytest.raises(LabError, match="no address"):
        House(url)


def test_nobody_there_is_told():
    with pytest.raises(LabError, match="no server answers at") as told:
        House("http://127.0.0.1:1/").ask("GET", "/")
    assert "twinhelm up" in told.value.hint


def test_a_server_without_incidents_or_a_clock_to_move(played_lab):
    house = House(played_lab.url)
    assert house.incidents() is None
    assert house.move_clock(1) is False
    with pytest.raises(LabError, match="status 403"):
        house.file(1)
    house.close()
