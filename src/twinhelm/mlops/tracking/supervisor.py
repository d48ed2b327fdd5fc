"""Keeps MLflow's server side running beside the house, in a process of its own.

MLflow takes seconds to import and computes in Python for most of each call; in a process of its
own neither delays what watches the machines. It listens on a Unix socket in a folder that only
this user may enter, since it asks nobody who they are; the guard and :mod:`twinhelm.web.mlflow`
stand before it. Its environment is made anew, so that neither a proxy, a credential nor a
setting of ours reaches it. One that ends is started again, after half a second and twice as long
each time it ends soon again, at most half a minute.

Wrong where a process hangs without ending: it is not noticed here, calls time out.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from twinhelm.core.clock import Clock, SystemClock
from twinhelm.core.errors import Unavailable
from twinhelm.mlops.tracking.client import Client
from twinhelm.mlops.tracking.server import ARTIFACTS, DATABASE, copy_database

__all__ = ["Tracking"]

log = logging.getLogger(__name__)

BACKOFF_S = (0.5, 30.0)
STEADY_S = 60.0
"""One that lived this long ended by accident: the wait begins anew."""

LOOK_S = 0.1
END_PATIENCE_S = 5.0
TAIL_BYTES = 2000
DENS, LOCK = "twinhelm-mlflow-*", "lock"
KEPT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "PYTHONPATH", "SSL_CERT_FILE")
"""All that the process has of our environment."""


class Tracking:
    """The child and its socket; ``argv`` replaces the program, for tests."""

    def __init__(
        self,
        folder: Path,
        *,
        argv: Sequence[str] = (sys.executable, "-m", "twinhelm.mlops.tracking"),
        clock: Clock | None = None,
        backoff_s: tuple[float, float] = BACKOFF_S,
    ) -> None:
        self.folder = folder.absolute()
        self._argv = argv
        self._clock = clock or SystemClock()
        self._backoff_s = backoff_s
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._closing = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        # Not in the data directory: the path of a socket may have a hundred characters.
        _sweep()
        made = Path(tempfile.mkdtemp(prefix="twinhelm-mlflow."))
        self._lock = (made / LOCK).open("wb")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        # Only now by the name that others sweep: none of these was ever without its lock.
        self._den = made.rename(made.with_name(made.name.replace(".", "-")))
        self.socket = self._den / "socket"
        self.log = self.folder / "server.log"

    @property
    def exists(self) -> bool:
        """Tell whether anybody ever logged here: then it is worth starting with the house."""
        return (self.folder / DATABASE).exists()

    @property
    def ready(self) -> bool:
        """Tell whether it takes calls now."""
        return self._ready.is_set() and not self._closing.is_set()

    @property
    def pid(self) -> int | None:
        """The process, or None while there is none."""
        process = self._process
        return None if process is None else process.pid

    def start(self) -> None:
        """Have it started, in the background; does nothing where it was."""
        with self._starting:
            if self._thread is None and not self._closing.is_set():
                # The child ends with the thread that made it, so this thread stays.
                self._thread = threading.Thread(target=self._keep, name="mlflow", daemon=True)
                self._thread.start()

    def wait_ready(self, timeout_s: float = 30.0) -> None:
        """Start it if need be and wait; raises :class:`Unavailable` with what it said last."""
        self.start()
        if not self._ready.wait(timeout_s):
            raise self.trouble()
        if self._closing.is_set():
            raise Unavailable("MLflow's server side has been closed")

    def trouble(self) -> Unavailable:
        """Make the error that says why it is not there yet."""
        said = self._last_words()
        told = f"MLflow's server side is not ready{f'; it said: {said}' if said else ''}"
        return Unavailable(told, hint=f"try again; all it said is in {self.log}")

    def client(self, *, patience_s: float = 30.0) -> Client:
        """Make a client of it, for the house itself: it passes by the gate."""
        return Client(uds=self.socket, ready=lambda: self.wait_ready(patience_s))

    def backup(self, target: Path) -> None:
        """Write a copy into the folder ``target`` while serving goes on; nothing where none is.

        The database comes first: a file written after it is in the copy too, but no run or
        version in the copy lacks a file that it had.
        """
        if self.exists:
            target.mkdir(parents=True, exist_ok=True, mode=0o700)
            copy_database(self.folder / DATABASE, target / DATABASE)
            unfinished = shutil.ignore_patterns(".artifact.uploading.*")
            shutil.copytree(self.folder / ARTIFACTS, target / ARTIFACTS, ignore=unfinished)

    def close(self) -> None:
        """End it in order, kill it where that takes too long; may be called twice."""
        with self._starting:
            self._closing.set()
            thread = self._thread
        self._ready.set()  # whoever waits hears of it
        process = self._process
        if process is not None:
            process.terminate()
        if thread is not None:
            thread.join(END_PATIENCE_S)
            if thread.is_alive() and process is not None:
                process.kill()
                thread.join()
        shutil.rmtree(self._den, ignore_errors=True)
        self._lock.close()

    def _keep(self) -> None:
        """Start it, wait for its end, and again."""
        shortest_s, longest_s = self._backoff_s
        wait_s = shortest_s
        while not self._closing.is_set():
            born_s = self._clock.monotonic_s()
            try:
                code = self._live()
            except OSError as error:
                code, said = None, str(error)
            else:
                said = self._last_words()
            if self._closing.is_set():
                return
            if self._clock.monotonic_s() - born_s > STEADY_S:
                wait_s = shortest_s
            told = {"status": code, "said": said, "again_in_s": wait_s}
            log.warning("MLflow's server side has ended", extra=told)
            self._closing.wait(wait_s)
            wait_s = min(2 * wait_s, longest_s)

    def _live(self) -> int:
        """Run one process from its start to its end; returns how it ended."""
        (self.folder / ARTIFACTS).mkdir(parents=True, exist_ok=True, mode=0o700)
        self.socket.unlink(missing_ok=True)
        with self.log.open("wb") as said:
            process = subprocess.Popen(  # noqa: S603 - our own program
                [*self._argv, str(self.folder), str(self.socket)],
                stdin=subprocess.PIPE,  # held open: its end is the child's end
                stdout=said,
                stderr=said,
                cwd=self.folder,
                env={name: os.environ[name] for name in KEPT if name in os.environ}
                | {"HOME": str(self.folder), "PYTHONUNBUFFERED": "1", "MALLOC_ARENA_MAX": "2"},
                start_new_session=True,  # Ctrl-C is for us, who then end it in order
            )
        self._process = process
        try:
            while process.poll() is None and not self._closing.is_set():
                if self._ready.is_set():
                    process.wait()
                elif self._listens():
                    self._ready.set()
                else:
                    self._closing.wait(LOOK_S)
            return self._end(process)
        finally:
            with self._starting:
                if not self._closing.is_set():
                    self._ready.clear()
            self._process = None

    def _end(self, process: subprocess.Popen[bytes]) -> int:
        if process.stdin is not None:
            process.stdin.close()
        process.terminate()
        try:
            return process.wait(END_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
            probe.connect(str(self.socket))
            return True
        return False

    def _last_words(self) -> str:
        try:
            said = self.log.read_bytes()[-TAIL_BYTES:].decode(errors="replace")
        except OSError:
            return ""
        return next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "")


def _sweep() -> None:
    """Remove what a killed house of this user left: the system took its lock back."""
    for den in Path(tempfile.gettempdir()).glob(DENS):
        # Nothing happens where its owner lives, or somebody was quicker.
        with suppress(OSError), (den / LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if den.stat().st_uid == os.getuid():
                shutil.rmtree(den, ignore_errors=True)
