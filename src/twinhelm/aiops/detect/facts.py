"""From values that speak for themselves to anomalies, without a baseline.

Question: which runs of pipelines went wrong? A run is a fact of its own: that it failed or is
half a turn late needs no history, that it wrote half as much needs three runs, not the two dozen
samples that the baseline needs, which a nightly job brings in a month. In: :class:`Scores` of one
tick. Out: the :class:`Anomaly` values that opened, lasted or ended, for series whose indicator row
has ``each`` set. One value out of range opens, one within it closes. What is usual is the median of
the newest ``KEPT`` values within range. Values of all other series cost one array step. Over a
restart only what is out of range is kept (:meth:`Facts.resume`): usual is known again after three
runs.

>>> facts = Facts()
>>> facts.resume([])
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from twinhelm.aiops.indicators import Indicator, indicator_of
from twinhelm.aiops.types import Anomaly, Direction, Resource, Scores
from twinhelm.core.arrays import U8
from twinhelm.core.labels import Labels

__all__ = ["Facts"]

KEPT = 20
LEAST = 3
SURE = 0.9
_NEW, _OTHER, _FACT = 0, 1, 2

Describe = Callable[[int], tuple[Labels, str, Resource]]


@dataclass(slots=True)
class _Fact:
    """One series: its row, its newest values within range, and its anomaly if it is out."""

    row: Indicator
    usual: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))
    last_ms: int = 0
    open: Anomaly | None = None


class Facts:
    """The series that are judged value by value; not for several threads."""

    def __init__(self) -> None:
        self._kind: U8 = np.zeros(0, np.uint8)
        self._facts: dict[int, _Fact] = {}

    def update(self, scores: Scores, describe: Describe) -> list[Anomaly]:
        """Take one tick's signals; return what opened, lasts or ended, each in its newest state."""
        if not len(scores.series):
            return []
        self._meet(scores, describe)
        changed: dict[str, Anomaly] = {}
        for i in np.flatnonzero(self._kind[scores.series] == _FACT).tolist():
            series, at = int(scores.series[i]), int(scores.time_ms[i])
            known, value = self._facts[series], float(scores.signal[i])
            if not np.isfinite(value) or at <= known.last_ms:
                continue
            known.last_ms = at
            if (now := _judged(known, series, value, at, describe)) is not None:
                changed[now.key] = now
        return list(changed.values())

    def resume(self, anomalies: Iterable[Anomaly]) -> None:
        """Take back what was open when a checkpoint was made."""
        for one in anomalies:
            row = indicator_of(one.labels)
            if one.end_ms is None and row is not None and row.each:
                self._grow(one.series)
                self._kind[one.series] = _FACT
                self._facts[one.series] = _Fact(row, last_ms=one.last_ms, open=one)

    def _grow(self, highest: int) -> None:
        if highest >= len(self._kind):
            more = max(highest + 1, 2 * len(self._kind)) - len(self._kind)
            self._kind = np.concatenate([self._kind, np.zeros(more, np.uint8)])

    def _meet(self, scores: Scores, describe: Describe) -> None:
        """Say of series that are new whether they are facts."""
        self._grow(int(scores.series.max()))
        for series in np.unique(scores.series[self._kind[scores.series] == _NEW]).tolist():
            row = indicator_of(describe(series)[0])
            fact = row is not None and row.each
            self._kind[series] = _FACT if fact else _OTHER
            if row is not None and fact:
                self._facts[series] = _Fact(row)


def _judged(known: _Fact, series: int, value: float, at: int, describe: Describe) -> Anomaly | None:
    """Judge one value and learn from it; None where nothing is open and nothing was."""
    row = known.row
    down = row.direction is Direction.DOWN
    learnt = len(known.usual) >= LEAST
    usual = float(np.median(known.usual)) if known.usual else 0.0
    beyond = usual - value if down else value - usual
    out = (learnt or row.relative == 0.0) and beyond >= max(row.excess, row.relative * abs(usual))
    out = out and (down or value >= row.floor)
    if not out:
        known.usual.append(value)
        was, known.open = known.open, None
        return None if was is None else replace(was, end_ms=was.last_ms)
    if known.open is not None:
        samples = known.open.samples + 1
        known.open = replace(known.open, last_ms=at, samples=samples, value=value)
        return known.open
    labels, entity, resource = describe(series)
    low, high = (min(known.usual), max(known.usual)) if known.usual else (0.0, 0.0)
    known.open = Anomaly(
        series=series,
        labels=labels,
        entity=entity,
        resource=resource,
        direction=Direction.DOWN if down else Direction.UP,
        start_ms=at,
        last_ms=at,
        end_ms=None,
        peak_score=SURE,
        value=value,
        expected=usual,
        low=low,
        high=high,
        deviation=0.0,
        samples=1,
    )
    return known.open
