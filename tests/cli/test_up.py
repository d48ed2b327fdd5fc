"""``twinhelm up`` as a real process: how it begins, ends, and says why it cannot."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from twinhelm.cli.up import Ending
from twinhelm.core import json

PROGRAM = str(Path(sys.executable).with_name("twinhelm"))
ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith("TWINHELM_")}


@contextmanager
def serving(data, *flags, **env):
    """Start ``up --json`` on a free port; yields what it announced and the process."""
    argv = [PROGRAM, "up", "--data", str(data), "--listen", "127.0.0.1:0", "--no-host", "--json"]
    log = data.with_name(f"{data.name}.log")
    with (
        log.open("wb") as err,
        subprocess.Popen(
            [*argv, *flags], stdout=subprocess.PIPE, stderr=err, env=ENVIRONMENT | env
        ) as process,
    ):
        try:
            lines = []
            while not lines or lines[-1] != b"}\n":
                line = process.stdout.readline()
                assert line, log.read_text()
                lines.append(line)
            yield json.loads(b"".join(lines)), process
        finally:
            process.kill()


def refused(*args, **env):
    """Run a command that must fail, in JSON; returns its message and hint."""
    ran = subprocess.run(
        [PROGRAM, *map(str, args), "--json"],
        capture_output=True,
        text=True,
        env=ENVIRONMENT | env,
        timeout=60,
    )
    assert ran.returncode == 1, ran.stderr
    assert "Traceback" not in ran.stderr
    said = json.loads(ran.stdout)
    assert set(said) == {"error", "hint"}
    return said["error"], said["hint"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_announces_itself_and_ends_in_order(tmp_path, number):
    data = tmp_path / "data"
    with serving(data) as (said, process):
        assert said["pid"] == process.pid
        assert said["data"] == str(data)
        assert json.loads((data / "server.json").read_bytes())["url"] == said["url"]
        assert stat.S_IMODE((data / "cli-token").stat().st_mode) == 0o600
        assert httpx.get(said["sign_in"], trust_env=False).status_code == 200
        process.send_signal(number)
        assert process.wait(30) == 0
    assert not (data / "server.json").exists()


def test_the_token_stays_and_the_link_goes_once_somebody_is_there(twinhelm, tmp_path):
    data = tmp_path / "data"
    with serving(data) as (said, process):
        kept = (data / "cli-token").read_text()
        process.terminate()
        process.wait(30)
    added = twinhelm("user", "add", "ann", "--role", "admin", "--data", data, "--json")
    assert "/sign-in/first?secret=" in added.json["sign_in"]
    with serving(data) as (said, _):
        assert said["sign_in"] is None
        assert (data / "cli-token").read_text() == kept


def test_a_directory_in_use_and_a_port_in_use_are_told(tmp_path, live):
    error, hint = refused("up", "--data", live.data, "--listen", "127.0.0.1:0")
    assert "another process uses" in error
    assert "--data" in hint
    error, hint = refused("up", "--data", tmp_path / "other", "--listen", live.address)
    assert live.address in error
    assert "--listen" in hint
    assert (live.data / "server.json").exists()
    assert httpx.get(f"{live.url}/-/ready", trust_env=False).status_code == 200


def test_a_newer_format_is_told(tmp_path):
    telemetry = tmp_path / "data" / "telemetry"
    telemetry.mkdir(parents=True)
    (telemetry / "FORMAT").write_text("99\n")
    error, hint = refused("up", "--data", tmp_path / "data", "--listen", "127.0.0.1:0")
    assert "format 99" in error
    assert "newer release" in hint
    assert (telemetry / "FORMAT").read_text() == "99\n"


def test_a_data_directory_that_cannot_be_is_told(twinhelm, tmp_path):
    (tmp_path / "file").touch()
    data = tmp_path / "file" / "data"
    assert str(data) in refused("up", "--data", data)[0]
    for command in (["journal"], ["user", "list"], ["config"], ["status"]):
        ran = twinhelm(*command, "--data", data)
        assert ran.status == 1
        assert str(data) in ran.err or command == ["status"]


def test_bad_settings_are_told(twinhelm, tmp_path, monkeypatch):
    error, _ = refused("up", "--data", tmp_path / "data", TWINHELM_STORE__FLUSH_ROWS="-1")
    assert "store.flush_rows" in error
    for name, value in (
        ("TWINHELM_CONFIG", str(tmp_path / "absent.toml")),
        ("TWINHELM_STORE__NO_SUCH", "1"),
        ("TWINHELM_STORE", "{"),
    ):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            ran = twinhelm("config", "--data", "data")
            assert ran.status == 1
            assert "settings" in ran.err


def test_an_address_others_can_reach_is_refused_while_anybody_may_do_anything(tmp_path):
    error, hint = refused("up", "--data", tmp_path / "data", "--listen", "0.0.0.0:0")
    assert "auth.required" in error
    assert "127.0.0.1" in hint


def test_a_signal_before_it_serves_ends_it_and_later_ones_wait():
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        ending = Ending()
        with pytest.raises(SystemExit) as ended:
            signal.raise_signal(signal.SIGTERM)
        assert ended.value.code == 0
        ending.begun = True
        signal.raise_signal(signal.SIGTERM)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
