"""What rests in DuckDB, and how is it asked and changed? One file, ``telemetry.duckdb``.

In: flushed columns, from :mod:`.duck`; settled pages, from :mod:`.settle`. Out: rows for
readers, each read in one transaction together with the append-log position, so that a reader
knows which pending rows are in what it saw. Samples are pages (:mod:`.pages`), not rows: DuckDB
gives them transactions, zone maps and checksums. Logs, spans and changes are plain tables.

Raises :class:`StoreFull` where the disk has no room and :class:`Unavailable` for all else that
DuckDB says, with the transaction rolled back.
"""

import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from twinhelm.core.arrays import I64, U32, Array
from twinhelm.core.errors import StoreFull, Unavailable
from twinhelm.core.telemetry import Change, SampleBlock
from twinhelm.store.telemetry.pages import Pages, decode_pages
from twinhelm.store.telemetry.pending import COUNTED
from twinhelm.store.telemetry.rows import Asked, Shape, change_of

__all__ = ["TABLES", "Database", "Reading", "insert", "page_columns"]

TABLES = {
    "position": "next_segment BIGINT, next_page BIGINT, "
    + ", ".join(f"{name} BIGINT" for name in COUNTED),
    "pages": "id BIGINT, tier UTINYINT, lo UINTEGER, hi UINTEGER, start_ms BIGINT, "
    "end_ms BIGINT, row_count UINTEGER, data BLOB USING COMPRESSION uncompressed",
    "names": "kind UTINYINT, id BIGINT, data BLOB",
    "heard": "next_page BIGINT, data BLOB",
    "logs": "time_ns BIGINT, source INTEGER, severity UTINYINT, body VARCHAR, "
    "attributes VARCHAR, trace_id VARCHAR, span_id VARCHAR",
    "spans": "start_ns BIGINT, end_ns BIGINT, source INTEGER, trace_id VARCHAR, "
    "span_id VARCHAR, parent_id VARCHAR, name VARCHAR, kind UTINYINT, status UTINYINT, "
    "attributes VARCHAR",
    "changes": "id VARCHAR, time_ms BIGINT, kind VARCHAR, entity VARCHAR, title VARCHAR, "
    "source VARCHAR, end_ms BIGINT, outcome VARCHAR, attributes VARCHAR",
    "metas": "name VARCHAR, type VARCHAR, unit VARCHAR, help VARCHAR",
    "digests": "digest BLOB, time_ms BIGINT",
}
"""Every table and its columns; a change here is a new number in the FORMAT file."""

_BLOCK_BYTES = 32768
"""An eighth of DuckDB's own choice: a young store is small, pages still fill blocks to 90 %."""

_WORTH_BLOCKS = 16
_COPY = 2 << 30
"""Up to this many bytes are copied to give the free ones back to the disk."""

_COPY_SUFFIX = ".copy"

_NO_ROOM = ("no space left", "disk quota exceeded", "file too large", "out of disk")


