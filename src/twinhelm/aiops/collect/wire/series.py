"""Know the series of one tenant by their label blocks, and meet each new one once.

A :class:`SeriesTable` holds an id per slot of a block table. Kernels fill in slots;
:meth:`SeriesTable.resolve` turns them into ids, parsing and interning those that are new. What
came of a block is remembered whether it was good, bad or refused, so that a sender who repeats
bad labels costs no more than any other; refused series are offered again now and then.

Memory is bounded by two generations: past :attr:`SeriesTable.most` blocks a new one begins and
the old one is only asked about blocks that the new one does not know. Not for two threads.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from twinhelm.aiops.collect.wire.blocks import BlockTable, block_hash, find
from twinhelm.aiops.collect.wire.labels import in_words, parse_blocks
from twinhelm.aiops.collect.wire.memory import kernel
from twinhelm.aiops.types import Rejected
from twinhelm.core.arrays import I64, U8, U32, U64
from twinhelm.core.errors import TooLarge
from twinhelm.core.labels import LabelLimits, Labels, metric_name
from twinhelm.core.settings import LimitSettings

__all__ = ["BAD", "NEW", "REFUSED", "SeriesTable"]

REFUSED, BAD, NEW = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFC
"""Ids that are none: past the series limit, bad labels, not yet met. All others are smaller."""

LEAST_GENERATION = 100_000
"""Blocks a generation holds at least; a series may have several, one per order of its labels."""

GENERATION_BYTES = 256 << 20
REFUSED_REQUESTS = 256
"""After so many requests with refused series they are offered again: the limit may be raised."""


class SeriesTable:
    """Series ids by label block."""

    def __init__(
        self, intern: Callable[[list[Labels]], U32], limits: LimitSettings, rng: np.random.Generator
    ) -> None:
        self._intern = intern
        self._limits = LabelLimits(
            limits.max_labels, limits.max_label_name_bytes, limits.max_label_value_bytes
        )
        self._rng = rng
        self.most = max(2 * limits.max_series_per_tenant, LEAST_GENERATION)
        # Every label at its limit in UTF-8, and what protobuf puts around it.
        self.max_block = limits.max_labels * (
            4 * (limits.max_label_name_bytes + limits.max_label_value_bytes) + 24
        )
        self._refused_requests = 0
        self._begin_generation()
        self._old, self._old_ids = self.table, self._ids

    @property
    def capacity(self) -> int:
        """How many slots there is room for."""
        return len(self.table.spans)

    def _begin_generation(self) -> None:
        self.table = BlockTable(self._rng)
        self._ids: U32 = np.full(self.capacity, NEW, np.uint32)
        self._wrong: dict[int, str] = {}
        self._before = 0

    def begin(self) -> bool:
        """Begin a request; True where a new generation began, which voids all slots."""
        turned = len(self.table) > self.most or self.table.used_bytes > GENERATION_BYTES
        if turned:
            self._old, self._old_ids = self.table, self._ids
            self._begin_generation()
        self._before = len(self.table)
        return turned

    def grow(self, block_bytes: int) -> None:
        """Make room for another block; :class:`TooLarge` past what one request may bring."""
        if len(self.table) - self._before > self.most:
            raise TooLarge(
                f"the request brings more than {self.most} new series",
                hint="send smaller requests or raise limits.max_series_per_tenant",
            )
        self.table.grow(block_bytes)
        if len(self._ids) < self.capacity:
            ids = np.full(self.capacity, NEW, np.uint32)
            ids[: len(self._ids)] = self._ids
            self._ids = ids

    def resolve(self, slots: U32) -> tuple[U32, list[Rejected]]:
        """Turn slots into ids; where some are none (>= NEW), also say why, added up."""
        ids = self._ids[slots]
        if not len(ids) or ids.max() < NEW:
            return ids, []
        new = ids == NEW
        if new.any():
            self._meet(np.unique(slots[new]).astype(np.int64))
            ids = self._ids[slots]
        rejected = []
        for none, reason in ((BAD, "bad_labels"), (REFUSED, "series_limit")):
            mine = np.flatnonzero(ids == none)
            if len(mine):
                text = self.describe(int(slots[mine[0]]))
                rejected.append(Rejected(reason, len(mine), text))
        self._refused_requests += bool(rejected) and rejected[-1].reason == "series_limit"
        if self._refused_requests == REFUSED_REQUESTS:
            self._refused_requests = 0
            self._ids[self._ids == REFUSED] = NEW
        return ids, rejected

    def describe(self, slot: int) -> str:
        """Say in words which series a slot is, or what is wrong with it."""
        if slot in self._wrong:
            return self._wrong[slot]
        labels = parse_blocks(self.table, np.array([slot]), self._limits)[0]
        return labels if isinstance(labels, str) else in_words(labels)

    def names(self, slots: I64) -> list[str]:
        """Return the metric name of each slot, empty where its labels are bad."""
        parsed = parse_blocks(self.table, slots, self._limits)
        return ["" if isinstance(labels, str) else metric_name(labels) for labels in parsed]

    def _meet(self, slots: I64) -> None:
        """Find ids for blocks that this generation has not met."""
        if self._old is not self.table:
            mine, old = self.table, self._old
            adopt(slots, mine.spans, mine.arena, self._ids, *old.arrays, self._old_ids)
            slots = slots[self._ids[slots] == NEW]
        fresh: dict[Labels, list[int]] = {}
        for slot, labels in zip(
            slots.tolist(), parse_blocks(self.table, slots, self._limits), strict=True
        ):
            if isinstance(labels, str):
                self._ids[slot] = BAD
                self._wrong[slot] = labels
            else:
                fresh.setdefault(labels, []).append(slot)
        if fresh:
            given = self._intern(list(fresh))
            for id_, owners in zip(given.tolist(), fresh.values(), strict=True):
                self._ids[owners] = id_


@kernel
def adopt(
    slots: I64,
    spans: I64,
    arena: U8,
    ids: U32,
    old_index: U64,
    old_spans: I64,
    old_arena: U8,
    _old_counts: I64,
    old_secret: U64,
    old_ids: U32,
) -> None:
    """Take over the ids that an older table has for blocks of ``slots``."""
    for i in range(len(slots)):
        start = spans[slots[i], 0]
        end = spans[slots[i], 1]
        hashed = block_hash(arena, start, end, old_secret)
        slot = find(arena, start, end, hashed, old_index, old_spans, old_arena)
        if slot >= 0 and old_ids[slot] < NEW:
            ids[slots[i]] = old_ids[slot]
