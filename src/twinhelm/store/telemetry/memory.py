"""Where does telemetry rest when it need not outlive the process? In memory.

The second implementation of :class:`twinhelm.core.ports.TelemetryStore`, for tests, notebooks
and back-tests, and the front of the real one (:mod:`.duck`), which adds an append log before it
and a database behind it: see ``_writing``, ``_keep`` and ``_view``. Nothing is dropped before
:meth:`MemoryTelemetry.tidy` is called.

>>> from twinhelm.core.clock import FakeClock
>>> store = MemoryTelemetry(FakeClock())
>>> store.intern([(("__name__", "up"),)], tenant="default").tolist()
[0]
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from twinhelm.core.arrays import I32, U32
from twinhelm.core.clock import Clock
from twinhelm.core.errors import Refused
from twinhelm.core.labels import Labels, Matcher
from twinhelm.core.ports import StoreStats
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
from twinhelm.store.telemetry.index import LabelIndex
from twinhelm.store.telemetry.log import Buffer
from twinhelm.store.telemetry.pending import Part, Pending, join_samples
from twinhelm.store.telemetry.rows import LOGS, SPANS, Asked, Kind, Shape

if TYPE_CHECKING:
    from twinhelm.store.telemetry.database import Reading

__all__ = ["MemoryTelemetry"]

_DAY_MS = 86_400_000


class MemoryTelemetry:
    """See :class:`twinhelm.core.ports.TelemetryStore`."""

    def __init__(self, clock: Clock, settings: StoreSettings | None = None) -> None:
        self._clock = clock
        self._settings = settings or StoreSettings()
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
            found = [stored.samples(ids, start_ms, end_ms)] if stored else []
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
        with self._writing():
            if changes:
                self._keep(Kind.CHANGES, rows.pack_changes(changes))
                self._pending.changes(changes)

    def read_changes(
        self, start_ms: int, end_ms: int, *, entity: str | None = None, limit: int = 1000
    ) -> list[Change]:
        """See the port."""
        with self._view() as (stored, parts):
            pending = {key: change for part in parts for key, change in part.changes.items()}
            # A pending change may replace a stored one, so as many more are read.
            more = limit + len(pending)
            old = stored.changes(start_ms, end_ms, entity, more) if stored else []
        fresh = [
            change
            for change in pending.values()
            if start_ms <= change.time_ms <= end_ms and entity in (None, change.entity)
        ]
        found = [*fresh, *(change for change in old if change.id not in pending)]
        return sorted(found, key=lambda change: (change.time_ms, change.id))[:limit]

    def stats(self) -> StoreStats:
        """See the port."""
        return self._stats(disk_bytes=0, free_bytes=0, taking=True, reason="")

    def flush(self) -> None:
        """See the port; there is nowhere to move rows to."""

    def tidy(self, now_ms: int) -> None:
        """See the port."""
        keep = self._settings
        with self._lock:
            old, new = self._pending.active, Part()
            block = old.samples()
            young = block.time_ms >= now_ms - keep.retain_samples_days * _DAY_MS
            new.add_samples(
                SampleBlock(block.series[young], block.time_ms[young], block.value[young])
            )
            for shape, days in ((LOGS, keep.retain_logs_days), (SPANS, keep.retain_spans_days)):
                since_ns = int((now_ms - days * _DAY_MS) * 1_000_000)
                new.blocks[shape.table] = [
                    shape.since(columns, since_ns) for columns in old.blocks[shape.table]
                ]
            since_ms = now_ms - keep.retain_changes_days * _DAY_MS
            new.changes = {
                k: change for k, change in old.changes.items() if change.time_ms >= since_ms
            }
            self._pending.parts = (new,)

    def backup(self, target: Path) -> None:
        """Refuse: there are no files to copy."""
        raise Refused(f"telemetry in memory cannot be copied to {target}", hint="use a directory")

    def close(self) -> None:
        """See the port; what was kept stays readable."""

    def _writing(self) -> AbstractContextManager[Any]:
        """Let one thread at a time write; on leaving, what it wrote is as durable as asked."""
        return self._lock

    def _keep(self, kind: Kind, parts: list[Buffer]) -> None:
        """Put a record where it survives the process, before anybody sees what it says."""

    @contextmanager
    def _view(self) -> Iterator[tuple[Reading | None, Sequence[Part]]]:
        """Give what is stored, at one moment, and the parts that are not in it."""
        yield None, self._pending.parts

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
            found = (
                stored.rows(shape, asked, newest_first=newest_first, limit=limit) if stored else []
            )
        for part in parts:
            found += part.read_rows(shape, asked)
        return sorted(found, key=itemgetter(0), reverse=newest_first)[:limit]

    def _stats(self, *, disk_bytes: int, free_bytes: int, taking: bool, reason: str) -> StoreStats:
        waiting = sum(part.rows for part in self._pending.parts)
        return StoreStats(
            series=len(self._catalog.series),
            **self._pending.counts,
            disk_bytes=disk_bytes,
            free_bytes=free_bytes,
            pending_rows=waiting,
            taking=taking,
            reason=reason,
        )


def _chosen(index: LabelIndex, matchers: Sequence[Matcher], tenant: str | None) -> U32 | None:
    """Return the ids that match; None where nothing is asked of them."""
    if not matchers and tenant is None:
        return None
    return index.select(matchers, tenant=tenant)
