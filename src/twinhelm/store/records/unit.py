"""One SQL transaction, spoken through :class:`twinhelm.core.ports.RecordsUnit`.

Statements are built once and compiled once; each call is one round trip. The caller
(:class:`twinhelm.store.records.sql.SqlRecords`) holds the writing lock, so a read followed by a
write here cannot be overtaken.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from twinhelm.core.ports import JournalRow, Record
from twinhelm.store.records.rows import (
    body_of,
    check_journal_row,
    check_record,
    moved_on,
    must_write,
    states_of,
)
from twinhelm.store.records.schema import journal, records

__all__ = ["SqlUnit"]

_CHANGED = ("state", "parent", "time_ms", "body")

_GET = sa.select(records).where(
    records.c.kind == sa.bindparam("kind"), records.c.key == sa.bindparam("key")
)
_DELETE = sa.delete(records).where(
    records.c.kind == sa.bindparam("of_kind"), records.c.key == sa.bindparam("of_key")
)
_UPDATE = (
    sa.update(records)
    .where(
        records.c.kind == sa.bindparam("of_kind"),
        records.c.key == sa.bindparam("of_key"),
        records.c.revision == sa.bindparam("expected"),
    )
    .values({name: sa.bindparam(name) for name in _CHANGED} | {"revision": records.c.revision + 1})
)
_NEWEST = sa.select(journal).order_by(journal.c.seq.desc()).limit(1)
_APPEND = sa.insert(journal)
_JOURNAL = [column.name for column in journal.columns]


def _upsert(dialect: Any) -> sa.Executable:
    insert = dialect.insert(records)
    statement: sa.Executable = insert.on_conflict_do_update(
        index_elements=["kind", "key"],
        set_={name: insert.excluded[name] for name in _CHANGED}
        | {"revision": records.c.revision + 1},
    ).returning(records.c.revision)
    return statement


_UPSERT = {"sqlite": _upsert(sqlite), "postgresql": _upsert(postgresql)}


class SqlUnit:
    """See :class:`twinhelm.core.ports.RecordsUnit`; writing in a reading unit is refused."""

    def __init__(self, connection: sa.Connection, *, writable: bool) -> None:
        self._connection = connection
        self._writable = writable

    def get(self, kind: str, key: str) -> Record | None:
        """See :meth:`RecordsUnit.get`."""
        row = self._connection.execute(_GET, {"kind": kind, "key": key}).first()
        return None if row is None else _record(row)

    def find(
        self,
        kind: str,
        *,
        state: str | Sequence[str] | None = None,
        parent: str | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
        newest_first: bool = False,
        limit: int = 1000,
        offset: int = 0,
    ) -> list[Record]:
        """See :meth:`RecordsUnit.find`."""
        query = sa.select(records).where(records.c.kind == kind)
        if (states := states_of(state)) is not None:
            query = query.where(records.c.state.in_(states))
        if parent is not None:
            query = query.where(records.c.parent == parent)
        if since_ms is not None:
            query = query.where(records.c.time_ms >= since_ms)
        if until_ms is not None:
            query = query.where(records.c.time_ms <= until_ms)
        order = (records.c.time_ms, records.c.key)
        query = query.order_by(*(column.desc() for column in order) if newest_first else order)
        query = query.limit(max(limit, 0)).offset(max(offset, 0))
        return [_record(row) for row in self._connection.execute(query)]

    def count(self, kind: str, *, state: str | Sequence[str] | None = None) -> int:
        """See :meth:`RecordsUnit.count`."""
        query = sa.select(sa.func.count()).select_from(records).where(records.c.kind == kind)
        if (states := states_of(state)) is not None:
            query = query.where(records.c.state.in_(states))
        return self._connection.scalar(query) or 0

    def put(self, record: Record) -> Record:
        """See :meth:`RecordsUnit.put`."""
        must_write(writable=self._writable)
        body = check_record(record)
        values: dict[str, Any] = {name: getattr(record, name) for name in _CHANGED[:-1]}
        values["body"] = body
        if record.revision == 0:
            statement = _UPSERT[self._connection.dialect.name]
            new = {"kind": record.kind, "key": record.key, "revision": 1}
            revision = self._connection.execute(statement, values | new).scalar_one()
        else:
            at = {"of_kind": record.kind, "of_key": record.key, "expected": record.revision}
            if self._connection.execute(_UPDATE, values | at).rowcount != 1:
                stored = self.get(record.kind, record.key)
                raise moved_on(record, stored.revision if stored else None)
            revision = record.revision + 1
        return replace(record, body=body_of(body), revision=revision)

    def delete(self, kind: str, key: str) -> None:
        """See :meth:`RecordsUnit.delete`."""
        must_write(writable=self._writable)
        self._connection.execute(_DELETE, {"of_kind": kind, "of_key": key})

    def last_journal_row(self) -> JournalRow | None:
        """See :meth:`RecordsUnit.last_journal_row`."""
        row = self._connection.execute(_NEWEST).first()
        return None if row is None else _journal_row(row)

    def append_journal(self, row: JournalRow) -> None:
        """See :meth:`RecordsUnit.append_journal`."""
        must_write(writable=self._writable)
        values: dict[str, Any] = {name: getattr(row, name) for name in _JOURNAL}
        self._connection.execute(_APPEND, values | {"body": check_journal_row(row)})

    def read_journal(
        self,
        *,
        after_seq: int = 0,
        subject: str | None = None,
        kind: str | None = None,
        newest_first: bool = False,
        limit: int = 1000,
    ) -> list[JournalRow]:
        """See :meth:`RecordsUnit.read_journal`."""
        query = sa.select(journal).where(journal.c.seq > after_seq)
        if subject is not None:
            query = query.where(journal.c.subject == subject)
        if kind is not None:
            query = query.where(journal.c.kind == kind)
        query = query.order_by(journal.c.seq.desc() if newest_first else journal.c.seq)
        return [_journal_row(row) for row in self._connection.execute(query.limit(max(limit, 0)))]


def _record(row: sa.Row[Any]) -> Record:
    kind, key, state, parent, time_ms, revision, body = tuple(row)
    return Record(kind, key, body_of(body), state, parent, time_ms, revision)


def _journal_row(row: sa.Row[Any]) -> JournalRow:
    seq, time_ms, actor, kind, subject, body, previous, digest = tuple(row)
    return JournalRow(seq, time_ms, actor, kind, subject, body_of(body), previous, digest)
