"""The journal writes with the change or not at all, and finds whatever was done to it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.event import listen, remove

from peers.memory_records import MemoryRecords
from twinhelm.core.clock import FakeClock
from twinhelm.core.ports import Record
from twinhelm.events.chain import Link, sealed
from twinhelm.events.journal import Journal
from twinhelm.events.kinds.machines import IncidentCommented, IncidentOpened
from twinhelm.store.records import open_records

ROWS = 7


@pytest.fixture
def journal() -> Journal:
    return Journal(MemoryRecords(), FakeClock(1_000))


@pytest.fixture
def path(tmp_path) -> Path:
    """A SQLite database with ``ROWS`` rows, whose guards somebody took away."""
    file = tmp_path / "records.sqlite"
    records = open_records(f"sqlite:///{file}")
    write(Journal(records, FakeClock()), ROWS)
    records.close()
    tamper(file, "DROP TRIGGER journal_no_update", "DROP TRIGGER journal_no_delete")
    return file


def write(journal: Journal, rows: int) -> None:
    with journal.writing("ada") as unit:
        for n in range(rows):
            unit.event(IncidentCommented(n, f"remark {n}"))


def tamper(file: Path, *statements: str) -> None:
    with closing(sqlite3.connect(file)) as other:
        for statement in statements:
            other.execute(statement)
        other.commit()


def verified(file: Path):
    records = open_records(f"sqlite:///{file}")
    try:
        return Journal(records, FakeClock()).verify()
    finally:
        records.close()


def write_more(file: Path) -> None:
    records = open_records(f"sqlite:///{file}")
    write(Journal(records, FakeClock()), 2)
    records.close()


def test_what_was_committed_is_counted_and_what_was_not_is_not(journal):
    write(journal, 2)
    with pytest.raises(ZeroDivisionError), journal.writing("ada"):
        raise ZeroDivisionError
    assert journal.writes == 1
    with journal.writing("ada"):
        pass
    assert journal.writes == 2


def test_an_empty_journal_verifies(journal):
    result = journal.verify()
    assert (result.ok, result.rows, result.head_hash) == (True, 0, "")


def test_a_row_says_who_what_and_when(journal):
    with journal.writing("ada") as unit:
        made = unit.event(IncidentOpened(4, "disk", "high", members=("1:2",)))
    (row,) = journal.read()
    assert row == made
    assert (row.seq, row.time_ms, row.actor, row.kind) == (1, 1_000, "ada", "incident.opened")
    assert (row.subject, row.previous) == ("incident/4", "")
    assert row.body["members"] == ["1:2"]
    assert row.body["title"] == "disk"


def test_the_hash_is_the_documented_one(journal):
    import hashlib

    write(journal, 1)
    (row,) = journal.read()
    text = '[1,1000,"ada","incident.commented","incident/0",{"incident":0,"text":"remark 0"},""]'
    assert row.hash == hashlib.sha256(text.encode()).hexdigest()


def test_rows_are_chained_within_and_between_transactions(journal):
    write(journal, 2)
    write(journal, 2)
    rows = journal.read()
    assert [row.previous for row in rows[1:]] == [row.hash for row in rows[:-1]]
    assert journal.verify().ok
    assert journal.head() == Link(4, rows[-1].hash)
    assert journal.verify().head_hash == rows[-1].hash


def test_a_change_and_its_event_stand_or_fall_together(journal):
    def fail() -> None:
        with journal.writing("ada") as unit:
            unit.put(Record("incident", "1", {}))
            unit.event(IncidentCommented(1, "x"))
            raise ValueError("on the way")

    with pytest.raises(ValueError, match="on the way"):
        fail()
    assert journal.read() == []
    with journal.writing("ada") as unit:
        assert unit.get("incident", "1") is None
        assert unit.find("incident") == []


def test_a_transaction_without_events_leaves_the_chain_alone(journal):
    with journal.writing("ada") as unit:
        unit.put(Record("incident", "1", {}))
        unit.delete("incident", "1")
        assert unit.count("incident") == 0
    assert journal.head() == Link()


def test_reading_filters_and_pages(journal):
    write(journal, 5)
    assert [row.seq for row in journal.read(after_seq=2, limit=2)] == [3, 4]
    assert [row.seq for row in journal.read(subject="incident/3")] == [4]
    assert [row.seq for row in journal.read(kind="incident.opened")] == []
    assert [row.seq for row in journal.read(newest_first=True, limit=1)] == [5]


def test_verification_walks_more_than_a_page(journal):
    write(journal, 12_345)
    assert journal.verify().rows == 12_345


def test_an_untouched_file_verifies(path):
    assert verified(path).rows == ROWS


@pytest.mark.parametrize("seq", [1, 4, ROWS])
@pytest.mark.parametrize(
    "change",
    [
        "time_ms = time_ms + 1",
        "actor = 'eve'",
        "kind = 'incident.opened'",
        "subject = 'incident/99'",
        """body = '{"incident":0,"text":"else"}'""",
        "hash = 'ff'",
    ],
)
def test_an_altered_row_is_found(path, seq, change):
    tamper(path, f"UPDATE journal SET {change} WHERE seq = {seq}")  # noqa: S608 - a test's own
    result = verified(path)
    assert (result.ok, result.first_bad_seq, result.rows) == (False, seq, seq - 1)
    assert result.reason


@pytest.mark.parametrize("seq", [1, 4, ROWS])
def test_a_removed_row_is_found(path, seq):
    tamper(path, f"DELETE FROM journal WHERE seq = {seq}")  # noqa: S608 - a test's own
    result = verified(path)
    assert (result.ok, result.first_bad_seq) == (False, seq)
    assert "missing" in result.reason


def test_an_emptied_journal_is_found(path):
    tamper(path, "DELETE FROM journal")
    assert verified(path).first_bad_seq == 1


@pytest.mark.parametrize("renumbered", [False, True])
def test_a_removed_row_is_found_though_the_rest_is_renumbered(path, renumbered):
    tamper(path, "DELETE FROM journal WHERE seq = 3")
    if renumbered:
        tamper(path, *(f"UPDATE journal SET seq = {n - 1} WHERE seq = {n}" for n in range(4, 8)))  # noqa: S608 - a test's own
    assert verified(path).first_bad_seq == 3


def test_reordered_rows_are_found(path):
    tamper(
        path,
        "UPDATE journal SET seq = -1 WHERE seq = 3",
        "UPDATE journal SET seq = 3 WHERE seq = 4",
        "UPDATE journal SET seq = 4 WHERE seq = -1",
    )
    assert verified(path).first_bad_seq == 3


def forge(path: Path, seq: int) -> None:
    """Put a row at ``seq`` that is right in itself, moving nothing else."""
    with closing(sqlite3.connect(path)) as other:
        other.row_factory = sqlite3.Row
        before = other.execute("SELECT * FROM journal WHERE seq = ?", (seq - 1,)).fetchone()
        from twinhelm.core.ports import JournalRow

        row = sealed(JournalRow(seq, 1, "eve", "a.b", "s", {}, before["hash"], ""))
        other.execute(
            "INSERT OR REPLACE INTO journal VALUES (?, 1, 'eve', 'a.b', 's', '{}', ?, ?)",
            (seq, row.previous, row.hash),
        )
        other.commit()


def test_a_row_added_past_the_end_is_found(path):
    forge(path, ROWS + 1)
    result = verified(path)
    assert (result.ok, result.first_bad_seq) == (False, ROWS + 1)
    assert "added" in result.reason


def test_a_well_made_replacement_of_the_last_row_is_found(path):
    forge(path, ROWS)
    assert verified(path).first_bad_seq == ROWS


@pytest.mark.parametrize(
    ("damage", "first_bad"),
    [
        pytest.param(lambda path: tamper(path, "DELETE FROM journal WHERE seq >= 6"), 6, id="cut"),
        pytest.param(lambda path: forge(path, ROWS), ROWS + 1, id="replaced"),
        pytest.param(lambda path: forge(path, ROWS + 1), ROWS + 2, id="added"),
    ],
)
def test_writing_on_does_not_cover_up_damage_at_the_end(path, damage, first_bad):
    damage(path)
    write_more(path)
    result = verified(path)
    assert (result.ok, result.first_bad_seq) == (False, first_bad)


def test_a_thousand_events_in_one_transaction_are_a_thousand_statements(tmp_path):
    records = open_records(f"sqlite:///{tmp_path}/records.sqlite")
    journal, said = Journal(records, FakeClock()), []

    def hear(_connection, _cursor, statement, *_more):
        said.append(statement.partition(" ")[0])

    listen(Engine, "before_cursor_execute", hear)
    try:
        write(journal, 1_000)
    finally:
        remove(Engine, "before_cursor_execute", hear)
    records.close()
    assert said.count("INSERT") >= 1_000
    assert len(said) < 1_010, "beside each event's own, those of the transaction alone"
