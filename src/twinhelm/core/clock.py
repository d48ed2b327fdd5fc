"""The one door for time: every room takes a :class:`Clock`, tests bring one that they move."""

import time
from typing import Protocol

from twinhelm.core.errors import Conflict

__all__ = ["Clock", "DrivenClock", "FakeClock", "SystemClock"]


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


class DrivenClock(Clock):
    """A clock that stands still until somebody moves it; never back. For replays.

    >>> clock = DrivenClock(1_000)
    >>> clock.move_to(2_500)
    >>> clock.monotonic_s()
    2.5
    """

    def __init__(self, now_ms: int = 0) -> None:
        self._ns = now_ms * 1_000_000

    def move_to(self, now_ms: int) -> None:
        """Make it ``now_ms``; raises :class:`Conflict` where that is in its past."""
        if now_ms < self.now_ms():
            said = f"the clock stands at {self.now_ms()} ms and cannot go back to {now_ms} ms"
            raise Conflict(said, hint="start a server on an empty data directory to replay again")
        self._ns = now_ms * 1_000_000

    def now_ns(self) -> int:
        """See :meth:`Clock.now_ns`."""
        return self._ns

    def monotonic_s(self) -> float:
        """See :meth:`Clock.monotonic_s`."""
        return self._ns / 1e9


class FakeClock(DrivenClock):
    """A driven clock for tests: moved by seconds, and back too.

    >>> clock = FakeClock(1_000)
    >>> clock.advance(2.5)
    >>> clock.now_ms()
    3500
    """

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        super().__init__(now_ms)

    def advance(self, seconds: float) -> None:
        """Move forward (or, to test a stepped clock, back) by ``seconds``."""
        self._ns += round(seconds * 1e9)
