"""The child comes up, is started again when it ends, and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from contextlib import closing
from pathlib import Path

import pytest

from twinhelm.core.errors import Unavailable
from twinhelm.mlops.tracking import Tracking

LISTENS = """
import os, socket, sys
print("up", dict(os.environ), flush=True)
with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(sys.argv[2])
    listener.listen()
    sys.stdin.read()
"""
FAILS = "print('working'); raise SystemExit('Detected out-of-date database schema')"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + LISTENS.replace(
    "sys.stdin.read()", "time.sleep(600)"
)


def tracking(folder, program):
    return Tracking(folder, argv=[sys.executable, "-c", program], backoff_s=(0.01, 0.05))


def wait_for(truth, seconds=60):
    pause = threading.Event()
    for _ in range(seconds * 50):
        if truth():
            return
        pause.wait(0.02)
    raise AssertionError("it did not come true in time")


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_it_starts_at_the_first_need_and_ends_in_order(tmp_path):
    made = tracking(tmp_path / "mlflow", LISTENS)
    assert not made.ready
    made.wait_ready(60)
    assert made.ready
    pid = made.pid
    made.close()
    made.close()
    assert gone(pid)
    assert not made.ready
    assert not made.socket.parent.exists()
    with pytest.raises(Unavailable):
        made.wait_ready(1)


def test_nothing_is_started_unasked(tmp_path):
    made = tracking(tmp_path / "mlflow", LISTENS)
    assert made.pid is None
    assert not made.exists
    made.close()
    assert not (tmp_path / "mlflow").exists()


def test_killed_it_is_started_again(tmp_path):
    made = tracking(tmp_path / "mlflow", LISTENS)
    try:
        made.wait_ready(60)
        before = made.pid
        os.kill(before, signal.SIGKILL)
        wait_for(lambda: made.ready and made.pid not in {None, before})
    finally:
        made.close()


def test_why_it_cannot_start_is_told(tmp_path):
    made = tracking(tmp_path / "mlflow", FAILS)
    try:
        made.start()
        wait_for(lambda: "schema" in str(made.trouble()))
        with pytest.raises(Unavailable):
            made.wait_ready(0.05)
        assert "Detected out-of-date database schema" in str(made.trouble())
    finally:
        made.close()


def test_one_that_does_not_listen_to_signals_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr("twinhelm.mlops.tracking.supervisor.END_PATIENCE_S", 0.2)
    made = tracking(tmp_path / "mlflow", DEAF)
    made.wait_ready(60)
    pid = made.pid
    made.close()
    assert gone(pid)


def test_closed_while_it_warms_up_nothing_is_left(tmp_path):
    made = tracking(tmp_path / "mlflow", "import time; time.sleep(600)")
    made.start()
    wait_for(lambda: made.pid is not None)
    pid = made.pid
    made.close()
    assert gone(pid)


def test_the_child_knows_nothing_of_our_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere.invalid")
    made = tracking(tmp_path / "mlflow", LISTENS)
    try:
        made.wait_ready(60)
        said = made.log.read_text()
    finally:
        made.close()
    assert "up" in said
    assert not any(word in said for word in ("s3cret", "proxy", "elsewhere"))


def test_only_this_user_may_reach_the_socket(tmp_path):
    made = tracking(tmp_path / "mlflow", LISTENS)
    assert made.socket.parent.stat().st_mode & 0o077 == 0
    made.close()


def test_a_backup_holds_the_database_of_one_moment_and_all_files(tmp_path):
    made = tracking(tmp_path / "mlflow", LISTENS)
    made.backup(tmp_path / "none")
    assert not (tmp_path / "none").exists()
    (tmp_path / "mlflow/artifacts/0").mkdir(parents=True)
    (tmp_path / "mlflow/artifacts/0/model").write_text("m")
    (tmp_path / "mlflow/artifacts/0/.artifact.uploading.x").write_text("half")
    with closing(sqlite3.connect(tmp_path / "mlflow/mlflow.sqlite")) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE runs AS SELECT 7 AS id")
        database.commit()
        made.backup(tmp_path / "copy")
    made.close()
    with closing(sqlite3.connect(tmp_path / "copy/mlflow.sqlite")) as copy:
        assert copy.execute("SELECT id FROM runs").fetchall() == [(7,)]
    files = {path.name for path in (tmp_path / "copy").rglob("*") if path.is_file()}
    assert files == {"mlflow.sqlite", "model"}


PARENT = """
import os, subprocess, sys
child = subprocess.Popen(
    [sys.executable, "-c", sys.argv[1]], stdin=subprocess.PIPE, stdout=sys.stdout
)
sys.stdin.read()
os._exit(9)
"""
TIED = """
import time
from twinhelm.mlops.tracking.__main__ import _end_with_parent
_end_with_parent()
import os
print(os.getpid(), flush=True)
time.sleep(600)
"""


def test_the_child_ends_with_its_parent():
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, TIED], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        pid = int(parent.stdout.readline())
        parent.kill()
        wait_for(lambda: gone(pid))


OWNER = """
import os, sys
from pathlib import Path
from twinhelm.mlops.tracking import Tracking
held = Tracking(Path(sys.argv[1]))
print(held.socket.parent, flush=True)
sys.stdin.read()
"""


def test_what_a_killed_house_left_is_removed_by_the_next_one_and_no_other(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path / "mlflow")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    den = Path(owner.stdout.readline().strip())
    unlocked = tmp_path / "twinhelm-mlflow-of-an-older-release"
    unlocked.mkdir()
    try:
        tracking(tmp_path / "a", LISTENS).close()
        assert den.is_dir()
    finally:
        owner.kill()
        owner.communicate()
    assert den.is_dir()
    foreign = tmp_path / "twinhelm-mlflow-foreign"
    shutil.copytree(den, foreign)
    if os.getuid() == 0:
        os.chown(foreign, 12_345, -1)
    other = tracking(tmp_path / "b", LISTENS)
    assert not den.exists()
    assert foreign.exists() == (os.getuid() == 0)
    assert unlocked.is_dir()
    assert other.socket.parent.is_dir()
    other.close()
    assert not other.socket.parent.exists()
