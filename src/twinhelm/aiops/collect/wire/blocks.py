"""Remember byte blocks, so that a series is known by its label bytes without parsing them.

A *block* is the bytes that name something, as they lie in requests (all ``labels`` fields of one
remote-write series, say). A :class:`BlockTable` gives each distinct block a dense *slot* from 0.
A lookup hashes the block and compares the bytes on a hit: two blocks never share a slot. The
hash folds 128-bit products with a secret drawn per table, so that nobody outside can aim at one
chain. Kernels take the table as :attr:`BlockTable.arrays` and tell by a status when a table
must grow, which Python then does; a kernel never allocates.

Cost: one hash (16 bytes per multiply), one cache miss, one comparison. Memory: 56 bytes per
block, half as much again while growing, plus the block.

>>> table = BlockTable(np.random.default_rng(1))
>>> len(table), table.used_bytes, table.arrays.frozen.flags.writeable
(0, 0, False)
"""

from typing import NamedTuple

import numpy as np

from twinhelm.aiops.collect.wire.memory import folded, inner, kernel, load_u64, store_u64
from twinhelm.core.arrays import I64, U8, U64

__all__ = ["FIRST_SLOTS", "NO_ROOM", "BlockTable", "Blocks", "add", "block_hash", "copy", "find",
           "same"]  # fmt: skip

NO_ROOM = -1
"""What an addition returns when the table must grow first; nothing was changed."""

FIRST_SLOTS = 512
FIRST_ARENA_BYTES = 1 << 16
LOAD_SHIFT = 2
"""Positions per slot, as a power of two: chains stay short at a quarter full."""

SLOTS, USED = 0, 1  # what ``counts`` holds: slots given, arena bytes used


class Blocks(NamedTuple):
    """What kernels take of a table.

    ``chains`` holds (hash, slot + 1), ``spans`` where each block lies in ``arena``. ``frozen`` is
    the arena as an array that may only be read, the type that request bodies have: a kernel that
    writes a block into the arena's free end looks it up through this one.
    """

    chains: U64
    spans: I64
    arena: U8
    counts: I64
    secret: U64
    frozen: U8


