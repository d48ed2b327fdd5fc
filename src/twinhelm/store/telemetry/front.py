"""How does a telemetry store answer? What is pending is in memory, the rest with the subclass.

The part of :class:`twinhelm.core.ports.TelemetryStore` that needs no disk: a subclass says how
rows are made durable and where those that are no longer pending rest (``_writing``, ``_keep`` and
``_view``). The real one is :mod:`.duck`.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from operator import itemgetter
from typing import Any

import numpy as np

from twinhelm.core.arrays import I32, U32
from twinhelm.core.clock import Clock
from twinhelm.core.labels import Labels, Matcher
from twinhelm.core.settings import StoreSettings
from twinhelm.core.telemetry import (
    Change,
    LogBlock,
    LogRecord,
    MetricMeta,
    SampleBlock,
    SeriesInfo,
    Span,
    SpanBlock,
)
from twinhelm.store.telemetry import rows
from twinhelm.store.telemetry.catalog import Catalog
from twinhelm.store.telemetry.database import Reading
from twinhelm.store.telemetry.index import LabelIndex
from twinhelm.store.telemetry.log import Buffer
from twinhelm.store.telemetry.pending import Part, Pending, join_samples
from twinhelm.store.telemetry.rows import LOGS, SPANS, Asked, Kind, Shape

__all__ = ["Front"]


class Front(ABC):
    """Writes, and reads of what is pending and what is stored; see the module."""

    def __init__(self, clock: Clock, settings: StoreSettings) -> None:
        self._clock = clock
        self._settings = settings
        self._lock = threading.RLock()
        self._catalog = Catalog()
        self._pending = Pending(self._catalog)

    def series(self, ids: U32) -> list[SeriesInfo]:
        """See the port."""
        return self._catalog.describe(ids)

    def series_count(self, tenant: str | None = None) -> int:
        """See the port."""
        return self._catalog.series.count_of(tenant)

    def find_series(
        self,
        matchers: Sequence[Matcher],
        *,
        tenant: str | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 10_000,
    ) -> list[SeriesInfo]:
        """See the port."""
        ids = self._catalog.find(matchers, tenant, start_ms, end_ms)
        return self._catalog.describe(ids[:limit])

    def label_names(self, matchers: Sequence[Matcher], *, tenant: str | None = None) -> list[str]:
        """See the port."""
        index = self._catalog.series
        return index.names(_chosen(index, matchers, tenant))

    def label_values(
        self, name: str, matchers: Sequence[Matcher], *, tenant: str | None = None
    ) -> list[str]:
        """See the port."""
        index = self._catalog.series
        return index.values(name, _chosen(index, matchers, tenant))

    def last_times(self) -> Mapping[int, int]:
        """See the port."""
        return self._catalog.last_times()

    def metric_meta(self) -> dict[str, MetricMeta]:
        """See the port."""
        return dict(self._catalog.metas)

    def intern(self, labels: Sequence[Labels], *, tenant: str) -> U32:
        """See the port."""
        with self._writing():
            return self._name(Kind.SERIES, labels, tenant)

    def append_samples(self, block: SampleBlock) -> None:
        """See the port."""
        self._catalog.check(block)
        with self._writing():
            self._keep(Kind.SAMPLES, rows.pack_samples(block))
            self._pending.samples(block)

    def read_samples(self, ids: U32, start_ms: int, end_ms: int) -> SampleBlock:
        """See the port."""
        ids = np.unique(ids)
        with self._view() as (stored, parts):
            found = [stored.samples(ids, start_ms, end_ms)]
        found += [part.read_samples(ids, start_ms, end_ms) for part in parts]
        return join_samples(found, ids)

    def put_metric_meta(self, metas: Sequence[MetricMeta]) -> None:
        """See the port."""
        with self._writing():
            known = self._catalog.metas
            if new := [meta for meta in metas if known.get(meta.name) != meta]:
                self._keep(Kind.METAS, rows.pack_metas(new))
                self._pending.metas(new)

    def append_logs(self, block: LogBlock, *, tenant: str, digest: bytes = b"") -> bool:
        """See the port."""
        return self._append_rows(LOGS, block, block.streams, tenant, digest)

    def append_spans(self, block: SpanBlock, *, tenant: str, digest: bytes = b"") -> bool:
        """See the port."""
        return self._append_rows(SPANS, block, block.resources, tenant, digest)

    def read_logs(
        self,
        matchers: Sequence[Matcher],
        start_ns: int,
        end_ns: int,
        *,
        contains: str = "",
        tenant: str | None = None,
        limit: int = 1000,
        newest_first: bool = True,
    ) -> list[LogRecord]:
        """See the port."""
        index = self._catalog.sources
        asked: Asked = (_chosen(index, matchers, tenant), start_ns, end_ns, contains)
        found = self._read_rows(LOGS, asked, limit, newest_first=newest_first)
        return [LogRecord(row[0], index.labels(row[1])[1], *row[2:]) for row in found]

    def read_spans(
        self,
        matchers: Sequence[Matcher],
        start_ns: int,
        end_ns: int,
        *,
        trace_id: str = "",
        tenant: str | None = None,
        limit: int = 1000,
    ) -> list[Span]:
        """See the port."""
        index = self._catalog.sources
        asked: Asked = (_chosen(index, matchers, tenant), start_ns, end_ns, trace_id)
        found = self._read_rows(SPANS, asked, limit, newest_first=False)
        return [
            Span(start, end, index.labels(source)[1], trace, span, parent, name, kind, status, text)
            for start, end, source, kind, status, trace, span, parent, name, text in found
        ]

    def append_changes(self, changes: Sequence[Change]) -> None:
        """See the port."""
        # As they will be read back, so that where a change rests shows in nothing.
        kept = [rows.change_of(rows.fields_of(change)) for change in changes]
        with self._writing():
            if kept:
                self._keep(Kind.CHANGES, rows.pack_changes(kept))
                self._pending.changes(kept)

    def read_changes(
        self, start_ms: int, end_ms: int, *, entity: str | None = None, limit: int = 1000
    ) -> list[Change]:
        """See the port."""
        with self._view() as (stored, parts):
            pending = {key: change for part in parts for key, change in part.changes.items()}
            # A pending change may replace a stored one, so as many more are read.
            more = limit + len(pending)
            old = stored.changes(start_ms, end_ms, entity, more)
        fresh = [
            change
            for change in pending.values()
            if start_ms <= change.time_ms <= end_ms and entity in (None, change.entity)
        ]
        found = [*fresh, *(change for change in old if change.id not in pending)]
        return sorted(found, key=lambda change: (change.time_ms, change.id))[:limit]

    @abstractmethod
    def _writing(self) -> AbstractContextManager[Any]:
        """Let one thread at a time write; on leaving, what it wrote is as durable as asked."""

    @abstractmethod
    def _keep(self, kind: Kind, parts: list[Buffer]) -> None:
        """Put a record where it survives the process, before anybody sees what it says."""

    @abstractmethod
    def _view(self) -> AbstractContextManager[tuple[Reading, Sequence[Part]]]:
        """Give what is stored, at one moment, and the parts that are not in it."""

    def _name(self, kind: Kind, labels: Sequence[Labels], tenant: str) -> U32:
        """Give label sets ids."""
        index = self._catalog.series if kind == Kind.SERIES else self._catalog.sources
        ids, new = index.plan(labels, tenant=tenant)
        if new:
            self._keep(kind, [new])
            self._pending.names(kind, new)
        return ids

    def _append_rows(
        self,
        shape: Shape,
        block: LogBlock | SpanBlock,
        owners: Sequence[Labels],
        tenant: str,
        digest: bytes,
    ) -> bool:
        with self._writing():
            now_ms = self._clock.now_ms()
            if self._catalog.taken(digest, now_ms):
                return False
            ids = self._name(Kind.SOURCES, owners, tenant)
            sources: I32 = ids.astype(np.int32)[getattr(block, shape.owner)]
            record = shape.pack(block, sources, digest, now_ms)
            self._keep(shape.kind, [record])
            self._pending.rows(shape, *shape.unpack(memoryview(record)))
        return True

    def _read_rows(
        self, shape: Shape, asked: Asked, limit: int, *, newest_first: bool
    ) -> list[tuple[Any, ...]]:
        """Read log records or spans by time."""
        with self._view() as (stored, parts):
            found = stored.rows(shape, asked, newest_first=newest_first, limit=limit)
        for part in parts:
            found += part.read_rows(shape, asked)
        return sorted(found, key=itemgetter(0), reverse=newest_first)[:limit]


def _chosen(index: LabelIndex, matchers: Sequence[Matcher], tenant: str | None) -> U32 | None:
    """Return the ids that match; None where nothing is asked of them."""
    if not matchers and tenant is None:
        return None
    return index.select(matchers, tenant=tenant)
