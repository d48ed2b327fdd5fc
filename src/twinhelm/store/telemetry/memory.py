"""Where does telemetry rest when it need not outlive the process? In memory.

The second implementation of :class:`twinhelm.core.ports.TelemetryStore`, for tests, notebooks
and back-tests. It passes the laws of the real one but for those of a disk. Nothing is dropped
before :meth:`MemoryTelemetry.tidy` is called with ``retain_ms``.

>>> from twinhelm.core.clock import FakeClock
>>> store = MemoryTelemetry(FakeClock())
>>> store.intern([(("__name__", "up"),)], tenant="default").tolist()
[0]
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

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
    Span,
    SpanBlock,
)
from twinhelm.store.telemetry.catalog import Described
from twinhelm.store.telemetry.head import Part, join_samples, newest
from twinhelm.store.telemetry.pending import COUNTED, Pending

__all__ = ["MemoryTelemetry"]

_DAY_MS = 86_400_000


class MemoryTelemetry(Described):
    """See :class:`twinhelm.core.ports.TelemetryStore`."""

    def __init__(self, clock: Clock, settings: StoreSettings | None = None) -> None:
        super().__init__()
        self._clock = clock
        self._settings = settings or StoreSettings()
        self._lock = threading.RLock()
        self._pending = Pending(self._catalog, dict.fromkeys(COUNTED, 0))

    def intern(self, labels: Sequence[Labels], *, tenant: str) -> U32:
        """See the port."""
        with self._lock:
            ids, new = self._catalog.series.plan(labels, tenant=tenant)
            self._catalog.series.apply(new)
            return ids

    def append_samples(self, block: SampleBlock) -> None:
        """See the port."""
        with self._lock:
            self._catalog.check(block)
            self._pending.samples(block)

    def read_samples(self, ids: U32, start_ms: int, end_ms: int) -> SampleBlock:
        """See the port."""
        ids = np.unique(ids)
        return join_samples([self._pending.active.read_samples(ids, start_ms, end_ms)], ids)

    def put_metric_meta(self, metas: Sequence[MetricMeta]) -> None:
        """See the port."""
        with self._lock:
            self._pending.metas(list(metas))

    def append_logs(self, block: LogBlock, *, tenant: str, digest: bytes = b"") -> bool:
        """See the port."""
        with self._lock:
            now_ms = self._clock.now_ms()
            if self._catalog.taken(digest, now_ms):
                return False
            sources = self._sources(block.streams, tenant)[block.stream]
            self._pending.logs(replace(block, stream=sources, streams=()), digest, now_ms)
            return True

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
        sources = self._catalog.source_ids(matchers, tenant)
        rows = self._pending.active.read_logs(sources, start_ns, end_ns, contains)
        labels = self._catalog.source_labels
        return [
            LogRecord(row[0], labels(row[1]), *row[2:])
            for row in newest(rows, limit, newest_first=newest_first)
        ]

    def append_spans(self, block: SpanBlock, *, tenant: str, digest: bytes = b"") -> bool:
        """See the port."""
        with self._lock:
            now_ms = self._clock.now_ms()
            if self._catalog.taken(digest, now_ms):
                return False
            sources = self._sources(block.resources, tenant)[block.resource]
            self._pending.spans(replace(block, resource=sources, resources=()), digest, now_ms)
            return True

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
        sources = self._catalog.source_ids(matchers, tenant)
        rows = sorted(self._pending.active.read_spans(sources, start_ns, end_ns, trace_id))[:limit]
        labels = self._catalog.source_labels
        return [Span(row[0], row[1], labels(row[2]), *row[3:]) for row in rows]

    def append_changes(self, changes: Sequence[Change]) -> None:
        """See the port."""
        with self._lock:
            self._pending.changes(list(changes))

    def read_changes(
        self, start_ms: int, end_ms: int, *, entity: str | None = None, limit: int = 1000
    ) -> list[Change]:
        """See the port."""
        found = [
            change
            for change in list(self._pending.active.changes.values())
            if start_ms <= change.time_ms <= end_ms and entity in (None, change.entity)
        ]
        return sorted(found, key=lambda change: (change.time_ms, change.id))[:limit]

    def stats(self) -> StoreStats:
        """See the port."""
        return self._pending.stats(disk_bytes=0, free_bytes=0, taking=True, reason="")

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
            since_ns = int((now_ms - keep.retain_logs_days * _DAY_MS) * 1_000_000)
            new.logs = [_logs_since(rows, since_ns) for rows in old.logs]
            since_ns = int((now_ms - keep.retain_spans_days * _DAY_MS) * 1_000_000)
            new.spans = [_spans_since(rows, since_ns) for rows in old.spans]
            since_ms = now_ms - keep.retain_changes_days * _DAY_MS
            new.changes = {
                key: change for key, change in old.changes.items() if change.time_ms >= since_ms
            }
            self._pending.parts = (new,)

    def backup(self, target: Path) -> None:
        """Refuse: there are no files to copy."""
        raise Refused(f"telemetry in memory cannot be copied to {target}", hint="use a directory")

    def close(self) -> None:
        """See the port; what was kept stays readable."""

    def _sources(self, labels: Sequence[Labels], tenant: str) -> I32:
        ids, new = self._catalog.sources.plan(labels, tenant=tenant)
        self._catalog.sources.apply(new)
        return ids.astype(np.int32)


def _logs_since(block: LogBlock, since_ns: int) -> LogBlock:
    keep = np.flatnonzero(block.time_ns >= since_ns)
    places = keep.tolist()
    return LogBlock(
        block.time_ns[keep],
        block.stream[keep],
        (),
        block.severity[keep],
        [block.body[i] for i in places],
        [block.attributes[i] for i in places],
        [block.trace_id[i] for i in places],
        [block.span_id[i] for i in places],
    )


def _spans_since(block: SpanBlock, since_ns: int) -> SpanBlock:
    keep = np.flatnonzero(block.start_ns >= since_ns)
    places = keep.tolist()
    return SpanBlock(
        start_ns=block.start_ns[keep],
        end_ns=block.end_ns[keep],
        resource=block.resource[keep],
        resources=(),
        trace_id=[block.trace_id[i] for i in places],
        span_id=[block.span_id[i] for i in places],
        parent_id=[block.parent_id[i] for i in places],
        name=[block.name[i] for i in places],
        kind=block.kind[keep],
        status=block.status[keep],
        attributes=[block.attributes[i] for i in places],
    )
