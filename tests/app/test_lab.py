"""The lab as a child of the house: it comes up, obeys, says why it cannot, and never stays."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from peers.lab import argv_of
from twinhelm.app.lab import Lab
from twinhelm.core import json
from twinhelm.core.errors import NotFound, Refused, Unavailable


@pytest.fixture
def lab_of(tmp_path):
    """``lab_of(*how)``: a lab on the stand-in, stopped when the test is over."""
    made = []

    def make(*how, argv=None):
        folder = tmp_path / "lab"
        made.append(Lab(folder, "http://127.0.0.1:1", argv=argv or argv_of(folder, *how)))
        return made[-1]

    yield make
    for lab in made:
        lab.stop()


def wait(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def pid_of(lab):
    return json.loads((lab.folder / "control.json").read_bytes())["pid"]


def ending(lab):
    """Wait until the lab has ended; returns how that is told."""
    told = []

    def over():
        try:
            lab.up()
        except Unavailable as error:
            told.append(error)
        return told

    wait(over)
    return told[0]


def test_it_comes_up_breaks_and_repairs_and_ends(lab_of):
    lab = lab_of()
    lab.start()
    wait(lab.up)
    faults = lab.faults()
    assert faults["deploy_errors"].service == "checkout"
    assert faults["deploy_errors"].change == "deploy"
    lab.break_("deploy_errors")
    with pytest.raises(Refused, match="is active"):
        lab.break_("deploy_errors")
    lab.repair("deploy_errors")
    assert "POST /faults/deploy_errors" in (lab.folder / "asked").read_text()
    pid = pid_of(lab)
    lab.stop()
    lab.stop()
    assert not alive(pid)
    with pytest.raises(Unavailable, match="not started"):
        lab.up()


def test_one_that_cannot_start_says_why(lab_of):
    lab = lab_of("broken")
    lab.start()
    error = ending(lab)
    assert "no room for a shop" in error.message
    assert str(lab.log) in error.hint


def test_a_program_that_is_not_there_is_told(lab_of):
    with pytest.raises(Unavailable, match="cannot be started"):
        lab_of(argv=["/nonexistent/lab"]).start()


def test_one_that_died_is_told(lab_of):
    lab = lab_of()
    lab.start()
    wait(lab.up)
    os.kill(pid_of(lab), 9)
    assert "ended" in ending(lab).message
    with pytest.raises((Unavailable, NotFound)):
        lab.break_("cache_down")


def test_what_an_earlier_lab_left_is_not_taken_for_this_one(lab_of, tmp_path):
    (tmp_path / "lab").mkdir()
    old = {"url": "http://127.0.0.1:1", "secret": "old", "pid": 1}
    (tmp_path / "lab" / "control.json").write_bytes(json.dumps(old))
    lab = lab_of(argv=[sys.executable, "-c", "import sys; sys.stdin.read()"])
    lab.start()
    assert not lab.up()


def test_it_ends_when_its_parent_is_killed(tmp_path):
    folder = tmp_path / "lab"
    program = (
        "import sys, time; sys.path.insert(0, sys.argv[2])\n"
        "from pathlib import Path\n"
        "from peers.lab import argv_of\n"
        "from twinhelm.app.lab import Lab\n"
        "lab = Lab(Path(sys.argv[1]), '', argv=argv_of(Path(sys.argv[1])))\n"
        "lab.start()\n"
        "while not lab.up(): time.sleep(0.01)\n"
        "print('up', flush=True); sys.stdin.read()\n"
    )
    argv = [sys.executable, "-c", program, str(folder), "tests"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(argv, **pipes) as parent:
        assert parent.stdout.readline() == b"up\n"
        pid = json.loads((folder / "control.json").read_bytes())["pid"]
        parent.kill()
    wait(lambda: not alive(pid))
