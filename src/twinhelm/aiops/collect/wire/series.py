"""Know the remote-write series of one tenant by their label blocks.

A :class:`SeriesTable` is a :class:`~twinhelm.aiops.collect.wire.blocks.BlockTable` whose slots
are the lanes of :class:`~twinhelm.aiops.collect.wire.ids.Ids`. Memory is bounded by two
generations: past :attr:`SeriesTable.most` blocks a new one begins, and the old one is only asked
about blocks that the new one does not know. Not for two threads at once.
"""

from collections.abc import Callable

import numpy as np

from twinhelm.aiops.collect.wire.blocks import Blocks, BlockTable, block_hash, find
from twinhelm.aiops.collect.wire.ids import NEW, Ids
from twinhelm.aiops.collect.wire.labels import parse_blocks
from twinhelm.aiops.collect.wire.memory import kernel
from twinhelm.aiops.collect.words import label_limits
from twinhelm.core.arrays import I64, U32, U64
from twinhelm.core.errors import TooLarge
from twinhelm.core.labels import Labels, metric_name
from twinhelm.core.settings import LimitSettings

__all__ = ["GENERATION_BYTES", "LEAST_GENERATION", "SeriesTable", "largest_block"]

LEAST_GENERATION = 100_000
"""Blocks a generation holds at least; a series may have several, one per order of its labels."""

GENERATION_BYTES = 256 << 20


def largest_block(limits: LimitSettings) -> int:
    """Bytes of a block with every label at its limit in UTF-8, and protobuf around it."""
    return limits.max_labels * (
        4 * (limits.max_label_name_bytes + limits.max_label_value_bytes) + 24
    )


class SeriesTable:
    """Series ids by label block; ``slots`` in kernels, ``lanes`` in :attr:`ids`.

    ``described`` is room for a hash per slot of what a series last said of itself.
    """

    def __init__(
        self, intern: Callable[[list[Labels]], U32], limits: LimitSettings, rng: np.random.Generator
    ) -> None:
        self._limits = label_limits(limits)
        self._rng = rng
        self.most = max(2 * limits.max_series_per_tenant, LEAST_GENERATION)
        self.max_block = largest_block(limits)
        self.ids = Ids(intern, self._parse, self._adopt)
        self._begin_generation()
        self._old, self._old_lanes = self.table, self.ids.lanes

    def _begin_generation(self) -> None:
        self.table = BlockTable(self._rng)
        self.ids.clear(len(self.table.spans))
        self.described: U64 = np.zeros(len(self.table.spans), np.uint64)
        self._before = 0

    def begin(self) -> None:
        """Begin a request, and with it perhaps a new generation."""
        if len(self.table) > self.most or self.table.used_bytes > GENERATION_BYTES:
            self._old, self._old_lanes = self.table, self.ids.lanes
            self._begin_generation()
        self._before = len(self.table)

    def grow(self, block_bytes: int) -> None:
        """Make room for another block; :class:`TooLarge` past what one request may bring."""
        if len(self.table) - self._before > self.most:
            raise TooLarge(
                f"the request brings more than {self.most} new series",
                hint="send smaller requests or raise limits.max_series_per_tenant",
            )
        self.table.grow(block_bytes)
        more = len(self.table.spans) - len(self.described)
        self.described = np.concatenate((self.described, np.zeros(more, np.uint64)))
        self.ids.grow(len(self.table.spans))

    def names(self, slots: I64) -> list[str]:
        """Return the metric name of each slot, empty where its labels are bad."""
        parsed = self._parse(slots)
        return ["" if isinstance(labels, str) else metric_name(labels) for labels in parsed]

    def warm(self) -> None:
        """Compile or load what only the turn of a generation needs."""
        self._old, self._old_lanes = BlockTable(self._rng), self.ids.lanes
        self._adopt(np.empty(0, np.int64))

    def _parse(self, slots: I64) -> list[Labels | str]:
        return parse_blocks(self.table, slots, self._limits)

    def _adopt(self, slots: I64) -> None:
        """Take over what the old generation knows."""
        if self._old is not self.table:
            _take_over(slots, self.table.arrays, self.ids.lanes, self._old.arrays, self._old_lanes)


@kernel
def _take_over(slots: I64, blocks: Blocks, lanes: U32, old: Blocks, old_lanes: U32) -> None:
    """Take over the ids that an older table has for blocks of ``slots``."""
    for i in range(len(slots)):
        start, end = blocks.spans[slots[i], 0], blocks.spans[slots[i], 1]
        hashed = block_hash(blocks.frozen, start, end, old.secret)
        slot = find(blocks.frozen, start, end, hashed, old.chains, old.spans, old.arena)
        if slot >= 0 and old_lanes[slot] < NEW:
            lanes[slots[i]] = old_lanes[slot]
