"""Location and spread that a few wild values cannot move.

In: ``(n,)`` values, NaN ignored. Out: one number, NaN where no value is left. Pure; cost of a
partial sort. Source: Hampel, JASA 69 (1974), for the factor 1.4826.

>>> median(np.array([1.0, 2.0, 900.0])), mad(np.array([1.0, 2.0, 900.0]))
(2.0, 1.4826)
"""

import numpy as np

from twinhelm.core.arrays import F64

__all__ = ["MAD_TO_SIGMA", "mad", "median"]

MAD_TO_SIGMA = 1.4826
"""Makes the median absolute deviation estimate sigma on normal data."""


def median(values: F64) -> float:
    """Return the median of the values that are not NaN; NaN if there are none."""
    kept = values[~np.isnan(values)]
    return float(np.median(kept)) if len(kept) else float("nan")


def mad(values: F64) -> float:
    """Return the median absolute deviation times 1.4826 (sigma on normal data); NaN if empty."""
    return median(np.abs(values - median(values))) * MAD_TO_SIGMA
