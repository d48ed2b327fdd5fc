"""What has been acknowledged? The catalog, and the rows that no database holds yet.

In: what the append log has just written, or gives back after a crash (:mod:`.payload`). Out:
what readers see beside the database, and what the next flush moves (:mod:`.batch`). The
owner's lock guards every change; readers need none.
"""

from __future__ import annotations

import numpy as np

from twinhelm.core.ports import StoreStats
from twinhelm.core.telemetry import Change, LogBlock, MetricMeta, SampleBlock, SpanBlock
from twinhelm.store.telemetry import payload
from twinhelm.store.telemetry.catalog import Catalog
from twinhelm.store.telemetry.head import Part
from twinhelm.store.telemetry.payload import Kind

__all__ = ["COUNTED", "Pending"]

COUNTED = ("samples", "logs", "spans", "changes")


class Pending:
    """The parts, oldest first; the last one takes what comes."""

    def __init__(self, catalog: Catalog, counts: dict[str, int]) -> None:
        self.catalog = catalog
        self.counts = counts
        self.parts: tuple[Part, ...] = (Part(),)

    @property
    def active(self) -> Part:
        """The part that takes what comes."""
        return self.parts[-1]

    @property
    def sample_rows(self) -> int:
        """How many samples wait."""
        return sum(part.sample_rows for part in self.parts)

    @property
    def rows(self) -> int:
        """How many rows of all kinds wait."""
        return sum(part.rows for part in self.parts)

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

    def logs(self, rows: LogBlock, digest: bytes, taken_ms: int) -> None:
        """Take log records; their streams are ids of sources."""
        self.active.logs.append(rows)
        self._remember(digest, taken_ms)
        self.counts["logs"] += len(rows)

    def spans(self, rows: SpanBlock, digest: bytes, taken_ms: int) -> None:
        """Take spans; their resources are ids of sources."""
        self.active.spans.append(rows)
        self._remember(digest, taken_ms)
        self.counts["spans"] += len(rows)

    def changes(self, changes: list[Change]) -> None:
        """Take changes; the newest statement of an id wins."""
        self.active.changes = {**self.active.changes, **{c.id: c for c in changes}}
        self.active.change_count += len(changes)
        self.counts["changes"] += len(changes)

    def metas(self, metas: list[MetricMeta]) -> None:
        """Take what metric families say of themselves."""
        self.catalog.metas = {**self.catalog.metas, **{meta.name: meta for meta in metas}}
        self.active.other = True

    def replay(self, kind: Kind, data: memoryview) -> None:
        """Take one record of the append log."""
        if kind in (Kind.SERIES, Kind.SOURCES):
            self.names(kind, bytes(data))
        elif kind == Kind.SAMPLES:
            block = payload.samples_of(data)
            # Where damage took the record that named a series, its samples have no meaning.
            known = block.series < len(self.catalog.series)
            if not np.all(known):
                block = SampleBlock(block.series[known], block.time_ms[known], block.value[known])
            self.samples(block)
        elif kind == Kind.LOGS:
            self.logs(*payload.logs_of(data))
        elif kind == Kind.SPANS:
            self.spans(*payload.spans_of(data))
        elif kind == Kind.CHANGES:
            self.changes(payload.changes_of(data))
        else:
            self.metas(payload.metas_of(data))

    def stats(self, *, disk_bytes: int, free_bytes: int, taking: bool, reason: str) -> StoreStats:
        """Say what rests in the store, given what its owner knows of the disk."""
        return StoreStats(
            series=len(self.catalog.series),
            samples=self.counts["samples"],
            logs=self.counts["logs"],
            spans=self.counts["spans"],
            changes=self.counts["changes"],
            disk_bytes=disk_bytes,
            free_bytes=free_bytes,
            pending_rows=self.rows,
            taking=taking,
            reason=reason,
        )

    def _remember(self, digest: bytes, taken_ms: int) -> None:
        if digest:
            self.catalog.digests[digest] = taken_ms
            self.active.other = True
