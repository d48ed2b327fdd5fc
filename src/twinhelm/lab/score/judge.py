"""How well did the product do? Holds what it said of each fault against the truth.

In: faults as they were run (:class:`Trial`), incidents as they were seen to open
(:class:`Opening`), and how long nothing was broken. Out: a :class:`Verdict` per fault and a
:class:`Summary`.
Pure. Times are UTC epoch seconds.

An incident belongs to a fault when it opens, or opens again, between the fault's start and
``AFTER_S`` after its repair (and before the next fault starts); all others are false. The cause is
looked for in the incident that opened first of those still open when the fault was repaired, among
its suspects as they stood then; suspects that speak of the same thing count once. A conclusive
first suspect that is not the cause is wrong blame, and so is any incident at all where nothing was
wrong. A fault that was not detected counts as a cause not found.

Wrong where a fault takes longer than it was kept to do harm: it then counts as missed.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twinhelm.lab.words import Truth

__all__ = [
    "AFTER_S",
    "FLOORS",
    "Opening",
    "Summary",
    "Trial",
    "Verdict",
    "belongs",
    "judge",
    "names_cause",
    "summarise",
]

AFTER_S = 20.0
"""Incidents that open this long after the repair still belong to the fault."""
FLOORS: Mapping[str, tuple[str, float]] = {
    "detected": ("at least", 0.8),
    "detect_s": ("at most", 60.0),
    "cause_first": ("at least", 0.5),
    "false_per_quiet_hour": ("at most", 1.0),
}
"""What the product must reach, by field of :class:`Summary`."""


@dataclass(slots=True)
class Opening:
    """An incident that was seen to open, or to open again (``flaps`` tells which time)."""

    incident: int
    flaps: int
    seen_s: float
    title: str
    over_s: float | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """A fault as it was run.

    ``file`` is the incident's file as the API gave it just before the repair, None where there
    was no incident. ``shown`` tells whether the fault's own symptom was seen in the telemetry,
    None where nobody looked. ``repeat`` counts from 1.
    """

    fault: str
    title: str
    truth: Truth
    repeat: int
    start_s: float
    end_s: float
    file: Mapping[str, Any] | None = None
    shown: bool | None = None
    repairs: Sequence[Mapping[str, Any]] | None = None
    """What the house repaired meanwhile, as its API told; None where it was not to repair."""
    mended: bool = False
    """Whether the fault's own symptom was gone before anybody else repaired it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one fault; ``rank`` is the cause's place among the suspects, from 1."""

    fault: str
    title: str
    cause: str
    repeat: int
    blame: bool
    lasted_s: float
    shown: bool | None
    detected: bool
    detect_s: float | None
    incidents: int
    incident: int | None
    suspects: tuple[str, ...]
    rank: int | None
    conclusive: bool
    wrong_blame: bool
    change_named: bool | None
    over_s: float | None
    """Seconds from the repair until the incident was over; None where it was not seen to be."""
    repaired: bool | None
    """Whether the house repaired it and verified that; None where it was not to."""
    repair_s: float | None
    """Seconds from the fault's start until the signs had ended, of a verified repair."""
    wrong_repairs: int
    """Repairs that were begun and helped nothing."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The numbers over all faults; a ratio or median of nothing is None.

    ``detected``, ``cause_first`` and ``cause_in_three`` are shares of the faults that somebody is
    to blame for. ``blamed_nothing`` counts the others that an incident was raised for.
    """

    faults: int
    detected: float | None
    detect_s: float | None
    incidents_per_fault: float | None
    cause_first: float | None
    cause_in_three: float | None
    wrong_blame: int
    blamed_nothing: int
    change_named: float | None
    over_s: float | None
    repaired: float | None
    repair_s: float | None
    wrong_repairs: int
    false_incidents: int
    quiet_hours: float
    false_per_quiet_hour: float | None
    floors: Mapping[str, bool | None]


def judge(trials: Sequence[Trial], openings: Iterable[Opening]) -> list[Verdict]:
    """Judge each trial, in the order of their starts."""
    ordered = sorted(trials, key=lambda trial: trial.start_s)
    owned = belongs(ordered, openings)
    return [_verdict(trial, owned[place]) for place, trial in enumerate(ordered)]


def belongs(
    ordered: Sequence[Trial], openings: Iterable[Opening]
) -> dict[int | None, list[Opening]]:
    """Give each opening to a trial, by its place, or to None where it is false.

    Faults that ran at the same time share theirs.
    """
    owned: dict[int | None, list[Opening]] = {place: [] for place in range(len(ordered))}
    owned[None] = []
    for opening in sorted(openings, key=lambda one: one.seen_s):
        during = [
            place
            for place, trial in enumerate(ordered)
            if trial.start_s <= opening.seen_s <= trial.end_s + AFTER_S
        ]
        latest = max((ordered[place].start_s for place in during), default=0.0)
        mine = [
            place
            for place in during
            if ordered[place].end_s >= opening.seen_s or ordered[place].start_s == latest
        ]
        for place in mine or (None,):
            owned[place].append(opening)
    return owned


