"""The stage's side of the nursery: spawns processes, hears of their end.

In: names and arguments. Out: process ids, and for each process one call with its status when it
ended. All in one event loop; the thread that calls :meth:`Children.open` must stay, since its
death ends every process.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import orjson

from twinhelm.lab.words import LabError

__all__ = ["Children"]

PATIENCE_S = 10.0
Ended = Callable[[int], None]
"""Called with an exit status, or minus the number of the signal that killed it."""


class Children:
    """A nursery and what it has forked. ``lost`` is called when it ended by itself."""

    def __init__(self, lost: Callable[[], None]) -> None:
        self._lost = lost
        self._asked: deque[tuple[asyncio.Future[int], Ended]] = deque()
        self._living: dict[int, Ended] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the nursery itself."""
        return self._process.pid if self._process else None

    async def open(self, output: Path) -> None:
        """Start the nursery; what it says of itself goes to ``output``."""
        ours, theirs = socket.socketpair()
        with theirs, output.open("ab") as said:
            self._process = subprocess.Popen(  # noqa: ASYNC220, S603 - milliseconds; our own program
                [sys.executable, "-m", "twinhelm.lab.stage.nursery", str(theirs.fileno())],
                stdin=subprocess.PIPE,  # held open: its end is our end, for all forks
                stdout=said,
                stderr=said,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # so that Ctrl-C reaches the stage alone
                # One thread for numpy, too: the processes share the machine.
                env={**os.environ, "PYTHONUNBUFFERED": "1", "OPENBLAS_NUM_THREADS": "1"},
            )
        reader, self._writer = await asyncio.open_connection(sock=ours)
        self._listening = asyncio.create_task(self._listen(reader))

    async def spawn(self, name: str, arguments: list[str], output: Path, ended: Ended) -> int:
        """Fork a process and return its id; raises :class:`LabError` where the nursery is gone."""
        if self._writer is None or self._writer.is_closing():
            raise LabError(f"{name} cannot start: the nursery has ended")
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._asked.append((answer, ended))
        asked = {"name": name, "arguments": arguments, "output": str(output)}
        self._writer.write(orjson.dumps(asked) + b"\n")
        return await answer

    async def close(self) -> None:
        """End the nursery, and with it whatever it still has; idempotent."""
        process, self._process = self._process, None
        if self._listening:
            self._listening.cancel()
        if self._writer:
            self._writer.close()
            with suppress(OSError):
                await self._writer.wait_closed()
        if process is None:
            return
        try:
            await asyncio.to_thread(process.wait, PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)
        if process.stdin:
            process.stdin.close()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        with suppress(OSError):
            while line := await reader.readline():
                said = orjson.loads(line)
                if "pid" in said:
                    answer, ended = self._asked.popleft()
                    self._living[said["pid"]] = ended
                    if not answer.done():
                        answer.set_result(said["pid"])
                else:
                    self._living.pop(said["gone"])(said["status"])
        if self._writer:
            self._writer.close()
        while self._asked:
            answer, _ = self._asked.popleft()
            if not answer.done():
                answer.set_exception(LabError("the nursery has ended"))
        self._lost()
        while self._living:  # they die with the nursery
            self._living.popitem()[1](-signal.SIGKILL)
