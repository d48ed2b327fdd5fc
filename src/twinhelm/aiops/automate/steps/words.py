"""What is an actor, when must it end, and what does it say then? The words of all steps.

An actor stands behind the ``do`` of a step. It is asked in this order: what is wrong with the
arguments as they are written (:meth:`Actor.faults`), put the incident's values in
(:meth:`Actor.fill`), what of it this house does not let it do (:meth:`Actor.barred`), say exactly
what would happen (:meth:`Actor.tell`), do it (:meth:`Actor.act`). Nothing but :meth:`Actor.act`
touches the world, and it asks :meth:`Actor.barred` once more.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = ["BEAT_S", "Actor", "Arguments", "Limit", "Outcome"]

BEAT_S = 0.1
"""How often a deed under way looks whether it must end."""

Arguments = Mapping[str, Any]
"""What a step says beside ``do``: JSON values, strings of which may hold ``{parameters}``."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a deed ended: whether it did what it should, in words, and what its undo must know.

    ``text`` is bounded, holds no secret and no control character; it may hold anything else that
    the world said, so whoever shows it escapes it. ``facts`` are JSON values.
    """

    ok: bool
    text: str
    facts: Mapping[str, Any] = field(default_factory=dict)


class Limit:
    """How long a deed may take, and whether somebody wants it ended.

    ``ended`` gives the reason to end, or nothing; it is asked ten times a second, from the thread
    of the deed. What it raises ends the deed too, and passes through. Time is the machine's own,
    whatever a replay is told: a process does not run faster there.
    """

    def __init__(self, seconds: float, ended: Callable[[], str] = lambda: "") -> None:
        self._seconds = seconds
        self._until_s = time.monotonic() + seconds
        self._ended = ended

    @property
    def left_s(self) -> float:
        """How many seconds are left; 0 when they are over."""
        return max(0.0, self._until_s - time.monotonic())

    def over(self) -> str:
        """Say why the deed must end now, or nothing."""
        if reason := self._ended():
            return reason
        return "" if self.left_s else f"it took longer than {self._seconds:g} s"

    def wait(self, seconds: float) -> bool:
        """Let time pass; False where the deed had to end before."""
        until_s = time.monotonic() + seconds
        pause = threading.Event()
        while not self.over():
            if (left_s := until_s - time.monotonic()) <= 0:
                return True
            pause.wait(min(left_s, BEAT_S))
        return False


class Actor(Protocol):
    """One kind of deed."""

    @property
    def name(self) -> str:
        """What stands behind ``do``."""

    def faults(self, arguments: Arguments) -> list[str]:
        """List what is wrong with arguments as they are written, whatever house they run in."""

    def fill(self, arguments: Arguments, values: Mapping[str, str]) -> dict[str, Any]:
        """Put values into the places that ``{name}`` holds, so that each stays one value there.

        Raises :class:`~twinhelm.core.errors.BadInput` for a value that is absent, or that would
        mean more than itself where it is to stand.
        """

    def barred(self, arguments: Arguments) -> list[str]:
        """List why this house does not let filled arguments happen: what it forbids or lacks."""

    def changes(self, arguments: Arguments) -> bool:
        """Tell whether arguments, as written, alter anything; if so their step needs an undo."""

    def repeatable(self, arguments: Arguments) -> bool:
        """Tell whether doing it twice is as good as once."""

    def dangerous(self, arguments: Arguments) -> bool:
        """Tell whether four eyes should look before it is done."""

    def tell(self, arguments: Arguments) -> str:
        """Say in one sentence what filled arguments would do, to the letter."""

    def reach(self, arguments: Arguments) -> tuple[str, ...]:
        """Name the entities that filled arguments touch."""

    def act(self, arguments: Arguments, limit: Limit) -> Outcome:
        """Do it. A deed that fails is an outcome; only what ``limit`` raises is raised."""
