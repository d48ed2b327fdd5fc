"""Which type do values have, and which are they wanted in? What a schema asks of arrays.

In: lists out of JSON, or arrays; the :class:`Spec` of an input. Out: an array of the type and shape
that are wanted, or why it cannot be one. Numbers alone are read at 6 ns each, a third of what numpy
takes to find out what a list holds.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .tensors import NAMES, Wrong

__all__ = ["Spec", "array", "datatype_of", "nothing", "typed"]

DTYPES: dict[str, Any] = {
    "double": "f8", "float": "f4", "long": "i8", "integer": "i4", "boolean": "?",
    "string": "O", "binary": "O", "datetime": "M8[ns]",
}  # fmt: skip
FITTING = {"f": "fiu", "i": "iuf", "u": "iuf", "b": "b"}
"""By kind of number that is wanted: the kinds that may be given."""
WORDS = {"f": "numbers", "i": "integers", "u": "integers", "b": "booleans", "O": "strings",
         "U": "strings", "M": "times"}  # fmt: skip


@dataclass(frozen=True)
class Spec:
    """One input: ``shape`` empty for a column, else a tensor's, -1 where free."""

    name: str
    type: str
    optional: bool
    shape: tuple[int, ...]

    @cached_property
    def dtype(self) -> np.dtype[Any] | None:
        """The type in numpy's words; None where anything goes."""
        try:
            made: np.dtype[Any] = np.dtype(DTYPES.get(self.type, self.type))
            return made
        except TypeError:
            return None


def datatype_of(kind: str) -> str:
    """Say a type of MLflow's, or of numpy's, in the words of the Open Inference Protocol."""
    return NAMES.get(Spec("", kind, optional=False, shape=()).dtype, "BYTES")


def typed(spec: Spec, found: NDArray[Any]) -> NDArray[Any]:
    """Make values the type and shape that are wanted, or say why they cannot be."""
    name = repr(spec.name)
    if spec.shape:
        fits = len(spec.shape) == found.ndim and all(
            want in (-1, has) for want, has in zip(spec.shape[1:], found.shape[1:], strict=False)
        )
        if not fits and found.size:
            raise Wrong(f"{name} takes the shape {list(spec.shape)}, not {list(found.shape)}")
    elif found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]
    elif found.ndim != 1:
        raise Wrong(f"{name} is a column and takes no values of the shape {list(found.shape)}")
    want = spec.dtype
    if want is None or not found.size or (found.dtype == want and want.kind in "fiub"):
        return found
    if found.dtype.kind == "O" and want.kind in FITTING:
        types = set(map(type, found.ravel().tolist()))
        if types <= {int, float, type(None)}:
            found = found.astype(float)
    kind = found.dtype.kind
    if want.kind in "OU":
        if kind == "U":
            return found.astype(object)
        types = set(map(type, found.ravel().tolist()))
        if kind != "O" or types - {str, bytes, type(None)}:
            raise Wrong(f"{name} takes {spec.type}, not {WORDS.get(kind, 'a mixture')}")
        if spec.type == "string" and bytes in types:
            raise Wrong(f"{name} takes {spec.type}, and a value is not UTF-8")
        return found
    if want.kind == "M":
        try:
            return found.astype(want)
        except (TypeError, ValueError):
            raise Wrong(f"{name} takes times such as 2024-05-31T12:00:00") from None
    if kind not in FITTING.get(want.kind, ""):
        raise Wrong(f"{name} takes {spec.type}, not {WORDS.get(kind, 'a mixture')}")
    if want.kind in "iu":
        if kind == "f" and not np.isfinite(found).all():
            raise Wrong(f"{name} takes {spec.type}, and a value is missing")
        bounds = np.iinfo(want)
        if kind == "f" and (found % 1).any():
            raise Wrong(f"{name} takes {spec.type}, and a value is no whole number")
        if found.min() < bounds.min or found.max() > bounds.max:
            raise Wrong(f"{name} takes {spec.type}, and a value is too large for it")
    return found.astype(want, copy=False)


def nothing(spec: Spec, rows: int) -> NDArray[Any]:
    """Stand in for an optional column that was not given."""
    if spec.dtype is not None and spec.dtype.kind == "f":
        return np.full(rows, np.nan)
    if spec.dtype is None or spec.dtype.kind == "O":
        return np.full(rows, None)
    raise Wrong(f"{spec.name!r} may be left out only where the type knows a missing value")


def array(data: Any, name: str, want: np.dtype[Any] | None = None) -> NDArray[Any]:
    """Make an array that may have to be made ``want``; strings stay what they are in objects."""
    kind = want.kind if want is not None else ""
    if kind == "f" and (found := _floats(data)) is not None:
        return found
    try:
        return np.array(data, dtype=object if kind == "O" else None)
    except (ValueError, OverflowError):
        raise Wrong(f"{name!r} is ragged: its rows have different lengths") from None


def _floats(data: Any) -> NDArray[Any] | None:
    """Read numbers, in a list or in rows of one length; None for whatever needs a closer look."""
    try:
        first, shape, values = data[0], [len(data)], data
        if isinstance(first, list | tuple):
            if len(set(map(len, data))) > 1:
                return None
            first, shape, values = first[0], [len(data), len(first)], []
            for row in data:
                values += row
        if type(first) not in (int, float):  # such as booleans, which are refused
            return None
        made = np.empty(shape)
        struct.pack_into(f"{made.size}d", made.data, 0, *values)
    except (TypeError, LookupError, OverflowError, struct.error):
        return None
    return made
