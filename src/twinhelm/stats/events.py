"""Whether alarms found the events, and how often they cried wolf.

In: labels and alarms 0/1, ``(n,)`` in time order, of one series. Out: :class:`EventScore`, whose
counts add up over series. An event is a maximal run of label 1. Alarm runs with at most ``gap``
rows between them are one: an operator is called once. Precision is the share of alarm runs that
touch an event; recall the share of events that hold an alarm; both together give F1. Pure, one
pass. An alarm a row early counts as false: labels are taken at their word.

>>> event_score(np.array([0, 1, 1, 0, 0, 0]), np.array([0, 0, 1, 0, 0, 1]), gap=1).f1
0.6666666666666666
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twinhelm.core.arrays import I64, Array
from twinhelm.core.errors import BadInput

__all__ = ["EventScore", "event_score", "merge_runs", "runs_of"]


@dataclass(frozen=True, slots=True)
class EventScore:
    """Counts of events and alarm runs; add two to score several series together.

    ``delays`` holds, per found event, the rows between its start and the first alarm in it.
    """

    events: int = 0
    found: int = 0
    runs: int = 0
    true_runs: int = 0
    delays: tuple[int, ...] = ()

    def __add__(self, other: EventScore) -> EventScore:
        return EventScore(
            self.events + other.events,
            self.found + other.found,
            self.runs + other.runs,
            self.true_runs + other.true_runs,
            self.delays + other.delays,
        )

    @property
    def precision(self) -> float:
        """Return the share of alarm runs that touch an event; 0 without alarms."""
        return self.true_runs / self.runs if self.runs else 0.0

    @property
    def recall(self) -> float:
        """Return the share of events found; NaN without events."""
        return self.found / self.events if self.events else float("nan")

    @property
    def f1(self) -> float:
        """Return the harmonic mean of both; 0 where nothing was found, NaN without events."""
        if not self.events:
            return float("nan")
        total = self.precision + self.recall
        return 2.0 * self.precision * self.recall / total if total else 0.0

    @property
    def false_runs(self) -> int:
        """Count the alarm runs that touch no event."""
        return self.runs - self.true_runs


def runs_of(mask: Array) -> I64:
    """Return the maximal runs of true as ``(k, 2)`` rows of first and last index, inclusive."""
    flat = np.asarray(mask) != 0
    edges = np.flatnonzero(np.diff(np.r_[False, flat, False].astype(np.int8)))
    runs = edges.reshape(-1, 2).astype(np.int64)
    runs[:, 1] -= 1
    return runs


def merge_runs(runs: I64, gap: int) -> I64:
    """Join ascending runs that have at most ``gap`` rows between them."""
    if len(runs) < 2:
        return runs
    opens = np.r_[True, runs[1:, 0] - runs[:-1, 1] - 1 > gap]
    starts = np.flatnonzero(opens)
    ends = np.r_[starts[1:] - 1, len(runs) - 1]
    return np.stack([runs[starts, 0], runs[ends, 1]], axis=1)


def event_score(label: Array, alarm: Array, *, gap: int = 10) -> EventScore:
    """Score the alarms of one series; see the module for what counts.

    Raises :class:`BadInput` when the columns differ in length.
    """
    if len(label) != len(alarm):
        raise BadInput(f"{len(label)} labels but {len(alarm)} alarms", hint="give one per row")
    events = runs_of(label)
    calls = merge_runs(runs_of(alarm), gap)
    at = np.flatnonzero(np.asarray(alarm) != 0)
    first = np.searchsorted(at, events[:, 0])
    held = first < len(at)
    hit = np.zeros(len(events), np.bool_)
    hit[held] = at[first[held]] <= events[held, 1]
    delays = at[first[hit]] - events[hit, 0]
    # A merged run is true when a raw alarm in it lies in an event.
    inside = np.r_[0, np.cumsum((np.asarray(alarm) != 0) & (np.asarray(label) != 0))]
    true_runs = int((inside[calls[:, 1] + 1] > inside[calls[:, 0]]).sum())
    return EventScore(len(events), int(hit.sum()), len(calls), true_runs, tuple(delays.tolist()))
