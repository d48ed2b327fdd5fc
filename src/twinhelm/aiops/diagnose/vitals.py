"""Reads off a window how each telling series of a system moved when trouble began.

In: a :class:`SeriesWindow` around the start, and the incident's anomalies. Out: a :class:`Vital`
per series that an indicator row knows and that moved: its level before and since, how much of the
row's bar that is, and when it left. Unlike anomalies, vitals know of series that were never
flagged, and of what stayed calm. Levels before are medians, levels since medians too (means of
what is ``pooled``), of the newest half minute where that is worse: a leak grows. Pure; a few
microseconds per series and step.

Wrong where the time before holds as much trouble as the time since.
"""

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from twinhelm.aiops.diagnose.window import SeriesWindow
from twinhelm.aiops.indicators import Indicator, indicator_of, said, weigh
from twinhelm.aiops.types import Anomaly, Direction
from twinhelm.aiops.words import quantity, unit_of
from twinhelm.core.arrays import BOOL
from twinhelm.core.labels import Labels, metric_name

__all__ = ["Vital", "strength_of", "vitals_of"]

MARGIN_MS = 10_000
"""The seconds before the start belong to neither side."""
NEWEST_MS = 30_000
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
    text: str

    @property
    def strength(self) -> float:
        """Return the amount squeezed into [0, 1): 0.39 at the bar, 0.78 at three times it."""
        return strength_of(self.amount)

    @property
    def rise(self) -> float:
        """Return how far it rose, at least 0, where that counts; 0 for noise."""
        return max(self.since - self.before, 0.0) if self.amount >= 0.3 else 0.0


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
    times = window.times_ms
    before = times < start_ms - MARGIN_MS
    since = (times >= start_ms - MARGIN_MS // 2) & (times <= end_ms)
    newest = since & (times > end_ms - NEWEST_MS)
    found = []
    for column, labels in enumerate(window.labels):
        row = indicator_of(labels)
        if row is None:
            continue
        anomaly = strange.pop(window.ids[column], None)
        vital = _read(window, column, row, before, since, newest)
        if anomaly is not None:
            vital = _with(vital, anomaly, row, anomaly.key in proven)
        if vital is not None:
            found.append(vital)
    for anomaly in strange.values():
        row = indicator_of(anomaly.labels)
        if row is not None and (one := _with(None, anomaly, row, anomaly.key in proven)):
            found.append(one)
    return found


def _read(
    window: SeriesWindow, column: int, row: Indicator, before: BOOL, since: BOOL, newest: BOOL
) -> Vital | None:
    values, labels = window.values[:, column], window.labels[column]
    entity = window.entities[column]
    known = np.isfinite(values)
    was, now, last = values[before & known], values[since & known], values[newest & known]
    if len(was) < 6 or not len(now):
        return None
    low, usual, high = (float(x) for x in np.quantile(was, [0.25, 0.5, 0.75]))
    typical = np.mean if row.pooled else np.median
    if row.pooled:
        usual = float(was.mean())
    spread = max((high - low) / 1.349, 0.1 * float(was.std()), 1e-12)
    levels = [float(typical(now)), *([float(typical(last))] if len(last) >= 3 else [])]
    down = row.direction is Direction.DOWN
    if row.direction is None:
        level = max(levels, key=lambda x: abs(x - usual))
        moved = abs(level - usual)
    else:
        level = min(levels) if down else max(levels)
        moved = usual - level if down else level - usual
    bar = max(_bar(row, usual, labels), NOISE * spread / (3.0 if row.pooled else 1))
    amount = max(moved / bar, 0.0)
    scale = 100.0 if unit_of(metric_name(labels)) == "percent" else 1.0
    if row.direction is Direction.UP and level < row.floor * scale:
        amount = min(amount, 0.4)
    if math.isfinite(row.collapse) and not level <= row.collapse * usual:
        amount = 0.0
    out = np.abs(values - usual) > max(0.5 * bar, NOISE * spread)
    onset = _onset(out & (before | since), since, window) if amount >= 0.3 else None
    return Vital(
        entity, labels, row, usual, level, amount, onset, _text(row, labels, entity, usual, level)
    )  # fmt: skip


def _bar(row: Indicator, usual: float, labels: Labels) -> float:
    scale = 100.0 if unit_of(metric_name(labels)) == "percent" else 1.0
    return max(row.excess * scale, row.relative * abs(usual), 1e-12)


def _onset(out: BOOL, since: BOOL, window: SeriesWindow) -> int | None:
    """Find the first of two steps out of range within three, from shortly before the start on."""
    first = int(np.argmax(since)) if since.any() else 0
    late = out[max(first - 12, 0) :]
    soon = np.append(late[1:], False) | np.append(late[2:], [False, False])[: len(late)]
    pairs = np.flatnonzero(late & soon)
    return int(window.times_ms[len(out) - len(late) + int(pairs[0])]) if len(pairs) else None


def _with(known: Vital | None, one: Anomaly, row: Indicator, proven: bool) -> Vital | None:
    """Add what detection says of a series to what the window shows of it."""
    weight = weigh(one, sensitivity=0.5)
    if not weight.amount > 0.0 and not proven:
        return known
    amount = max(weight.amount, FROM_ANOMALY if proven else 0.0)
    if not proven:
        amount = min(amount, 0.9) if weight.lasting < 1.0 else amount
    if known is None:
        text = _text(row, one.labels, one.entity, one.expected, one.value)
        return Vital(
            one.entity, one.labels, row, one.expected, one.value, amount, one.start_ms, text
        )
    if amount <= known.amount:
        return known
    # The window's levels are fairer than one worst value, the detector's judgement is surer.
    worse = one.value if known.amount < 0.3 else known.since
    return Vital(
        known.entity, known.labels, row, known.before, worse, amount,
        known.onset_ms or one.start_ms, _text(row, one.labels, one.entity, known.before, worse),
    )  # fmt: skip


def _text(row: Indicator, labels: Labels, entity: str, before: float, since: float) -> str:
    unit = unit_of(metric_name(labels))
    return f"{said(row, labels, entity, since)}, before {quantity(before, unit)}"
