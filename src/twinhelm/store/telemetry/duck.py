"""Where does telemetry rest on one machine? In an append log, memory and DuckDB, in that order.

The real implementation of :class:`twinhelm.core.ports.TelemetryStore`. A row is first written
to the append log (:mod:`.log`), then put into memory (:mod:`.pending`) where readers see it, and
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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import inf
from pathlib import Path

from twinhelm.core.clock import Clock
from twinhelm.core.errors import Conflict, Overloaded, StoreFull, TwinhelmError, Unavailable
from twinhelm.core.ports import StoreStats
from twinhelm.core.settings import StoreSettings
from twinhelm.store.telemetry.batch import Saved, load, pack_heard, save
from twinhelm.store.telemetry.database import Database, Reading
from twinhelm.store.telemetry.front import Front
from twinhelm.store.telemetry.home import DATABASE, Home, write_format
from twinhelm.store.telemetry.log import AppendLog, Buffer
from twinhelm.store.telemetry.pending import Part
from twinhelm.store.telemetry.rows import Kind
from twinhelm.store.telemetry.settle import drop_old, settle

__all__ = ["DuckTelemetry", "open_telemetry"]

_HEARD_PAGES = 4096
"""After this many new pages the times of all series are saved anew; opening reads the rest."""

_REFUSED_S = 10.0
"""So long after a refusal the store counts as full; who tells the journal looks every 5 s."""

_SETTLE_S = 60.0
"""How often closed windows are looked for."""

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


class DuckTelemetry(Front):
    """See :class:`twinhelm.core.ports.TelemetryStore`; made by :func:`open_telemetry`."""

    def __init__(
        self, home: Home, settings: StoreSettings, clock: Clock, free_bytes: Callable[[], int]
    ) -> None:
        super().__init__(clock, settings)
        self._home = home
        self._free_bytes = free_bytes
        self._flush_lock = threading.Lock()
        self._settle_lock = threading.Lock()
        self._closed = False
        self._refused: tuple[float, str] | None = None
        self._next_page, self._heard_page = 1, 0
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
            write_format(home.directory)
        except BaseException:
            self._database.close()
            raise
        self._upkeep = _Upkeep(self.flush, self._settle, flush_interval_s=settings.flush_interval_s)

    def stats(self) -> StoreStats:
        """See the port."""
        free = self._free_bytes()
        full = free < self._settings.min_free_bytes
        reason = self._upkeep.reason or "; ".join(self._append_log.damage)
        refused_s, said = self._refused or (-inf, "")
        lately = self._clock.monotonic_s() - refused_s < _REFUSED_S
        if full or lately:
            reason = f"only {free >> 20} MiB of disk are free" if full else f"just now {said}"
        return StoreStats(
            series=len(self._catalog.series),
            **self._pending.counts,
            pending_rows=sum(part.rows for part in self._pending.parts),
            disk_bytes=self._home.disk_bytes(),
            free_bytes=free,
            taking=not full and not lately and not self._closed,
            reason=reason,
        )

    def flush(self) -> None:
        """See the port."""
        pending = self._pending
        with self._flush_lock:
            with self._lock:
                active = pending.active
                if active.rows or active.names or active.other:
                    room = pending.active.added["samples"] * 5 // 4
                    fresh = Part(self._append_log.rotate(), room=room)
                    pending.parts = (*pending.parts, fresh)
                parts = pending.parts[:-1]
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
                pending.parts = pending.parts[len(parts) :]
            self._append_log.drop_before(pending.parts[0].segment)

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

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._lock:
            yield
            if self._pending.active.added["samples"] >= self._settings.flush_rows:
                self._upkeep.flush_soon()
        self._append_log.wait()

    def _keep(self, kind: Kind, parts: list[Buffer]) -> None:
        """Write to the append log; refuse where it is closed or the flush cannot keep up."""
        if self._closed:
            raise Unavailable("the telemetry store is closed")
        waiting = sum(part.added["samples"] for part in self._pending.parts)
        if waiting > (limit := 4 * self._settings.flush_rows):
            raise Overloaded(
                f"{waiting} samples wait to be moved to the database, the limit is {limit}",
                hint=self._upkeep.reason or "send more slowly, or raise store.flush_rows",
            )
        try:
            self._append_log.append(kind, parts)
        except StoreFull as error:
            self._refused = self._clock.monotonic_s(), error.message
            raise

    @contextmanager
    def _view(self) -> Iterator[tuple[Reading, Sequence[Part]]]:
        parts = self._pending.parts
        with self._database.reading() as reading:
            yield reading, [part for part in parts if part.segment >= reading.next_segment]

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
            self._next_page, self._heard_page = load(reading, self._pending)
        for _, kind, data in self._append_log.replay(reading.next_segment):
            self._pending.replay(Kind(kind), data)
        self._pending.active.segment = self._append_log.segment
        self._append_log.start()

    def _settle(self) -> None:
        with self._settle_lock:
            settle(self._database, self._page_ids, self._clock.now_ms())


class _Upkeep:
    """Two threads, running until :meth:`stop`: one flushes, one settles.

    Work that fails loses nothing: the rows wait in the append log, ``reason`` tells why and the
    work is tried again.
    """

    def __init__(
        self, flush: Callable[[], None], settle: Callable[[], None], *, flush_interval_s: float
    ) -> None:
        self.reason = ""
        self._wakes = threading.Event(), threading.Event()
        self._stopping = False
        often = zip((flush, settle), self._wakes, (flush_interval_s, _SETTLE_S), strict=True)
        self._threads = [
            threading.Thread(target=self._repeat, args=args, name="telemetry-upkeep", daemon=True)
            for args in often
        ]
        for thread in self._threads:
            thread.start()

    def flush_soon(self) -> None:
        """Flush now rather than at the next interval."""
        self._wakes[0].set()

    def stop(self) -> None:
        """End the threads after the work in hand."""
        self._stopping = True
        for wake in self._wakes:
            wake.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, work: Callable[[], None], wake: threading.Event, interval_s: float) -> None:
        while True:
            wake.wait(interval_s)
            wake.clear()
            if self._stopping:
                return
            try:
                work()
                self.reason = ""
            except TwinhelmError as error:
                if not self.reason:
                    _log.warning("telemetry waits in the append log: %s", error)
                self.reason = str(error)
