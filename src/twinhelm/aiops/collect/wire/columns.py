"""Hold the samples of one request while a kernel writes them: lanes, times and values.

The arrays are larger than what is used; a kernel says how many rows it wrote.

>>> columns = Columns(2)
>>> columns.grow(0)
>>> [len(array) for array in columns.arrays]
[4, 4, 4]
"""

from __future__ import annotations

import numpy as np

from twinhelm.core.arrays import F64, I64, U32
from twinhelm.core.errors import TooLarge

__all__ = ["MAX_SAMPLES", "Columns"]

MAX_SAMPLES = 8_000_000
"""Samples in one request: 160 MB of columns; honest senders stop at some ten thousand."""


class Columns:
    """Columns for samples, growing by doubling: lane or slot, epoch ms, value."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.arrays = self._made()

    def _made(self) -> tuple[U32, I64, F64]:
        size = self._size
        return np.empty(size, np.uint32), np.empty(size, np.int64), np.empty(size, np.float64)

    def grow(self, used: int) -> None:
        """Double the columns, keeping the first ``used`` rows."""
        if self._size > MAX_SAMPLES:
            raise TooLarge(
                f"the request has more than {MAX_SAMPLES} samples", hint="send smaller requests"
            )
        self._size *= 2
        lanes, times, values = self.arrays
        self.arrays = self._made()
        self.arrays[0][:used] = lanes[:used]
        self.arrays[1][:used] = times[:used]
        self.arrays[2][:used] = values[:used]
