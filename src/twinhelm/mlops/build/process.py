"""How did a program end that may run long, fork, hang or talk without end? It always ends.

In: a command line; out: how it ended, and what it said, in a log file of bounded size. It runs in
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

from twinhelm.mlops.build import guard

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
    log: Path,
    limit_s: float,
    beat: Callable[[float, str], None] = lambda seconds, line: None,
    max_log_bytes: int = MAX_LOG_BYTES,
) -> Ended:
    """Run a program in ``folder`` and append both its streams to ``log``.

    ``beat`` is called about five times a second with the seconds gone and the last line written;
    what it raises ends the whole group and passes through.
    """
    ended = log.with_suffix(".ended")
    ended.unlink(missing_ok=True)
    begun = time.monotonic()
    with (
        log.open("ab") as out,
        subprocess.Popen(  # noqa: S603 - a recipe is its maker's program
            [sys.executable, "-IS", guard.__file__, str(ended), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=dict(environment),
            start_new_session=True,
        ) as process,
        selectors.DefaultSelector() as ready,
    ):
        assert process.stdout is not None  # noqa: S101 - it was asked for
        output = process.stdout
        ready.register(output, selectors.EVENT_READ)
        tail, left = b"", max_log_bytes
        try:
            while (seconds := time.monotonic() - begun) < limit_s:
                if ready.select(BEAT_S):
                    if not (chunk := os.read(output.fileno(), 1 << 16)):
                        break
                    tail = (tail + chunk)[-TAIL_BYTES:]
                    if left > 0:
                        out.write(chunk[:left] + (_CUT if len(chunk) >= left else b""))
                        out.flush()
                    left -= len(chunk)
                elif _is_over(process.pid):  # and something that left the group holds the pipe
                    break
                beat(seconds, _last_line(tail))
        finally:
            # Before anybody reaps it: its number is nobody else's until then.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
    took_s = time.monotonic() - begun
    said = ended.read_text(encoding="ascii") if ended.exists() else ""
    killed = -signal.SIGKILL if took_s < limit_s else None
    return Ended(int(said) if said else killed, took_s, _last_line(tail))


def _is_over(pid: int) -> bool:
    options = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, pid, options) is not None


def _last_line(tail: bytes) -> str:
    lines = tail.decode("utf-8", "replace").strip().splitlines()
    return lines[-1].strip()[:500] if lines else ""
