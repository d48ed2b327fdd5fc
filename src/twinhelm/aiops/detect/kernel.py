"""One step of the baseline for one sample, and the loop that takes a block through it.

Question: how strange is this value, given what its series did before? In: samples in arrival
order and the state matrix of :class:`.baseline.Detector`, float32 ``(n, WIDTH)``, a row per
series. Out: expected value, range, score and decision per sample; the state moves on in place.

What is followed, per series, on the value ``y`` less its time-of-day profile where one is earned:

* ``SLOW``, the baseline (about two hours, at least 60 samples), and ``FAST``, the mean of now
  (about six samples). The baseline only moves on samples that were not flagged, at most by the
  clip. ``FAST`` always moves: it says where the series is, not where it should be.
* point test: the distance of ``y`` from the nearer of both, in units of its usual size;
* shift test: ``FAST - SLOW`` in units of its usual size: small lasting shifts, growth, outages;
* spread test: the mean size of recent point distances; flat test: repeats of one exact value.

Usual sizes are means of clipped absolute distances. Each test's tail is its own: the level
``q`` that 2 % of distances pass and the mean log excess above it (Hill's estimate of the Pareto
index, larger while the series is young) are followed per series, so that a score means the same
on calm and on wild series. ``-log10`` of the tail probability
becomes the score ``s / (s + 5)``.

Wrong when: the first hours of a series are the trouble itself; a series jumps between plateaus
for a living (its first jumps are flagged, then the tail learns them). Cost: 40 to 60 ns a sample.
Source: the idea of a streaming tail is Siffer et al., "Anomaly Detection in Streams with Extreme
Value Theory" (KDD 2017), section 4; the index is Hill (Annals of Statistics 3, 1975).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from twinhelm.aiops.detect.season import (
    BIN_MS,
    covered,
    learn_profile,
    place,
    read_profile,
)
from twinhelm.core.arrays import BOOL, F32, F64, I32, I64, U32

__all__ = ["SCORE_HALF", "SLOT_NONE", "SLOT_WANTED", "WIDTH", "YOUNG", "walk"]

(
    FAST, SLOW, S1, S2, Q1, H1, Z1, Q2, H2, Z2, SPREAD, S3, STEP, N, RUN, RUN_MEAN, RUN_MAX, LAST,
    HELD, MAG, FLAG, SEASONAL, BIN, CROSSED, AHEAD, BEYOND, ERR, ERR_SEASON,
    FADING, Q3, H3, Z3, BAR,
) = range(33)  # fmt: skip
WIDTH = 33

SLOT_NONE, SLOT_WANTED = -1, -2
YOUNG = 24
"""Samples before a series is judged: two minutes at 5 s."""
SCORE_HALF = 3.0
"""``-log10`` of the tail probability that scores 0.5."""

_FAST_GAIN = 0.3
_FADE = 0.93
_SLOW_MS = 6 * 3_600_000.0
_SLOW_MIN, _SLOW_MAX = 60.0, 1440.0
_MEAN_TO_SIGMA = 1.2533
_TAIL_SHARE = 0.02
_TAIL_LOG = 1.69897
_LN10 = 2.302585
_RELATIVE_FLOOR = 2e-4
"""A distance below this share of the usual magnitude is rounding, whatever the history."""
_TINY = 1e-12
_HOLD_MS, _HOLD_SAMPLES = 6 * 3_600_000.0, 60.0
"""How long a shift lasts before it is the new normal: 6 h and 60 samples."""
_SEASON_AGE_MS = 3 * 3_600_000.0
_SEASON_TRIAL_MS = 30 * 3_600_000.0
_HUGE = 1e30
_CALM_MS, _HASTE = 300_000.0, 0.6
"""Series faster than five minutes need 0.6 more evidence per factor of ten."""


@njit(cache=True, nogil=True, inline="always")
def _bar(q: float, tail: float, threshold: float) -> float:
    """Solve for the distance whose ``-log10`` tail probability is ``threshold``."""
    return q * math.exp((threshold - _TAIL_LOG) * _LN10 * tail)


@njit(cache=True, nogil=True, inline="always")
def _surprise(z: float, q: float, tail: float) -> float:
    """Return ``-log10`` of the tail probability of a distance; linear below ``q``."""
    if z <= q:
        return _TAIL_LOG * z / q
    return _TAIL_LOG + math.log10(z / q) / tail


@njit(cache=True, nogil=True, inline="always")
def _excess(z: float, q: float, bar: float) -> float:
    """Return the log excess over ``q``, at most twice that of the bar."""
    return min(math.log(z / q), 2.0 * math.log(max(bar / q, 1.0)))


@njit(cache=True, nogil=True)
def _compare(row: F32, profiles: F32, slot: int, t: int, now: float) -> None:
    """Once a bin: did the profile foretell how the series moved? Switch its use on or off.

    The move over the bin just ended is compared with what the profile said about it one bin
    before it began, from earlier days only; a profile that cannot do better than "no move" by a
    fifth is not used. ``now`` is the present mean, profile included.
    """
    ahead = max(BIN_MS, int(row[STEP]))
    known = _at(profiles, slot, t)
    moved = now - row[CROSSED]
    if row[BIN] >= 0.0 and not np.isnan(row[AHEAD]):
        row[ERR] += (abs(moved) - row[ERR]) / 32.0
        row[ERR_SEASON] += (abs(moved - row[AHEAD]) - row[ERR_SEASON]) / 32.0
        old = row[N] * row[STEP] > _SEASON_TRIAL_MS
        if row[SEASONAL] > 0.0 and row[ERR_SEASON] > row[ERR]:
            row[SEASONAL] = 0.0
            row[FAST] += known
            row[SLOW] += known
        elif (
            row[SEASONAL] == 0.0
            and old
            and row[ERR_SEASON] < 0.8 * row[ERR]
            and covered(profiles, slot)
        ):
            row[SEASONAL] = 1.0
            row[FAST] -= known
            row[SLOW] = row[FAST]
    row[CROSSED] = now
    row[AHEAD] = row[BEYOND] if row[BIN] >= 0.0 else np.nan
    row[BEYOND] = _at(profiles, slot, t + 2 * ahead) - _at(profiles, slot, t + ahead)


@njit(cache=True, nogil=True, inline="always")
def _at(profiles: F32, slot: int, t: int) -> float:
    """Read a profile at a time."""
    low, high, weight = place(t)
    return read_profile(profiles, slot, low, high, weight)


@njit(cache=True, nogil=True)
def walk(
    series: U32,
    time_ms: I64,
    value: F64,
    rows: F32,
    seen: I64,
    slots: I32,
    profiles: F32,
    threshold: float,
    expected: F64,
    low: F64,
    high: F64,
    score: F64,
    flagged: BOOL,
) -> int:
    """Judge samples in order and learn from them; return how many series want a profile.

    Every id must be below ``len(rows)``, every slot below ``len(profiles)``. Samples that are not
    finite, or not newer than the newest learnt, score 0 and change nothing.
    """
    wanted = 0
    for i in range(len(series)):
        expected[i] = low[i] = high[i] = np.nan
        score[i] = 0.0
        flagged[i] = False
        s = series[i]
        x = value[i]
        if not np.isfinite(x) or time_ms[i] <= seen[s]:
            continue
        x = min(max(x, -_HUGE), _HUGE)
        t = time_ms[i]
        row = rows[s]
        n = row[N] + 1.0
        row[N] = n
        if n == 1.0:
            row[FAST] = row[SLOW] = row[LAST] = x
            row[Q1] = row[Q2] = row[Q3] = 2.5
            row[H3] = 0.2
            row[H1] = row[H2] = 0.2
            row[RUN_MEAN] = 30.0
            row[BIN] = -1.0
            row[MAG] = abs(x)
            row[SPREAD] = 0.8
            row[S3] = 0.2
            seen[s] = t
            continue
        dt = float(t - seen[s])
        seen[s] = t
        step = row[STEP]
        if n == 2.0:
            step = dt
        else:
            step += 0.1 * min(max(dt - step, -step), step)
        row[STEP] = step
        gap = min(max(round(dt / step), 1.0), 60.0)

        # The value less its profile, where that is earned.
        slot = slots[s]
        profile = 0.0
        b0, b1, weight = 0, 0, 0.0
        if slot >= 0:
            b0, b1, weight = place(t)
            profile = read_profile(profiles, slot, b0, b1, weight)
            if np.isnan(profile):
                profile = x - row[SLOW] if row[SEASONAL] > 0.0 else 0.0
        y = x - profile if row[SEASONAL] > 0.0 else x

        fast, slow = row[FAST], row[SLOW]
        floor = _RELATIVE_FLOOR * row[MAG] + _TINY
        s1 = max(_MEAN_TO_SIGMA * row[S1], floor)
        to_fast, to_slow = y - fast, y - slow
        near = to_fast if abs(to_fast) < abs(to_slow) else to_slow
        z1 = abs(near) / s1

        # FAST follows one sample within the clip, and two on the same side wherever they are.
        before = row[LAST] - profile - fast if row[SEASONAL] > 0.0 else row[LAST] - fast
        reach = 4.0 * s1
        if before * to_fast > 0.0:
            reach = max(reach, abs(before))
        gain = max(_FAST_GAIN, 1.0 / n) if gap <= 1.0 else 1.0 - (1.0 - _FAST_GAIN) ** gap
        back = abs(to_slow) < 2.0 * s1
        if back and abs(fast - slow) > 2.0 * s1:
            gain = max(gain, 0.5)
        if n < 8.0:
            reach = max(reach, abs(to_fast))
        fast += gain * min(max(to_fast, -reach), reach)
        row[FAST] = fast
        if n % 16.0 == 0.0:  # as many false alarms a day, however often samples come
            row[BAR] = threshold + _HASTE * max(math.log10(_CALM_MS / step), 0.0)
        bar = row[BAR]
        away = fast - slow
        s2 = max(_MEAN_TO_SIGMA * row[S2], 0.2 * s1, floor)
        z2 = abs(away) / s2

        span = min(max(_SLOW_MS / step, _SLOW_MIN), _SLOW_MAX)
        tail1, tail2 = row[H1] + 2.0 / n, row[H2] + 12.0 / n
        if n % 16.0 == 0.0:
            row[Z1] = _bar(row[Q1], tail1, bar)
            row[Z2] = _bar(row[Q2], tail2, bar)

        # How strange: the strangest test, and half of what the others say beyond the ordinary.
        surprise1 = _surprise(z1, row[Q1], tail1)
        surprise2 = _surprise(z2, row[Q2], tail2)
        if back:
            surprise2 *= 0.5
        z3 = max(row[SPREAD] - 0.8, 0.0) / (_MEAN_TO_SIGMA * max(row[S3], 0.05))
        tail3 = row[H3] + 20.0 / n
        if n % 16.0 == 0.0:
            row[Z3] = _bar(row[Q3], tail3, bar)
        surprise3 = _surprise(z3, row[Q3], tail3)
        same = np.float32(x) == row[LAST]
        run = row[RUN] + 1.0 if same else 0.0
        surprise4 = 0.0
        usual = 12.0 + 20.0 * row[RUN_MEAN] + 2.0 * row[RUN_MAX]
        if usual < run < n - 8.0:
            surprise4 = min(1.2 * bar * run / usual, 1.4 * bar)
        most = max(max(surprise1, surprise2), surprise3)
        others = surprise1 + surprise2 + surprise3 - most
        surprise = max(most + 0.5 * max(others - 2.0, 0.0), surprise4)
        if row[S1] <= floor * 0.01:
            surprise = min(surprise, 1.3 * bar)  # a constant that changed: strange, not gross
        shifted = surprise2 >= surprise1
        judged = n > YOUNG
        bad = judged and surprise >= bar
        if judged:
            faded = max(surprise, _FADE * row[FADING])
            row[FADING] = faded
            score[i] = faded / (faded + SCORE_HALF)
            flagged[i] = bad
            if shifted and bad:
                centre, half = slow, row[Z2] * s2
            elif abs(to_slow) < abs(to_fast):
                centre, half = slow, row[Z1] * s1
            else:
                centre, half = y - to_fast, row[Z1] * s1
            centre += x - y
            expected[i], low[i], high[i] = centre, centre - half, centre + half

        # Learn. Flagged samples move no baseline; the first of a run moves the tails.
        if bad:
            row[HELD] += dt
            if row[S1] < floor and row[FLAG] == 0.0:  # it was constant: learn that it can move
                row[S1] += max(1.0 / 300.0, 1.0 / n) * abs(near)
            if row[HELD] > max(_HOLD_MS, _HOLD_SAMPLES * step):
                row[SLOW] = fast
                row[HELD] = 0.0
                row[S1] += 0.5 * row[SPREAD] * s1
                row[S2] += 0.5 * s2
        else:
            row[HELD] = max(row[HELD] - dt, 0.0)
            bound = 3.0 * max(s1, s2) if n >= 8.0 else abs(to_slow)
            row[SLOW] = slow + max(1.0 / span, 1.0 / n) * min(max(to_slow, -bound), bound)
            g1 = max(1.0 / 300.0, 1.0 / n)
            size = abs(to_fast) if n < 8.0 else min(abs(to_fast), 4.0 * s1)
            row[S1] += g1 * (size - row[S1])
            g2 = max(0.1 / span, 1.0 / n)
            size = abs(away) if n < 8.0 else min(abs(away), 4.0 * s2)
            row[S2] += g2 * (size - row[S2])
            row[MAG] += 0.01 * (abs(x) - row[MAG])
            row[S3] += 0.002 * (abs(row[SPREAD] - 0.8) - row[S3])
        row[SPREAD] += 0.05 * (min(z1, 8.0) - row[SPREAD])
        if judged and (not bad or row[FLAG] == 0.0):
            rate = max(1.0 / 150.0, 1.0 / (8.0 + _TAIL_SHARE * n))
            if z1 > row[Q1]:
                row[H1] += rate * (_excess(z1, row[Q1], row[Z1]) - row[H1])
                row[Q1] += 0.049
                row[Z1] = _bar(row[Q1], tail1, bar)
            else:
                row[Q1] = max(row[Q1] - 0.001, 1.0)
            if z2 > row[Q2]:
                row[H2] += 0.4 * rate * (_excess(z2, row[Q2], row[Z2]) - row[H2])
                row[Q2] += 0.0196
                row[Z2] = _bar(row[Q2], tail2, bar)
            else:
                row[Q2] = max(row[Q2] - 0.0004, 1.0)
            if z3 > row[Q3]:
                row[H3] += 0.4 * rate * (_excess(z3, row[Q3], row[Z3]) - row[H3])
                row[Q3] += 0.0196
                row[Z3] = _bar(row[Q3], tail3, bar)
            else:
                row[Q3] = max(row[Q3] - 0.0004, 1.0)
        if not same:
            row[RUN_MEAN] += 0.03 * (row[RUN] - row[RUN_MEAN])
            row[RUN_MAX] = max(row[RUN], row[RUN_MAX] * 0.999)
        row[RUN] = run
        row[LAST] = x
        row[FLAG] = 1.0 if bad else 0.0

        # The profile: learn it, and use it once it has been seen to err less.
        if slot == SLOT_NONE:
            if n > 60.0 and n * step > _SEASON_AGE_MS and step < 2 * BIN_MS and row[S1] > floor:
                slots[s] = SLOT_WANTED
                wanted += 1
        elif slot >= 0 and not bad:
            days = n * step / 86_400_000.0
            rate = (0.7 if days < 3.0 else 0.35) * min(step / BIN_MS, 1.0)
            learn_profile(profiles, slot, b0, b1, weight, x, rate)
            if float(b0) != row[BIN]:
                _compare(row, profiles, slot, t, fast + (x - y))
                row[BIN] = b0
    return wanted
