"""What time of day does to a series: a profile per series, learnt without stored history.

Comes in: a value and its UTC time, one at a time, from :mod:`.kernel`. Goes out: the value that
this time of day usually brings. A profile is a row of ``WIDTH`` float32: ``BINS`` bins for
Monday to Friday, ``BINS`` for the weekend, read by linear interpolation between bin centres, and
six figures that say whether it is of use; NaN is what was never seen. A bin of one kind of day
starts as a copy of the other's and earns its own value. Weekends are UTC weekends: elsewhere the
edges are some hours off, which costs width of the band in those hours, not correctness.

Of use means: once a bin, the move of the series over that bin is compared with what the profile
said of it from earlier days. A profile that does not err a fifth less than "no move" is learnt
but not used, so that noise and random walks get none.

Wrong for cycles that are neither daily nor weekly, and for series slower than one sample in 90
minutes. Cost: two reads and two writes a sample.
"""

import numpy as np
from numba import njit

from twinhelm.core.arrays import F32

__all__ = ["BIN", "BIN_MS", "WIDTH", "judge_profile", "learn_profile", "place", "read_profile"]

BINS = 32
DAY_MS = 86_400_000
BIN_MS = DAY_MS // BINS
BIN, CROSSED, AHEAD, BEYOND, ERR, ERR_USED = range(2 * BINS, 2 * BINS + 6)
"""Bin now; mean when it began; foretold moves of this bin and the next; mean errors of "no move"
and of the profile."""
WIDTH = 2 * BINS + 6


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
    """Read one bin; of a bin never seen, the same time on the other kind of day."""
    value: float = profile[slot, column]
    if np.isnan(value):
        value = profile[slot, column - BINS if column >= BINS else column + BINS]
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
def _covered(profile: F32, slot: int) -> bool:
    """Tell whether every working-day bin has been seen (a weekend one counts in its stead)."""
    for column in range(BINS):
        if np.isnan(profile[slot, column]) and np.isnan(profile[slot, column + BINS]):
            return False
    return True


@njit(cache=True, nogil=True)
def _profile_at(profile: F32, slot: int, time_ms: int) -> float:
    low, high, weight = place(time_ms)
    return read_profile(profile, slot, low, high, weight)


@njit(cache=True, nogil=True)
def judge_profile(
    profile: F32, slot: int, time_ms: int, current: int, step_ms: float, now: float, used: bool
) -> bool:
    """Once a bin (``current`` is the new one): say whether the profile is to be used from here on.

    ``now`` is the mean of now, season included. What a profile says of a bin is noted one bin
    before that bin begins, when today has not yet taught it anything there.
    """
    p = profile[slot]
    first = np.isnan(p[BIN])
    if first:
        p[ERR] = p[ERR_USED] = 0.0
    elif not np.isnan(p[AHEAD]):
        moved = now - p[CROSSED]
        p[ERR] += (abs(moved) - p[ERR]) / BINS
        p[ERR_USED] += (abs(moved - p[AHEAD]) - p[ERR_USED]) / BINS
        if used:
            used = p[ERR_USED] <= p[ERR]
        else:
            used = p[ERR_USED] < 0.8 * p[ERR] and _covered(profile, slot)
    reach = max(BIN_MS, int(step_ms))
    p[BIN] = current
    p[CROSSED] = now
    p[AHEAD] = np.nan if first else p[BEYOND]
    ahead = _profile_at(profile, slot, time_ms + reach)
    p[BEYOND] = _profile_at(profile, slot, time_ms + 2 * reach) - ahead
    return used
