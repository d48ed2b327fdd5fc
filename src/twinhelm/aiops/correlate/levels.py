"""Keeps the newest sustained value of every series: what five of its last six signals reached.

In: the :class:`Scores` of each tick. Out: for anomalies, the level that
:func:`~twinhelm.aiops.correlate.incidents.correlate` weighs instead of the worst value, so that
one high sample with a long weak tail is not taken for lasting trouble. State: 56 bytes a
series; about 10 ns a sample. Not kept over a restart: it is full again after six samples.

>>> Levels().of([])
{}
"""

from collections.abc import Iterable

import numpy as np
from numba import njit

from twinhelm.aiops.types import Anomaly, Direction, Scores
from twinhelm.core.arrays import F64, I64, U32

__all__ = ["Levels"]

KEPT = 6
_GROW = 1024


class Levels:
    """The last few signals of every series. The tick owns it; not for several threads."""

    def __init__(self) -> None:
        self._ring: F64 = np.full((_GROW, KEPT), np.nan)
        self._at: I64 = np.zeros(_GROW, np.int64)

    def observe(self, scores: Scores) -> None:
        """Take the signals of one tick, ascending in time per series."""
        if not len(scores.series):
            return
        highest = int(scores.series.max())
        size = len(self._at)
        if highest >= size:
            more = max(highest + 1, 2 * size) - size
            self._ring = np.concatenate((self._ring, np.full((more, KEPT), np.nan)))
            self._at = np.concatenate((self._at, np.zeros(more, np.int64)))
        _push(scores.series, scores.signal, self._ring, self._at)

    def of(self, anomalies: Iterable[Anomaly]) -> dict[str, float]:
        """Return the level of each anomaly's series by anomaly key, where three are known."""
        found = {}
        for one in anomalies:
            if one.series < len(self._ring):
                kept = self._ring[one.series]
                known = kept[np.isfinite(kept)]
                if len(known) >= 3:
                    spare = 1 if len(known) >= KEPT - 1 else 0  # one dip is forgiven
                    up = one.direction is Direction.UP
                    ordered = np.sort(known if up else -known)
                    found[one.key] = float(ordered[spare]) * (1.0 if up else -1.0)
        return found


@njit(cache=True, nogil=True)
def _push(series: U32, signal: F64, ring: F64, at: I64) -> None:
    for i in range(len(series)):
        one = series[i]
        ring[one, at[one] % KEPT] = signal[i]
        at[one] += 1
