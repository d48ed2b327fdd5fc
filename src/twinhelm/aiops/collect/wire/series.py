"""Know the remote-write series of one tenant by their label blocks, and turn lanes into ids.

A kernel names a series by a *lane*, a small number that stands for the same series in every
request; :class:`Ids` holds the id of each. A :class:`SeriesTable` is a
:class:`~twinhelm.aiops.collect.wire.blocks.BlockTable` whose slots are lanes. Memory is bounded
by two generations: past :attr:`SeriesTable.most` blocks a new one begins, and the old one is only
asked about blocks that the new one does not know. Nothing here is for two threads at once.
"""

from collections.abc import Callable, Sequence
from sys import intern

import numpy as np

from twinhelm.aiops.collect.wire.blocks import Blocks, BlockTable, block_hash, find
from twinhelm.aiops.collect.wire.memory import field, kernel
from twinhelm.aiops.types import Intern, Rejected
from twinhelm.core.arrays import F64, I64, U32, U64, longer
from twinhelm.core.errors import Refused, TooLarge
from twinhelm.core.labels import METRIC, LabelLimits, Labels, check_labels, metric_name
from twinhelm.core.settings import LimitSettings
from twinhelm.core.telemetry import SampleBlock

__all__ = [
    "BAD", "GENERATION_BYTES", "LEAST_GENERATION", "REFUSED", "Ids", "SeriesTable", "in_words",
    "largest_block",
]  # fmt: skip

LEAST_GENERATION = 100_000
"""Blocks a generation holds at least; a series may have several, one per order of its labels."""

GENERATION_BYTES = 256 << 20

REFUSED, BAD, SKIP, NEW = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFC
"""Ids that are none: past the series limit, bad labels, not wanted, not yet met."""

REFUSED_REQUESTS = 256
"""After so many requests with refused series they are offered again: the limit may be raised."""


def largest_block(limits: LimitSettings) -> int:
    """Bytes of a block with every label at its limit in UTF-8, and protobuf around it."""
    return limits.max_labels * (
        4 * (limits.max_label_name_bytes + limits.max_label_value_bytes) + 24
    )


class SeriesTable:
    """Series ids by label block; ``slots`` in kernels, ``lanes`` in :attr:`ids`.

    ``described`` is room for a hash per slot of what a series last said of itself.
    """

    def __init__(self, intern: Intern, limits: LimitSettings, rng: np.random.Generator) -> None:
        self._limits = limits.labels
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
        self.described = longer(self.described, len(self.table.spans))
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
        return _parse_blocks(self.table, slots, self._limits)

    def _adopt(self, slots: I64) -> None:
        """Take over what the old generation knows."""
        if self._old is not self.table:
            _take_over(slots, self.table.arrays, self.ids.lanes, self._old.arrays, self._old_lanes)


@kernel
def _take_over(slots: I64, blocks: Blocks, lanes: U32, old: Blocks, old_lanes: U32) -> None:
    for i in range(len(slots)):
        start, end = blocks.spans[slots[i], 0], blocks.spans[slots[i], 1]
        hashed = block_hash(blocks.frozen, start, end, old.secret)
        slot = find(blocks.frozen, start, end, hashed, old.chains, old.spans, old.arena)
        if slot >= 0 and old_lanes[slot] < NEW:
            lanes[slots[i]] = old_lanes[slot]


class Ids:
    """Ids by lane; what came of a lane is remembered, good, bad or refused.

    ``intern`` is as in :class:`~twinhelm.aiops.collect.remote_write.RemoteWriteDecoder`.
    ``parse`` is given lanes, ascending, and returns for each its labels, or a text that says what
    is wrong with them, or None where the lane's samples are not wanted. ``adopt`` may first fill
    in lanes whose ids the owner knows from elsewhere.
    """

    def __init__(
        self,
        intern: Intern,
        parse: Callable[[I64], Sequence[Labels | str | None]],
        adopt: Callable[[I64], None] = lambda _: None,
    ) -> None:
        self._intern = intern
        self._parse = parse
        self._adopt = adopt
        self._refused_requests = 0
        self.clear(0)

    def clear(self, capacity: int) -> None:
        """Forget every lane and make room for ``capacity``."""
        self.lanes: U32 = np.full(capacity, NEW, np.uint32)
        self._wrong: dict[int, str] = {}

    def grow(self, capacity: int) -> None:
        """Make room for lanes up to ``capacity``."""
        self.lanes = longer(self.lanes, capacity, NEW)

    def resolve(self, lanes: U32, time_ms: I64, value: F64) -> tuple[SampleBlock, list[Rejected]]:
        """Turn lanes into ids; samples of lanes without one are left out and counted."""
        ids = self.lanes[lanes]
        if not len(ids) or ids.max() < NEW:
            return SampleBlock(ids, time_ms, value), []
        new = ids == NEW
        if new.any():
            self._meet(np.unique(lanes[new]).astype(np.int64))
            ids = self.lanes[lanes]
        rejected = []
        for none, reason in ((BAD, "bad_labels"), (REFUSED, "series_limit")):
            mine = np.flatnonzero(ids == none)
            if len(mine):
                text = self.describe(int(lanes[mine[0]]))
                rejected.append(Rejected(reason, len(mine), text))
        if rejected and rejected[-1].reason == "series_limit":
            self._refused_requests += 1
        if self._refused_requests >= REFUSED_REQUESTS:
            self._refused_requests = 0
            self.lanes[self.lanes == REFUSED] = NEW
        good = ids < NEW
        return SampleBlock(ids[good], time_ms[good], value[good]), rejected

    def describe(self, lane: int) -> str:
        """Say in words which series a lane is, or what is wrong with it."""
        if lane in self._wrong:
            return self._wrong[lane]
        labels = self._parse(np.array([lane], np.int64))[0]
        return labels if isinstance(labels, str) else in_words(labels or ())

    def _meet(self, lanes: I64) -> None:
        """Find ids for lanes that have none."""
        self._adopt(lanes)
        lanes = lanes[self.lanes[lanes] == NEW]
        fresh: dict[Labels, list[int]] = {}
        for lane, labels in zip(lanes.tolist(), self._parse(lanes), strict=True):
            if labels is None:
                self.lanes[lane] = SKIP
            elif isinstance(labels, str):
                self.lanes[lane] = BAD
                self._wrong[lane] = labels
            else:
                fresh.setdefault(labels, []).append(lane)
        if fresh:
            given = self._intern(list(fresh))
            for id_, owners in zip(given.tolist(), fresh.values(), strict=True):
                self.lanes[owners] = id_


