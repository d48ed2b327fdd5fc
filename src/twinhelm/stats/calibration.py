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

from twinhelm.core.arrays import F64, Array
from twinhelm.core.errors import BadInput
from twinhelm.stats.metrics import BINS

__all__ = ["ISOTONIC_ROWS", "Calibration", "fit_calibration", "reliability"]

ISOTONIC_ROWS = 1000
EDGE = 1e-6
"""Probabilities are kept this far from 0 and 1, whose infinite log-odds would rule the fit."""


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
    from scipy.optimize import isotonic_regression

    said, place, counts = np.unique(p, return_inverse=True, return_counts=True)
    means = np.bincount(place, y) / counts
    so = np.asarray(isotonic_regression(means, weights=counts).x)
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
    """Fit slope and shift to softened targets, which keeps separated rows from running away."""
    from scipy.optimize import minimize

    ones = y.sum()
    target = np.where(y > 0, (ones + 1.0) / (ones + 2.0), 1.0 / (len(y) - ones + 2.0))

    def loss(at: F64) -> tuple[float, F64]:
        z = at[0] * odds + at[1]
        off = _logistic(z) - target
        grown = np.logaddexp(0.0, z) - target * z
        return float(grown.mean()), np.array([(off * odds).mean(), off.mean()])

    start = np.array([0.0, np.log((ones + 1.0) / (len(y) - ones + 1.0))])
    slope, shift = minimize(loss, start, jac=True, method="BFGS").x
    return float(slope), float(shift)


def _log_odds(p: F64) -> F64:
    near = np.clip(p, EDGE, 1.0 - EDGE)
    return np.log(near) - np.log1p(-near)


def _logistic(z: F64) -> F64:
    return 1.0 / (1.0 + np.exp(-np.clip(z, -700.0, 700.0)))
