"""What time of day does to a series: a profile per series, learnt without stored history.

Comes in: a value and its UTC time, one at a time, from :mod:`.kernel`. Goes out: the value that
this time of day usually brings. A profile is a row of ``WIDTH`` float32: ``BINS`` bins for
Monday to Friday, then ``BINS`` for the weekend, read by linear interpolation between bin centres;
NaN is a bin that was never seen. A weekend bin starts as a copy of the working day's and earns
its own value. Weekends are UTC weekends: elsewhere the edges are some hours off, which costs
width of the band on those hours, not correctness.

A profile is wrong for cycles that are neither daily nor weekly, and for series slower than one
sample in 90 minutes (these get none). Cost: two reads and two writes a sample.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from twinhelm.core.arrays import F32

__all__ = ["BINS", "BIN_MS", "WIDTH", "covered", "learn_profile", "place", "read_profile"]

BINS = 32
DAY_MS = 86_400_000
BIN_MS = DAY_MS // BINS
WIDTH = 2 * BINS


@njit(cache=True, nogil=True, inline="always")
def place(time_ms: int) -> tuple[int, int, float]:
    """Find the two bins around a time, as columns of a profile, and the weight of the second."""
    day = time_ms // DAY_MS
    base = BINS if (day + 3) % 7 >= 5 else 0  # the epoch began on a Thursday
    at = (time_ms - day * DAY_MS) / BIN_MS - 0.5
    if at < 0.0:
        return base + BINS - 1, base, at + 1.0
    low = int(at)
    high = low + 1
    return base + low, base + (high if high < BINS else 0), at - low


@njit(cache=True, nogil=True, inline="always")
def _bin(profile: F32, slot: int, column: int) -> float:
    """Read one bin, falling back from the weekend to the working day."""
    value: float = profile[slot, column]
    if np.isnan(value) and column >= BINS:
        value = profile[slot, column - BINS]
    return value


@njit(cache=True, nogil=True, inline="always")
def read_profile(profile: F32, slot: int, low: int, high: int, weight: float) -> float:
    """Read the profile between two bins; NaN only where neither was ever seen."""
    a = _bin(profile, slot, low)
    b = _bin(profile, slot, high)
    if np.isnan(a):
        return b
    if np.isnan(b):
        return a
    return a + weight * (b - a)


@njit(cache=True, nogil=True, inline="always")
def learn_profile(
    profile: F32, slot: int, low: int, high: int, weight: float, value: float, gain: float
) -> None:
    """Move the two bins towards ``value``, each by ``gain`` times its weight."""
    a = _bin(profile, slot, low)
    profile[slot, low] = value if np.isnan(a) else a + gain * (1.0 - weight) * (value - a)
    b = _bin(profile, slot, high)
    profile[slot, high] = value if np.isnan(b) else b + gain * weight * (value - b)


@njit(cache=True, nogil=True)
def covered(profile: F32, slot: int) -> bool:
    """Tell whether every working-day bin has been seen (a weekend one counts in its stead)."""
    for column in range(BINS):
        if np.isnan(profile[slot, column]) and np.isnan(profile[slot, column + BINS]):
            return False
    return True
