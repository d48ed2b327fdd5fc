"""Reads off a window how each telling series of a system moved when trouble began.

In: a :class:`SeriesWindow` around the start, and the incident's anomalies. Out: a :class:`Vital`
per series that an indicator row knows and that moved: its level before and since, how much of the
row's bar that is, and when it left. Unlike anomalies, vitals know of series that were never
flagged, and of what stayed calm. Levels before are medians, levels since medians too (means of
what is ``pooled``), of the newest half minute where that is worse: a leak grows. Pure; some ten
microseconds per series.

Wrong where the time before holds as much trouble as the time since.
"""

import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from twinhelm.aiops.diagnose.window import SeriesWindow
from twinhelm.aiops.indicators import Indicator, indicator_of, said, weigh
from twinhelm.aiops.types import Anomaly, Direction
from twinhelm.aiops.words import quantity, unit_of
from twinhelm.core.arrays import BOOL, F64, I64
from twinhelm.core.labels import Labels, metric_name

__all__ = ["Vital", "strength_of", "vitals_of"]

MARGIN_MS = 10_000
"""The seconds before the start belong to neither side."""
NEWEST_MS = 30_000
OLD_MS, CALM = 30_000, 0.3
"""A sign older than the trouble says nothing where the window shows its series next to calm."""
LEAST_BEFORE = 6
ONSET_STEPS = 12
"""Onsets are looked for from so many steps before the start on."""
NOISE = 3.0
"""A move of less than this many usual spreads is noise."""
FROM_ANOMALY = 1.5
"""A sign that correlation found material amounts to this much at least."""


@dataclass(frozen=True, slots=True)
class Vital:
    """One series that an indicator row knows: ``amount`` 1 is the row's bar, 0 no move at all.

    ``onset_ms`` is None where it did not clearly leave its range.
    """

    entity: str
    labels: Labels
    row: Indicator
    before: float
    since: float
    amount: float
    onset_ms: int | None

    @property
    def strength(self) -> float:
        """Return the amount squeezed into [0, 1): 0.39 at the bar, 0.78 at three times it."""
        return strength_of(self.amount)

    @property
    def rise(self) -> float:
        """Return how far it rose, at least 0, where that counts; 0 for noise."""
        return max(self.since - self.before, 0.0) if self.amount >= 0.3 else 0.0

    @property
    def text(self) -> str:
        """Say what it shows, and what it showed before."""
        before = quantity(self.before, unit_of(metric_name(self.labels)))
        return f"{said(self.row, self.labels, self.entity, self.since)}, before {before}"


def strength_of(amount: float) -> float:
    """Squeeze an amount, 1 at the bar, into [0, 1)."""
    return 1.0 - math.exp(-min(max(amount, 0.0), 20.0) / 2.0)


def vitals_of(
    window: SeriesWindow,
    members: Iterable[Anomaly],
    proven: Collection[str],
    *,
    start_ms: int,
    end_ms: int,
) -> list[Vital]:
    """List the vitals of all series in the window and of the members outside of it.

    ``proven`` are the anomalies that were material. Trouble is looked for in
    ``[start_ms, end_ms]``.
    """
    strange = {one.series: one for one in members}
    found = []
    for column, vital in _read(window, start_ms, end_ms):
        anomaly = strange.pop(window.ids[column], None)
        if anomaly is not None:
            old = anomaly.start_ms < start_ms - OLD_MS
            if vital.amount >= CALM or not old:
                vital = _with(vital, anomaly, vital.row, anomaly.key in proven) or vital
        found.append(vital)
    for anomaly in strange.values():
        row = indicator_of(anomaly.labels)
        if row is not None and (one := _with(None, anomaly, row, anomaly.key in proven)):
            found.append(one)
    return found


