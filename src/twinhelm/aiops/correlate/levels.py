"""Keeps the newest sustained value of every series: what most of its last signals reached.

In: the :class:`Scores` of each tick. Out: for anomalies, the level that
:func:`~twinhelm.aiops.correlate.incidents.correlate` weighs instead of the worst value, so that
one high sample with a long weak tail is not taken for lasting trouble. It looks at the last six
signals, or at those of the last ``SPAN_MS`` where they come faster, twelve at most; a quarter of
them may fall short. Of what tells of a request or two each time (``pooled`` indicators), it is
the mean without the highest, of durations the mean without the highest quarter. State: 72 bytes a
series; about 10 ns a sample. Not kept over a restart: it is full again after as many samples.

>>> Levels().of([])
{}
"""

import math
from collections.abc import Iterable

import numpy as np
from numba import njit

from twinhelm.aiops.indicators import Indicator, indicator_of
from twinhelm.aiops.types import Anomaly, Direction, Resource, Scores
from twinhelm.core.arrays import F32, F64, I64, U32, longer

__all__ = ["Levels"]

LEAST, KEPT = 6, 12
SPAN_MS = 24_000
QUICK_S = 5.0
"""What counts after so few seconds (an age that only grows) is judged by its last three signals."""
_GROW = 1024


class Levels:
    """The last few signals of every series. The tick owns it; not for several threads."""

    def __init__(self) -> None:
        self._ring: F32 = np.full((_GROW, KEPT), np.nan, np.float32)
        self._at: I64 = np.zeros(_GROW, np.int64)
        self._last: I64 = np.zeros(_GROW, np.int64)
        self._step: F64 = np.zeros(_GROW)

    def observe(self, scores: Scores) -> None:
        """Take the signals of one tick, ascending in time per series."""
        if not len(scores.series):
            return
        known = int(scores.series.max()) + 1
        if known > len(self._at):
            rows = max(known, 2 * len(self._at))
            self._ring = longer(self._ring, rows, np.nan)
            self._at, self._last = longer(self._at, rows), longer(self._last, rows)
            self._step = longer(self._step, rows)
        _push(
            scores.series, scores.time_ms, scores.signal, self._ring, self._at, self._last,
            self._step,
        )  # fmt: skip

    def of(self, anomalies: Iterable[Anomaly]) -> dict[str, float]:
        """Return the level of each anomaly's series by anomaly key, where three are known."""
        found = {}
        for one in anomalies:
            row = indicator_of(one.labels)
            if one.series < len(self._ring) and not (row and row.each):
                quick = row is not None and row.seconds <= QUICK_S
                known = self._newest(one.series, 3 if quick else KEPT)
                if len(known) >= 3:
                    found[one.key] = _level(known, one, row)
        return found

    def _newest(self, series: int, most: int) -> F64:
        """Return the signals that count, ascending in value."""
        step = self._step[series]
        count = LEAST if step <= 0.0 else min(max(math.ceil(SPAN_MS / step), LEAST), KEPT)
        count = min(count, most)
        newest = (int(self._at[series]) - 1 - np.arange(count)) % KEPT
        kept = self._ring[series, newest].astype(np.float64)
        return np.sort(kept[np.isfinite(kept)])


def _level(known: F64, one: Anomaly, row: Indicator | None) -> float:
    up = one.direction is Direction.UP
    spare = len(known) // 4 if len(known) >= 5 else 0  # some dips are forgiven
    if row is not None and row.pooled and up:
        return float(known[:-1].mean())
    if row is not None and row.resource is Resource.LATENCY and up:
        return float(known[: len(known) - spare].mean())  # slow for some requests only
    return float(known[spare] if up else known[-1 - spare])


@njit(cache=True, nogil=True)
def _push(series: U32, time_ms: I64, signal: F64, ring: F32, at: I64, last: I64, step: F64) -> None:
    for i in range(len(series)):
        one = series[i]
        ring[one, at[one] % KEPT] = signal[i]
        if at[one]:
            passed = float(time_ms[i] - last[one])
            step[one] = passed if step[one] == 0.0 else step[one] + 0.2 * (passed - step[one])
        last[one] = time_ms[i]
        at[one] += 1
