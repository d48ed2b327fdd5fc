"""Area under the precision-recall curve, point by point (average precision).

In: labels 0/1 and scores, both ``(n,)``, higher is stranger. Out: 0..1, NaN without a positive.
Ties are one step. Pure; cost of a sort. A random score gets the share of positives.

>>> auc_pr(np.array([0, 1, 0, 1]), np.array([0.1, 0.9, 0.8, 0.7]))  # (1 + 2/3) / 2
0.8333333333333333
"""

import numpy as np

from twinhelm.core.arrays import F64, Array

__all__ = ["auc_pr"]


def auc_pr(label: Array, score: F64) -> float:
    """Return the sum over distinct thresholds of recall gained times precision."""
    positive = np.asarray(label) != 0
    total = int(positive.sum())
    if total == 0:
        return float("nan")
    order = np.argsort(-np.asarray(score, np.float64), kind="stable")
    ranked = np.asarray(score, np.float64)[order]
    hits = np.cumsum(positive[order])
    last = np.r_[np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1]
    gained = np.diff(np.r_[0, hits[last]]) / total
    return float(np.sum(gained * hits[last] / (last + 1)))
