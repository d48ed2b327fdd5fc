"""How does a service break? Real causes in its own process, each with a complete end.

Comes in: ``POST /_lab/defects`` from the stage, and the release's own bugs. Those that concern
requests are met by :meth:`Defects.meet` before the service's own code; the others use up what they
name. Switching one off frees everything that it held.
"""

from __future__ import annotations

import asyncio
import gc
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from twinhelm.lab.shop.runtime.hogs import (
    Burn,
    FillVolume,
    HoldConnections,
    LeakDescriptors,
    LeakMemory,
)
from twinhelm.lab.words import LabError

if TYPE_CHECKING:
    from twinhelm.lab.shop.runtime.service import Service

__all__ = ["KINDS", "Clock", "Defect", "Defects", "Drop", "Fail", "OfRequests", "Slow", "Switch"]


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


class OfRequests(ABC):
    """A defect met by requests whose route begins as given."""

    route = ""

    @abstractmethod
    async def meet(self) -> int:
        """Harm one request; returns the status to fail with, or 0."""

    def end(self) -> None:  # noqa: B027 - most hold nothing
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
        self._met = 0
        self._status = status
        self.route = route

    async def meet(self) -> int:
        """Fail when it is time again."""
        before = self._due()
        self._met += 1
        return self._status if self._due() > before else 0

    def _due(self) -> int:
        """Return how many of the requests met should have failed; sums that round get a hair."""
        return int(self._met * self._ratio + 1e-9)


class Drop(Fail):
    """An exact share of requests gets no answer while the defect lasts."""

    def __init__(self, service: Service, *, ratio: float = 0.5, route: str = "") -> None:
        super().__init__(service, ratio=ratio, route=route, status=503)
        self._over = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def meet(self) -> int:
        """Leave the request hanging; the caller has long gone when it fails."""
        status = await super().meet()
        if status:
            self._loop = asyncio.get_running_loop()
            await self._over.wait()
        return status

    def end(self) -> None:
        """Let go of those that still hang."""
        if self._loop is not None:
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
