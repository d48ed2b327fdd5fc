"""Records and journal in memory, under the same contract: the second implementation of Records.

Every commit makes a new table and leaves the old one to whoever is reading it, so a reader sees
one moment and never waits. A commit costs time in proportion to the number of records; this is
for thousands of them, not millions.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from twinhelm.core.errors import Conflict
from twinhelm.core.json import dumps
from twinhelm.core.ports import JournalRow, Record
from twinhelm.store.records.backup import Line, write_export
from twinhelm.store.records.rows import (
    body_of,
    check_journal_row,
    check_record,
    moved_on,
    must_write,
    states_of,
)

__all__ = ["MemoryRecords", "MemoryUnit"]

_Key = tuple[str, str]
_Table = dict[_Key, tuple[Record, str]]
"""By (kind, key): the record with an empty body, and the body as JSON text."""


class MemoryRecords:
    """See :class:`twinhelm.core.ports.Records`."""

    def __init__(self) -> None:
        self._table: _Table = {}
        self._journal: tuple[JournalRow, ...] = ()
        self._turn = threading.Lock()
        self._writer = 0

    @contextmanager
    def reading(self) -> Iterator[MemoryUnit]:
        """See :meth:`Records.reading`."""
        yield MemoryUnit(self._table, self._journal, writable=False)

    @contextmanager
    def writing(self) -> Iterator[MemoryUnit]:
        """See :meth:`Records.writing`; nesting in one thread raises :class:`Conflict`."""
        if self._writer == threading.get_ident():
            raise Conflict("a writing transaction is open in this thread already")
        with self._turn:
            self._writer = threading.get_ident()
            try:
                unit = MemoryUnit(dict(self._table), self._journal, writable=True)
                yield unit
                self._table, self._journal = unit.table, unit.rows
            finally:
                self._writer = 0

    def backup(self, target: Path) -> None:
        """See :meth:`Records.backup`; writes ``records.jsonl``."""
        write_export(target, self._lines())

    def close(self) -> None:
        """See :meth:`Records.close`; nothing is held."""

    def _lines(self) -> Iterator[Line]:
        table, rows = self._table, self._journal
        for (kind, key), (head, body) in sorted(table.items()):
            values = [kind, key, head.state, head.parent, head.time_ms, head.revision, body]
            yield "records", values
        for row in rows:
            text = dumps(dict(row.body)).decode()
            about = [row.seq, row.time_ms, row.actor, row.kind, row.subject]
            yield "journal", [*about, text, row.previous, row.hash]


class MemoryUnit:
    """See :class:`twinhelm.core.ports.RecordsUnit`."""

    def __init__(self, table: _Table, rows: tuple[JournalRow, ...], *, writable: bool) -> None:
        self.table = table
        self._old = rows
        self._new: list[JournalRow] = []
        self._writable = writable

    @property
    def rows(self) -> tuple[JournalRow, ...]:
        """The journal as this transaction sees it."""
        return (*self._old, *self._new) if self._new else self._old

    def get(self, kind: str, key: str) -> Record | None:
        """See :meth:`RecordsUnit.get`."""
        stored = self.table.get((kind, key))
        return None if stored is None else replace(stored[0], body=body_of(stored[1]))

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
        states = states_of(state)
        found = [
            (head, body)
            for head, body in self.table.values()
            if head.kind == kind
            and (states is None or head.state in states)
            and (parent is None or head.parent == parent)
            and (since_ms is None or head.time_ms >= since_ms)
            and (until_ms is None or head.time_ms <= until_ms)
        ]
        found.sort(key=lambda item: (item[0].time_ms, item[0].key), reverse=newest_first)
        start = max(offset, 0)
        page = found[start : start + max(limit, 0)]
        return [replace(head, body=body_of(body)) for head, body in page]

    def count(self, kind: str, *, state: str | Sequence[str] | None = None) -> int:
        """See :meth:`RecordsUnit.count`."""
        states = states_of(state)
        return sum(
            head.kind == kind and (states is None or head.state in states)
            for head, _ in self.table.values()
        )

    def put(self, record: Record) -> Record:
        """See :meth:`RecordsUnit.put`."""
        must_write(writable=self._writable)
        body = check_record(record)
        stored = self.table.get((record.kind, record.key))
        revision = stored[0].revision if stored else 0
        if record.revision not in (0, revision):
            raise moved_on(record, revision if stored else None)
        head = replace(record, body={}, revision=revision + 1)
        self.table[record.kind, record.key] = (head, body)
        return replace(head, body=body_of(body))

    def delete(self, kind: str, key: str) -> None:
        """See :meth:`RecordsUnit.delete`."""
        must_write(writable=self._writable)
        self.table.pop((kind, key), None)

    def last_journal_row(self) -> JournalRow | None:
        """See :meth:`RecordsUnit.last_journal_row`."""
        rows = self._new or self._old
        return rows[-1] if rows else None

    def append_journal(self, row: JournalRow) -> None:
        """See :meth:`RecordsUnit.append_journal`."""
        must_write(writable=self._writable)
        body = check_journal_row(row)
        last = self.last_journal_row()
        if last is not None and row.seq <= last.seq:
            raise Conflict(f"journal row {row.seq} does not follow {last.seq}")
        self._new.append(replace(row, body=body_of(body)))

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
        found = [
            row
            for row in self.rows
            if row.seq > after_seq
            and (subject is None or row.subject == subject)
            and (kind is None or row.kind == kind)
        ]
        return (found[::-1] if newest_first else found)[: max(limit, 0)]
