"""The words of advice: what people did, what was wrong meanwhile, and the toil found in it.

Times are epoch ms, effort is hours of people's time. Nothing here was asked of anybody: hours come
of when somebody first touched a thing and when it was over, or of the guesses below, and each
piece of advice says which.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from twinhelm.aiops.automate.match import Case
from twinhelm.aiops.automate.repair import Repair
from twinhelm.aiops.automate.runbook import Runbook
from twinhelm.core.telemetry import Change

__all__ = [
    "CHORE_HOURS", "DAY_MS", "HOUR_MS", "LATE_HOURS", "LEAST_DAYS", "PAGE_HOURS", "Deed",
    "Discipline", "Draft", "Finder", "Firing", "Found", "Past", "Seen", "days_of",
]  # fmt: skip

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
LEAST_DAYS = 3
"""What did not happen on three days is no habit, and is not spoken of."""
CHORE_HOURS = 1 / 6
"""A command outside any incident: ten minutes with what it interrupts."""
PAGE_HOURS = 1 / 12
"""A page that nobody acts on: five minutes to look and to come back to the work."""
LATE_HOURS = 0.5
"""A late pipeline: half an hour of somebody who looks, starts it again and tells who waits."""


class Discipline(StrEnum):
    """Whose job it is. MACHINES: AIOps automates them. PROCESSES: MLOps standardises them."""

    MACHINES = "machines"
    PROCESSES = "processes"


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that a person did: a command, a ticket, a note, or an act in this house.

    ``hours`` is 0 where nobody said how long it took.
    """

    time_ms: int
    who: str
    text: str
    entity: str
    kind: str
    hours: float = 0.0


@dataclass(frozen=True, slots=True)
class Past:
    """An incident that is over or lasts: its case as runbooks see it, and what people did.

    ``shows`` is the metric or alert that it shows in, ``people`` whoever touched it, ``hours``
    their time: from the first touch to the end, at most four.
    """

    case: Case
    entity: str
    shows: str
    deeds: tuple[Deed, ...]
    people: tuple[str, ...]
    hours: float

    @property
    def ref(self) -> str:
        """How the records name it."""
        return f"incident/{self.case.incident.id}"

    @property
    def time_ms(self) -> int:
        """When it began."""
        return self.case.incident.started_ms


@dataclass(frozen=True, slots=True)
class Firing:
    """One time that somebody's rule fired; ``acted`` tells whether a person did anything."""

    name: str
    entity: str
    start_ms: int
    end_ms: int | None
    acted: bool
    booked: bool
    """Whether its annotations name a runbook."""


@dataclass(frozen=True, slots=True)
class Seen:
    """All that is looked at; ``deeds`` are those outside incidents, everything by time."""

    since_ms: int
    until_ms: int
    pasts: tuple[Past, ...] = ()
    deeds: tuple[Deed, ...] = ()
    firings: tuple[Firing, ...] = ()
    changes: tuple[Change, ...] = ()
    repairs: tuple[Repair, ...] = ()

    @property
    def months(self) -> float:
        """How long that is, in months of thirty days; at least a week, so that rates stay sane."""
        return max(self.until_ms - self.since_ms, 7 * DAY_MS) / (30 * DAY_MS)


@dataclass(frozen=True, slots=True)
class Draft:
    """Something to begin with: ``kind`` is runbook, rule, workflow, schedule or command.

    ``file`` is what to call it; ``runbook`` is what it reads as, where it is one.
    """

    kind: str
    file: str
    text: str
    runbook: Runbook | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One piece of toil. ``key`` is the same over time, ``kind`` the source that it shows in.

    ``same`` is the share of ``times`` that had the same answer; ``saved`` the share of ``hours``
    that the draft would have saved, as tried on the past; ``risk`` of automating it in [0, 1].
    ``covered`` are what it would have run on; ``right`` the incidents where its repair helped.
    Reasons are a sentence and its weight.
    """

    key: str
    kind: str
    subject: str
    text: str
    times: Sequence[int]
    people: Collection[str]
    hours: float
    same: float
    saved: float
    risk: float
    says_for: Sequence[tuple[str, float]] = ()
    says_against: Sequence[tuple[str, float]] = ()
    draft: Draft | None = None
    covered: Sequence[str] = ()
    right: Sequence[str] = ()


Finder = Callable[[Seen], Iterator[Found]]


def days_of(times: Sequence[int]) -> int:
    """Count the days (UTC) on which something happened; a storm of one night is one.

    >>> days_of([0, 1000, 86_400_000])
    2
    """
    return len({time_ms // DAY_MS for time_ms in times})