def _parse_blocks(table: BlockTable, slots: I64, limits: LabelLimits) -> list[Labels | str]:
    """Parse the blocks of ``slots``: labels in canonical form, or a text that says what is wrong.

    Wrong are invalid UTF-8, a name repeated or empty, no ``__name__``, and what is past a limit.
    Cost: about 3 us a series; a kernel finds all names and values at once.
    """
    if not len(slots):
        return []
    most = limits.max_labels + 1
    sizes = table.spans[slots, 1] - table.spans[slots, 0]
    parts = np.empty((int(np.minimum(sizes // 2, most).sum()), 4), np.int64)
    counts = np.empty(len(slots), np.int64)
    _split_labels(table.arrays, slots, most, parts, counts)
    starts = table.spans[slots, 0]
    rows = (parts[: counts.sum()] - np.repeat(starts, counts)[:, None]).tolist()
    out: list[Labels | str] = []
    first = 0
    for slot, count in zip(slots.tolist(), counts.tolist(), strict=True):
        out.append(_labels(table.block(slot), rows[first : first + count], limits))
        first += count
    return out


def _labels(block: bytes, parts: list[list[int]], limits: LabelLimits) -> Labels | str:
    # The same texts stand in many series: each is kept once.
    if block.isascii():
        text = block.decode("ascii")
        pairs = [(intern(text[a:b]), intern(text[c:d])) for a, b, c, d in parts]
    else:
        try:
            pairs = [
                (intern(block[a:b].decode()), intern(block[c:d].decode())) for a, b, c, d in parts
            ]
        except UnicodeDecodeError as error:
            told = block[parts[0][0] : parts[-1][3]][:200]
            return f"{told!r} is not UTF-8: {error.reason}"
    labels = tuple(sorted(pairs))
    try:
        check_labels(labels, limits)
    except Refused as refused:
        return refused.message
    labels = tuple(pair for pair in labels if pair[1])
    if not metric_name(labels):
        return f"{in_words(labels)} has no metric name"
    return labels


def in_words(labels: Labels) -> str:
    """Write labels as Prometheus does, cut to a length that a person reads.

    >>> in_words((("__name__", "up"), ("job", "a")))
    'up{job="a"}'
    """
    inner = ",".join(f'{name}="{value}"' for name, value in labels if name != METRIC)
    text = metric_name(labels) + (f"{{{inner}}}" if inner else "")
    return text[:200] if text else "{}"


@kernel
def _split_labels(blocks: Blocks, slots: I64, most: int, parts: I64, counts: I64) -> None:
    """Find names and values of blocks that are known to be well-formed, ``most`` in each.

    A row of ``parts`` is (name start, name end, value start, value end) in the arena.
    """
    arena = blocks.frozen
    row = 0
    for n in range(len(slots)):
        at, end = blocks.spans[slots[n], 0], blocks.spans[slots[n], 1]
        found = 0
        while 0 <= at < end and found < most:
            _, inner, stop, at = field(arena, at, end)
            for i in range(4):
                parts[row, i] = inner
            while 0 <= inner < stop:
                key, start, finish, inner = field(arena, inner, stop)
                if key == 0x0A:
                    parts[row, 0] = start
                    parts[row, 1] = finish
                elif key == 0x12:
                    parts[row, 2] = start
                    parts[row, 3] = finish
            row += 1
            found += 1
        counts[n] = found
