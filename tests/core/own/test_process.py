"""A program that was started always ends, with all that it started."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from pathlib import Path

from twinhelm.core.own.process import run


def gone(pid):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False


def test_a_killed_house_leaves_no_program_behind(tmp_path):
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom twinhelm.core.own.process import run\n"
        "run([sys.executable, '-c', 'import os, time; print(os.getpid(), flush=True);"
        " time.sleep(600)'], folder=Path('.'), environment=os.environ, log=open('log', 'ab'),"
        " limit_s=600, beat=lambda seconds, line: line and os.kill(os.getpid(), 9))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=os.environ, check=False)
    assert done.returncode == -9
    assert gone(int((tmp_path / "log").read_text()))


def test_endless_talk_is_cut(tmp_path):
    command = [sys.executable, "-c", "print('x' * 100_000); print('the end')"]
    log = io.BytesIO()
    ended = run(
        command, folder=tmp_path, environment=os.environ, log=log, limit_s=60, max_log_bytes=1000
    )
    assert (ended.code, ended.last_line) == (0, "the end")
    said = log.getvalue().decode()
    assert said.startswith("x" * 1000 + "\n... the rest is not kept")
    assert len(said) < 1100


def test_a_program_that_is_not_there_and_one_that_is_killed(tmp_path):
    log = io.BytesIO()
    more = {"folder": tmp_path, "environment": os.environ, "log": log, "limit_s": 60}
    assert run(["/none/such"], **more).code == 127
    assert b"No such file" in log.getvalue()
    assert run(["/bin/sh", "-c", "kill -9 $$"], **more).code == -9


def test_a_program_that_outlives_its_group_does_not_hold_its_starter(tmp_path):
    """A daemon leaves the group on purpose; how its starter ended is known all the same."""
    code = (
        "import subprocess, sys\n"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],"
        " start_new_session=True)\nprint(p.pid, flush=True)\nsys.exit(7)"
    )
    more = {"folder": tmp_path, "environment": os.environ, "log": io.BytesIO(), "limit_s": 60}
    ended = run([sys.executable, "-c", code], **more)
    os.kill(int(ended.last_line), 9)
    assert ended.code == 7
