"""A proxy on one edge of the shop, which can be made slow or lossy.

Bytes pass from ``port`` to ``target``. ``delay_ms`` holds back what goes towards the target;
``loss`` is the share of chunks, either way, that are lost: the receiver waits as TCP does, 200 ms
and then twice as long for each further loss, and the connection breaks after five.

Wrong in that it loses what one read returned, not single packets.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import Any

from twinhelm.lab.plan import LOOPBACK

__all__ = ["Edge"]

CHUNK = 65536
RETRY_S = 0.2
RETRIES = 5


class Edge:
    """The proxy; ``delay_ms`` and ``loss`` (0-1) may be set at any time. ``dice`` decides luck."""

    def __init__(self, port: int, target: int, dice: random.Random | None = None) -> None:
        self.delay_ms = 0.0
        self.loss = 0.0
        self._port = port
        self._target = target
        self._dice = dice or random.Random()  # noqa: S311 - bad luck, no secret
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[Any] | None] = set()

    async def start(self) -> None:
        """Listen; raises OSError where the port is taken."""
        self._server = await asyncio.start_server(self._connected, LOOPBACK, self._port)

    async def stop(self) -> None:
        """Close the port and every connection; idempotent."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        tasks = [task for task in self._open if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._open.add(task)
        try:
            await self._carry(reader, writer)
        except* OSError:
            pass  # one side has gone; the other hears of it below
        except* asyncio.CancelledError:
            pass  # by ``stop``; asyncio would log it
        finally:
            writer.close()
            self._open.discard(task)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(LOOPBACK, self._target)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass_on(reader, far_writer, there=True))
                both.create_task(self._pass_on(far_reader, writer, there=False))
        finally:
            far_writer.close()

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, there: bool
    ) -> None:
        while chunk := await reader.read(CHUNK):
            wait_s = self.delay_ms / 1000 if there else 0.0
            for lost in range(RETRIES):
                if self._dice.random() >= self.loss:
                    break
                wait_s += RETRY_S * 2**lost
            else:
                raise ConnectionResetError("lost too often")
            if wait_s:
                await asyncio.sleep(wait_s)
            writer.write(chunk)
            await writer.drain()
        with suppress(OSError):
            writer.write_eof()
