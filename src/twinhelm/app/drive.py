"""Moves the clock of a driven server, and does on the way what falls due.

In: the time it is to be. On the way there every tick that falls between is taken, ``detect.tick_s``
apart from the first move on, and after each the chores that are due; nothing of a driven house
judges by itself. So the same requests in the same order give the same incidents. The first move
sets the time and takes no tick.

Wrong where requests and moves come at once from several senders: then their order is chance.
"""

import threading
from dataclasses import dataclass, field

from twinhelm.aiops.flow.housekeeping import Housekeeping
from twinhelm.aiops.flow.watch import Watch
from twinhelm.core.clock import DrivenClock
from twinhelm.core.errors import BadInput, Unavailable

__all__ = ["MOST_TICKS", "Drive", "Moved"]

MOST_TICKS = 1_000_000
"""So many ticks one move may take: eleven days of seconds."""


@dataclass(frozen=True, slots=True)
class Moved:
    """Where the clock stands now, how many ticks were taken, how many samples they judged."""

    now_ms: int
    ticks: int
    judged: int


@dataclass(slots=True)
class Drive:
    """The hand on the clock; one mover at a time, the next one waits."""

    clock: DrivenClock
    watch: Watch
    housekeeping: Housekeeping
    tick_s: float
    stopping: threading.Event
    _next_ms: float | None = None
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def move_to(self, now_ms: int) -> Moved:
        """Move the clock and do all that falls due on the way.

        Raises :class:`Conflict` for a time in its past, :class:`BadInput` for more than
        ``MOST_TICKS`` at once, and what a tick raises; then the clock stands at that tick, which
        the next move takes again.
        """
        with self._turn:
            if self._next_ms is None:
                self.clock.move_to(now_ms)
                self.housekeeping.do_due()
                self._next_ms = now_ms + self.tick_s * 1000
                return Moved(now_ms, 0, 0)
            step_ms = self.tick_s * 1000
            if now_ms - self._next_ms >= MOST_TICKS * step_ms:
                said = f"moving to {now_ms} ms would take more than {MOST_TICKS:,} ticks"
                raise BadInput(said, hint="move in smaller steps")
            ticks = judged = 0
            while self._next_ms <= now_ms:
                if self.stopping.is_set():
                    raise Unavailable("the server is being stopped")
                self.clock.move_to(int(self._next_ms))
                judged += self.watch.tick()
                self.housekeeping.do_due()
                self._next_ms += step_ms
                ticks += 1
            self.clock.move_to(now_ms)
            return Moved(now_ms, ticks, judged)

    def finish(self) -> None:
        """Do what comes last, once ``stopping`` is set and the move under way has ended."""
        with self._turn:
            # Told to stop already, both do no more than that.
            self.watch.run(self.stopping)
            self.housekeeping.run(self.stopping)
