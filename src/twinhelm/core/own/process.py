"""How did a program end that may run long, fork, hang or talk without end? It always ends.

In: a command line; out: how it ended, and what it said, as far as a limit. It runs in
a process group of its own under :mod:`.guard`, so that the group ends with it, at its time limit,
when ``beat`` raises, and when this process dies, ``kill -9`` included. Blocks; costs one small
process more and five wake-ups a second.
"""

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from twinhelm.core.own import guard

__all__ = ["MAX_LOG_BYTES", "Ended", "run"]

MAX_LOG_BYTES = 10 << 20
BEAT_S = 0.2
TAIL_BYTES = 4096
_CUT = b"\n... the rest is not kept: the log has reached its limit\n"


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended: its exit code (negative: a signal; None: the time limit), and its last line."""

    code: int | None
    took_s: float
    last_line: str


def run(
    command: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    log: IO[bytes],
    limit_s: float,
    beat: Callable[[float, str], None] = lambda seconds, line: None,
    max_log_bytes: int = MAX_LOG_BYTES,
) -> Ended:
    """Run a program in ``folder`` and write both its streams to ``log``; no other file is made.

    ``beat`` is called about five times a second with the seconds gone and the last line written;
    what it raises ends the whole group and passes through.
    """
    begun = time.monotonic()
    told, tells = os.pipe()
    with os.fdopen(told, "rb") as status:
        try:
            process = subprocess.Popen(  # noqa: S603 - whose program it is, the caller knows
                [sys.executable, "-IS", guard.__file__, str(tells), *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=dict(environment),
                start_new_session=True,
                pass_fds=(tells,),
            )
        finally:
            os.close(tells)

        def each_beat(tail: bytes) -> None:
            beat(time.monotonic() - begun, _last_line(tail))

        with process:
            tail = _follow(process, log, max_log_bytes, begun + limit_s, each_beat)
        said = status.read(16)
    took_s = time.monotonic() - begun
    killed = -signal.SIGKILL if took_s < limit_s else None
    return Ended(int(said) if said else killed, took_s, _last_line(tail))


def _follow(
    process: subprocess.Popen[bytes],
    log: IO[bytes],
    left: int,
    until_s: float,
    beat: Callable[[bytes], None],
) -> bytes:
    """Take down what a program says until it is over, and end its group; returns what came last."""
    assert process.stdout is not None  # noqa: S101 - it was asked for
    output, tail = process.stdout, b""
    with selectors.DefaultSelector() as ready:
        ready.register(output, selectors.EVENT_READ)
        try:
            while time.monotonic() < until_s:
                if ready.select(BEAT_S):
                    if not (chunk := os.read(output.fileno(), 1 << 16)):
                        break
                    tail = (tail + chunk)[-TAIL_BYTES:]
                    if left > 0:
                        log.write(chunk[:left] + (_CUT if len(chunk) >= left else b""))
                        log.flush()
                    left -= len(chunk)
                elif _is_over(process.pid):  # and something that left the group holds the pipe
                    break
                beat(tail)
        finally:
            # Before anybody reaps it: its number is nobody else's until then.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
    return tail


def _is_over(pid: int) -> bool:
    options = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, pid, options) is not None


def _last_line(tail: bytes) -> str:
    lines = tail.decode("utf-8", "replace").strip().splitlines()
    return lines[-1].strip()[:500] if lines else ""
