"""Judges how good the alerts of a range were, which were noise, and what would mend that.

In: what became of each incident; out: a :class:`Quality`. An incident is actionable where a
person or a repair did something about it. What a group of incidents needs is read off its numbers:
each finding names the setting or deed that mends it. Times are medians and 90th percentiles in
seconds, NaN where nothing was acknowledged or resolved. Pure.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Column", "Group", "Lived", "Quality", "judged"]

STEPS = 30
MOST = 12
LEAST = 3
"""Fewer incidents than this say nothing of a rule."""
SHORT_S, LATE_S = 300.0, 900.0
HOUR_MS, DAY_MS = 3_600_000, 86_400_000


@dataclass(frozen=True, slots=True)
class Lived:
    """One incident; times in epoch ms, None where it did not happen.

    ``acted``: a person acknowledged, resolved or remarked, or a repair ran. ``flaps`` counts how
    often it came back; ``rule`` is the metric or alert that raised it.
    """

    opened_ms: int
    taken_ms: int | None
    resolved_ms: int | None
    acted: bool
    repaired: bool
    flaps: int
    severity: str
    rule: str
    entity: str

    @property
    def taken_s(self) -> float | None:
        """How long it waited for somebody to take it."""
        return None if self.taken_ms is None else (self.taken_ms - self.opened_ms) / 1000

    @property
    def lasted_s(self) -> float | None:
        """How long it lasted."""
        return None if self.resolved_ms is None else (self.resolved_ms - self.opened_ms) / 1000


@dataclass(frozen=True, slots=True)
class Column:
    """One step of the range: how many began, how many of these were acted on, how soon taken."""

    start_ms: int
    opened: int
    acted: int
    taken_s: float


@dataclass(frozen=True, slots=True)
class Group:
    """What one rule, or one entity, raised; ``fix`` says what would make it better."""

    of: str
    name: str
    opened: int
    share: float
    actionable: float
    flaps: int
    lasted_s: float
    fix: str


@dataclass(frozen=True, slots=True)
class Quality:
    """The whole judgement; ``groups`` are the noisiest first."""

    start_ms: int
    end_ms: int
    opened: int
    per_day: float
    critical: int
    over: int
    actionable: float
    taken_s: float
    taken_p90_s: float
    resolved_s: float
    resolved_p90_s: float
    columns: tuple[Column, ...]
    groups: tuple[Group, ...]


def judged(lived: Sequence[Lived], start_ms: int, end_ms: int) -> Quality:
    """Judge the incidents that began in a range."""
    total = max(end_ms - start_ms, 1)
    taken, lasted = [one.taken_s for one in lived], [one.lasted_s for one in lived]
    steps: list[list[Lived]] = [[] for _ in range(STEPS)]
    for one in lived:
        steps[min(max((one.opened_ms - start_ms) * STEPS // total, 0), STEPS - 1)].append(one)
    columns = tuple(
        Column(start_ms + at * total // STEPS, len(own), sum(one.acted for one in own),
               _quantile(one.taken_s for one in own))
        for at, own in enumerate(steps)
    )  # fmt: skip
    return Quality(
        start_ms, end_ms, len(lived), len(lived) * DAY_MS / total,
        sum(one.severity == "critical" for one in lived),
        sum(each is not None for each in lasted), _share(one.acted for one in lived),
        _quantile(taken), _quantile(taken, 0.9), _quantile(lasted), _quantile(lasted, 0.9),
        columns, (*_groups("rule", lived), *_groups("entity", lived)),
    )  # fmt: skip


def _groups(of: str, lived: Sequence[Lived]) -> list[Group]:
    found: dict[str, list[Lived]] = defaultdict(list)
    for one in lived:
        found[getattr(one, of)].append(one)

    def noise(name: str) -> tuple[int, str]:
        return -sum((not one.acted) + one.flaps for one in found[name]), name

    return [
        Group(of, name, len(own), len(own) / len(lived), _share(one.acted for one in own),
              sum(one.flaps for one in own), _quantile(one.lasted_s for one in own), _fix(of, own))
        for name, own in ((name, found[name]) for name in sorted(found, key=noise)[:MOST])
    ]  # fmt: skip


def _fix(of: str, own: Sequence[Lived]) -> str:
    """Say what would make a group better, the plainest first; empty where nothing speaks for it."""
    if (opened := len(own)) < LEAST:
        return ""
    flaps, acted = sum(one.flaps for one in own), _share(one.acted for one in own)
    lasted_s, taken_s = (_quantile(each) for each in
                         ((one.lasted_s for one in own), (one.taken_s for one in own)))  # fmt: skip
    hours = Counter(one.opened_ms // HOUR_MS % 24 for one in own)
    hour, often = min(hours.items(), key=lambda each: (-each[1], each[0]))
    if often >= max(LEAST, 0.7 * opened):
        return (
            f"{often} of {opened} began between {hour:02d}:00 and {(hour + 1) % 24:02d}:00 UTC: "
            "if that is planned work, plan a maintenance window"
        )
    if flaps > opened:
        return f"it came back {flaps} times: let it last longer before it counts, or mend it"
    if acted <= 0.2 and lasted_s <= SHORT_S:
        return (
            f"nobody acted and half ended by themselves within {lasted_s / 60:.0f} min: raise "
            "its threshold, let it last longer, or send it to a digest"
        )
    if acted <= 0.2:
        return "nobody acts on it: give it an owner and a runbook, or send it to a digest"
    if _share(one.repaired for one in own) >= 0.5:
        return "the same repair ran for most of them: let its runbook act, and mend the cause"
    if taken_s > LATE_S:
        wait = f"half wait more than {taken_s / 60:.0f} min to be taken"
        return f"{wait}: route it to who is on call, with an escalation"
    return "people act on it each time: give it a runbook" if of == "rule" else ""


def _quantile(values: Iterable[float | None], share: float = 0.5) -> float:
    known = [value for value in values if value is not None]
    return float(np.quantile(known, share)) if known else float("nan")


def _share(held: Iterable[bool]) -> float:
    known = list(held)
    return sum(known) / len(known) if known else float("nan")
