"""How rare a distance is: the upper tail of each test, followed online.

A tail is three columns of a series' row: ``q``, the distance that 2 % pass (in usual sizes);
``h``, the mean log excess over ``q`` of those that do, which is Hill's estimate of one over the
Pareto index; and the bar, the distance that flags. Evidence is ``-log10`` of the probability of
passing a distance: linear up to ``q``, Pareto beyond. Hill's estimate takes thin tails for
somewhat heavier than they are, so evidence errs on the quiet side.

Source: Hill, Annals of Statistics 3 (1975); the idea of a streaming tail per series is Siffer et
al., "Anomaly Detection in Streams with Extreme Value Theory" (KDD 2017), section 4.
"""

import math

from numba import njit

from twinhelm.core.arrays import F32

__all__ = ["follow_tail", "new_tail", "set_bar", "surprise"]

_SHARE = 0.02
_EVIDENCE_AT_Q = 1.69897
_LN10 = 2.302585
_HEAVIEST = 8.0
"""Past this a tail says nothing any more."""


@njit(cache=True, nogil=True, inline="always")
def new_tail(row: F32, at: int) -> None:
    """Start a tail somewhat heavier than normal noise has."""
    row[at] = 2.5
    row[at + 1] = 0.2


@njit(cache=True, nogil=True, inline="always")
def set_bar(row: F32, at: int, doubt: float, evidence: float) -> None:
    """Solve for the distance that brings ``evidence``; ``doubt`` widens the tail of the young."""
    h = row[at + 1] + doubt
    row[at + 2] = row[at] * math.exp(min((evidence - _EVIDENCE_AT_Q) * _LN10 * h, 60.0))


@njit(cache=True, nogil=True, inline="always")
def surprise(row: F32, at: int, z: float, doubt: float) -> float:
    """Return the evidence that distance ``z`` brings."""
    q: float = row[at]
    if z <= q:
        return _EVIDENCE_AT_Q * z / q
    index: float = row[at + 1] + doubt
    return _EVIDENCE_AT_Q + math.log10(z / q) / index


@njit(cache=True, nogil=True, inline="always")
def follow_tail(row: F32, at: int, z: float, rate: float, pace: float) -> bool:
    """Learn from one distance; return True if it lay in the tail, where the bar must be set anew.

    ``rate`` moves ``h``, ``pace`` moves ``q``. One distance counts at most as twice the bar (in
    logs): a single monster does not make the next one normal, several do.
    """
    q: float = row[at]
    if z <= q:
        row[at] = max(q - pace * _SHARE, 1.0)
        return False
    excess = min(math.log(z / q), 2.0 * math.log(max(row[at + 2] / q, 1.0)))
    row[at + 1] = min(row[at + 1] + rate * (excess - row[at + 1]), _HEAVIEST)
    row[at] = q + pace * (1.0 - _SHARE)
    return True
