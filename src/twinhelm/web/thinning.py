"""Thin a long series to what a chart can show, keeping every peak.

Out go the positions of at most ``max_points``: per stretch of equal time the lowest and highest
value and, where there is one, the first that is missing, so that gaps stay gaps. Pure; n log n.

    >>> import numpy as np
    >>> thin(np.arange(6) * 1000, np.array([1.0, 9, 2, 2, 0, 2]), max_points=3).tolist()
    [1, 4]
"""

import numpy as np

from twinhelm.core.arrays import F64, I64

__all__ = ["thin"]

PER_STRETCH = 3


def thin(time_ms: I64, value: F64, *, max_points: int) -> I64:
    """Thin (n,), ascending; all positions where ``n <= max_points``; max_points >= 3."""
    count = len(time_ms)
    if count <= max_points:
        return np.arange(count)
    stretches = max(1, max_points // PER_STRETCH)
    span = int(time_ms[-1]) - int(time_ms[0]) + 1
    stretch = (time_ms - time_ms[0]) * stretches // span
    # By stretch, then by value; missing ones sort last within a stretch.
    order = np.lexsort((value, stretch))
    begins = np.flatnonzero(np.diff(stretch, prepend=-1))
    ends = np.append(begins[1:], count)
    missing = np.add.reduceat(np.isnan(value).astype(np.int64), begins)
    some = ends - begins > missing
    kept = [
        order[begins[some]],
        order[(ends - missing - 1)[some]],
        order[(ends - missing)[missing > 0]],
    ]
    return np.unique(np.concatenate(kept))
