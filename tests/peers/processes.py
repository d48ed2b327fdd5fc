"""Real processes on loopback: started, waited for, ended by their own id, and awaited."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path

import httpx

__all__ = ["Peer", "answers", "family", "free_port", "gone"]


PORTS = range(10_000, 20_000)
"""Below those that systems give to outgoing connections (from 32768 on Linux) and below the
lab's, so that nobody takes a port before its program is up, or while it is being restarted."""


def _ports_of_this_process() -> Iterator[int]:
    """Go round an equal share of the ports, from some place on: other runs may be under way."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    mine = PORTS[worker :: int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))]
    return islice(cycle(mine), os.getpid() * 97 % len(mine), None)


_ports = _ports_of_this_process()


def free_port() -> int:
    """Find a port of 127.0.0.1 that is free, and was not given to another test of this run."""
    return next(port for port in _ports if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def answers(url: str) -> Callable[[], bool]:
    """Make a probe that is true once GET ``url`` answers 200."""

    def probe() -> bool:
        try:
            return httpx.get(url, timeout=2.0, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    return probe


def family(pid: int) -> set[tuple[int, str]]:
    """Find what a process started, and what those did, as far as they live: pid and birth."""
    parents = {
        int(each.name): stat for each in Path("/proc").glob("[0-9]*") if (stat := _stat(each))
    }
    found, new = set(), {pid}
    while new := {each for each, stat in parents.items() if int(stat[1]) in new} - found:
        found |= new
    return {(each, parents[each][19]) for each in found}


def gone(process: tuple[int, str]) -> bool:
    """Tell whether one of a :func:`family` has ended, although nobody may have reaped it."""
    stat = _stat(Path("/proc") / str(process[0]))
    return not stat or stat[19] != process[1] or stat[0] == "Z"


def _stat(process: Path) -> list[str]:
    """Read what follows the name in ``/proc/PID/stat``: state, parent, ...; empty for none."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


class Peer:
    """One running program. ``url`` is its address; ``log`` what it wrote.

    ``ready`` is asked until it is true or ``patience_s`` is over; then the test fails with the
    end of the log.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        url: str,
        log: Path,
        ready: Callable[[], bool],
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        cwd: Path | None = None,
        stop_signal: int = signal.SIGTERM,
        patience_s: float = 30.0,
    ) -> None:
        self.argv = list(argv)
        self.url = url
        self.log_path = log
        self._ready = ready
        self._env = {**os.environ, **(env or {})}
        self._user = user
        self._cwd = cwd
        self._stop_signal = stop_signal
        self._patience_s = patience_s
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """Everything the program wrote so far, both streams."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    @property
    def pid(self) -> int:
        """The process id; fails when the program is not running."""
        assert self._process is not None, f"{self.argv[0]} is not running"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Peer:
        """Start the program and wait until it is ready; fails with its log when it is not."""
        assert not self.running, f"{self.argv[0]} is running already"
        with self.log_path.open("ab") as out:
            self._process = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=self._env,
                cwd=self._cwd,
                user=self._user,
            )
        deadline = time.monotonic() + self._patience_s
        while not self._ready():
            code = self._process.poll()
            if code is not None or time.monotonic() > deadline:
                self.kill9()
                state = f"ended with {code}" if code is not None else "did not become ready"
                raise AssertionError(f"{' '.join(self.argv)} {state}:\n{self.log[-4000:]}")
            time.sleep(0.05)
        return self

    def stop(self, *, patience_s: float = 20.0) -> int:
        """Ask the process to end, wait, and return its exit status; kill it when it will not."""
        if self._process is None:
            return 0
        process, self._process = self._process, None
        if process.poll() is None:
            process.send_signal(self._stop_signal)
        try:
            return process.wait(patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(
                f"{self.argv[0]} did not end within {patience_s} s:\n{self.log[-4000:]}"
            ) from None

    def kill9(self) -> None:
        """End the process at once, as a crash would, and wait until it is gone."""
        if self._process is not None:
            process, self._process = self._process, None
            process.kill()
            process.wait()

    def restart(self) -> Peer:
        """Stop (where it runs) and start again: same port, same data."""
        self.stop()
        return self.start()
