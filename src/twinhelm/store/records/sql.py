"""Transactions over SQLite or PostgreSQL, and what happens when the database is away.

SQLite: WAL, ``synchronous=FULL``, foreign keys, a busy timeout; writing begins with ``BEGIN
IMMEDIATE``. A crash at any point leaves the last committed state; the write-ahead log is replayed
at the next open. PostgreSQL: reading is a REPEATABLE READ snapshot, writing takes one advisory
lock first and so is serial over all processes, as it is on SQLite. The lock goes with the
transaction, so a process that dies holds nothing.

When the database is away every call raises :class:`DatabaseDown` within the timeouts below; the
pool tests connections before use, so the first call after its return succeeds.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from twinhelm.core.errors import (
    BadInput,
    Conflict,
    DatabaseDown,
    Overloaded,
    StoreFull,
    TwinhelmError,
)
from twinhelm.store.records.backup import Line, copy_out, lines_of
from twinhelm.store.records.migrate import check_revision, ensure_schema
from twinhelm.store.records.schema import HEAD, journal, metadata, records
from twinhelm.store.records.unit import SqlUnit

__all__ = ["SqlRecords", "open_records"]

_LOCK_KEY = 0x7477_696E_6865_6C6D
"""The advisory lock's number on PostgreSQL: "twinhelm" in ASCII."""

_DISK_FULL = "53100"
"""PostgreSQL's SQLSTATE disk_full (documentation, appendix A)."""

_BATCH_ROWS = 1_000

_POOL = {"pool_size": 4, "max_overflow": 36, "pool_timeout": 10}
"""As many connections as a web server has worker threads, a few of them kept open."""


def open_records(url: str, *, busy_s: float = 10.0) -> SqlRecords:
    """Open the database at ``url``, making or upgrading its schema where needed.

    ``url`` is ``sqlite:///FILE`` or ``postgresql+psycopg://...``; ``busy_s`` is how long a call
    waits for another writer. Raises :class:`BadInput` for any other URL, :class:`NewerFormat`
    (nothing changed) for a newer schema, :class:`DatabaseDown` where nothing answers.
    """
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise BadInput("store.database_url is not a database URL", hint=_URL_HINT) from error
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername == "postgresql+psycopg":
        return SqlRecords(_postgresql_engine(parsed, busy_s), busy_s=busy_s)
    if parsed.drivername == "sqlite" and parsed.database and parsed.database != ":memory:":
        return SqlRecords(_sqlite_engine(parsed, busy_s), busy_s=busy_s)
    raise BadInput(
        f"store.database_url {parsed.render_as_string()!r} cannot be used", hint=_URL_HINT
    )


_URL_HINT = "use sqlite:///FILE or postgresql+psycopg://user@host/database"


