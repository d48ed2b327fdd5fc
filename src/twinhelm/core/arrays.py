"""Names for the array types that cross room borders, so that signatures say their width.

And how an array that is filled by dense ids makes room for new ones.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BOOL", "F32", "F64", "I32", "I64", "U8", "U32", "U64", "Array", "longer"]

Array = NDArray[Any]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]
U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]
BOOL = NDArray[np.bool_]


def longer(array: Array, rows: int, fill: object = 0) -> Array:
    """Return the array with ``rows`` rows, the new ones ``fill``; itself where it has as many."""
    if rows <= len(array):
        return array
    grown = np.full((rows, *array.shape[1:]), fill, array.dtype)
    grown[: len(array)] = array
    return grown
