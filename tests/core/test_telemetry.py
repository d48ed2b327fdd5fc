"""Blocks of columns, and the NaN that means "this series ended"."""

from __future__ import annotations

import numpy as np

from twinhelm.core.telemetry import STALE_NAN_BITS, SampleBlock, is_stale


def test_only_the_very_bits_are_a_stale_marker():
    bits = [STALE_NAN_BITS, STALE_NAN_BITS + 1, 0x7FF8000000000000, 0x7FF0000000000000, 0]
    values = np.array(bits, np.uint64).view(np.float64)
    assert is_stale(values).tolist() == [True, False, False, False, False]


def test_a_block_is_as_long_as_its_columns():
    block = SampleBlock(np.zeros(3, np.uint32), np.arange(3), np.ones(3))
    assert len(block) == 3


def test_an_empty_block_has_the_right_types():
    block = SampleBlock.empty()
    assert len(block) == 0
    assert (block.series.dtype, block.time_ms.dtype, block.value.dtype) == (
        np.uint32,
        np.int64,
        np.float64,
    )
