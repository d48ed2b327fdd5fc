"""What only a real database does: durability, guards, refusing, being away, coming back."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
import sqlalchemy as sa

from twinhelm.core.errors import BadInput, Conflict, DatabaseDown, NewerFormat, StoreFull
from twinhelm.core.ports import JournalRow, Record
from twinhelm.store.records import SqlRecords, open_records
from twinhelm.store.records.schema import HEAD, VERSION_TABLE, metadata

ROW = JournalRow(1, 5, "ada", "a.b", "s", {}, "", "h")


@pytest.fixture(params=["sqlite", pytest.param("pg", marks=pytest.mark.peer("postgresql"))])
def url(request, tmp_path) -> str:
    if request.param == "pg":
        return request.getfixturevalue("postgresql")
    return f"sqlite:///{tmp_path}/records.sqlite"


def execute(url: str, *statements: str) -> None:
    engine = sa.create_engine(url)
    try:
        with engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
    finally:
        engine.dispose()


def make(url: str) -> None:
    records = open_records(url)
    with records.writing() as unit:
        unit.put(Record("x", "a", {"v": 1}))
        unit.append_journal(ROW)
    records.close()


def value(records: SqlRecords) -> object:
    with records.reading() as unit:
        record = unit.get("x", "a")
    return record and record.body["v"]


def test_what_was_committed_is_there_after_reopening(url):
    make(url)
    records = open_records(url)
    assert value(records) == 1
    records.close()


def test_the_migrations_make_the_tables_that_queries_expect(url):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    make(url)
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE, "compare_type": False}
        )
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == HEAD
    engine.dispose()


def test_opening_a_database_at_head_does_not_load_alembic(url):
    make(url)
    script = (
        "import sys; from twinhelm.store.records import open_records; "
        f"open_records({url!r}).close(); sys.exit('alembic' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_newer_database_is_refused_and_not_changed(url):
    make(url)
    execute(url, "UPDATE twinhelm_version SET version_num = '9999'")
    with pytest.raises(NewerFormat, match="9999"):
        open_records(url)
    execute(url, "UPDATE twinhelm_version SET version_num = '0001'")
    records = open_records(url)
    assert value(records) == 1
    records.close()


@pytest.mark.parametrize("change", ["UPDATE journal SET actor = 'eve'", "DELETE FROM journal"])
def test_the_database_itself_guards_the_journal(url, change):
    make(url)
    with pytest.raises(sa.exc.DBAPIError, match="append-only"):
        execute(url, change)


@pytest.mark.peer("postgresql")
def test_postgresql_refuses_to_truncate_the_journal(postgresql):
    make(postgresql)
    with pytest.raises(sa.exc.DBAPIError, match="append-only"):
        execute(postgresql, "TRUNCATE journal")


def test_two_processes_opening_a_new_database_both_succeed(url):
    script = f"from twinhelm.store.records import open_records; open_records({url!r}).close()"
    started = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(2)]
    assert [process.wait(60) for process in started] == [0, 0]


def test_writers_of_two_connections_keep_one_chain(url):
    script = f"""
from twinhelm.store.records import open_records
from twinhelm.core.ports import JournalRow
records = open_records({url!r})
for _ in range(30):
    with records.writing() as unit:
        last = unit.last_journal_row()
        seq = last.seq + 1 if last else 1
        unit.append_journal(JournalRow(seq, 0, "a", "a.b", "s", {{}}, "", ""))