class SqlRecords:
    """See :class:`twinhelm.core.ports.Records`; made by :func:`open_records`."""

    def __init__(self, engine: sa.Engine, *, busy_s: float) -> None:
        self._engine = engine
        self._busy_s = busy_s
        self._name = engine.url.render_as_string(hide_password=True)
        self._turn = threading.Lock()
        self._writer = 0
        snapshot = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._reader = (
            engine.execution_options(**snapshot) if engine.dialect.name == "postgresql" else engine
        )
        self._immediate = engine.execution_options(begin="BEGIN IMMEDIATE")
        try:
            self._prepare()
        except BaseException:
            engine.dispose()
            raise

    @contextmanager
    def reading(self) -> Iterator[SqlUnit]:
        """See :meth:`Records.reading`."""
        with self._transaction(self._reader) as connection:
            yield SqlUnit(connection, writable=False)

    @contextmanager
    def writing(self) -> Iterator[SqlUnit]:
        """See :meth:`Records.writing`.

        A second one inside the first, in one thread, raises :class:`Conflict`: it could only
        wait for itself. Raises :class:`Overloaded` when others write for longer than ``busy_s``.
        """
        if self._writer == threading.get_ident():
            raise Conflict("a writing transaction is open in this thread already")
        if not self._turn.acquire(timeout=self._busy_s):
            raise Overloaded(f"others have been writing for {self._busy_s} s", retry_after_s=1.0)
        self._writer = threading.get_ident()
        try:
            with self._transaction(self._immediate) as connection:
                _take_turn(connection)
                yield SqlUnit(connection, writable=True)
        finally:
            self._writer = 0
            self._turn.release()

    def backup(self, target: Path) -> None:
        """See :meth:`Records.backup`: ``records.sqlite``, or ``records.jsonl`` of PostgreSQL.

        A file of that name appears only when it is complete.
        """
        with self._transaction(self._reader) as connection:
            copy_out(connection, target)

    @contextmanager
    def walking(self) -> Iterator[Iterator[Line]]:
        """Walk every row of one moment, as :meth:`load` takes them."""
        with self._transaction(self._reader) as connection:
            yield lines_of(connection)

    def load(self, lines: Iterable[Line]) -> tuple[int, int]:
        """Fill an empty database with rows as they were; all of them, or none.

        Returns the counts of records and journal rows; raises :class:`Conflict` where the
        database holds anything already.
        """
        counts = {records.name: 0, journal.name: 0}
        with self._transaction(self._immediate) as connection:
            _take_turn(connection)
            for table in (records, journal):
                if connection.scalar(sa.select(sa.func.count()).select_from(table)):
                    raise Conflict(f"{self._name} is not empty", hint="restore into a new database")
            for name, rows in groupby(lines, key=lambda line: line[0]):
                table = metadata.tables[name]
                columns = table.columns.keys()
                while batch := [
                    dict(zip(columns, row[1], strict=True)) for row in islice(rows, _BATCH_ROWS)
                ]:
                    connection.execute(sa.insert(table), batch)
                    counts[name] += len(batch)
        return counts[records.name], counts[journal.name]

    def close(self) -> None:
        """See :meth:`Records.close`."""
        self._engine.dispose()

    def _prepare(self) -> None:
        with self._transaction(self._reader) as connection:
            behind = check_revision(connection) != HEAD
        if self._engine.dialect.name == "sqlite":
            self._use_wal()
        if behind:
            self._upgrade()

    def _upgrade(self) -> None:
        with self._transaction(self._immediate) as connection:
            _take_turn(connection)
            ensure_schema(connection)

    def _use_wal(self) -> None:
        """Turn on the write-ahead log; the file remembers it. Not possible in a transaction."""
        raw = self._engine.raw_connection()
        try:
            raw.cursor().execute("PRAGMA journal_mode=WAL").close()
        except sqlite3.OperationalError as error:
            raise DatabaseDown(f"{self._name} is being opened by another process") from error
        finally:
            raw.close()

    @contextmanager
    def _transaction(self, engine: sa.Engine) -> Iterator[sa.Connection]:
        try:
            with engine.connect() as connection, connection.begin():
                yield connection
        except sa.exc.SQLAlchemyError as error:
            meaning = _meaning_of(error, self._name)
            if meaning is None:
                raise
            raise meaning from error


def _meaning_of(error: sa.exc.SQLAlchemyError, database: str) -> TwinhelmError | None:
    """Translate a driver's error; None where it says that our own statement is wrong."""
    if isinstance(error, sa.exc.TimeoutError):
        return Overloaded(f"every connection to {database} is busy", retry_after_s=1.0)
    if not isinstance(error, sa.exc.DBAPIError):
        return None
    cause = error.orig
    text = str(cause).strip().split("\n")[0]
    code = getattr(cause, "sqlite_errorcode", None) or 0
    if code & 0xFF == sqlite3.SQLITE_FULL or getattr(cause, "sqlstate", None) == _DISK_FULL:
        return StoreFull(
            f"no room is left for {database}: {text}",
            hint="free some disk; nothing was half-written",
        )
    if isinstance(error, sa.exc.IntegrityError):
        return Conflict(f"{database} refused the change: {text}", hint="read again and repeat")
    if code & 0xFF in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return DatabaseDown(
            f"{database} is damaged: {text}",
            hint="stop the server and restore a backup (twinhelm restore)",
            retry_after_s=60.0,
        )
    down = (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.InternalError)
    if isinstance(error, down) or error.connection_invalidated:
        return DatabaseDown(
            f"{database} does not answer: {text}",
            hint="nothing was half-written; check that the database runs and can be reached",
        )
    return None


def _take_turn(connection: sa.Connection) -> None:
    """On PostgreSQL, wait for every other writer; on SQLite, BEGIN IMMEDIATE has done so."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK_KEY)))


def _sqlite_engine(url: sa.URL, busy_s: float) -> sa.Engine:
    path = Path(url.database or "")
    try:
        path.touch(mode=0o600)
    except OSError as error:
        raise BadInput(
            f"the database file {path} cannot be made or opened: {error.strerror}",
            hint="check that its directory exists and may be written to",
        ) from error
    engine = sa.create_engine(url, **_POOL, connect_args={"timeout": busy_s})

    @sa.event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        """Let no driver begin transactions by itself, and ask for full durability."""
        connection.isolation_level = None
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))

    return engine


def _postgresql_engine(url: sa.URL, busy_s: float) -> sa.Engine:
    engine = sa.create_engine(url, **_POOL, pool_pre_ping=True, connect_args={"connect_timeout": 5})

    @sa.event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        """Bound how long a statement may wait, so that a stuck server is noticed."""
        with connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = {round(busy_s * 1000)}")
        connection.commit()

    return engine
