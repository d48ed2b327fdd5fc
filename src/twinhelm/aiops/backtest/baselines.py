"""Trivial detectors, to be beaten: what a score is worth shows only beside these.

In: ``(n,)`` values of one series and rows per day. Out: a score in 0..1 per row, causal. Their
alarm rule is fixed: ``random`` alarms on one row in a thousand; the others at five usual sizes.

* random: a uniform number.
* moving z-score: distance from the mean of the 60 rows before, in their standard deviations.
* last season: distance from the value one day before (60 rows before, where a day is not seen
  whole twice), in its own mean absolute size over the last 1,000 rows.
"""

import numpy as np
from numba import njit

from twinhelm.core.arrays import F64, I64

__all__ = ["day_rows", "last_season", "moving_z"]

_WINDOW = 60
_ALARM_SIZES = 5.0


def day_rows(time_ns: I64) -> int:
    """Return how many rows a day holds at the usual interval; 0 where that is below four."""
    if len(time_ns) < 3:
        return 0
    step = float(np.median(np.diff(time_ns)))
    rows = round(86_400e9 / step) if step > 0 else 0
    return rows if 4 <= rows <= len(time_ns) // 2 else 0


@njit(cache=True, nogil=True)
def moving_z(values: F64) -> F64:
    """Score each row by the z-score against the 60 rows before it; NaN rows score 0."""
    n = len(values)
    score = np.zeros(n)
    ring = np.zeros(_WINDOW)
    held = 0
    for i in range(n):
        x = values[i]
        if not np.isfinite(x):
            continue
        if held >= 10:
            part = ring[: min(held, _WINDOW)]
            z = abs(x - part.mean()) / (part.std() + 1e-9 * (abs(part.mean()) + 1e-12))
            score[i] = z / (z + _ALARM_SIZES)
        ring[held % _WINDOW] = x
        held += 1
    return score


@njit(cache=True, nogil=True)
def last_season(values: F64, day: int) -> F64:
    """Score each row by its distance from the row one season before; NaN rows score 0."""
    n = len(values)
    score = np.zeros(n)
    lag = day if day > 0 else _WINDOW
    size, seen = 0.0, 0
    for i in range(lag, n):
        away = abs(values[i] - values[i - lag])
        if not np.isfinite(away):
            continue
        if seen >= 10:
            z = away / (size + 1e-9 * (abs(values[i]) + 1e-12))
            score[i] = z / (z + _ALARM_SIZES)
        seen += 1
        size += max(1e-3, 1.0 / seen) * (away - size)
    return score
