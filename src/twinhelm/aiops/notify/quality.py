"""Judges how good the alerts of a range were, which were noise, and what would mend that.

In: one row an incident, as columns; out: a :class:`Quality`. An incident is actionable where a
person or a repair did something about it. What a group of incidents needs is read off its numbers:
each finding names the setting or deed that mends it. Times are medians and 90th percentiles in
seconds, NaN where nothing was acknowledged or resolved. Pure, one pass over arrays.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twinhelm.core.arrays import BOOL, F64, I64, Array

__all__ = ["Column", "Group", "Incidents", "Quality", "judged"]

STEPS = 30
MOST = 12
LEAST = 3
"""Fewer incidents than this say nothing of a rule."""
SHORT_S, LATE_S = 300.0, 900.0
HOUR_MS, DAY_MS = 3_600_000, 86_400_000


@dataclass(frozen=True, slots=True)
class Incidents:
    """Columns of one length (n,): times in epoch ms, NaN where it did not happen.

    ``acted``: a person acknowledged, resolved or remarked, or a repair ran. ``flaps`` counts how
    often it came back; ``rule`` is the metric or alert that raised it.
    """

    opened_ms: F64
    taken_ms: F64
    resolved_ms: F64
    acted: BOOL
    repaired: BOOL
    flaps: I64
    severity: Sequence[str]
    rule: Sequence[str]
    entity: Sequence[str]


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


def judged(rows: Incidents, start_ms: int, end_ms: int) -> Quality:
    """Judge the incidents that began in a range."""
    taken = (rows.taken_ms - rows.opened_ms) / 1000
    lasted = (rows.resolved_ms - rows.opened_ms) / 1000
    over = np.isfinite(lasted)
    count, total = len(taken), max(end_ms - start_ms, 1)
    return Quality(
        start_ms=start_ms,
        end_ms=end_ms,
        opened=count,
        per_day=count * DAY_MS / total,
        critical=sum(one == "critical" for one in rows.severity),
        over=int(over.sum()),
        actionable=float(rows.acted.mean()) if count else float("nan"),
        taken_s=_quantile(taken, 0.5),
        taken_p90_s=_quantile(taken, 0.9),
        resolved_s=_quantile(lasted, 0.5),
        resolved_p90_s=_quantile(lasted, 0.9),
        columns=_columns(rows, taken, start_ms, total),
        groups=(
            *_groups("rule", rows.rule, rows, taken, lasted),
            *_groups("entity", rows.entity, rows, taken, lasted),
        ),
    )


def _columns(rows: Incidents, taken: F64, start_ms: int, total: int) -> tuple[Column, ...]:
    at = np.clip(((rows.opened_ms - start_ms) * STEPS // total).astype(np.int64), 0, STEPS - 1)
    opened = np.bincount(at, minlength=STEPS)
    acted = np.bincount(at[rows.acted], minlength=STEPS)
    heard = np.isfinite(taken)
    return tuple(
        Column(
            start_ms + step * total // STEPS, int(opened[step]), int(acted[step]),
            _quantile(taken[heard & (at == step)], 0.5),
        )
        for step in range(STEPS)
    )  # fmt: skip


def _groups(of: str, names: Sequence[str], rows: Incidents, taken: F64, lasted: F64) -> list[Group]:
    known, at, counts = np.unique(
        np.array(list(names), np.str_), return_inverse=True, return_counts=True
    )
    if not len(known):
        return []
    acted = np.bincount(at, rows.acted, len(known)) / counts
    repaired = np.bincount(at, rows.repaired, len(known)) / counts
    flaps = np.bincount(at, rows.flaps, len(known)).astype(np.int64)
    noise = counts * (1 - acted) + flaps
    found = []
    for which in np.argsort(-noise, kind="stable")[:MOST]:
        own = at == which
        hours = (rows.opened_ms[own] // HOUR_MS % 24).astype(np.int64)
        often = np.bincount(hours, minlength=24)
        ended, soon = _quantile(lasted[own], 0.5), _quantile(taken[own], 0.5)
        facts = _Facts(
            int(counts[which]), float(acted[which]), float(repaired[which]), int(flaps[which]),
            ended, soon, int(often.argmax()), float(often.max()),
        )  # fmt: skip
        found.append(
            Group(
                of, str(known[which]), facts.opened, facts.opened / len(names), facts.acted,
                facts.flaps, ended, _fix(of, facts),
            )
        )  # fmt: skip
    return found


@dataclass(frozen=True, slots=True)
class _Facts:
    opened: int
    acted: float
    repaired: float
    flaps: int
    lasted_s: float
    taken_s: float
    hour: int
    in_hour: float


def _fix(of: str, one: _Facts) -> str:
    """Say what would make a group better, the plainest first; empty where nothing speaks for it."""
    if one.opened < LEAST:
        return ""
    if one.in_hour >= max(LEAST, 0.7 * one.opened):
        return (
            f"{one.in_hour:.0f} of {one.opened} began between {one.hour:02d}:00 and "
            f"{(one.hour + 1) % 24:02d}:00 UTC: if that is planned work, plan a maintenance window"
        )
    if one.flaps > one.opened:
        return f"it came back {one.flaps} times: let it last longer before it counts, or mend it"
    if one.acted <= 0.2 and one.lasted_s <= SHORT_S:
        return (
            f"nobody acted and half ended by themselves within {one.lasted_s / 60:.0f} min: raise "
            "its threshold, let it last longer, or send it to a digest"
        )
    if one.acted <= 0.2:
        return "nobody acts on it: give it an owner and a runbook, or send it to a digest"
    if one.repaired >= 0.5:
        return "the same repair ran for most of them: let its runbook act, and mend the cause"
    if one.taken_s > LATE_S:
        wait = f"half wait more than {one.taken_s / 60:.0f} min to be taken"
        return f"{wait}: route it to who is on call, with an escalation"
    return "people act on it each time: give it a runbook" if of == "rule" else ""


def _quantile(values: Array, share: float) -> float:
    known = values[np.isfinite(values)]
    return float(np.quantile(known, share)) if len(known) else float("nan")