class BlockTable:
    """Blocks and their slots, growing by doubling. Not for use by two threads at once."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.secret: U64 = rng.integers(1 << 62, 1 << 63, 4, np.uint64) | np.uint64(1)
        self.clear()

    def clear(self) -> None:
        """Forget every block."""
        self.index: U64 = np.zeros((FIRST_SLOTS << LOAD_SHIFT, 2), np.uint64)
        self.spans: I64 = np.empty((FIRST_SLOTS, 2), np.int64)
        self.arena: U8 = np.empty(FIRST_ARENA_BYTES, np.uint8)
        self.counts: I64 = np.zeros(2, np.int64)

    def __len__(self) -> int:
        return int(self.counts[SLOTS])

    @property
    def used_bytes(self) -> int:
        """How many bytes the blocks take."""
        return int(self.counts[USED])

    @property
    def arrays(self) -> Blocks:
        """What kernels take."""
        frozen = self.arena.view()
        frozen.flags.writeable = False
        return Blocks(self.index, self.spans, self.arena, self.counts, self.secret, frozen)

    def grow(self, arena_bytes: int) -> None:
        """Make room for one more slot and ``arena_bytes`` more bytes of blocks, at least."""
        slots, used = len(self), self.used_bytes
        if used + arena_bytes > len(self.arena):
            arena = np.empty(max(2 * len(self.arena), used + arena_bytes), np.uint8)
            arena[:used] = self.arena[:used]
            self.arena = arena
        if slots == len(self.spans):
            spans = np.empty((2 * slots, 2), np.int64)
            spans[:slots] = self.spans
            self.spans = spans
            self.index = np.zeros((2 * slots << LOAD_SHIFT, 2), np.uint64)
            _rehash(self.arrays)

    def block(self, slot: int) -> bytes:
        """Return the bytes of one block."""
        start, end = self.spans[slot]
        return self.arena[start:end].tobytes()


@inner
def block_hash(data: U8, start: int, end: int, secret: U64) -> int:
    """Hash the bytes ``[start, end)``; the caller has checked that they lie in ``data``."""
    size = end - start
    mixed = secret[0] ^ np.uint64(size)
    if size < 16:
        low = np.uint64(0)
        high = np.uint64(0)
        for i in range(min(size, 8)):
            low |= np.uint64(data[start + i]) << np.uint64(8 * i)
        for i in range(8, size):
            high |= np.uint64(data[start + i]) << np.uint64(8 * i - 64)
        mixed = folded(low ^ secret[1], high ^ mixed)
    else:
        at = start
        while at + 16 < end:
            mixed = folded(load_u64(data, at) ^ secret[1], load_u64(data, at + 8) ^ mixed)
            at += 16
        mixed = folded(
            load_u64(data, end - 16) ^ secret[2], load_u64(data, end - 8) ^ mixed
        )  # May overlap what was read before; the size tells such blocks apart.
    return folded(mixed ^ secret[2], secret[3])  # type: ignore[no-any-return]


@inner
def copy(data: U8, start: int, other: U8, at: int, size: int) -> None:
    """Copy bytes between stretches that the caller has checked; they do not overlap."""
    i = 0
    while i + 8 <= size:
        store_u64(other, at + i, load_u64(data, start + i))
        i += 8
    while i < size:
        other[at + i] = data[start + i]
        i += 1


@inner
def same(data: U8, start: int, other: U8, at: int, size: int) -> bool:
    """Compare two stretches of bytes that the caller has checked."""
    i = 0
    while i + 8 <= size:
        if load_u64(data, start + i) != load_u64(other, at + i):
            return False
        i += 8
    while i < size:
        if data[start + i] != other[at + i]:
            return False
        i += 1
    return True


@inner
def find(
    data: U8, start: int, end: int, hashed: int, index: U64, spans: I64, arena: U8
) -> int:  # fmt: skip
    """Return the slot of a block, or -1; not given all of a table, as copying it would cost."""
    mask = len(index) - 1
    at = np.int64(hashed >> np.uint64(17)) & mask
    while index[at, 1] != 0:
        if index[at, 0] == hashed:
            slot = np.int64(index[at, 1]) - 1
            if spans[slot, 1] - spans[slot, 0] == end - start and same(
                data, start, arena, spans[slot, 0], end - start
            ):
                return int(slot)
        at = (at + 1) & mask
    return -1


@inner
def add(data: U8, start: int, end: int, hashed: int, blocks: Blocks) -> int:
    """Remember a block that :func:`find` did not find: its slot, or :data:`NO_ROOM`."""
    slot, used = blocks.counts[0], blocks.counts[1]
    size = end - start
    if slot >= len(blocks.spans) or used + size > len(blocks.arena):
        return NO_ROOM
    copy(data, start, blocks.arena, used, size)
    blocks.spans[slot, 0] = used
    blocks.spans[slot, 1] = used + size
    blocks.counts[0] = slot + 1
    blocks.counts[1] = used + size
    _enter(hashed, slot, blocks.chains)
    return int(slot)


@inner
def _enter(hashed: int, slot: int, index: U64) -> None:
    """Put a slot where :func:`find` looks for it."""
    mask = len(index) - 1
    at = np.int64(hashed >> np.uint64(17)) & mask
    while index[at, 1] != 0:
        at = (at + 1) & mask
    index[at, 0] = hashed
    index[at, 1] = slot + 1


@kernel
def _rehash(blocks: Blocks) -> None:
    """Fill a fresh index with the slots that there are."""
    for slot in range(blocks.counts[0]):
        start, end = blocks.spans[slot, 0], blocks.spans[slot, 1]
        _enter(block_hash(blocks.frozen, start, end, blocks.secret), slot, blocks.chains)
