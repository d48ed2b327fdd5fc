"""How does a service break? Real causes in its own process, each with a complete end.

Comes in: ``POST /_lab/defects`` from the stage, and the release's own bugs. Those that concern
requests are met by :meth:`Defects.meet` before the service's own code; the others use up what they
name. Switching one off frees everything that it held.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import logging
import math
import mmap
import os
import resource
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from twinhelm.lab.words import LabError

if TYPE_CHECKING:
    from twinhelm.lab.shop.runtime.service import Service

__all__ = ["KINDS", "Defect", "Defects"]

MIB = 1 << 20
SPARE_DESCRIPTORS = 40
"""A descriptor leak leaves this many, so that the service can still be asked to end it."""
log = logging.getLogger("shop.defects")


class Defect(Protocol):
    """Something wrong from its making until its end."""

    def end(self) -> None:
        """Give back everything; called once."""


class Defects:
    """What is wrong in one process just now."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._active: dict[str, Defect] = {}

    @property
    def active(self) -> tuple[str, ...]:
        """Names of the defects that are on."""
        return tuple(self._active)

    def on(self, name: str, **given: Any) -> None:
        """Switch a defect on, anew where it is on already.

        Raises :class:`LabError` for a name or an argument that is not known, or where the service
        has nothing of the kind to break.
        """
        if name not in KINDS:
            raise LabError(f"no defect {name!r}", hint=f"known: {', '.join(KINDS)}")
        self.off(name)
        try:
            self._active[name] = KINDS[name](self._service, **given)
        except TypeError as error:
            raise LabError(f"defect {name!r}: {error}") from error

    def off(self, name: str) -> None:
        """Switch a defect off; nothing happens where it is not on."""
        defect = self._active.pop(name, None)
        if defect is not None:
            defect.end()
            del defect
            gc.collect()

    def has(self, name: str) -> bool:
        """Tell whether a defect is on."""
        return name in self._active

    @property
    def clock_offset_s(self) -> float:
        """How far the process's clock is off, in seconds."""
        clock = self._active.get("clock")
        return clock.offset_s if isinstance(clock, Clock) else 0.0

    async def meet(self, route: str) -> int:
        """Let the request defects have their way; returns the status to fail with, or 0."""
        for defect in tuple(self._active.values()):
            if isinstance(defect, OfRequests) and route.startswith(defect.route):
                status = await defect.meet()
                if status:
                    return status
        return 0


class OfThread:
    """A defect that a thread of the process works at, step by step, until its end."""

    def __init__(self, threads: int = 1) -> None:
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]

    def _begin(self) -> None:
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            pause_s = self.step()
            if pause_s and self._stop.wait(pause_s):
                return

    def step(self) -> float:
        """Do a little harm; returns how long to wait until the next, in seconds."""
        raise NotImplementedError

    def end(self) -> None:
        """Stop the threads, and wait until they have."""
        self._stop.set()
        for thread in self._threads:
            thread.join(5.0)


class Burn(OfThread):
    """Computes on so many cores: in Python, where the service waits for it, and beside it."""

    def __init__(self, _service: Service, *, cores: float = 1.0) -> None:
        super().__init__(max(1, math.ceil(cores)))
        self._share = min(1.0, cores / len(self._threads))
        self._block = bytes(4 * MIB)
        self._begin()

    def step(self) -> float:
        """Work some milliseconds, half of them holding the interpreter."""
        began_s = time.perf_counter()
        while time.perf_counter() - began_s < 0.01:
            pow(3, 10_007, 1_000_003)
        hashlib.sha256(self._block).digest()
        busy_s = time.perf_counter() - began_s
        return busy_s * (1 / self._share - 1)


class LeakMemory(OfThread):
    """Keeps ever more memory, up to a limit that spares the machine."""

    def __init__(
        self, _service: Service, *, mb_per_s: float = 5.0, limit_mb: float = 500.0
    ) -> None:
        super().__init__()
        self._every_s = 1.0 / mb_per_s
        self._limit = limit_mb
        # Anonymous maps go back to the system at once when closed, unlike the allocator's heap.
        self._kept: list[mmap.mmap] = []
        self._begin()

    def step(self) -> float:
        """Keep one more MiB, every page of it touched."""
        if len(self._kept) < self._limit:
            block = mmap.mmap(-1, MIB)
            block.write(b"\x5a" * MIB)
            self._kept.append(block)
        return self._every_s

    def end(self) -> None:
        """Give all of it back."""
        super().end()
        for block in self._kept:
            block.close()
        self._kept.clear()


