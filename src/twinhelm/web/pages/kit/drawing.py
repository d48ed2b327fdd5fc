"""Draw series: from ids and a range in ms to the data of a chart and the words beside it.

Out goes a :class:`Drawing`: lines, and the range expected of the first series. Counters are drawn
as their rate, which is what is judged. Drawings are thinned so that peaks survive, and kept for
a few seconds, so that ten readers cost what one does. Blocking: call it in a worker thread.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from twinhelm.aiops.types import Anomaly, Scores
from twinhelm.aiops.words import quantity, unit_of
from twinhelm.core.arrays import F64, I64
from twinhelm.core.labels import METRIC, Labels, metric_name
from twinhelm.core.telemetry import Change
from twinhelm.web.thinning import thin

if TYPE_CHECKING:
    from twinhelm.app import House

    Ids = Sequence[int]

__all__ = ["Drawer", "Drawing", "query_of", "quoted", "short_name"]

STEP_MS = 5_000
"""Ranges are widened to this grid, so that readers who ask a second apart share a drawing."""

NOISY_WHOLE = 1.05
"""A share whose rate wavers about the whole is a share still."""

LEAST_MS = 15_000
"""An anomaly of one sample is shaded at least this wide, or it could not be seen."""

YOUNG_MS = 30_000
KEPT = 200
POINTS = 360
COMMON = {"job", "instance", "host"}
"""Labels that most series of a place share, and that tell two of them apart last."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """One chart's data; ``now`` and ``usual`` speak of the first series, ``""`` if unknown."""

    model: dict[str, Any]
    query: str
    now: str = ""
    usual: str = ""
    strange: bool = False
    names: tuple[str, ...] = ()
    waits: str = ""

    @property
    def empty(self) -> bool:
        """Tell whether there is not one point."""
        return not any(line["points"] for line in self.model["lines"])

    def said(self, title: str) -> str:
        """Put the chart in a sentence, for those who cannot see it."""
        if self.empty:
            return f"{title}: no data in this range"
        usually = f", {self.usual}" if self.usual else ""
        return f"{title}: now {self.now}{usually}"

    def marked(
        self, anomalies: Iterable[Anomaly], changes: Iterable[Change], end_ms: int
    ) -> Drawing:
        """Shade anomalies, those that last until ``end_ms``, and mark changes."""
        spans = [
            (one.start_ms, max(one.end_ms or end_ms, one.start_ms + LEAST_MS)) for one in anomalies
        ]
        marks = [(change.time_ms, change.title, change.kind) for change in changes]
        return replace(self, model={**self.model, "spans": spans, "marks": marks})


