"""The laws that records in memory, in SQLite and in PostgreSQL keep alike."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from peers.memory_records import MemoryRecords
from twinhelm.core.errors import BadInput, Conflict, Refused, TooLarge
from twinhelm.core.ports import JournalRow, Record, Records
from twinhelm.store.records import open_records

INT64_MAX = (1 << 63) - 1


@pytest.fixture(
    params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.peer("postgresql"))]
)
def records(request: pytest.FixtureRequest, tmp_path) -> Iterator[Records]:
    if request.param == "memory":
        opened: Records = MemoryRecords()
    elif request.param == "sqlite":
        opened = open_records(f"sqlite:///{tmp_path}/records.sqlite")
    else:
        opened = open_records(request.getfixturevalue("postgresql"))
    yield opened
    opened.close()


def put(records: Records, *items: Record) -> list[Record]:
    with records.writing() as unit:
        return [unit.put(item) for item in items]


def get(records: Records, kind: str, key: str) -> Record | None:
    with records.reading() as unit:
        return unit.get(kind, key)


def keys(found: list[Record]) -> list[str]:
    return [record.key for record in found]


def row(seq: int, *, subject: str = "s", kind: str = "a.b") -> JournalRow:
    return JournalRow(seq, 5, "ada", kind, subject, {"n": seq}, f"h{seq - 1}", f"h{seq}")


def test_a_record_comes_back_as_it_was_put(records):
    full = Record("alert", "ключ/🔑", {"a": [1, 2.5, None, "x\x00y", {"b": True}]}, "on", "p", -7)
    (stored,) = put(records, full)
    assert stored.revision == 1
    assert get(records, "alert", "ключ/🔑") == stored
    assert (stored.body, stored.state, stored.parent, stored.time_ms) == (full.body, "on", "p", -7)


def test_what_is_not_there_is_none(records):
    assert get(records, "alert", "a") is None


def test_a_missing_number_is_stored_as_null(records):
    (stored,) = put(records, Record("x", "a", {"v": float("nan")}))
    assert stored.body == {"v": None}


def test_keys_of_two_kinds_do_not_meet(records):
    put(records, Record("a", "k", {"v": 1}), Record("b", "k", {"v": 2}))
    assert [get(records, kind, "k").body["v"] for kind in "ab"] == [1, 2]


def test_revisions_count_from_one(records):
    assert [put(records, Record("x", "a", {"v": v}))[0].revision for v in range(3)] == [1, 2, 3]


def test_a_change_of_the_stored_revision_passes(records):
    (first,) = put(records, Record("x", "a", {}))
    assert put(records, first)[0].revision == 2


def test_a_change_of_an_older_revision_is_a_conflict(records):
    (first,) = put(records, Record("x", "a", {}))
    put(records, first)
    with pytest.raises(Conflict, match="revision 2"):
        put(records, first)


def test_a_change_of_a_deleted_record_is_a_conflict(records):
    (first,) = put(records, Record("x", "a", {}))
    with records.writing() as unit:
        unit.delete("x", "a")
    with pytest.raises(Conflict, match="gone"):
        put(records, first)


def test_deleting_what_is_not_there_is_no_error(records):
    with records.writing() as unit:
        unit.delete("x", "a")


def test_nothing_of_a_failed_transaction_remains(records):
    put(records, Record("x", "kept", {"v": 1}))

    def fail() -> None:
        with records.writing() as unit:
            unit.put(Record("x", "kept", {"v": 2}))
            unit.put(Record("x", "new", {}))
            unit.append_journal(row(1))
            raise ValueError("on the way")

    with pytest.raises(ValueError, match="on the way"):
        fail()
    assert get(records, "x", "kept").body == {"v": 1}
    assert get(records, "x", "new") is None
    with records.reading() as unit:
        assert unit.last_journal_row() is None


def test_a_writer_sees_its_own_changes(records):
    with records.writing() as unit:
        unit.put(Record("x", "a", {}, state="s"))
        unit.append_journal(row(1))
        assert keys(unit.find("x")) == ["a"]
        assert unit.count("x", state="s") == 1
        assert unit.last_journal_row() == row(1) == unit.read_journal()[0]
        unit.delete("x", "a")
        assert unit.get("x", "a") is None


def test_a_reader_sees_one_moment(records):
    put(records, Record("x", "a", {"v": 1}))
    with records.reading() as before:
        assert before.get("x", "a").body == {"v": 1}
        put(records, Record("x", "a", {"v": 2}), Record("x", "b", {}))
        assert before.get("x", "a").body == {"v": 1}
        assert before.count("x") == 1
    assert get(records, "x", "a").body == {"v": 2}


def test_a_reader_does_not_see_what_is_not_committed(records):
    with records.writing() as unit:
        unit.put(Record("x", "a", {}))
        assert get(records, "x", "a") is None
    assert get(records, "x", "a") is not None


def test_a_reading_unit_refuses_to_write(records):
    with records.reading() as unit:
        for write in (
            lambda: unit.put(Record("x", "a", {})),
            lambda: unit.delete("x", "a"),
            lambda: unit.append_journal(row(1)),
        ):
            with pytest.raises(Refused, match="only reads"):
                write()


def test_a_second_writer_in_one_thread_is_refused_at_once(records):
    with records.writing(), pytest.raises(Conflict, match="already"), records.writing():
        pass
    put(records, Record("x", "a", {}))


def test_find_orders_by_time_then_key(records):
    put(records, *(Record("x", key, {}, time_ms=t) for key, t in [("c", 1), ("b", 2), ("a", 2)]))
    with records.reading() as unit:
        assert keys(unit.find("x")) == ["c", "a", "b"]
        assert keys(unit.find("x", newest_first=True)) == ["b", "a", "c"]


def test_keys_sort_by_code_point_whatever_the_locale(records):
    put(records, *(Record("x", key, {}) for key in ["é", "b", "B", "_", "a"]))
    with records.reading() as unit:
        assert keys(unit.find("x")) == ["B", "_", "a", "b", "é"]


def test_find_by_state_parent_and_time(records):
    put(
        records,
        Record("x", "a", {}, "open", "p", 1),
        Record("x", "b", {}, "shut", "p", 2),
        Record("x", "c", {}, "gone", "q", 3),
        Record("y", "d", {}, "open", "p", 1),
    )
    with records.reading() as unit:
        assert keys(unit.find("x", state="open")) == ["a"]
        assert keys(unit.find("x", state=["open", "gone"])) == ["a", "c"]
        assert keys(unit.find("x", state=[])) == []
        assert keys(unit.find("x", parent="p")) == ["a", "b"]
        assert keys(unit.find("x", since_ms=2)) == ["b", "c"]
        assert keys(unit.find("x", until_ms=2)) == ["a", "b"]
        assert keys(unit.find("x", since_ms=2, until_ms=2, state="shut", parent="p")) == ["b"]
        assert keys(unit.find("nothing")) == []


def test_find_pages(records):
    put(records, *(Record("x", f"{n}", {}, time_ms=n) for n in range(5)))
    with records.reading() as unit:
        assert keys(unit.find("x", limit=2)) == ["0", "1"]
        assert keys(unit.find("x", limit=2, offset=4)) == ["4"]
        assert keys(unit.find("x", limit=0)) == []
        assert keys(unit.find("x", limit=-1)) == []


def test_count_by_kind_and_state(records):
    put(records, Record("x", "a", {}, "s"), Record("x", "b", {}, "t"), Record("y", "c", {}, "s"))
    with records.reading() as unit:
        assert (unit.count("x"), unit.count("x", state="s"), unit.count("x", state=["s", "t"])) == (
            2,
            1,
            2,
        )
        assert (unit.count("x", state=[]), unit.count("z")) == (0, 0)


def test_times_may_use_all_of_64_bits(records):
    put(records, Record("x", "a", {}, time_ms=INT64_MAX), Record("x", "b", {}, time_ms=-INT64_MAX))
    with records.reading() as unit:
        assert keys(unit.find("x")) == ["b", "a"]


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(Record("", "a", {}), id="no kind"),
        pytest.param(Record("x", "", {}), id="no key"),
        pytest.param(Record("x", "a\x00", {}), id="NUL in the key"),
        pytest.param(Record("x", "a", {}, state="\ud800"), id="half a surrogate pair"),
        pytest.param(Record("x", "a", {}, time_ms=INT64_MAX + 1), id="time past 64 bits"),
        pytest.param(Record("x", "a", {"v": 1 << 70}), id="number past 64 bits"),
        pytest.param(Record("x", "a", {"v": {1}}), id="not JSON"),
        pytest.param(Record("x", "a", {"v": "\ud800"}), id="surrogate in the body"),
    ],
)
def test_what_cannot_be_kept_is_refused(records, record):
    with pytest.raises(BadInput):
        put(records, record)


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(Record("x" * 65, "a", {}), id="kind"),
        pytest.param(Record("x", "é" * 513, {}), id="key"),
        pytest.param(Record("x", "a", {}, state="s" * 65), id="state"),
        pytest.param(Record("x", "a", {}, parent="p" * 1025), id="parent"),
        pytest.param(Record("x", "a", {"v": "x" * (16 << 20)}), id="body"),
        pytest.param(Record("x", "a", {"v": eval("[" * 70 + "]" * 70)}), id="depth"),  # noqa: S307
    ],
)
def test_what_is_too_large_is_refused(records, record):
    with pytest.raises(TooLarge):
        put(records, record)


def test_the_largest_that_is_allowed_is_kept(records):
    noise = "".join(chr(0x4E00 + n * 7919 % 20000) for n in range(341))  # does not compress
    largest = Record("k" * 64, noise, {}, "s" * 64, noise[::-1], INT64_MAX)
    put(records, largest)
    assert get(records, "k" * 64, noise).parent == noise[::-1]


def test_the_journal_keeps_rows_in_order(records):
    with records.writing() as unit:
        for seq in (1, 2, 3):
            unit.append_journal(row(seq))
    with records.reading() as unit:
        assert unit.last_journal_row() == row(3)
        assert unit.read_journal() == [row(1), row(2), row(3)]
        assert unit.read_journal(after_seq=1, limit=1) == [row(2)]
        assert unit.read_journal(newest_first=True, limit=2) == [row(3), row(2)]


def test_the_journal_is_found_by_subject_and_kind(records):
    with records.writing() as unit:
        unit.append_journal(row(1, subject="a", kind="x.y"))
        unit.append_journal(row(2, subject="b", kind="x.y"))
        unit.append_journal(row(3, subject="a", kind="x.z"))
    with records.reading() as unit:
        assert [found.seq for found in unit.read_journal(subject="a")] == [1, 3]
        assert [found.seq for found in unit.read_journal(kind="x.y")] == [1, 2]
        assert [found.seq for found in unit.read_journal(subject="a", kind="x.z")] == [3]


def test_a_journal_row_cannot_be_written_twice(records):
    def append() -> None:
        with records.writing() as unit:
            unit.append_journal(row(1))

    append()
    with pytest.raises(Conflict):
        append()


def test_a_journal_row_counts_from_one(records):
    with records.writing() as unit, pytest.raises(BadInput):
        unit.append_journal(row(0))


def test_writers_in_many_threads_take_turns(records):
    start = threading.Barrier(4)

    def work(_: int) -> None:
        start.wait()
        for _ in range(10):
            with records.writing() as unit:
                last = unit.last_journal_row()
                unit.append_journal(row(last.seq + 1 if last else 1))
                counter = unit.get("x", "n")
                value = counter.body["v"] if counter else 0
                unit.put(Record("x", "n", {"v": value + 1}))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert get(records, "x", "n").body == {"v": 40}
    with records.reading() as unit:
        assert [found.seq for found in unit.read_journal()] == list(range(1, 41))