class LeakDescriptors(OfThread):
    """Opens ever more files and closes none, up to just below the process's limit."""

    def __init__(self, _service: Service, *, per_s: float = 5.0) -> None:
        super().__init__()
        self._every_s = 1.0 / per_s
        self._limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_DESCRIPTORS
        self._kept: list[int] = []
        self._begin()

    def step(self) -> float:
        """Open one more."""
        fresh = os.open(os.devnull, os.O_RDONLY)
        if fresh < self._limit:
            self._kept.append(fresh)
        else:
            os.close(fresh)
        return self._every_s

    def end(self) -> None:
        """Close them all."""
        super().end()
        for descriptor in self._kept:
            os.close(descriptor)
        self._kept.clear()


class HoldConnections(OfThread):
    """Takes connections from the database pool as they come free, and keeps them."""

    def __init__(self, service: Service, *, count: int = 5) -> None:
        super().__init__()
        if service.database is None:
            raise LabError(f"{service.name} has no database pool")
        self._engine = service.database.engine
        self._count = count
        self._kept: list[Any] = []
        self._begin()

    def step(self) -> float:
        """Take one more, waiting for it like any other user of the pool."""
        if len(self._kept) < self._count:
            # The wait's end without a connection is the pool's affair; the next step tries again.
            try:
                self._kept.append(self._engine.raw_connection())
            except Exception as error:  # noqa: BLE001 - whatever the driver says, try again
                log.debug("no connection to hold: %s", error)
        return 0.05

    def end(self) -> None:
        """Hand them back."""
        super().end()
        for connection in self._kept:
            connection.close()
        self._kept.clear()


class FillVolume(OfThread):
    """Fills the quota-limited folder with an archive that nobody asked for."""

    def __init__(self, service: Service, *, mb_per_s: float = 0.0) -> None:
        super().__init__()
        if service.volume is None:
            raise LabError(f"{service.name} has no volume")
        self._volume = service.volume
        self._file: Path = self._volume.folder / "archive.old"
        self._per_step = int(mb_per_s * MIB * 0.5)
        self._begin()

    def step(self) -> float:
        """Write what fits, at once or at the rate given."""
        room = self._volume.limit_bytes - self._volume.used_bytes()
        size = min(room, self._per_step) if self._per_step else room
        with self._file.open("ab") as file:
            file.write(bytes(max(0, size)))
        return 0.5

    def end(self) -> None:
        """Delete the archive."""
        super().end()
        self._file.unlink(missing_ok=True)


class OfRequests:
    """A defect met by requests whose route begins as given."""

    route = ""

    async def meet(self) -> int:
        """Harm one request; returns the status to fail with, or 0."""
        raise NotImplementedError

    def end(self) -> None:
        """Nothing is held."""


class Slow(OfRequests):
    """Requests wait before they are served."""

    def __init__(self, _service: Service, *, ms: float = 500.0, route: str = "") -> None:
        self._wait_s = ms / 1_000
        self.route = route

    async def meet(self) -> int:
        """Wait."""
        await asyncio.sleep(self._wait_s)
        return 0


class Fail(OfRequests):
    """An exact share of requests fails, evenly spread."""

    def __init__(
        self, _service: Service, *, ratio: float = 0.5, route: str = "", status: int = 500
    ) -> None:
        self._ratio = ratio
        self._owed = 0.0
        self._status = status
        self.route = route

    async def meet(self) -> int:
        """Fail when it is time again."""
        self._owed += self._ratio
        if self._owed < 1:
            return 0
        self._owed -= 1
        return self._status


class Drop(Fail):
    """An exact share of requests gets no answer while the defect lasts."""

    def __init__(self, service: Service, *, ratio: float = 0.5, route: str = "") -> None:
        super().__init__(service, ratio=ratio, route=route, status=503)
        self._over = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    async def meet(self) -> int:
        """Leave the request hanging; the caller has long gone when it fails."""
        status = await super().meet()
        if status:
            await self._over.wait()
        return status

    def end(self) -> None:
        """Let go of those that still hang."""
        self._loop.call_soon_threadsafe(self._over.set)


class Clock:
    """The process's clock is off, for everything that it signs or checks."""

    def __init__(self, _service: Service, *, offset_s: float = 120.0) -> None:
        self.offset_s = offset_s

    def end(self) -> None:
        """Nothing is held."""


class Switch:
    """A bug of a release, which its own code asks about."""

    def __init__(self, _service: Service) -> None:
        """Nothing to hold."""

    def end(self) -> None:
        """Nothing is held."""


KINDS: Mapping[str, Callable[..., Defect]] = {
    "burn": Burn,
    "leak_memory": LeakMemory,
    "leak_descriptors": LeakDescriptors,
    "hold_connections": HoldConnections,
    "fill_volume": FillVolume,
    "slow": Slow,
    "fail": Fail,
    "drop": Drop,
    "clock": Clock,
    "gold_discount": Switch,
}
"""Makers of defects by name; each takes the service and its own keyword arguments."""