def _read(window: SeriesWindow, start_ms: int, end_ms: int) -> Iterator[tuple[int, Vital]]:
    """Read every column that an indicator row knows and that has values on both sides."""
    times = window.times_ms
    before = times < start_ms - MARGIN_MS
    since = (times >= start_ms) & (times <= end_ms)
    newest = since & (times > end_ms - NEWEST_MS)
    rows = [indicator_of(labels) for labels in window.labels]
    known = [column for column, row in enumerate(rows) if row is not None]
    if not known or not before.any() or not since.any():
        return
    values = window.values[:, known]
    was, now, last = (_levels(values[part]) for part in (before, since, newest))
    first = max(int(np.argmax(since)) - ONSET_STEPS, 0)
    for at, column in enumerate(known):
        row = rows[column]
        if row is None or was.count[at] < LEAST_BEFORE or not now.count[at]:
            continue
        labels = window.labels[column]
        usual = was.typical(at, row)
        spread = max(float(was.high[at] - was.low[at]) / 1.349, 0.1 * float(was.std[at]), 1e-12)
        levels = [part.typical(at, row) for part in (now, last) if part.count[at] >= 3]
        levels = levels or [now.typical(at, row)]
        down = row.direction is Direction.DOWN
        if row.direction is None:
            level = max(levels, key=lambda x: abs(x - usual))
            moved = abs(level - usual)
        else:
            level = min(levels) if down else max(levels)
            moved = usual - level if down else level - usual
        bar = max(_bar(row, usual, labels), spread if row.pooled else NOISE * spread)
        amount = max(moved / bar, 0.0)
        scale = 100.0 if unit_of(metric_name(labels)) == "percent" else 1.0
        if row.direction is Direction.UP and level < row.floor * scale:
            amount = min(amount, 0.4)
        if math.isfinite(row.collapse) and not level <= row.collapse * usual:
            amount = 0.0
        onset = None
        if amount >= CALM:
            late = np.abs(values[first:, at] - usual) > max(0.5 * bar, NOISE * spread)
            onset = _onset(late, times[first:])
        entity = window.entities[column]
        yield column, Vital(entity, labels, row, usual, level, amount, onset)


@dataclass(frozen=True, slots=True)
class _Levels:
    """What the columns of a part of the window did, missing values left out."""

    count: I64
    low: F64
    middle: F64
    high: F64
    mean: F64
    std: F64

    def typical(self, at: int, row: Indicator) -> float:
        """Return the level of one column."""
        return float(self.mean[at] if row.pooled else self.middle[at])


def _levels(values: F64) -> _Levels:
    """Take quartiles, mean and deviation per column; NaN where a column is empty."""
    values = values if len(values) else np.full((1, values.shape[1]), np.nan)
    known = np.isfinite(values)
    count = known.sum(axis=0)
    whole = np.maximum(count, 1)
    ordered = np.sort(np.where(known, values, np.inf), axis=0)
    columns = np.arange(values.shape[1])

    def quantile(share: float) -> F64:
        place = share * (whole - 1)
        below = np.floor(place).astype(np.int64)
        above = np.minimum(below + 1, whole - 1)
        low, high = ordered[below, columns], ordered[above, columns]
        with np.errstate(invalid="ignore"):
            found: F64 = np.where(count > 0, low + (place - below) * (high - low), np.nan)
        return found

    low, middle, high = quantile(0.25), quantile(0.5), quantile(0.75)
    filled = np.where(known, values, 0.0)
    mean = np.where(count > 0, filled.sum(axis=0) / whole, np.nan)
    off = np.where(known, values - mean, 0.0)
    return _Levels(count, low, middle, high, mean, np.sqrt((off * off).sum(axis=0) / whole))


def _bar(row: Indicator, usual: float, labels: Labels) -> float:
    scale = 100.0 if unit_of(metric_name(labels)) == "percent" else 1.0
    return max(row.excess * scale, row.relative * abs(usual), 1e-12)


def _onset(late: BOOL, times_ms: I64) -> int | None:
    """Find the first of two steps out of range within three."""
    soon = np.append(late[1:], False) | np.append(late[2:], [False, False])[: len(late)]
    pairs = np.flatnonzero(late & soon)
    return int(times_ms[int(pairs[0])]) if len(pairs) else None


def _with(known: Vital | None, one: Anomaly, row: Indicator, proven: bool) -> Vital | None:
    """Add what detection says of a series to what the window shows of it."""
    weight = weigh(one, sensitivity=0.5)
    if not weight.amount > 0.0 and not proven:
        return known
    amount = max(weight.amount, FROM_ANOMALY if proven else 0.0)
    if not proven:
        amount = min(amount, 0.9) if weight.lasting < 1.0 else amount
    if known is None:
        return Vital(one.entity, one.labels, row, one.expected, one.value, amount, one.start_ms)
    if amount <= known.amount:
        return known
    # The window's levels are fairer than one worst value, the detector's judgement is surer.
    worse = one.value if known.amount < CALM else known.since
    return replace(known, since=worse, amount=amount, onset_ms=known.onset_ms or one.start_ms)