class Drawer:
    """Makes and keeps drawings; one for all pages."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._kept: OrderedDict[tuple[Any, ...], Drawing] = OrderedDict()
        self._lock = threading.Lock()

    def draw(
        self, ids: Ids, start_ms: int, end_ms: int, *, band: bool = True, names: Sequence[str] = ()
    ) -> Drawing:
        """Draw series in one chart; raises :class:`NotFound` for an id never given out."""
        start_ms -= start_ms % STEP_MS
        end_ms += -end_ms % STEP_MS
        key = (tuple(ids), start_ms, end_ms, band, tuple(names))
        with self._lock:
            kept = self._kept.get(key)
        # The newest stretch still grows: it is drawn anew each few seconds.
        stamp = self._house.clock.now_ms() // STEP_MS
        if kept is not None and kept.model["stamp"] == stamp:
            return kept
        made = self._draw(ids, start_ms, end_ms, band, names)
        made.model["stamp"] = stamp
        with self._lock:
            self._kept[key] = made
            self._kept.move_to_end(key)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return made

    def _draw(
        self, ids: Ids, start_ms: int, end_ms: int, band: bool, names: Sequence[str]
    ) -> Drawing:
        infos = self._house.telemetry.series(np.array(ids, np.uint32))
        lines: list[dict[str, Any]] = []
        first: Scores | None = None
        for at, info in enumerate(infos):
            share = unit_of(metric_name(info.labels)) == "ratio"
            scores = _plausible(self._house.desk.band(info.id, start_ms, end_ms), share=share)
            first = first or scores
            name = names[at] if names else short_name(info.labels)
            lines.append({"name": name, "points": _points(scores.time_ms, scores.signal)})
        unit = unit_of(metric_name(infos[0].labels)) if infos else ""
        model: dict[str, Any] = {"lines": lines, "unit": unit, "from": start_ms, "to": end_ms}
        model |= {"zero": True, "band": _band(first) if band and first is not None else []}
        query = " or ".join(query_of(info.labels) for info in infos)
        called = tuple(str(line["name"]) for line in lines)
        if first is None or not len(first.signal):
            # A rate is made of two samples, so that one alone draws nothing.
            young = any(end_ms - info.last_ms < YOUNG_MS for info in infos)
            waits = "Waiting for a second sample to make a rate of" if young else ""
            return Drawing(model, query, names=called, waits=waits)
        known = np.isfinite(first.low) & np.isfinite(first.high)
        usual = ""
        if known.any():
            at = int(np.flatnonzero(known)[-1])
            usual = f"usually {_range(float(first.low[at]), float(first.high[at]), unit)}"
        heard = np.flatnonzero(np.isfinite(first.signal))
        now = quantity(float(first.signal[heard[-1]]), unit) if len(heard) else ""
        last, low, high = first.signal[-1], first.low[-1], first.high[-1]
        strange = bool(first.flagged[-3:].all() and (last < low or last > high))
        return Drawing(model, query, now, usual, strange, called)


def query_of(labels: Labels) -> str:
    """Write the selector that finds exactly what carries these labels."""
    name = metric_name(labels)
    inside = ",".join(f"{key}={quoted(value)}" for key, value in labels if key != METRIC)
    return f"{name}{{{inside}}}" if inside or not name else name


def short_name(labels: Labels) -> str:
    """Name a series by what tells it from its like: metric, then labels few others share.

    >>> short_name((("__name__", "up"), ("device", "sda"), ("job", "node")))
    'up device=sda'
    """
    rest = [f"{key}={value}" for key, value in labels if key not in COMMON and key != METRIC]
    if not rest:
        rest = [value for key, value in labels if key == "instance"]
    return " ".join([metric_name(labels), *rest]).strip()


def _plausible(scores: Scores, *, share: bool) -> Scores:
    """Let a range reach below zero, or a share past the whole, only where the series ever did."""
    heard = scores.signal[np.isfinite(scores.signal)]
    if not len(heard) or heard.min() < 0.0:
        return scores
    most = 1.0 if share and heard.max() <= NOISY_WHOLE else np.inf
    return replace(scores, low=np.clip(scores.low, 0.0, most), high=np.clip(scores.high, 0.0, most))


def quoted(value: str) -> str:
    """Write a label's value as selectors have it."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _range(low: float, high: float, unit: str) -> str:
    first, last = quantity(low, unit), quantity(high, unit)
    if first == last:
        return first
    number, _, suffix = first.rpartition(" ")
    return f"{number if number and last.endswith(f' {suffix}') else first} to {last}"


def _points(time_ms: I64, value: F64) -> list[list[float | None]]:
    """Pair times and values, thinned; where samples stopped coming a hole is put in."""
    time_ms, value = _with_holes(time_ms, value)
    kept = thin(time_ms, value, max_points=POINTS)
    return _rows(time_ms[kept], value[kept])


def _band(scores: Scores) -> list[list[float | None]]:
    known = np.isfinite(scores.low) & np.isfinite(scores.high)
    if not known.any():
        return []
    count = len(scores.time_ms)
    chosen = np.unique(np.linspace(0, count - 1, min(count, POINTS // 2)).astype(np.int64))
    low = np.where(known, scores.low, np.nan)[chosen]
    high = np.where(known, scores.high, np.nan)[chosen]
    return _rows(scores.time_ms[chosen], low, high)


def _with_holes(time_ms: I64, value: F64) -> tuple[I64, F64]:
    if len(time_ms) < 3:
        return time_ms, value
    gaps = np.diff(time_ms)
    usual = float(np.median(gaps))
    wide = np.flatnonzero(gaps > max(4 * usual, 20_000.0))
    if not len(wide):
        return time_ms, value
    middle = time_ms[wide] + gaps[wide] // 2
    return np.insert(time_ms, wide + 1, middle), np.insert(value, wide + 1, np.nan)


def _rows(time_ms: I64, *columns: F64) -> list[list[float | None]]:
    """Turn columns into rows that JSON can say: NaN and infinities become null."""
    shown = [
        [float(f"{each:.6g}") if np.isfinite(each) else None for each in column.tolist()]
        for column in columns
    ]
    return [list(row) for row in zip(time_ms.tolist(), *shown, strict=True)]
