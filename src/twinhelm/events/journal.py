"""The journal: a change and the event that tells of it, in one transaction.

A crash at any point leaves both the change and its event, or neither.

    with journal.writing("ada") as write:
        write.put(incident_record)
        write.event(IncidentResolved(incident=3, note="disk replaced"))
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from twinhelm.core.clock import Clock
from twinhelm.core.json import dumps, loads
from twinhelm.core.ports import JournalRow, Record, Records, RecordsUnit
from twinhelm.events.chain import Link, Verification, follow, sealed
from twinhelm.events.event import Event

__all__ = ["Journal", "JournalWriter"]

_HEAD = ("journal", "head")
_PAGE_ROWS = 5_000


class Journal:
    """Writes events beside changes, reads them back, and verifies the chain.

    Two writers in one thread at once raise :class:`~twinhelm.core.errors.Conflict`; writers in
    several threads or processes wait for each other. ``writes`` counts what was committed here:
    while it stands still, so do the records.
    """

    def __init__(self, records: Records, clock: Clock) -> None:
        self._records = records
        self._clock = clock
        self.writes = 0

    @contextmanager
    def writing(self, actor: str) -> Iterator[JournalWriter]:
        """Open one transaction in which ``actor`` changes records and tells of it.

        It commits on leaving and rolls back, events included, on an exception.
        """
        with self._records.writing() as unit:
            write = JournalWriter(unit, self._clock, actor)
            yield write
            write.keep_head()
        self.writes += 1

    def read(
        self,
        *,
        after_seq: int = 0,
        subject: str | None = None,
        kind: str | None = None,
        newest_first: bool = False,
        limit: int = 1000,
    ) -> list[JournalRow]:
        """Read rows after ``after_seq``, of one subject or kind or of all, in order of seq."""
        asked: dict[str, Any] = {"subject": subject, "kind": kind, "newest_first": newest_first}
        with self._records.reading() as unit:
            return unit.read_journal(after_seq=after_seq, limit=limit, **asked)

    def head(self) -> Link:
        """Return the newest sequence and hash as kept beside the chain; write it down elsewhere."""
        with self._records.reading() as unit:
            return _kept(unit)

    def walk(self, kind: str | None = None) -> Iterator[JournalRow]:
        """Yield every row, of one kind or of all, in order and in pages; new ones too."""
        seq = 0
        while page := self.read(after_seq=seq, kind=kind, limit=_PAGE_ROWS):
            yield from page
            seq = page[-1].seq

    def verify(self) -> Verification:
        """Walk the whole chain; find the first row that was altered, removed, added or moved.

        Memory stays at one page. Writing goes on meanwhile: the head read before the walk must
        be in it, and nothing past the head read after the walk may be.
        """
        before = self.head()
        at, reason = follow(Link(), self.walk(), through=before)
        if not reason and at.seq < before.seq:
            reason = f"rows {at.seq + 1} to {before.seq} are missing at the end"
        elif not reason and at.seq > (after := self.head()).seq:
            at, reason = after, f"row {after.seq + 1} was added past the end"
        first_bad = at.seq + 1 if reason else None
        return Verification(not reason, at.seq, at.hash, first_bad, reason)


class JournalWriter:
    """One open transaction: records as in :class:`RecordsUnit`, and events."""

    def __init__(self, unit: RecordsUnit, clock: Clock, actor: str) -> None:
        self.get, self.find, self.count = unit.get, unit.find, unit.count
        self.put, self.delete = unit.put, unit.delete
        self._unit = unit
        self._clock = clock
        self._actor = actor
        self._at: Link | None = None

    def event(self, event: Event) -> JournalRow:
        """Append what happened to the chain, at the clock's time and in the actor's name."""
        if self._at is None:
            self._at = _end_of(self._unit)
        row = sealed(
            JournalRow(
                seq=self._at.seq + 1,
                time_ms=self._clock.now_ms(),
                actor=self._actor,
                kind=event.kind,
                subject=event.subject,
                body=loads(dumps(event.body)),
                previous=self._at.hash,
                hash="",
            )
        )
        self._unit.append_journal(row)
        self._at = Link(row.seq, row.hash)
        return row

    def keep_head(self) -> None:
        """Keep the newest link as a record, once per transaction that told of anything."""
        if self._at is not None:
            self.put(Record(*_HEAD, {"seq": self._at.seq, "hash": self._at.hash}))


def _kept(unit: RecordsUnit) -> Link:
    record = unit.get(*_HEAD)
    return Link(record.body["seq"], record.body["hash"]) if record else Link()


def _end_of(unit: RecordsUnit) -> Link:
    """Find where to go on: past every row there is, but from the hash that was kept.

    Where somebody cut off, replaced or added rows at the end the two disagree, and the next row
    must not smooth that over: it leaves a break that every later verification finds.
    """
    row = unit.last_journal_row()
    kept = _kept(unit)
    return Link(max(kept.seq, row.seq if row else 0), kept.hash)
