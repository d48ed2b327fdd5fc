"""Do probabilities keep their word? Measures by how far not, and mends it.

In: probabilities of the positive class and truths 0/1, both (n,). Out: the reliability curve for
eyes, and a :class:`Calibration` that turns what a model says into how often it is so, to the
estimation of performance without labels. Rows with NaN in either are left out; NaN applied stays
NaN.

From ``ISOTONIC_ROWS`` rows on the map is isotonic: the non-decreasing steps nearest to the truths
(pool adjacent violators: Zadrozny and Elkan, KDD 2002), straight between them. Below, it would
learn noise by heart, and the map is Platt's: a logistic curve over the log-odds, fitted to
softened targets (Platt, 1999). Wrong where the population of use differs in what the probability
does not see. Pure; a sort.

>>> steps = fit_calibration(np.array([.1, .2, .3, .4]), np.array([0, 1, 0, 1]), way="isotonic")
>>> steps.apply(np.array([.05, .25, .9])).tolist()
[0.0, 0.5, 1.0]
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numba import njit

from twinhelm.core.arrays import F64, Array
from twinhelm.core.errors import BadInput
from twinhelm.stats.metrics import BINS

__all__ = ["ISOTONIC_ROWS", "Calibration", "fit_calibration", "reliability"]

ISOTONIC_ROWS = 1000
EDGE = 1e-6
"""Probabilities are kept this far from 0 and 1, whose infinite log-odds would rule the fit."""
SETTLED = 1e-12
"""The fit ends with the step that gains less than this share of the loss."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A non-decreasing map from what was said to what is so.

    ``said`` and ``so`` are (m,): the corners of an isotonic map, straight between and level
    beyond; empty for Platt's, which is the logistic of ``slope`` times log-odds plus ``shift``.
    """

    said: F64
    so: F64
    slope: float = 1.0
    shift: float = 0.0

    def apply(self, probability: F64) -> F64:
        """Turn probabilities of any shape into calibrated ones, in [0, 1]."""
        if len(self.said):
            return np.interp(probability, self.said, self.so) + 0.0 * probability
        return _logistic(self.slope * _log_odds(probability) + self.shift)


def fit_calibration(
    probability: F64, truth: Array, *, way: Literal["", "isotonic", "platt"] = ""
) -> Calibration:
    """Learn the map from n rows; ``way`` empty: by the number of rows.

    Raises :class:`BadInput` where one class is missing, or nothing is left without NaN.
    """
    p, y = _known(probability, truth)
    if not len(y) or y.min() == y.max():
        told = f"{len(y)} rows with {int(y.sum())} positive ones teach no calibration"
        raise BadInput(told, hint="give rows of both classes")
    if (way or ("isotonic" if len(y) >= ISOTONIC_ROWS else "platt")) == "platt":
        return Calibration(np.empty(0), np.empty(0), *_platt(_log_odds(p), y))
    said, place, counts = np.unique(p, return_inverse=True, return_counts=True)
    so = _pooled(np.bincount(place, y).astype(np.float64), counts.astype(np.float64))
    # Inside a level stretch the corners say nothing that its ends do not.
    bends = np.diff(so, prepend=np.nan, append=np.nan) != 0
    corner = bends[:-1] | bends[1:]
    return Calibration(said[corner], so[corner])


def reliability(probability: F64, truth: Array, *, bins: int = BINS) -> list[dict[str, float]]:
    """Describe each bin of equal width that holds rows: mean ``said``, share ``so``, ``rows``."""
    p, y = _known(probability, truth)
    place = np.clip((p * bins).astype(np.int64), 0, bins - 1)
    rows, said, so = (np.bincount(place, w, minlength=bins) for w in (np.ones(len(p)), p, y))
    return [
        {"said": float(said[i] / rows[i]), "so": float(so[i] / rows[i]), "rows": float(rows[i])}
        for i in np.flatnonzero(rows)
    ]


def _known(probability: F64, truth: Array) -> tuple[F64, F64]:
    p, y = np.asarray(probability, np.float64), np.asarray(truth, np.float64)
    if p.shape != y.shape or p.ndim != 1:
        raise BadInput(f"{p.shape} probabilities but {y.shape} truths", hint="give one per row")
    kept = ~(np.isnan(p) | np.isnan(y))
    return p[kept], y[kept]


def _platt(odds: F64, y: F64) -> tuple[float, float]:
    """Fit slope and shift to softened targets, which keeps separated rows from running away.

    Newton's steps, halved until they do not lead upwards. Where all odds are one, the shortest.
    """
    ones = y.sum()
    target = np.where(y > 0, (ones + 1.0) / (ones + 2.0), 1.0 / (len(y) - ones + 2.0))
    x = np.stack([odds, np.ones_like(odds)])

    def loss(at: F64) -> float:
        z = at @ x
        return float((np.logaddexp(0.0, z) - target * z).sum())

    at = np.array([0.0, np.log((ones + 1.0) / (len(y) - ones + 1.0))])
    now, before = loss(at), np.inf
    while before - now > SETTLED * now:
        so = _logistic(at @ x)
        curved = (x * (so * (1.0 - so))) @ x.T
        step = np.linalg.pinv(curved, rcond=1e-12, hermitian=True) @ (x @ (so - target))
        while (then := loss(at - step)) > now * (1.0 + SETTLED):
            step /= 2.0
        at, now, before = at - step, then, now
    return float(at[0]), float(at[1])


@njit(cache=True, nogil=True)
def _pooled(positive: F64, rows: F64) -> F64:
    """Return the non-decreasing shares nearest to ``positive / rows``: neighbours that fall merge.

    Counts are added, not means, so that each share is exact; equal neighbours merge too.
    """
    n = len(rows)
    hits, mass, first = np.empty(n), np.empty(n), np.empty(n + 1, np.int64)
    top = 0
    for i in range(n):
        hits[top], mass[top], first[top] = positive[i], rows[i], i
        while top and hits[top - 1] * mass[top] >= hits[top] * mass[top - 1]:
            top -= 1
            hits[top] += hits[top + 1]
            mass[top] += mass[top + 1]
        top += 1
    first[top] = n
    return np.repeat(hits[:top] / mass[:top], np.diff(first[: top + 1]))


def _log_odds(p: F64) -> F64:
    near = np.clip(p, EDGE, 1.0 - EDGE)
    return np.log(near) - np.log1p(-near)


def _logistic(z: F64) -> F64:
    return 1.0 / (1.0 + np.exp(-np.clip(z, -700.0, 700.0)))