@dataclass(frozen=True, slots=True)
class Reading:
    """One consistent view: rows of append-log segments below ``next_segment`` are in it."""

    cursor: duckdb.DuckDBPyConnection
    next_segment: int

    def pages(self, start_ms: int, end_ms: int, lo: int, hi: int) -> dict[str, Array]:
        """List the pages that overlap a range of time and series: id, lo, hi, row_count, tier."""
        found: dict[str, Array] = self.cursor.execute(
            "SELECT id, lo, hi, row_count, tier, start_ms, end_ms FROM pages "
            "WHERE end_ms >= ? AND start_ms <= ? AND hi >= ? AND lo <= ?",
            [start_ms, end_ms, lo, hi],
        ).fetchnumpy()
        return found

    def decode(self, ids: I64, wanted: U32 | None, start_ms: int, end_ms: int) -> SampleBlock:
        """Decode the wanted series (None = all) of these pages, page by page."""
        if not len(ids):
            return SampleBlock.empty()
        rows = self.cursor.execute(
            "SELECT lo, start_ms, data FROM pages WHERE list_contains(?, id) ORDER BY id"
            if len(ids) < 5000
            else "SELECT lo, start_ms, data FROM pages "
            "WHERE id IN (SELECT unnest(CAST(? AS BIGINT[]))) ORDER BY id",
            [ids.tolist()],
        ).fetchall()
        lo = np.fromiter((row[0] for row in rows), np.uint32, len(rows))
        start = np.fromiter((row[1] for row in rows), np.int64, len(rows))
        return decode_pages([row[2] for row in rows], lo, start, wanted, start_ms, end_ms)

    def samples(self, ids: U32, start_ms: int, end_ms: int) -> SampleBlock:
        """Read samples of ``ids`` (ascending) within a closed range, in no order."""
        if not len(ids):
            return SampleBlock.empty()
        found = self.pages(start_ms, end_ms, int(ids[0]), int(ids[-1]))
        first = np.searchsorted(ids, found["lo"], "left")
        has_some = np.searchsorted(ids, found["hi"], "right") > first
        return self.decode(found["id"][has_some], ids, start_ms, end_ms)

    def rows(
        self, shape: Shape, asked: Asked, *, newest_first: bool, limit: int
    ) -> list[tuple[Any, ...]]:
        """Read log records or spans, ordered by time."""
        sources, start_ns, end_ns, wanted = asked
        where: dict[str, Any] = {f"{shape.time} BETWEEN ?": start_ns, "?": end_ns}
        if sources is not None:
            where["list_contains(?, source)"] = sources.tolist()
        if wanted:
            where[f"{shape.asked} = ?" if shape.whole else f"contains({shape.asked}, ?)"] = wanted
        sql = (
            f"SELECT {', '.join(shape.names)} FROM {shape.table} "  # noqa: S608 - our own names
            f"WHERE {' AND '.join(where)} "
            f"ORDER BY {shape.time} {'DESC' if newest_first else 'ASC'} LIMIT {limit:d}"
        )
        return self.cursor.execute(sql, list(where.values())).fetchall()

    def changes(self, start_ms: int, end_ms: int, entity: str | None, limit: int) -> list[Change]:
        """Read changes, oldest first, of one entity or of all."""
        found = self.cursor.execute(
            "FROM changes WHERE time_ms BETWEEN ? AND ? AND entity = coalesce(?, entity) "
            "ORDER BY time_ms, id LIMIT ?",
            [start_ms, end_ms, entity, limit],
        )
        return [change_of(row) for row in found.fetchall()]


