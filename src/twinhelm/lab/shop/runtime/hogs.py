"""What uses a process up? Threads that take processor, memory, descriptors, connections, room.

Each begins when it is made and gives everything back when it ends; see :mod:`.defects`.
"""

from __future__ import annotations

import hashlib
import logging
import math
import mmap
import os
import resource
import threading
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twinhelm.lab.words import LabError

if TYPE_CHECKING:
    from twinhelm.lab.shop.runtime.service import Service

__all__ = [
    "ARCHIVE",
    "SPARE_DESCRIPTORS",
    "Burn",
    "FillVolume",
    "HoldConnections",
    "LeakDescriptors",
    "LeakMemory",
    "OfThread",
]

MIB = 1 << 20
ARCHIVE = "archive.old"
"""What fills a volume."""
SPARE_DESCRIPTORS = 40
"""A descriptor leak leaves this many, so that the service can still be asked to end it."""
log = logging.getLogger("shop.hogs")


class OfThread(ABC):
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

    @abstractmethod
    def step(self) -> float:
        """Do a little harm; returns how long to wait until the next, in seconds."""

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
    """Fills the quota-limited folder with an archive that nobody asked for.

    A restart does not help: the archive stays, and shipping takes the defect up again. Who deletes
    an archive that is written at once has repaired it.
    """

    def __init__(self, service: Service, *, mb_per_s: float = 0.0) -> None:
        super().__init__()
        if service.volume is None:
            raise LabError(f"{service.name} has no volume")
        self._volume = service.volume
        self._file: Path = self._volume.folder / ARCHIVE
        self._per_step = int(mb_per_s * MIB * 0.5)
        self._written = False
        self._begin()

    def step(self) -> float:
        """Write what fits, at once or at the rate given."""
        if self._written and not self._per_step and not self._file.exists():
            return 0.5
        self._written = True
        room = self._volume.limit_bytes - self._volume.used_bytes()
        size = min(room, self._per_step) if self._per_step else room
        with self._file.open("ab") as file:
            file.write(bytes(max(0, size)))
        return 0.5

    def end(self) -> None:
        """Delete the archive."""
        super().end()
        self._file.unlink(missing_ok=True)
