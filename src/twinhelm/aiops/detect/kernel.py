"""One step of the baseline for one sample, and the loop that takes a block through it.

Question: how strange is this value, given what its series did before? In: samples in arrival
order and the state matrix of :class:`.baseline.Detector`, a row per series. Out:
expected value, range, score and decision per sample; the state moves on in place.

What is followed, per series, on the value ``y`` less its time-of-day profile where one is earned:

* ``SLOW``, the baseline (six hours, but 60 to 1,440 samples), and ``FAST``, the mean of now
  (three samples). The baseline moves only on samples that were not flagged, at most by the clip.
  ``FAST`` always moves: it says where the series is, not where it should be.
* point test: the distance of ``y`` from the nearer of both, in its usual size;
* shift test: ``FAST - SLOW`` in its usual size: small lasting shifts, growth, outages;
* spread test: the mean of recent point distances, in its usual size;
* flat test: repeats of one exact value, against how long such runs are here.

Usual sizes are means of clipped absolute distances, and each test has a tail of its own
(:mod:`.tail`), so that a score means the same on calm and on wild series. Evidence ``e`` of the
strangest test, with half of what the others have beyond the ordinary, becomes the score
``e / (e + 3)``, fading over the samples that follow. Samples are flagged from 3 on (sensitivity
0.5), from more on series faster than one sample an hour: a day brings them more chances.

Flagged samples teach the tails once per run, and nothing else, until a level has held eight hours
and 60 samples: then it is the new normal. In a series' first two hours it is sooner.

Wrong when: the first hours of a series are the trouble itself; a series jumps between plateaus
for a living (its first jumps are flagged, then the tail learns them). Cost: 50 to 60 ns a sample.
No fast-math: a replay in blocks of other sizes must give the same state to the bit.
"""

import math

import numpy as np
from numba import njit

from twinhelm.aiops.detect import season
from twinhelm.aiops.detect.season import BIN_MS, place, read_profile
from twinhelm.aiops.detect.tail import follow_tail, new_tail, set_bar, surprise
from twinhelm.core.arrays import BOOL, F32, F64, I32, I64, U32

__all__ = [
    "FAST", "HELD", "SCORE_HALF", "SEEN", "SLOT", "SLOW", "WIDTH", "N", "bar_of", "settle",
    "threshold_of", "toward", "visit_order", "walk",
]  # fmt: skip

# What is remembered of one series: a row of 128 bytes, two cache lines, of WIDTH float32, of which
# the last three words hold integers, reached by views of the same bytes. All zero means "never
# seen". Three tests keep a tail each, in three columns from POINT, SHIFT and SPREADING on.
FAST = 0
"""Mean of now, about three samples, less the profile where one is used."""
SLOW = 1
"""The baseline, likewise."""
SIZE_POINT, SIZE_SHIFT, SIZE_SPREAD = 2, 3, 4
"""Mean absolute distance of each test."""
POINT, SHIFT, SPREADING = 5, 8, 11
"""Where each test's tail starts."""
SPREAD = 14
"""Mean point distance of the last 20 samples, in usual sizes; 0.8 is normal."""
STEP = 15
"""Usual time between samples, ms."""
N = 16
"""Samples learnt; stays near a million from there on."""
RUN, RUN_MEAN, RUN_MAX = 17, 18, 19
"""Repeats of the same value now, usually, at most (fading)."""
LAST = 20
"""The newest value."""
HELD = 21
"""How long the series has been flagged, ms; counts down when it is not."""
MAGNITUDE = 22
"""Mean absolute value: what rounding is measured against."""
FLAG = 23
"""1 if the newest sample was flagged."""
SEASONAL = 24
"""1 while the profile is used."""
FADING = 25
"""The score's evidence, fading after a strange sample."""
BAR = 26
"""Evidence that flags, for this series' interval."""
SLOT = 29
"""As int32: 0 no profile, k the k-th profile (from 1)."""
SEEN = 15
"""As int64: time of the newest sample learnt."""
WIDTH = 32

_YOUNG = 24
"""Samples before a series is judged: two minutes at 5 s."""
SCORE_HALF = 3.0
"""Evidence (``-log10`` of the tail probability) that scores 0.5."""

