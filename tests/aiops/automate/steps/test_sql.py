"""A question only reads, a repair is one that was written down, and values are bound."""

from __future__ import annotations

import sqlite3
import threading

import pytest
from sqlalchemy import create_engine, text

from peers.deeds import HOSTILE, deed, named
from twinhelm.aiops.automate.steps.sql import Sql
from twinhelm.core.settings import AutomateSettings

STATEMENTS = {
    "drop-order": "DELETE FROM orders WHERE name = :name",
    "end-session": "SELECT pg_terminate_backend(:pid)",
}


def sql(address, folder):
    settings = AutomateSettings(databases=["shop"], statements=STATEMENTS)
    return Sql(settings, named(folder, shop=address))


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request, tmp_path):
    """The address of a database with two orders."""
    if request.param == "sqlite":
        address = f"sqlite:///{tmp_path / 'shop.sqlite'}"
    else:
        address = request.getfixturevalue("postgresql")
    engine = create_engine(address)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE orders (name TEXT, state TEXT)"))
        connection.execute(text("INSERT INTO orders VALUES ('a', 'stuck'), ('b', 'sent')"))
    engine.dispose()
    return address


def orders(address):
    engine = create_engine(address)
    with engine.connect() as connection:
        found = connection.execute(text("SELECT name FROM orders ORDER BY name")).scalars().all()
    engine.dispose()
    return found


COUNT = "SELECT count(*) FROM orders WHERE state = :state"
STUCK = {"database": "shop", "query": COUNT, "values": {"state": "{state}"}}


def test_an_answer_is_compared(shop, tmp_path):
    actor = sql(shop, tmp_path)
    none = {**STUCK, "test": "at_most", "value": 0}
    outcome = deed(actor, none, state="stuck")
    assert (outcome.ok, outcome.text, outcome.facts) == (False, "the answer is 1", {"answer": "1"})
    assert deed(actor, none, state="lost").ok
    given = {"database": "shop", "query": "SELECT name FROM orders WHERE name = 'z'"}
    assert not deed(actor, given).ok
    assert deed(actor, {**given, "test": "absent"}).text == "there is no answer"


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_a_value_is_compared_and_never_read_as_sql(shop, tmp_path, value):
    actor = sql(shop, tmp_path)
    assert deed(actor, {**STUCK, "test": "equal", "value": 0}, state=value).ok
    given = {"database": "shop", "statement": "drop-order", "values": {"name": "{name}"}}
    assert deed(actor, given, name=value).ok
    assert orders(shop) == ["a", "b"]


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM orders",
        "INSERT INTO orders VALUES ('c', 'x')",
        "DROP TABLE orders",
        "WITH gone AS (DELETE FROM orders RETURNING 1) SELECT count(*) FROM gone",
        "COMMIT",
    ],
)
def test_a_question_cannot_write(shop, tmp_path, query):
    deed(sql(shop, tmp_path), {"database": "shop", "query": query})
    assert orders(shop) == ["a", "b"]


def test_a_repair_that_was_written_down_is_done(shop, tmp_path):
    actor = sql(shop, tmp_path)
    given = {"database": "shop", "statement": "drop-order", "values": {"name": "{name}"}}
    outcome = deed(actor, given, name="a")
    assert outcome.ok
    assert "1 rows" in outcome.text
    assert orders(shop) == ["b"]
    assert actor.dangerous(given)
    assert actor.changes(given)
    assert "DELETE FROM orders WHERE name = :name with {'name': 'x'}" in actor.tell(
        actor.fill(given, {"name": "x"})
    )


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({"database": "shop"}, "either a query or the name of a statement"),
        ({"database": "shop", "query": "SELECT 1", "statement": "x"}, "either a query"),
        ({"database": "shop", "query": "SELECT 1; DROP TABLE x"}, "without a semicolon"),
        ({"database": "shop", "query": "SELECT '{a}'"}, "query takes no parameter"),
        ({"database": "{a}", "query": "SELECT 1"}, "database takes no parameter"),
        ({"database": "shop", "query": "SELECT 1", "test": "~"}, "unknown test"),
    ],
)
def test_bad_arguments_are_told(tmp_path, arguments, fault):
    assert fault in "; ".join(sql("sqlite://", tmp_path).faults(arguments))


def test_what_is_not_listed_is_barred(tmp_path):
    actor = sql("sqlite://", tmp_path)
    assert "automate.databases" in deed(actor, {"database": "hr", "query": "SELECT 1"}).text
    given = {"database": "shop", "statement": "none"}
    assert "automate.statements" in deed(actor, given).text


def test_an_address_is_a_secret_and_stays_one(tmp_path):
    closed = "postgresql+psycopg://ann:hunter22@127.0.0.1:1/shop"
    given = {"database": "shop", "query": "SELECT 1"}
    outcome = deed(sql(closed, tmp_path), given)
    assert not outcome.ok
    assert "hunter22" not in outcome.text
    assert "not known" in deed(sql("mysql://ann@host/x", tmp_path), given).text
    empty = Sql(AutomateSettings(databases=["shop"]), named(tmp_path / "none"))
    assert "there is no secret 'shop'" in deed(empty, given).text
    assert not deed(sql("not an address", tmp_path), given).ok


@pytest.mark.parametrize("how", ["limit", "stop"])
def test_a_question_without_end_is_cancelled(shop, tmp_path, how):
    endless = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000000)"
        " SELECT count(*) FROM n"
        if shop.startswith("sqlite")
        else "SELECT pg_sleep(600)"
    )
    seen = []

    def ended():
        seen.append(threading.current_thread())
        return "stopped by ann" if how == "stop" and len(seen) > 3 else ""

    outcome = deed(
        sql(shop, tmp_path), {"database": "shop", "query": endless},
        limit_s=1 if how == "limit" else 60, ended=ended,
    )  # fmt: skip
    assert not outcome.ok
    assert ("stopped by ann" if how == "stop" else "longer than 1 s") in outcome.text


def test_what_the_stop_raises_passes_through(shop, tmp_path):
    def ended():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        deed(sql(shop, tmp_path), {"database": "shop", "query": "SELECT 1"}, ended=ended)


def test_a_session_is_ended_by_its_number(postgresql, tmp_path):
    import psycopg

    with psycopg.connect(postgresql.replace("+psycopg", "")) as stuck:
        pid = stuck.info.backend_pid
        given = {"database": "shop", "statement": "end-session", "values": {"pid": "{pid}"}}
        assert deed(sql(postgresql, tmp_path), given, pid=str(pid)).ok
        with pytest.raises(psycopg.OperationalError):
            stuck.execute("SELECT 1")


def test_a_database_that_is_locked_by_others_is_an_outcome(tmp_path):
    path = tmp_path / "shop.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE orders (name TEXT)")
        other.commit()
        other.execute("BEGIN EXCLUSIVE")
        given = {"database": "shop", "statement": "drop-order", "values": {"name": "a"}}
        outcome = deed(sql(f"sqlite:///{path}?timeout=0.1", tmp_path), given)
        other.rollback()
    assert "locked" in outcome.text
