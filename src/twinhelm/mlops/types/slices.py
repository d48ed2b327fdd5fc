"""Which rows belong to a slice of the population, and which values are missing.

Values are compared by name, as classes are (:func:`twinhelm.stats.answers.name_of`); what is
missing belongs to no slice. Pure; a pass over the column.
"""

from collections.abc import Callable

import numpy as np

from twinhelm.core.arrays import BOOL, F64, Array
from twinhelm.mlops.types.spec import Slice
from twinhelm.stats.answers import name_of

__all__ = ["members", "missing_in"]


def members(part: Slice, values: Array, *, numbers: Callable[[Array], F64]) -> BOOL:
    """Tell which rows (n,) belong to a slice by the ``values`` of its column.

    ``numbers`` reads them as numbers, NaN where that cannot be, for a slice that is a range; what
    it raises passes through.
    """
    inside = ~missing_in(values)
    if part.values:
        wanted = set(map(name_of, part.values))
        inside &= np.array([name_of(each) in wanted for each in values.tolist()], np.bool_)
    if part.at_least is not None or part.below is not None:
        read = numbers(values)
        inside &= read >= (-np.inf if part.at_least is None else part.at_least)
        inside &= read < (np.inf if part.below is None else part.below)
    return inside


def missing_in(values: Array) -> BOOL:
    """Tell where values (n,) are NaN or None."""
    if values.dtype.kind == "f":
        return np.isnan(values)
    return np.array([value is None or value != value for value in values.tolist()], np.bool_)
