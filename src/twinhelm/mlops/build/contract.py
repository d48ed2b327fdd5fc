"""Does the data keep the product's contract? Every breach is told with an example.

In: a table and the columns that the product file declares; out: sentences about what does not
fit, each with a count and an example (rows count from 1). Where the file declares no feature, a
column more is no breach. Vectorised: about 50 ns a number; texts are looked at once each. Pure.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np

from twinhelm.core.arrays import BOOL, Array
from twinhelm.mlops.types import Table, rows_of
from twinhelm.mlops.types.spec import Column

__all__ = ["check"]

SHOWN = 20


def check(table: Table, columns: Sequence[Column]) -> list[str]:
    """Hold data against its contract; empty where it is kept."""
    names = [each.name for each in columns]
    if not rows_of(table):
        return ["there are no rows"]
    said = []
    if lacking := [name for name in names if name not in table]:
        said.append(f"missing columns: {_listed(lacking)}; there are {_listed(list(table))}")
    more = [name for name in table if name not in names]
    if more and any(each.role == "feature" for each in columns):
        said.append(f"columns that the contract does not know: {_listed(more)}")
    for each in columns:
        if each.name in table:
            said += _column(np.asarray(table[each.name]), each)
    return said


def _column(values: Array, column: Column) -> list[str]:
    missing = _missing(values)
    said = []
    share = float(missing.mean())
    if share > column.missing:
        row = int(np.argmax(missing)) + 1
        told = f"{missing.sum():,} of {len(values):,} are missing ({share:.1%}), at most "
        said.append(f"{column.name}: {told}{column.missing:.1%} may be; the first in row {row:,}")
    wrong = _unlike(values, missing, column.type)
    said += _told(values, wrong, column, f"no {column.type}")
    rest = ~missing & ~wrong
    if values.dtype.kind in "if":
        if column.min is not None:
            said += _told(values, rest & (values < column.min), column, f"below {column.min:g}")
        if column.max is not None:
            said += _told(values, rest & (values > column.max), column, f"above {column.max:g}")
    if column.values:
        strange = rest & ~_each(values, rest, lambda text: text in column.values)
        said += _told(values, strange, column, f"none of {_listed(column.values)}")
    if column.role == "id":
        _, where, counts = np.unique(_texts(values), return_inverse=True, return_counts=True)
        said += _told(values, rest & (counts[where] > 1), column, "there more than once")
    return said


def _missing(values: Array) -> BOOL:
    if values.dtype.kind == "f":
        return np.isnan(values)
    if values.dtype.kind == "O":
        return np.array([value is None for value in values.tolist()], np.bool_)
    return np.zeros(len(values), np.bool_)


def _unlike(values: Array, missing: BOOL, kind: str) -> BOOL:
    """Tell which values, of those there are, are not of the type."""
    number = values.dtype.kind in "if"
    match kind:
        case "number":
            return ~missing & ~np.isfinite(values) if number else ~missing
        case "integer":
            return ~missing & (values != np.floor(values)) if number else ~missing
        case "boolean" if values.dtype.kind != "b":
            truths = ("true", "false", "0", "1")
            return ~missing & ~_each(values, ~missing, lambda text: text.lower() in truths)
        case "time" if not number:
            return ~missing & ~_each(values, ~missing, _is_time)
    return np.zeros(len(values), np.bool_)


def _each(values: Array, among: BOOL, holds: Any) -> BOOL:
    """Ask of each value's text whether something holds, once for equal ones."""
    unique, where = np.unique(_texts(values[among]), return_inverse=True)
    answer = np.zeros(len(values), np.bool_)
    answer[among] = np.array([holds(text) for text in unique.tolist()], np.bool_)[where]
    return answer


def _texts(values: Array) -> Array:
    """Write values as classes are called: 1, 1.0 and "1" are one."""
    if values.dtype.kind == "f":
        told = [f"{v:.0f}" if v == np.floor(v) else repr(v) for v in values.tolist()]
        return np.array(told, np.str_)
    if values.dtype.kind == "b":
        return np.where(values, "true", "false")
    return np.array(["" if v is None else str(v) for v in values.tolist()], np.str_)


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _told(values: Array, wrong: BOOL, column: Column, what: str) -> list[str]:
    if not wrong.any():
        return []
    row = int(np.argmax(wrong))
    count, example = f"{wrong.sum():,} of {len(values):,}", values[row : row + 1].tolist()[0]
    return [f"{column.name}: {count} are {what}, such as {example!r:.60} in row {row + 1:,}"]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return (", ".join(names[:SHOWN]) or "none") + more
