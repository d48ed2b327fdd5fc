"""A complete copy of the database while serving goes on.

SQLite is copied by its own online backup into ``records.sqlite``. PostgreSQL and memory are
written as ``records.jsonl``: a header line, one line per record and journal row, and an end line
with the counts and the SHA-256 of all lines before it, so that a cut or spoilt file is noticed.
:mod:`twinhelm.store.records.restore` reads either into either database. A file of the final name
appears only when it is complete and on disk.
"""

import errno
import hashlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from twinhelm.core.errors import BadInput, StoreFull
from twinhelm.core.json import dumps
from twinhelm.store.records.schema import HEAD, journal, records

__all__ = ["EXPORT_NAME", "FORMAT", "SQLITE_NAME", "Line", "copy_out", "lines_of", "write_export"]

SQLITE_NAME = "records.sqlite"
EXPORT_NAME = "records.jsonl"
FORMAT = "twinhelm records"
_BATCH_ROWS = 1_000

Line = tuple[str, list[Any]]
"""A table's name and one row's values in column order."""


def copy_out(connection: sa.Connection, target: Path) -> None:
    """Write what this transaction sees into the directory ``target``, made where it is missing."""
    if connection.dialect.name == "sqlite":
        with _into(target):
            _copy_sqlite(connection, target / SQLITE_NAME)
    else:
        write_export(target, lines_of(connection))


def lines_of(connection: sa.Connection) -> Iterator[Line]:
    """Walk every row: records by kind and key, then the journal by seq; streaming."""
    streaming = connection.execution_options(yield_per=_BATCH_ROWS)
    for table, order in ((records, (records.c.kind, records.c.key)), (journal, (journal.c.seq,))):
        for row in streaming.execute(sa.select(table).order_by(*order)):
            yield table.name, list(row)


def write_export(target: Path, lines: Iterable[Line]) -> None:
    """Write rows as ``records.jsonl`` into ``target``, complete or not at all."""
    final = target / EXPORT_NAME
    part = final.with_suffix(".part")
    counts = {records.name: 0, journal.name: 0}
    digest = hashlib.sha256()
    with _into(target), part.open("wb") as file:

        def write(line: list[Any]) -> None:
            raw = dumps(line) + b"\n"
            digest.update(raw)
            file.write(raw)

        write([FORMAT, HEAD])
        for table, values in lines:
            counts[table] += 1
            write([table, *values])
        write(["end", *counts.values(), digest.hexdigest()])
        file.flush()
        os.fsync(file.fileno())
    part.replace(final)


@contextmanager
def _into(target: Path) -> Iterator[None]:
    """Make the directory, and say in our words why it cannot be written to."""
    try:
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield
    except (OSError, sqlite3.Error) as error:
        code = getattr(error, "errno", None) or getattr(error, "sqlite_errorcode", None)
        if code in (errno.ENOSPC, errno.EDQUOT) or "disk is full" in str(error):
            raise StoreFull(f"no room is left for a backup in {target}") from error
        raise BadInput(f"a backup cannot be written to {target}: {error}") from error


def _copy_sqlite(connection: sa.Connection, final: Path) -> None:
    """Copy in one step, which is a consistent snapshot; writers go on in the log beside it."""
    part = final.with_suffix(".part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    source = connection.connection.driver_connection
    if not isinstance(source, sqlite3.Connection):
        raise TypeError(f"{type(source)} is not a sqlite3 connection")
    with closing(sqlite3.connect(part)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(final)
