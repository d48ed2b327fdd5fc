"""What was acknowledged and is not in the database yet? One part per append-log segment.

In: what the append log has just written, or gives back after a crash (:mod:`.rows`). Out: rows
for readers, columns for the flush (:mod:`.batch`). One thread at a time writes (the owner's
lock); readers need no lock, since columns only ever grow and a reader looks at the count first.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit

from twinhelm.core.arrays import I64, U32, Array
from twinhelm.core.telemetry import Change, MetricMeta, SampleBlock
from twinhelm.store.telemetry import rows
from twinhelm.store.telemetry.catalog import Catalog
from twinhelm.store.telemetry.pages import sort_rows
from twinhelm.store.telemetry.rows import LOGS, SPANS, Asked, Columns, Kind, Shape

__all__ = ["COUNTED", "Part", "Pending", "join_samples"]

COUNTED = ("samples", "logs", "spans", "changes")


class Part:
    """Pending rows of one append-log segment; ``blocks`` are log records and spans by table.

    ``room`` is how many samples to expect.
    """

    def __init__(self, segment: int = 0, *, room: int = 0) -> None:
        self.segment = segment
        self.blocks: dict[str, list[Columns]] = {LOGS.table: [], SPANS.table: []}
        self.changes: dict[str, Change] = {}
        self.names: list[tuple[int, int, bytes]] = []
        """New names: which index (:class:`.rows.Kind`), its first id, the names."""
        self.other = False
        """Whether descriptions or digests wait."""
        self.added = dict.fromkeys(COUNTED, 0)
        # Room that is not used is never taken from the machine.
        self._series = np.empty(room, np.uint32)
        self._times = np.empty(room, np.int64)
        self._values = np.empty(room, np.float64)

    @property
    def rows(self) -> int:
        """How many rows of all kinds wait here."""
        return sum(self.added.values())

    def add_samples(self, block: SampleBlock) -> None:
        """Copy samples in: the caller may use its arrays again."""
        n, more = self.added["samples"], len(block)
        if n + more > len(self._series):
            room = max(n + more, len(self._series) * 2, 4096)
            self._series = _longer(self._series, n, room)
            self._times = _longer(self._times, n, room)
            self._values = _longer(self._values, n, room)
        self._series[n : n + more] = block.series
        self._times[n : n + more] = block.time_ms
        # As integers, so that no NaN's bits are touched on the way.
        self._values.view(np.uint64)[n : n + more] = block.value.view(np.uint64)
        self.added["samples"] = n + more

    def samples(self) -> SampleBlock:
        """Return all samples here, in order of arrival; a view that stays valid."""
        n = self.added["samples"]
        return SampleBlock(self._series[:n], self._times[:n], self._values[:n])

    def read_samples(self, ids: U32, start_ms: int, end_ms: int) -> SampleBlock:
        """Read the samples of ids (ascending) within a closed range, in order of arrival."""
        block = self.samples()
        hit = _hits(block.series, block.time_ms, ids, start_ms, end_ms)
        return block.rows(hit)

    def read_rows(self, shape: Shape, asked: Asked) -> list[tuple[Any, ...]]:
        """Read log records or spans; see :meth:`Shape.select`."""
        return [
            row for block in list(self.blocks[shape.table]) for row in shape.select(block, asked)
        ]


class Pending:
    """The parts, oldest first; the last one takes what comes. ``counts`` are since ever."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.counts = dict.fromkeys(COUNTED, 0)
        self.parts: tuple[Part, ...] = (Part(),)

    @property
    def active(self) -> Part:
        """The part that takes what comes."""
        return self.parts[-1]

    def names(self, kind: Kind, new: bytes) -> None:
        """Take new names of series or sources; what does not follow the known is left out."""
        index = self.catalog.series if kind == Kind.SERIES else self.catalog.sources
        first = len(index)
        if index.apply(new) and len(index) > first:
            self.active.names.append((int(kind), first, new))

    def samples(self, block: SampleBlock) -> None:
        """Take samples of known series."""
        self.active.add_samples(block)
        self.catalog.heard(block.series, block.time_ms)
        self.counts["samples"] += len(block)

    def rows(self, shape: Shape, columns: Columns, digest: bytes, taken_ms: int) -> None:
        """Take log records or spans, and remember the body they came in."""
        self.active.blocks[shape.table].append(columns)
        self._count(shape.table, len(columns[shape.time]))
        if digest:
            self.catalog.digests[digest] = taken_ms
            self.active.other = True

    def changes(self, changes: Sequence[Change]) -> None:
        """Take changes; the newest statement of an id wins."""
        self.active.changes = {**self.active.changes, **{c.id: c for c in changes}}
        self._count("changes", len(changes))

    def metas(self, metas: Sequence[MetricMeta]) -> None:
        """Take what metric families say of themselves."""
        self.catalog.metas = {**self.catalog.metas, **{meta.name: meta for meta in metas}}
        self.active.other = True

    def replay(self, kind: Kind, data: memoryview) -> None:
        """Take one record of the append log."""
        if kind in (Kind.SERIES, Kind.SOURCES):
            self.names(kind, bytes(data))
        elif kind == Kind.SAMPLES:
            block = rows.samples_of(data)
            # Where damage took the record that named a series, its samples have no meaning.
            known = block.series < len(self.catalog.series)
            if not np.all(known):
                block = block.rows(known)
            self.samples(block)
        elif kind == Kind.CHANGES:
            self.changes(rows.changes_of(data))
        elif kind == Kind.METAS:
            self.metas(rows.metas_of(data))
        else:
            shape = LOGS if kind == Kind.LOGS else SPANS
            self.rows(shape, *shape.unpack(data))

    def _count(self, what: str, more: int) -> None:
        self.active.added[what] += more
        self.counts[what] += more


def join_samples(parts: Sequence[SampleBlock], ids: U32) -> SampleBlock:
    """Join what several places hold of ``ids`` (ascending) and sort it by series and time."""
    block = SampleBlock.joined(parts)
    places = np.searchsorted(ids, block.series).astype(np.uint32)
    placed = sort_rows(SampleBlock(places, block.time_ms, block.value), len(ids))
    return SampleBlock(ids[placed.series], placed.time_ms, placed.value)


def _longer(array: Array, used: int, room: int) -> Array:
    longer = np.empty(room, array.dtype)
    longer[:used] = array[:used]
    return longer


@njit(cache=True, nogil=True)
def _hits(series: U32, times: I64, ids: U32, start_ms: int, end_ms: int) -> I64:
    wanted = np.zeros(ids[-1] + 1 if len(ids) else 0, np.bool_)
    for s in ids:
        wanted[s] = True
    hits = np.empty(len(series), np.int64)
    n = 0
    for i in range(len(series)):
        s = series[i]
        if s < len(wanted) and wanted[s] and start_ms <= times[i] <= end_ms:
            hits[n] = i
            n += 1
    return hits[:n].copy()
