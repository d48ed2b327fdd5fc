"""From values that speak for themselves to anomalies, without a baseline of their neighbours.

Question: which runs of pipelines went wrong, which inputs of a model drifted? A run is a fact of
its own: that it failed or is half a turn late needs no history, that it wrote half as much needs
three runs, not the two dozen samples that the baseline needs, which a nightly job brings in a
month. What a model's monitor publishes is a mean over many requests: it creeps, so that each value
is near the one before, and only the last quarter of an hour tells that it is elsewhere.

In: :class:`Scores` of one tick. Out: the :class:`Anomaly` values that opened, lasted or ended, for
series whose indicator row has ``each`` set: so many values out of range in a row open one, one
within it closes it. The range is the median of the newest ``KEPT`` values within range, give or
take what the row asks for. Values of all other series cost one array step. Over a restart only
what is out of range is kept (:meth:`Facts.resume`): usual has to be learnt again.

>>> facts = Facts()
>>> facts.resume([])
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from twinhelm.aiops.indicators import Indicator, indicator_of
from twinhelm.aiops.types import Anomaly, Describe, Direction, Scores
from twinhelm.core.arrays import U8, longer

__all__ = ["Facts"]

KEPT = 90
LEAST, LEAST_SPREAD = 3, 18
"""Values that must be known where the range is a share of the median, or measured by spread."""
APART_MS = 10_000
"""Values closer than this are not learnt from: means over many requests change slowly."""
GROSS, ODD_MS, NEARLY = 2.0, 12_000, 0.75
"""What is measured by spread and not so many times too far must be out for so long: an odd crowd
moves a mean over requests for a moment, the next one takes it back. A value that falls short of
the bar by a quarter does not begin that anew."""
SURE = 0.9
_NEW, _OTHER, _FACT = 0, 1, 2


@dataclass(slots=True)
class _Fact:
    """One series: its row, its newest values within range, and its anomaly if it is out."""

    row: Indicator
    usual: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))
    last_ms: int = 0
    learnt_ms: int = 0
    first_out_ms: int = 0
    out: int = 0
    open: Anomaly | None = None


class Facts:
    """The series that are judged value by value; not for several threads."""

    def __init__(self) -> None:
        self._kind: U8 = np.zeros(0, np.uint8)
        self._facts: dict[int, _Fact] = {}

    def owns(self, series: int) -> bool:
        """Tell whether a series is judged here, and so by nobody else."""
        return series in self._facts

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
            self._kind = longer(self._kind, max(highest + 1, 2 * len(self._kind)))

    def _meet(self, scores: Scores, describe: Describe) -> None:
        """Say of series that are new whether they are facts."""
        self._grow(int(scores.series.max()))
        for series in np.unique(scores.series[self._kind[scores.series] == _NEW]).tolist():
            row = indicator_of(describe(series)[0])
            fact = row is not None and row.each > 0
            self._kind[series] = _FACT if fact else _OTHER
            if row is not None and fact:
                self._facts[series] = _Fact(row)


def _judged(known: _Fact, series: int, value: float, at: int, describe: Describe) -> Anomaly | None:
    """Judge one value and learn from it; None where nothing is open and nothing was."""
    row = known.row
    usual, needed = _range(known)
    up = value >= usual if row.direction is None else row.direction is Direction.UP
    beyond = value - usual if up else usual - value
    gross = beyond >= GROSS * needed
    if row.spreads and known.out and known.open is None and NEARLY * needed <= beyond < needed:
        return None
    if beyond < needed or (up and value < row.floor):
        known.out = 0
        if at - known.learnt_ms >= (APART_MS if row.spreads else 0):
            known.usual.append(value)
            known.learnt_ms = at
        was, known.open = known.open, None
        return None if was is None else replace(was, end_ms=was.last_ms)
    known.out += 1
    known.first_out_ms = at if known.out == 1 else known.first_out_ms
    brief = row.spreads and not gross and at - known.first_out_ms < ODD_MS
    if known.open is None and (brief or known.out < row.each):
        return None
    if known.open is not None:
        known.open = replace(known.open, last_ms=at, samples=known.open.samples + 1, value=value)
        return known.open
    labels, entity, resource = describe(series)
    known.open = Anomaly(
        series=series,
        labels=labels,
        entity=entity,
        resource=resource,
        direction=Direction.UP if up else Direction.DOWN,
        start_ms=known.first_out_ms,
        last_ms=at,
        end_ms=None,
        peak_score=SURE,
        value=value,
        expected=usual,
        low=min(known.usual, default=usual),
        high=max(known.usual, default=usual),
        deviation=0.0,
        samples=known.out,
    )
    return known.open


def _range(known: _Fact) -> tuple[float, float]:
    """Return what is usual and how far off a value must be; infinite while that is not known."""
    row, count = known.row, len(known.usual)
    if row.relative == 0.0 and not row.spreads:
        return (float(np.median(known.usual)) if count else 0.0), row.excess
    if count < (LEAST_SPREAD if row.spreads else LEAST):
        return 0.0, np.inf
    low, usual, high = (float(x) for x in np.quantile(known.usual, [0.25, 0.5, 0.75]))
    return usual, max(row.excess, row.relative * abs(usual), row.spreads * (high - low) / 1.349)
