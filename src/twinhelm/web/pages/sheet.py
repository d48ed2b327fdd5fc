"""What the builder of one page is given: the house, who looks, what the address asks."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from starlette.requests import Request

from twinhelm.web.pages.drawing import Drawer
from twinhelm.web.pages.visitor import Visitor

if TYPE_CHECKING:
    from twinhelm.app import House

__all__ = ["RANGES", "Kept", "Sheet"]

MINUTE_MS = 60_000
RANGES: dict[str, int] = {
    "15m": 15 * MINUTE_MS,
    "1h": 60 * MINUTE_MS,
    "6h": 360 * MINUTE_MS,
    "24h": 1440 * MINUTE_MS,
    "7d": 7 * 1440 * MINUTE_MS,
    "30d": 30 * 1440 * MINUTE_MS,
}
"""The lengths of time that the header offers."""

MAX_TEXT = 4096
LATEST_MS = 253_402_300_799_000


class Kept(Protocol):
    """A part of the page that is to be kept true once the page stands."""

    def keep(self) -> None:
        """Begin."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """See the module."""

    house: House
    visitor: Visitor
    drawer: Drawer
    request: Request
    lives: list[Kept] = field(default_factory=list)

    def asked(self, name: str, usual: str = "") -> str:
        """Return a parameter of the address, cut to a sane length."""
        return self.request.query_params.get(name, usual)[:MAX_TEXT]

    @property
    def range_name(self) -> str:
        """Name the length of time that the page shows."""
        said = self.asked("range")
        return said if said in RANGES else "1h"

    @property
    def fixed(self) -> tuple[int, int] | None:
        """Return the range ``from``..``to`` that the address pins, in ms; None where it moves."""
        start, end = self.asked("from"), self.asked("to")
        if not (re.fullmatch(r"\d{1,15}", start) and re.fullmatch(r"\d{1,15}", end)):
            return None
        low, high = int(start), min(int(end), LATEST_MS)
        return (low, high) if 0 < high - low <= 400 * 86_400_000 else None

    def range(self) -> tuple[int, int]:
        """Return the range to show now, in ms."""
        if self.fixed is not None:
            return self.fixed
        now = self.house.clock.now_ms()
        return now - RANGES[self.range_name], now