records.close()
"""
    make(url)
    started = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(2)]
    assert [process.wait(60) for process in started] == [0, 0]
    records = open_records(url)
    with records.reading() as unit:
        assert [row.seq for row in unit.read_journal()] == list(range(1, 62))
    records.close()


@pytest.mark.parametrize(
    "bad", ["", "nonsense", "mysql://host/db", "sqlite://", "sqlite:///:memory:"]
)
def test_a_url_of_something_else_is_refused(bad):
    with pytest.raises(BadInput, match="database_url"):
        open_records(bad)


def test_a_missing_directory_is_named(tmp_path):
    with pytest.raises(BadInput, match="nowhere"):
        open_records(f"sqlite:///{tmp_path}/nowhere/records.sqlite")


def test_a_sqlite_file_of_something_else_is_refused_and_not_changed(tmp_path):
    path = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE runs (id INTEGER)")
    before = path.read_bytes()
    with pytest.raises(BadInput, match="runs"):
        open_records(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_says_so(tmp_path):
    path = tmp_path / "records.sqlite"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(DatabaseDown, match="damaged"):
        open_records(f"sqlite:///{path}")


def test_the_file_is_its_owners_alone(tmp_path):
    make(f"sqlite:///{tmp_path}/records.sqlite")
    assert (tmp_path / "records.sqlite").stat().st_mode & 0o777 == 0o600


def test_sqlite_is_durable_at_every_commit(tmp_path):
    records = open_records(f"sqlite:///{tmp_path}/records.sqlite")
    with records.writing() as unit:
        pragma = unit._connection.exec_driver_sql
        got = [
            pragma(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    records.close()
    assert got == ["wal", 2, 1]


def test_a_locked_sqlite_is_down_and_comes_back(tmp_path):
    path = tmp_path / "records.sqlite"
    records = open_records(f"sqlite:///{path}", busy_s=0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseDown) as caught, records.writing():
            pass
        assert caught.value.status == 503
        assert caught.value.retry_after_s > 0
        assert value(records) is None
        other.execute("ROLLBACK")
    with records.writing() as unit:
        unit.put(Record("x", "a", {"v": 2}))
    assert value(records) == 2
    records.close()


def test_a_full_disk_is_said_and_writing_resumes(tmp_path):
    records = open_records(f"sqlite:///{tmp_path}/records.sqlite")
    big = Record("x", "a", {"v": "x" * 100_000})

    def fill(pages: str) -> None:
        with records.writing() as unit:
            unit._connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
            unit.put(big)

    with pytest.raises(StoreFull):
        fill("20")
    assert value(records) is None
    fill("1000000")
    assert value(records) == big.body["v"]
    records.close()


def test_killing_the_process_in_a_transaction_leaves_nothing_of_it(url):
    make(url)
    script = f"""
import os, signal
from twinhelm.core.ports import Record
from twinhelm.store.records import open_records
records = open_records({url!r})
with records.writing() as unit:
    unit.put(Record("x", "a", {{"v": 2}}))
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    records = open_records(url)
    assert value(records) == 1
    with records.writing() as unit:
        unit.put(Record("x", "a", {"v": 3}))
    assert value(records) == 3
    records.close()


@pytest.mark.peer("postgresql")
def test_postgresql_away_is_down_and_comes_back_by_itself(own_postgresql):
    make(own_postgresql.url)
    records = open_records(own_postgresql.url)
    assert value(records) == 1
    own_postgresql.stop()
    for _ in range(2):
        with pytest.raises(DatabaseDown) as caught:
            value(records)
        assert "127.0.0.1" in str(caught.value)
    with pytest.raises(DatabaseDown), records.writing():
        pass
    with pytest.raises(DatabaseDown):
        open_records(own_postgresql.url)
    own_postgresql.start()
    assert value(records) == 1
    with records.writing() as unit:
        unit.put(Record("x", "a", {"v": 2}))
    assert value(records) == 2
    records.close()


@pytest.mark.peer("postgresql")
def test_postgresql_lost_in_a_transaction_leaves_nothing_of_it(own_postgresql):
    make(own_postgresql.url)
    records = open_records(own_postgresql.url)

    def lose() -> None:
        with records.writing() as unit:
            unit.put(Record("x", "a", {"v": 2}))
            own_postgresql.stop()
            unit.put(Record("x", "b", {"v": 2}))

    with pytest.raises(DatabaseDown):
        lose()
    own_postgresql.start()
    assert value(records) == 1
    records.close()


@pytest.mark.peer("postgresql")
def test_a_password_is_never_shown(own_postgresql):
    secret = own_postgresql.url.replace("twinhelm@", "twinhelm:hunter2@")
    records = open_records(secret)
    own_postgresql.stop()
    with pytest.raises(DatabaseDown) as caught:
        value(records)
    assert "hunter2" not in str(caught.value)
    records.close()


def test_an_insert_past_the_unit_that_repeats_a_row_is_a_conflict(url):
    make(url)
    records = open_records(url)
    with pytest.raises(Conflict), records.writing() as unit:
        unit.append_journal(ROW)
    records.close()
