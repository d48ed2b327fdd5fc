"""VUS-PR: how well scores rank anomalous stretches above the rest, without a threshold.

In: labels 0/1 and scores ``(n,)`` in time order, higher is stranger, and the widest tolerance
``window`` in rows. Out: 0..1, NaN without an event. It is the mean over tolerances 0..window of
the area under a precision-recall curve in which points near an event count in part, and recall
is discounted by the share of events that were not touched. A random score gets about the share
of anomalous rows. Pure; one sort, then per tolerance one pass over the rows near events.

Source: Paparrizos et al., "Volume Under the Surface" (PVLDB 15, 2022), in the thresholded form
of the TSB-AD benchmark (NeurIPS 2024): 250 thresholds at evenly spaced ranks. With ``L`` the soft
label at one tolerance and ``p`` the rows at or above a threshold, the benchmark's sums reduce to
``TP = sum(L p)`` and ``N_L = events + TP - (events in p)``, which is what is computed here.

>>> label = np.array([0, 0, 0, 1, 1, 0, 0, 0])
>>> round(vus_pr(label, label.astype(float), window=0), 6)
1.0
"""

import math

import numpy as np
from numba import njit

from twinhelm.core.arrays import F64, I64, Array
from twinhelm.core.errors import BadInput
from twinhelm.stats.events import runs_of

__all__ = ["DEFAULT_WINDOW", "THRESHOLDS", "vus_pr", "window_of"]

THRESHOLDS = 250
DEFAULT_WINDOW = 100
"""The benchmark's own default where no window is asked for."""
_NO_PERIOD = 125


def window_of(values: F64) -> int:
    """Choose the tolerance for a series: the lag of the highest local maximum of its
    autocorrelation (first 20,000 rows, lags 3 to 400), 125 where there is none within 3..300.
    """  # noqa: D205 - one sentence
    x = np.asarray(values[:20_000], np.float64)
    x = np.where(np.isfinite(x), x, np.nan)
    kept = x[~np.isnan(x)]
    if len(kept) < 8:
        return _NO_PERIOD
    x = np.where(np.isnan(x), kept.mean(), x) - kept.mean()
    size = 1 << (2 * len(x) - 1).bit_length()
    spectrum = np.fft.rfft(x, size)
    auto = np.fft.irfft(spectrum * np.conj(spectrum), size)[: min(401, len(x))]
    if auto[0] <= 0.0 or len(auto) < 6:
        return _NO_PERIOD
    auto = auto[3:] / auto[0]
    peaks = np.flatnonzero((auto[1:-1] > auto[:-2]) & (auto[1:-1] > auto[2:])) + 1
    if not len(peaks):
        return _NO_PERIOD
    lag = int(peaks[np.argmax(auto[peaks])]) + 3
    return lag if lag <= 300 else _NO_PERIOD


def vus_pr(label: Array, score: F64, *, window: int = DEFAULT_WINDOW) -> float:
    """Return the volume; NaN where ``label`` holds no event.

    Raises :class:`BadInput` for columns of unequal length, a NaN score or a negative window.
    """
    values = np.ascontiguousarray(score, np.float64)
    if len(label) != len(values) or window < 0 or np.isnan(values).any():
        raise BadInput(
            f"{len(label)} labels, {len(values)} scores, {int(np.isnan(values).sum())} NaN, "
            f"window {window}",
            hint="give one finite score per label and a window of 0 or more",
        )
    events = runs_of(label)
    if not len(events):
        return float("nan")
    ranked = -np.sort(-values)
    cuts = ranked[np.linspace(0, len(values) - 1, THRESHOLDS).astype(np.int64)]
    # The first threshold that a row passes; rows at one cut's value pass at its first position.
    first = np.searchsorted(-cuts, -values, side="left").astype(np.int64)
    predicted = np.cumsum(np.bincount(first, minlength=THRESHOLDS)).astype(np.float64)
    return float(_volume(np.asarray(events), first, predicted, window))


@njit(cache=True, nogil=True)
def _volume(events: I64, first: I64, predicted: F64, window: int) -> float:
    """Average the area over tolerances; ``first`` is the first threshold that each row passes."""
    n, cuts, count = len(first), len(predicted), len(events)
    inside = np.zeros(cuts)
    positives = 0.0
    for e in range(count):
        for i in range(events[e, 0], events[e, 1] + 1):
            inside[first[i]] += 1.0
            positives += 1.0
    inside = np.cumsum(inside)
    is_event = np.zeros(n, np.bool_)
    for e in range(count):
        is_event[events[e, 0] : events[e, 1] + 1] = True
    soft = np.zeros(n)
    total = 0.0
    for w in range(window + 1):
        half = w // 2
        for e in range(count):
            start, end = events[e, 0], events[e, 1]
            for d in range(1, half + 1):
                near = math.sqrt(1.0 - d / w)
                if end + d < n:
                    soft[end + d] += near
                if start - d >= 0:
                    soft[start - d] += near
        mass, hits = np.zeros(cuts), np.zeros(cuts)
        segments = 0
        e = 0
        while e < count:
            low = max(events[e, 0] - half, 0)
            while e + 1 < count and events[e, 1] + half >= events[e + 1, 0] - half:
                e += 1
            high = min(events[e, 1] + half, n - 1)
            best = cuts - 1
            for i in range(low, high + 1):
                best = min(best, first[i])
                if not is_event[i]:
                    mass[first[i]] += min(soft[i], 1.0)
                soft[i] = 0.0
            hits[best] += 1.0
            segments += 1
            e += 1
        near_sum = hit_sum = before = area = 0.0
        for k in range(cuts):
            near_sum += mass[k]
            hit_sum += hits[k]
            found = inside[k] + near_sum
            wanted = (positives + positives + near_sum) / 2.0
            recall = min(found / wanted, 1.0) * hit_sum / segments
            area += (recall - before) * found / predicted[k]
            before = recall
        total += area
    return total / (window + 1)