_FAST_GAIN = 0.3
_FADE = 0.93
_SLOW_MS = 6 * 3_600_000.0
_SLOW_MIN, _SLOW_MAX = 60.0, 1440.0
_SIGMA = 1.2533
"""A normal distribution's sigma over its mean absolute distance."""
_NORMAL_SPREAD = 0.8
_FLOOR = 2e-4
"""A distance below this share of the usual magnitude is rounding, whatever the history."""
_TINY = 1e-12
_HUGE = 1e30
_HOLD_MS, _HOLD_SAMPLES = 8 * 3_600_000.0, 60.0
_HOLD_KNOWN, _HOLD_LEAST_MS = 4.0, 900_000.0
"""A level is the new normal sooner where next to nothing was known before: after four times as
long as was learnt until then."""
_CALM_MS, _HASTE = 3_600_000.0, 0.35
"""Series faster than one sample an hour need 0.35 more evidence per factor of ten."""
_SEASON_AGE_MS, _SEASON_TRIAL_MS = 3 * 3_600_000.0, 36 * 3_600_000.0
"""Age at which a profile is learnt, and from which it may be used: half a day of comparisons."""
_OLDEST = 1_048_576.0
"""Where float32 still counts by one."""


def threshold_of(sensitivity: float) -> float:
    """Turn ``detect.sensitivity`` into the evidence that is flagged.

    0.5 gives 3, which scores 0.5: one sample in 1,000 where the tail fits. Tails are estimated on
    the heavy side, so that quiet noise is flagged far less often. 0 gives 5.2, 1 gives 1.7.
    """
    return float(SCORE_HALF * 3.0 ** (0.5 - sensitivity))


@njit(cache=True, nogil=True, inline="always")
def bar_of(evidence: float, step_ms: float) -> float:
    """Return the evidence that flags: more samples a day need more."""
    return evidence + _HASTE * max(math.log10(_CALM_MS / step_ms), 0.0)


@njit(cache=True, nogil=True, inline="always")
def toward(level: float, away: float, bound: float, gain: float) -> float:
    """Move a level by ``gain`` of the distance ``away``, of which ``bound`` counts at most."""
    return level + gain * min(max(away, -bound), bound)


@njit(cache=True, nogil=True, inline="always")
def settle(size: float, distance: float, bound: float, gain: float) -> float:
    """Move a usual size by ``gain`` towards a distance, of which ``bound`` counts at most."""
    return size + gain * (min(distance, bound) - size)


@njit(cache=True, nogil=True)
def _begin(row: F32, x: float) -> None:
    """Take the first sample of a series."""
    row[FAST] = row[SLOW] = row[LAST] = x
    row[MAGNITUDE] = abs(x)
    row[SPREAD] = _NORMAL_SPREAD
    row[SIZE_SPREAD] = 0.2
    row[RUN_MEAN] = 30.0
    new_tail(row, POINT)
    new_tail(row, SHIFT)
    new_tail(row, SPREADING)


@njit(cache=True, nogil=True)
def visit_order(series: U32, count: int) -> tuple[I64, I64]:
    """Order samples by series, and of one series as they came: a counting sort over ``count`` ids.

    Returns the order and each sample's rank in it. State is then met in memory order, which is
    several times as quick as in random order.
    """
    ends = np.zeros(count + 1, np.int64)
    for s in series:
        ends[s + 1] += 1
    for s in range(count):
        ends[s + 1] += ends[s]
    order = np.empty(len(series), np.int64)
    rank = np.empty(len(series), np.int64)
    for i in range(len(series)):
        s = series[i]
        order[ends[s]] = i
        rank[i] = ends[s]
        ends[s] += 1
    return order, rank


