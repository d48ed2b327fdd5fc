"""Hold the samples of one request while a kernel writes them: lanes, times and values.

The arrays are larger than what is used; a kernel says how many rows it wrote.

>>> columns = Columns(2)
>>> columns.grow(0)
>>> [len(array) for array in columns.rows]
[4, 4, 4]
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from twinhelm.core.arrays import F64, I64, U32
from twinhelm.core.errors import TooLarge

__all__ = ["Columns", "Rows"]

MAX_SAMPLES = 8_000_000
"""Samples in one request: 160 MB of columns; honest senders stop at some ten thousand."""


class Rows(NamedTuple):
    """What kernels fill in: the lane (or slot) of a series, epoch ms, value."""

    lane: U32
    time: I64
    value: F64

    def first(self, count: int) -> Rows:
        """Return the rows that are used."""
        return Rows(self.lane[:count], self.time[:count], self.value[:count])


class Columns:
    """Rows for samples, growing by doubling."""

    def __init__(self, size: int) -> None:
        self.rows = _made(size)

    def grow(self, used: int) -> None:
        """Double the columns, keeping the first ``used`` rows."""
        size = len(self.rows.time)
        if size > MAX_SAMPLES:
            raise TooLarge(
                f"the request has more than {MAX_SAMPLES} samples", hint="send smaller requests"
            )
        old, self.rows = self.rows.first(used), _made(2 * size)
        self.rows.lane[:used], self.rows.time[:used], self.rows.value[:used] = old


def _made(size: int) -> Rows:
    return Rows(np.empty(size, np.uint32), np.empty(size, np.int64), np.empty(size, np.float64))
