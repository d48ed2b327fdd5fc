"""Where does telemetry rest on one machine? In an append log, memory and DuckDB, in that order.

The real implementation of :class:`twinhelm.core.ports.TelemetryStore`. A row is first written
to the append log (:mod:`.log`), then put into memory (:mod:`.head`) where readers see it, and
moved into the database (:mod:`.database`) by the next flush, in one transaction that also says
from which segment on the append log still counts. So a crash at any point leaves every
acknowledged row in exactly one of the two: before the commit the log is replayed, after it the
old segments are ignored and removed. Readers take the pending parts first and the database's
snapshot second, and leave out the parts that the snapshot says it has.

Threads of its own: one forces the log to disk, one flushes, one settles (:mod:`.settle`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from twinhelm.core.arrays import U32
from twinhelm.core.clock import Clock
from twinhelm.core.errors import Conflict, Overloaded, TwinhelmError, Unavailable
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
from twinhelm.store.telemetry import payload
from twinhelm.store.telemetry.batch import Saved, hear_pages, load, pack_heard, save
from twinhelm.store.telemetry.catalog import Described
from twinhelm.store.telemetry.database import Database
from twinhelm.store.telemetry.head import Part, join_samples, newest
from twinhelm.store.telemetry.home import DATABASE, Home, write_format
from twinhelm.store.telemetry.index import LabelIndex
from twinhelm.store.telemetry.log import AppendLog
from twinhelm.store.telemetry.payload import Kind
from twinhelm.store.telemetry.pending import COUNTED, Pending
from twinhelm.store.telemetry.settle import drop_old, settle
from twinhelm.store.telemetry.upkeep import Upkeep

__all__ = ["DuckTelemetry", "open_telemetry"]

_HEARD_PAGES = 4096
"""After this many new pages the times of all series are saved anew; opening reads the rest."""

_log = logging.getLogger(__name__)


def open_telemetry(
    directory: Path,
    settings: StoreSettings,
    clock: Clock,
    *,
    free_bytes: Callable[[], int] | None = None,
) -> DuckTelemetry:
    """Open or make the store in ``directory`` and take back what a crash left in the log.

    ``free_bytes`` tells the room left on the disk, for tests of a full one. Raises what
    :class:`.home.Home` raises, and :class:`Unavailable` where the database cannot be opened.
    """
    home = Home(directory)
    try:
        return DuckTelemetry(home, settings, clock, free_bytes or home.free_bytes)
    except BaseException:
        home.close()
        raise


class DuckTelemetry(Described):
    """See :class:`twinhelm.core.ports.TelemetryStore`; made by :func:`open_telemetry`."""

    def __init__(
        self, home: Home, settings: StoreSettings, clock: Clock, free_bytes: Callable[[], int]
    ) -> None:
        super().__init__()
        self._home = home
        self._settings = settings
        self._clock = clock
        self._free_bytes = free_bytes
        self._lock = threading.RLock()
        self._flush_lock = threading.Lock()
        self._settle_lock = threading.Lock()
        self._closed = False
        self._pending = Pending(self._catalog, dict.fromkeys(COUNTED, 0))
        self._next_page = 1
        self._heard_page = 0
        self._database = Database(
            home.directory / DATABASE, memory_limit_mb=settings.memory_limit_mb
        )
        self._append_log = AppendLog(
            home.directory,
            sync_interval_s=settings.sync_interval_s,
            min_free_bytes=settings.min_free_bytes,
            free_bytes=free_bytes,
        )
        try:
            self._load()
            home.write_format()
        except BaseException:
            self._database.close()
            raise
        self._upkeep = Upkeep(self.flush, self._settle, flush_interval_s=settings.flush_interval_s)

    def intern(self, labels: Sequence[Labels], *, tenant: str) -> U32:
        """See the port."""
        with self._lock:
            ids, mark = self._name(self._catalog.series, Kind.SERIES, labels, tenant)
        self._append_log.wait(mark)
        return ids

    def append_samples(self, block: SampleBlock) -> None:
        """See the port."""
        self._catalog.check(block)
        with self._lock:
            self._admit()
            mark = self._append_log.append(Kind.SAMPLES, payload.pack_samples(block))
            self._pending.samples(block)
            if self._pending.active.sample_rows >= self._settings.flush_rows:
                self._upkeep.flush_soon()
        self._append_log.wait(mark)

    def read_samples(self, ids: U32, start_ms: int, end_ms: int) -> SampleBlock:
        """See the port."""
        ids = np.unique(ids)
        parts = self._pending.parts
        with self._database.reading() as reading:
            stored = reading.samples(ids, start_ms, end_ms)
        pending = [
            part.read_samples(ids, start_ms, end_ms)
            for part in parts
            if part.segment >= reading.next_segment
        ]
        return join_samples([stored, *pending], ids)

    def put_metric_meta(self, metas: Sequence[MetricMeta]) -> None:
        """See the port."""
        with self._lock:
            known = self._catalog.metas
            new = [meta for meta in metas if known.get(meta.name) != meta]
            if not new:
                return
            self._admit()
            mark = self._append_log.append(Kind.METAS, payload.pack_metas(new))
            self._pending.metas(new)
        self._append_log.wait(mark)

    def append_logs(self, block: LogBlock, *, tenant: str, digest: bytes = b"") -> bool:
        """See the port."""
        with self._lock:
            now_ms = self._clock.now_ms()
            if self._catalog.taken(digest, now_ms):
                return False
            self._admit()
            ids, _ = self._name(self._catalog.sources, Kind.SOURCES, block.streams, tenant)
            sources = ids.astype(np.int32)[block.stream]
            record = payload.joined(payload.pack_logs(block, sources, digest, now_ms))
            mark = self._append_log.append(Kind.LOGS, [record])
            self._pending.logs(*payload.logs_of(memoryview(record)))
        self._append_log.wait(mark)
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
        sources, parts = self._catalog.source_ids(matchers, tenant), self._pending.parts
        with self._database.reading() as reading:
            rows = reading.logs(
                sources, start_ns, end_ns, contains, newest_first=newest_first, limit=limit
            )
        for part in parts:
            if part.segment >= reading.next_segment:
                rows += part.read_logs(sources, start_ns, end_ns, contains)
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
            self._admit()
            ids, _ = self._name(self._catalog.sources, Kind.SOURCES, block.resources, tenant)
            sources = ids.astype(np.int32)[block.resource]
            record = payload.joined(payload.pack_spans(block, sources, digest, now_ms))
            mark = self._append_log.append(Kind.SPANS, [record])
            self._pending.spans(*payload.spans_of(memoryview(record)))
        self._append_log.wait(mark)
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
        sources, parts = self._catalog.source_ids(matchers, tenant), self._pending.parts
        with self._database.reading() as reading:
            rows = reading.spans(sources, start_ns, end_ns, trace_id, limit)
        for part in parts:
            if part.segment >= reading.next_segment:
                rows += part.read_spans(sources, start_ns, end_ns, trace_id)
        labels = self._catalog.source_labels
        return [Span(row[0], row[1], labels(row[2]), *row[3:]) for row in sorted(rows)[:limit]]

    def append_changes(self, changes: Sequence[Change]) -> None:
        """See the port."""
        if not changes:
            return
        with self._lock:
            self._admit()
            mark = self._append_log.append(Kind.CHANGES, payload.pack_changes(list(changes)))
            self._pending.changes(list(changes))
        self._append_log.wait(mark)

    def read_changes(
        self, start_ms: int, end_ms: int, *, entity: str | None = None, limit: int = 1000
    ) -> list[Change]:
        """See the port."""
        parts = self._pending.parts
        bounds = {"time_ms >= ?": start_ms, "time_ms <= ?": end_ms}
        pending: dict[str, Change] = {}
        with self._database.reading() as reading:
            for part in parts:
                if part.segment >= reading.next_segment:
                    pending.update(part.changes)
            # A pending change may replace a stored one, so as many more are read.
            rows = reading.rows(
                "changes",
                "*",
                {**bounds, "entity = ?": entity} if entity is not None else bounds,
                order="time_ms, id",
                limit=limit + len(pending),
            )
        stored = [payload.change_of(row) for row in rows if row[0] not in pending]
        fresh = [
            change
            for change in pending.values()
            if start_ms <= change.time_ms <= end_ms and entity in (None, change.entity)
        ]
        return sorted([*stored, *fresh], key=lambda change: (change.time_ms, change.id))[:limit]

    def stats(self) -> StoreStats:
        """See the port."""
        free = self._free_bytes()
        full = free < self._settings.min_free_bytes
        reason = self._upkeep.reason or "; ".join(self._append_log.damage)
        return self._pending.stats(
            disk_bytes=self._home.disk_bytes(),
            free_bytes=free,
            taking=not full and not self._closed,
            reason=f"only {free >> 20} MiB of disk are free" if full else reason,
        )

    def sample_bytes(self) -> int:
        """Return how many bytes the flushed samples take, without names and DuckDB's own."""
        with self._database.reading() as reading:
            return reading.sample_bytes()

    def flush(self) -> None:
        """See the port."""
        with self._flush_lock:
            with self._lock:
                if (
                    self._pending.active.rows
                    or self._pending.active.names
                    or self._pending.active.other
                ):
                    fresh = Part(self._append_log.rotate())
                    self._pending.parts = (*self._pending.parts, fresh)
                parts = self._pending.parts[:-1]
                saved = self._saved()
            self._append_log.finish()
            if not parts:
                return
            # A crash before the commit leaves the log to be replayed; after it, segments that
            # the position says are done, which replaying removes.
            with self._database.writing() as reading:
                save(reading, parts, saved, self._page_ids, self._clock.now_ms())
            with self._lock:
                self._heard_page = saved.next_page if saved.heard else self._heard_page
                self._pending.parts = self._pending.parts[len(parts) :]
            self._append_log.drop_before(self._pending.parts[0].segment)

    def tidy(self, now_ms: int) -> None:
        """See the port."""
        with self._settle_lock:
            drop_old(self._database, self._settings, now_ms)
            settle(self._database, self._page_ids, now_ms)
            with self._flush_lock:
                self._database.shrink()

    def backup(self, target: Path) -> None:
        """See the port; raises :class:`Conflict` where ``target`` is not empty."""
        target.mkdir(parents=True, exist_ok=True)
        if any(target.iterdir()):
            raise Conflict(f"{target} is not empty", hint="name an empty directory")
        self.flush()
        self._database.copy_to(target / DATABASE)
        write_format(target)

    def close(self) -> None:
        """See the port. Where the flush fails, the append log keeps the rows for next time."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._upkeep.stop()
        try:
            self._heard_page = 0
            self.flush()
        except TwinhelmError as error:
            _log.warning("closing without a flush, the append log keeps the rows: %s", error)
        self._append_log.close()
        self._database.close()
        self._home.close()

    def _admit(self) -> None:
        """Refuse rows where the store is closed or the flush cannot keep up."""
        if self._closed:
            raise Unavailable("the telemetry store is closed")
        waiting = self._pending.sample_rows
        if waiting > 4 * self._settings.flush_rows:
            raise Overloaded(
                f"{waiting} samples wait to be moved to the database, the limit is "
                f"{4 * self._settings.flush_rows}",
                hint=self._upkeep.reason or "send more slowly, or raise store.flush_rows",
            )

    def _name(
        self, index: LabelIndex, kind: Kind, labels: Sequence[Labels], tenant: str
    ) -> tuple[U32, int]:
        """Give label sets ids; new ones are in the log before anybody sees them."""
        ids, new = index.plan(labels, tenant=tenant)
        if not new:
            return ids, 0
        self._admit()
        mark = self._append_log.append(kind, [new])
        self._pending.names(kind, new)
        return ids, mark

    def _page_ids(self, count: int) -> int:
        with self._lock:
            first = self._next_page
            self._next_page += count
            return first

    def _saved(self) -> Saved:
        due = self._heard_page == 0 or self._next_page - self._heard_page >= _HEARD_PAGES
        return Saved(
            self._pending.active.segment,
            dict(self._catalog.metas),
            dict(self._catalog.digests),
            pack_heard(self._catalog) if due else b"",
            self._next_page,
        )

    def _load(self) -> None:
        """Take back the catalog from the database and pending rows from the append log."""
        with self._database.writing() as reading:
            loaded = load(reading, self._catalog)
            hear_pages(reading, self._catalog, loaded.heard_page)
        self._next_page, self._heard_page = loaded.next_page, loaded.heard_page
        self._pending.counts.update(loaded.counts)
        for _, kind, data in self._append_log.replay(loaded.next_segment):
            self._pending.replay(Kind(kind), data)
        self._pending.active.segment = self._append_log.segment
        self._append_log.start()

    def _settle(self) -> None:
        with self._settle_lock:
            settle(self._database, self._page_ids, self._clock.now_ms())
