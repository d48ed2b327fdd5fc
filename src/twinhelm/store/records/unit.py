"""One SQL transaction, spoken through :class:`twinhelm.core.ports.RecordsUnit`.

Statements are built once and compiled once; each call is one round trip. The caller
(:class:`twinhelm.store.records.sql.SqlRecords`) holds the writing lock, so a read followed by a
write here cannot be overtaken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from twinhelm.core.errors import Conflict, Refused
from twinhelm.core.ports import JournalRow, Record
from twinhelm.store.records.rows import body_of, check_journal_row, check_record, states_of
from twinhelm.store.records.schema import journal, records

__all__ = ["SqlUnit"]

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
    .values(
        {name: sa.bindparam(name) for name in ("state", "parent", "time_ms", "body")}
        | {"revision": records.c.revision + 1}
    )
)
_NEWEST = sa.select(journal).order_by(journal.c.seq.desc()).limit(1)
_APPEND = sa.insert(journal)


def _upsert(dialect: Any) -> sa.Executable:
    insert = dialect.insert(records)
    fresh = insert.excluded
    statement: sa.Executable = insert.on_conflict_do_update(
        index_elements=["kind", "key"],
        set_={
            "state": fresh.state,
            "parent": fresh.parent,
            "time_ms": fresh.time_ms,
            "body": fresh.body,
            "revision": records.c.revision + 1,
        },
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
        self._must_write()
        body = check_record(record)
        values = {
            "state": record.state,
            "parent": record.parent,
            "time_ms": record.time_ms,
            "body": body,
        }
        if record.revision == 0:
            statement = _UPSERT[self._connection.dialect.name]
            new = {"kind": record.kind, "key": record.key, "revision": 1}
            revision = self._connection.execute(statement, values | new).scalar_one()
        else:
            at = {"of_kind": record.kind, "of_key": record.key, "expected": record.revision}
            if self._connection.execute(_UPDATE, values | at).rowcount != 1:
                raise _moved_on(record, self.get(record.kind, record.key))
            revision = record.revision + 1
        return Record(
            record.kind,
            record.key,
            body_of(body),
            record.state,
            record.parent,
            record.time_ms,
            revision,
        )

    def delete(self, kind: str, key: str) -> None:
        """See :meth:`RecordsUnit.delete`."""
        self._must_write()
        self._connection.execute(_DELETE, {"of_kind": kind, "of_key": key})

    def last_journal_row(self) -> JournalRow | None:
        """See :meth:`RecordsUnit.last_journal_row`."""
        row = self._connection.execute(_NEWEST).first()
        return None if row is None else _journal_row(row)

    def append_journal(self, row: JournalRow) -> None:
        """See :meth:`RecordsUnit.append_journal`."""
        self._must_write()
        values = {
            "seq": row.seq,
            "time_ms": row.time_ms,
            "actor": row.actor,
            "kind": row.kind,
            "subject": row.subject,
            "body": check_journal_row(row),
            "previous": row.previous,
            "hash": row.hash,
        }
        self._connection.execute(_APPEND, values)

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

    def _must_write(self) -> None:
        if not self._writable:
            raise Refused("this transaction only reads", hint="open it with writing()")


def _record(row: sa.Row[Any]) -> Record:
    kind, key, state, parent, time_ms, revision, body = tuple(row)
    return Record(kind, key, body_of(body), state, parent, time_ms, revision)


def _journal_row(row: sa.Row[Any]) -> JournalRow:
    seq, time_ms, actor, kind, subject, body, previous, digest = tuple(row)
    return JournalRow(seq, time_ms, actor, kind, subject, body_of(body), previous, digest)


def _moved_on(record: Record, stored: Record | None) -> Conflict:
    now = f"is at revision {stored.revision}" if stored else "is gone"
    return Conflict(
        f"{record.kind} {record.key!r} {now}, the change was made on revision {record.revision}",
        hint="read it again and repeat the change",
    )