def names_cause(truth: Truth, entity: str) -> bool:
    """Tell whether an entity key such as ``service:shop/cart`` is the cause, or as good.

    >>> names_cause(Truth("shopdb"), "database:box/shopdb"), names_cause(Truth("host"), "host:box")
    (True, True)
    """
    kind, _, name = entity.partition(":")
    said = {entity, name.rpartition("/")[2], *(["host"] if kind == "host" else [])}
    return not said.isdisjoint((truth.service, *truth.also))


def summarise(verdicts: Sequence[Verdict], *, false_incidents: int, quiet_s: float) -> Summary:
    """Add up; see :class:`Summary`."""
    real = [one for one in verdicts if one.blame]
    changed = [one.change_named for one in verdicts if one.change_named is not None]
    hours = quiet_s / 3600
    found: dict[str, Any] = {
        "detected": _share(one.detected for one in real),
        "detect_s": _median(one.detect_s for one in real),
        "cause_first": _share(one.rank == 1 for one in real),
        "false_per_quiet_hour": round(false_incidents / hours, 2) if hours else None,
    }
    return Summary(
        faults=len(verdicts),
        incidents_per_fault=_mean(one.incidents for one in real if one.detected),
        cause_in_three=_share((one.rank or math.inf) <= 3 for one in real),
        wrong_blame=sum(one.wrong_blame for one in verdicts),
        blamed_nothing=sum(one.detected for one in verdicts if not one.blame),
        change_named=_share(changed),
        over_s=_median(one.over_s for one in real),
        repaired=_share(one.repaired for one in real if one.repaired is not None),
        repair_s=_median(one.repair_s for one in real),
        wrong_repairs=sum(one.wrong_repairs for one in verdicts),
        false_incidents=false_incidents,
        quiet_hours=round(hours, 3),
        floors={name: _held(found[name], *bound) for name, bound in FLOORS.items()},
        **found,
    )


def _verdict(trial: Trial, mine: Sequence[Opening]) -> Verdict:
    truth, file = trial.truth, trial.file or {}
    claims = file.get("claims", [])
    suspects = list(dict.fromkeys(str(claim["subject"]) for claim in claims))
    rank = next((place for place, one in enumerate(suspects, 1) if names_cause(truth, one)), None)
    conclusive = bool(claims) and file["incident"]["verdict"] == "conclusive"
    lead = file["incident"]["id"] if file else mine[0].incident if mine else None
    done = [one for one in trial.repairs or () if one["started_ms"]]
    good = [one for one in done if one["state"] == "verified" and trial.mended]
    ends = [one["calm_ms"] / 1000 - trial.start_s for one in good]
    return Verdict(
        fault=trial.fault,
        title=trial.title,
        cause=truth.service,
        repeat=trial.repeat,
        blame=truth.blame,
        lasted_s=round(trial.end_s - trial.start_s, 1),
        shown=trial.shown,
        detected=bool(mine),
        detect_s=round(mine[0].seen_s - trial.start_s, 1) if mine else None,
        incidents=len(mine),
        incident=lead if mine else None,
        suspects=tuple(suspects[:5]) if mine else (),
        rank=rank if mine else None,
        conclusive=conclusive and bool(mine),
        wrong_blame=bool(mine) and (not truth.blame or (conclusive and rank != 1)),
        change_named=_named_change(truth, claims) if truth.change else None,
        over_s=next(
            (
                round(max(0.0, one.over_s - trial.end_s), 1)
                for one in mine
                if one.incident == lead and one.over_s is not None
            ),
            None,
        ),
        repaired=None if trial.repairs is None else bool(good),
        repair_s=round(min(ends), 1) if ends else None,
        wrong_repairs=len(done) - len(good),
    )


def _named_change(truth: Truth, claims: Iterable[Mapping[str, Any]]) -> bool:
    return any(
        claim["facts"].get("kind") == "change" and names_cause(truth, claim["subject"])
        for claim in claims
    )


def _held(value: float | None, how: str, bound: float) -> bool | None:
    if value is None:
        return None
    return value >= bound if how == "at least" else value <= bound


def _share(values: Iterable[bool]) -> float | None:
    return _mean(values)


def _mean(values: Iterable[float]) -> float | None:
    known = list(values)
    return round(statistics.fmean(known), 3) if known else None


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(statistics.median(known), 1) if known else None