class Database:
    """The connection; each call takes a cursor of its own, so that threads do not meet."""

    def __init__(self, file: Path, *, memory_limit_mb: int) -> None:
        self._file = file
        self._memory_mb = memory_limit_mb
        self._gate = threading.Condition()
        self._using = 0
        self._swapping = False
        file.with_suffix(_COPY_SUFFIX).unlink(missing_ok=True)
        self._connection = self._connect()

    def reading(self) -> AbstractContextManager[Reading]:
        """Open a read transaction."""
        return self._transaction(commit=False)

    def writing(self) -> AbstractContextManager[Reading]:
        """Open a transaction that commits on leaving, or rolls back on an exception."""
        return self._transaction(commit=True)

    @contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Give a cursor of its own and tell errors in our words."""
        with self._gate:
            self._gate.wait_for(lambda: not self._swapping)
            self._using += 1
        try:
            with self._connection.cursor() as cursor:
                yield cursor
            return
        except duckdb.Error as error:
            failed = error
        finally:
            with self._gate:
                self._using -= 1
                self._gate.notify_all()
        raise self._told(failed) from failed

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait until nobody has a cursor, and let nobody have one meanwhile."""
        with self._gate:
            self._gate.wait_for(lambda: not self._swapping)
            self._swapping = True
            try:
                self._gate.wait_for(lambda: self._using == 0)
                yield
            finally:
                self._swapping = False
                self._gate.notify_all()

    @contextmanager
    def _transaction(self, *, commit: bool) -> Iterator[Reading]:
        with self._cursor() as cursor:
            cursor.execute("BEGIN")
            (row,) = cursor.execute("SELECT next_segment FROM position").fetchall()
            yield Reading(cursor, row[0])
            cursor.execute("COMMIT" if commit else "ROLLBACK")

    def checkpoint(self) -> None:
        """Write DuckDB's own log into its file, so that freed space is used again."""
        with self._cursor() as cursor, suppress(duckdb.TransactionException):
            # Refused while others are in the middle of a transaction; the next one does it.
            cursor.execute("CHECKPOINT")

    def shrink(self) -> None:
        """Give room back to the disk where a fifth of the file or more holds nothing.

        DuckDB uses free blocks again but cuts a file only at its end, and it keeps deleted
        pages until all 122,880 of a row group are deleted; so a copy takes the file's place.
        The caller keeps writers away; readers wait for a moment at the end. A crash leaves the
        one file or the other, and perhaps an unfinished copy, which opening removes.
        """
        self.checkpoint()
        with self.reading() as reading:
            ((free, used, live, stored),) = reading.cursor.execute(
                "SELECT free_blocks, used_blocks, (SELECT count(*) FROM pages), "
                "(SELECT coalesce(sum(count), 0) FROM pragma_storage_info('pages') "
                "WHERE column_name = 'id' AND segment_type = 'BIGINT') FROM pragma_database_size()"
            ).fetchall()
        room = shutil.disk_usage(self._file.parent).free
        wasteful = (free >= _WORTH_BLOCKS and free * 4 > used) or (stored - live) * 4 > live
        if not wasteful or used * _BLOCK_BYTES > min(room // 2, _COPY):
            return
        copy = self._file.with_suffix(_COPY_SUFFIX)
        copy.unlink(missing_ok=True)
        try:
            self.copy_to(copy)
        except Unavailable:
            copy.unlink(missing_ok=True)
            raise
        with self._alone():
            self._connection.close()
            if not self._file.with_name(self._file.name + ".wal").exists():
                copy.replace(self._file)
            self._connection = self._connect()

    def copy_to(self, file: Path) -> None:
        """Write a copy of everything, as of one moment, into a new file."""
        with self._cursor() as cursor:
            cursor.execute(f"ATTACH '{str(file).replace(chr(39), chr(39) * 2)}' AS copy_")
            try:
                _create(cursor, "copy_.")
                cursor.execute("BEGIN")
                cursor.execute("DELETE FROM copy_.position")
                for table in TABLES:
                    cursor.execute(
                        f"INSERT INTO copy_.{table} "  # noqa: S608 - names from TABLES
                        f"SELECT * FROM {self._file.stem}.{table}"
                    )
                cursor.execute("COMMIT")
                cursor.execute("CHECKPOINT copy_")
            except duckdb.Error:
                with suppress(duckdb.Error):
                    cursor.execute("ROLLBACK")
                raise
            finally:
                cursor.execute("DETACH copy_")

    def close(self) -> None:
        """Let go of the file."""
        with self._alone():
            self._connection.close()

    def _connect(self) -> duckdb.DuckDBPyConnection:
        try:
            connection = duckdb.connect(
                str(self._file),
                config={
                    "memory_limit": f"{self._memory_mb}MB",
                    "threads": 2,
                    "default_block_size": str(_BLOCK_BYTES),
                    "autoinstall_known_extensions": False,
                    "autoload_known_extensions": False,
                    "allow_community_extensions": False,
                },
            )
            _create(connection, "")
        except duckdb.Error as error:
            raise Unavailable(
                f"the telemetry database {self._file} cannot be opened: {error}",
                hint="check the directory's rights and the disk, or restore a backup",
            ) from error
        return connection

    def _told(self, error: duckdb.Error) -> Unavailable:
        """Name an error; after one that DuckDB calls fatal, connect anew."""
        text = str(error).lower()
        if isinstance(error, duckdb.FatalException | duckdb.InternalException) or (
            "invalidated" in text
        ):
            with self._alone():
                self._connection.close()
                self._connection = self._connect()
        if any(words in text for words in _NO_ROOM):
            return StoreFull(f"no room for {self._file}: {error}", hint="make room")
        return Unavailable(f"the telemetry database {self._file} failed: {error}")


def page_columns(pages: Pages, first_id: int, tier: int) -> dict[str, Array]:
    """Lay pages out as columns of the table, with ids from ``first_id`` on."""
    data = np.empty(len(pages), object)
    whole = pages.data.tobytes()
    offset = pages.offset.tolist()
    for i in range(len(pages)):
        data[i] = whole[offset[i] : offset[i + 1]]
    return {
        "id": np.arange(first_id, first_id + len(pages)),
        "tier": np.full(len(pages), tier, np.uint8),
        "lo": pages.lo,
        "hi": pages.hi,
        "start_ms": pages.start_ms,
        "end_ms": pages.end_ms,
        "row_count": pages.rows,
        "data": data,
    }


def insert(
    cursor: duckdb.DuckDBPyConnection, table: str, columns: Mapping[str, Array | Sequence[Any]]
) -> None:
    """Append columns (all of one length) to a table."""
    arrays = {
        name: values if isinstance(values, np.ndarray) else np.array(values, object)
        for name, values in columns.items()
    }
    if not len(next(iter(arrays.values()))):
        return
    cursor.register("incoming", arrays)
    names = ", ".join(arrays)
    cursor.execute(
        f"INSERT INTO {table} ({names}) SELECT {names} FROM incoming"  # noqa: S608 - own names
    )
    cursor.unregister("incoming")


def _create(cursor: duckdb.DuckDBPyConnection, prefix: str) -> None:
    for table, columns in TABLES.items():
        cursor.execute(f"CREATE TABLE IF NOT EXISTS {prefix}{table} ({columns})")
    cursor.execute(
        f"INSERT INTO {prefix}position "
        f"SELECT 0, 1, 0, 0, 0, 0 WHERE NOT EXISTS (FROM {prefix}position)"
    )