@njit(cache=True, nogil=True, error_model="numpy")
def walk(
    series: U32, time_ms: I64, value: F64, rows: F32, whole: I32, long: I64, profiles: F32,
    used: I64, evidence: float, expected: F64, low: F64, high: F64, score: F64, flagged: BOOL,
) -> int:  # fmt: skip
    """Judge samples in order and learn from them; return how many series still want a profile.

    ``whole`` and ``long`` are ``rows`` seen as int32 and int64; ``used`` counts the profiles given
    out, the first of ``profiles``. Every id must be below
    ``len(rows)``, every slot at most ``len(profiles)``. Samples that are not finite, or not newer
    than the newest learnt, score 0 and change nothing.
    """
    wanted = 0
    for i in range(len(series)):
        expected[i] = low[i] = high[i] = np.nan
        score[i] = 0.0
        flagged[i] = False
        s, t, x = series[i], time_ms[i], value[i]
        row = rows[s]
        n = row[N] + 1.0
        if not np.isfinite(x) or (n > 1.0 and t <= long[s, SEEN]):
            continue
        x = min(max(x, -_HUGE), _HUGE)
        if n >= _OLDEST:
            n -= 16.0
        row[N] = n
        dt = float(t - long[s, SEEN])
        long[s, SEEN] = t
        if n == 1.0:
            _begin(row, x)
            continue
        step = row[STEP]
        step = dt if n == 2.0 else step + 0.1 * min(max(dt - step, -step), step)
        row[STEP] = step
        now_and_then = n % 16.0 == 0.0

        # The value less its profile, where that is used.
        slot = whole[s, SLOT] - 1
        profile, b0, b1, weight = 0.0, 0, 0, 0.0
        if slot >= 0:
            b0, b1, weight = place(t)
            if row[SEASONAL] > 0.0:
                profile = read_profile(profiles, slot, b0, b1, weight)
        y = x - profile

        fast, slow = row[FAST], row[SLOW]
        floor = _FLOOR * row[MAGNITUDE] + _TINY
        size = max(_SIGMA * row[SIZE_POINT], floor)
        to_fast, to_slow = y - fast, y - slow
        off_fast, off_slow = abs(to_fast), abs(to_slow)
        z_point = min(off_fast, off_slow) / size
        back = off_slow < 2.0 * size

        # FAST follows one sample within the clip, and two on the same side wherever they are.
        before = row[LAST] - profile - fast
        reach = 4.0 * size
        if before * to_fast > 0.0:
            reach = max(reach, abs(before))
        gain = max(_FAST_GAIN, 1.0 / n)
        if dt > 1.5 * step:
            gain = 1.0 - (1.0 - _FAST_GAIN) ** min(dt / step, 60.0)
        if back and abs(fast - slow) > 2.0 * size:
            gain = max(gain, 0.5)
        if n < 8.0:
            reach = max(reach, off_fast)
        fast = toward(fast, to_fast, reach, gain)
        row[FAST] = fast
        shift = abs(fast - slow)
        size_shift = max(_SIGMA * row[SIZE_SHIFT], 0.2 * size, floor)
        z_shift = shift / size_shift
        z_spread = max(row[SPREAD] - _NORMAL_SPREAD, 0.0) / (_SIGMA * max(row[SIZE_SPREAD], 0.05))

        # How strange: the strangest test, and half of what the others say beyond the ordinary.
        doubt_point, doubt_shift, doubt_spread = 2.0 / n, 6.0 / n, 20.0 / n
        if now_and_then:
            row[BAR] = bar_of(evidence, step)
            set_bar(row, POINT, doubt_point, row[BAR])
            set_bar(row, SHIFT, doubt_shift, row[BAR])
            set_bar(row, SPREADING, doubt_spread, row[BAR])
        bar = row[BAR]
        e_point = surprise(row, POINT, z_point, doubt_point)
        e_shift = surprise(row, SHIFT, z_shift, doubt_shift)
        e_spread = surprise(row, SPREADING, z_spread, doubt_spread)
        if back:  # one blip must not flag the quiet samples after it
            e_shift = min(0.5 * e_shift, 0.8 * bar)
            e_spread = min(e_spread, 0.8 * bar)
        most = max(e_point, e_shift, e_spread)
        others = e_point + e_shift + e_spread - most
        e = most + 0.5 * max(others - 2.0, 0.0)
        same = np.float32(x) == row[LAST]
        run = row[RUN] + 1.0 if same else 0.0
        usual = 12.0 + 20.0 * row[RUN_MEAN] + 2.0 * row[RUN_MAX]
        if usual < run < n - 8.0:
            e = max(e, min(1.2 * bar * run / usual, 1.4 * bar))
        if row[SIZE_POINT] <= 0.01 * floor:
            e = min(e, 1.3 * bar)  # a constant that changed: strange, not gross
        judged = n > _YOUNG
        bad = judged and e >= bar
        if judged:
            row[FADING] = max(e, _FADE * row[FADING])
            score[i] = row[FADING] / (row[FADING] + SCORE_HALF)
            flagged[i] = bad
            centre, half = slow, row[POINT + 2] * size
            if bad and e_shift >= e_point:
                half = row[SHIFT + 2] * size_shift
            elif off_fast <= off_slow:
                centre = y - to_fast
            centre += profile
            expected[i], low[i], high[i] = centre, centre - half, centre + half

        # Learn. Flagged samples move no baseline; the first of a run moves the tails.
        if bad:
            row[HELD] += dt
            if row[SIZE_POINT] < floor and row[FLAG] == 0.0:  # a constant learns that it can move
                row[SIZE_POINT] += max(1.0 / 1000.0, 1.0 / n) * min(off_fast, off_slow)
            known = max(n * step - row[HELD], 0.0)
            hold = min(max(_HOLD_KNOWN * known, _HOLD_LEAST_MS), _HOLD_MS)
            if row[HELD] > max(hold, _HOLD_SAMPLES * step):
                row[SLOW] = fast
                row[HELD] = 0.0
                row[SIZE_POINT] += 0.5 * row[SPREAD] * size
                row[SIZE_SHIFT] += 0.5 * size_shift
        else:
            row[HELD] = max(row[HELD] - dt, 0.0)
            span = min(max(_SLOW_MS / step, _SLOW_MIN), _SLOW_MAX)
            wide = _HUGE if n < 8.0 else 1.0
            each = 1.0 / n
            row[SLOW] = toward(
                slow, to_slow, 3.0 * wide * max(size, size_shift), max(1.0 / span, each)
            )
            row[SIZE_POINT] = settle(
                row[SIZE_POINT], off_fast, 4.0 * wide * size, max(1.0 / 1000.0, each)
            )
            row[SIZE_SHIFT] = settle(
                row[SIZE_SHIFT], shift, 4.0 * wide * size_shift, max(0.1 / span, each)
            )
            row[SIZE_SPREAD] += 0.002 * (abs(row[SPREAD] - _NORMAL_SPREAD) - row[SIZE_SPREAD])
            row[MAGNITUDE] += 0.01 * (abs(x) - row[MAGNITUDE])
        row[SPREAD] = settle(row[SPREAD], z_point, 8.0, 0.05)
        if judged and (not bad or row[FLAG] == 0.0):
            rate = max(1.0 / 150.0, 1.0 / (8.0 + 0.02 * n))
            if follow_tail(row, POINT, z_point, rate, 0.05):
                set_bar(row, POINT, doubt_point, bar)
            # Neighbours of these two are alike: learning from each would teach a slow climb.
            if n % 8.0 == 0.0:
                if follow_tail(row, SHIFT, z_shift, rate, 0.1):
                    set_bar(row, SHIFT, doubt_shift, bar)
                if follow_tail(row, SPREADING, z_spread, rate, 0.1):
                    set_bar(row, SPREADING, doubt_spread, bar)
        if not same:
            row[RUN_MEAN] += 0.03 * (row[RUN] - row[RUN_MEAN])
            row[RUN_MAX] = max(row[RUN], 0.999 * row[RUN_MAX])
        row[RUN] = run
        row[LAST] = x
        row[FLAG] = 1.0 if bad else 0.0

        # The profile: learn it from what is normal, and use it once it is of use.
        if slot >= 0:
            if not bad:
                rate = (0.7 if n * step < 3 * 86_400_000.0 else 0.35) * min(step / BIN_MS, 1.0)
                season.learn_profile(profiles, slot, b0, b1, weight, x, rate)
                if profiles[slot, season.BIN] != b0:
                    was = row[SEASONAL] > 0.0
                    use = season.judge_profile(profiles, slot, t, b0, step, fast + profile, was)
                    if use != was and n * step > _SEASON_TRIAL_MS:
                        known = read_profile(profiles, slot, b0, b1, weight)
                        row[SEASONAL] = 1.0 if use else 0.0
                        row[SLOW] = fast - known if use else row[SLOW] + profile
                        row[FAST] = fast - known if use else fast + profile
        elif (
            slot == -1
            and now_and_then
            and n * step > _SEASON_AGE_MS
            and n > 60.0
            and step < 2 * BIN_MS
            and row[SIZE_POINT] > floor
        ):
            if used[0] < len(profiles):
                used[0] += 1
                whole[s, SLOT] = used[0]
            else:
                wanted += 1
    return wanted
