"""The one door for time: every room takes a :class:`Clock`, tests bring one that they move."""

import time
from typing import Protocol

__all__ = ["Clock", "FakeClock", "SystemClock"]


class Clock(Protocol):
    """What time it is, and how much of it has passed."""

    def now_ms(self) -> int:
        """UTC epoch milliseconds; may step when the system clock is set."""
        return self.now_ns() // 1_000_000

    def now_ns(self) -> int:
        """UTC epoch nanoseconds; may step when the system clock is set."""

    def monotonic_s(self) -> float:
        """Seconds since some fixed point; never steps back."""


class SystemClock(Clock):
    """The machine's clock."""

    def now_ns(self) -> int:
        """See :meth:`Clock.now_ns`."""
        return time.time_ns()  # noqa: TID251 - this is the door

    def monotonic_s(self) -> float:
        """See :meth:`Clock.monotonic_s`."""
        return time.monotonic()


class FakeClock(Clock):
    """A clock that stands still until :meth:`advance` is called.

    >>> clock = FakeClock(1_000)
    >>> clock.advance(2.5)
    >>> clock.now_ms()
    3500
    """

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._ns = now_ms * 1_000_000

    def advance(self, seconds: float) -> None:
        """Move forward (or, to test a stepped clock, back) by ``seconds``."""
        self._ns += round(seconds * 1e9)

    def now_ns(self) -> int:
        """See :meth:`Clock.now_ns`."""
        return self._ns

    def monotonic_s(self) -> float:
        """See :meth:`Clock.monotonic_s`."""
        return self._ns / 1e9
