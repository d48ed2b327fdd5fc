"""A backup holds one moment, whole, and can be read into either database."""

from __future__ import annotations

import itertools

import pytest

from peers.memory_records import MemoryRecords
from twinhelm.core.clock import FakeClock
from twinhelm.core.errors import BadInput, Conflict, NewerFormat, NotFound
from twinhelm.core.ports import Record, Records
from twinhelm.events.journal import Journal
from twinhelm.events.kinds.machines import IncidentCommented
from twinhelm.store.records import open_records, restore_records

POSTGRESQL = pytest.mark.peer("postgresql")


@pytest.fixture
def opened(request, tmp_path):
    made: list[Records] = []

    def open_(kind: str) -> Records:
        if kind == "memory":
            made.append(MemoryRecords())
        elif kind == "pg":
            made.append(open_records(request.getfixturevalue("postgresql")))
        else:
            made.append(open_records(f"sqlite:///{tmp_path}/{len(made)}.sqlite"))
        return made[-1]

    yield open_
    for records in made:
        records.close()


@pytest.fixture
def target(tmp_path):
    folder = tmp_path / "backup"
    folder.mkdir()
    return folder


def fill(records: Records, *, rows: int = 3) -> None:
    with Journal(records, FakeClock()).writing("ada") as write:
        for n in range(rows):
            write.put(Record("x", f"{n:05}", {"текст": "a\x00\n", "v": n / 3}, "s", "p", n))
            write.put(Record("x", f"{n:05}", {"текст": "b\x00\n", "v": n / 3}, "s", "p", n))
            write.event(IncidentCommented(n, "ключ \x00"))


def content(records: Records) -> tuple[list, list]:
    with records.reading() as unit:
        return unit.find("x", limit=10_000), unit.read_journal(limit=10_000)


@pytest.mark.parametrize(
    ("source", "into"),
    [
        ("memory", "sqlite"),
        ("sqlite", "sqlite"),
        pytest.param("sqlite", "pg", marks=POSTGRESQL),
        pytest.param("pg", "sqlite", marks=POSTGRESQL),
    ],
)
def test_everything_comes_back(opened, target, source, into):
    kept, fresh = opened(source), opened(into)
    fill(kept)
    kept.backup(target)
    assert restore_records(target, fresh) == (4, 3)
    assert content(fresh) == content(kept)
    assert Journal(fresh, FakeClock()).verify().ok


def test_an_empty_database_comes_back(opened, target):
    opened("sqlite").backup(target)
    assert restore_records(target, opened("sqlite")) == (0, 0)


def test_more_rows_than_a_batch_come_back(opened, target):
    kept, fresh = opened("memory"), opened("sqlite")
    fill(kept, rows=2_345)
    kept.backup(target)
    assert restore_records(target, fresh) == (2_346, 2_345)
    assert content(fresh) == content(kept)


def test_a_backup_taken_while_writing_holds_one_moment(opened, target):
    records = opened("sqlite")
    fill(records)
    with records.writing() as unit:
        unit.put(Record("x", "late", {}))
        records.backup(target)
    fresh = opened("sqlite")
    restore_records(target, fresh)
    assert "late" not in [record.key for record in content(fresh)[0]]


def test_nothing_but_the_backup_is_left_behind(opened, target):
    records = opened("sqlite")
    fill(records)
    records.backup(target)
    records.backup(target)
    assert [path.name for path in target.iterdir()] == ["records.sqlite"]


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_target_that_is_missing_is_made(opened, tmp_path, kind):
    opened(kind).backup(tmp_path / "a" / "b")
    assert len(list((tmp_path / "a" / "b").iterdir())) == 1


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_target_that_is_a_file_is_refused(opened, tmp_path, kind):
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="file"):
        opened(kind).backup(tmp_path / "file")


def test_a_database_that_holds_something_is_not_overwritten(opened, target):
    kept, other = opened("memory"), opened("sqlite")
    fill(kept)
    kept.backup(target)
    fill(other, rows=1)
    with pytest.raises(Conflict, match="not empty"):
        restore_records(target, other)
    assert len(content(other)[1]) == 1


def test_an_empty_directory_is_no_backup(opened, tmp_path):
    with pytest.raises(NotFound):
        restore_records(tmp_path / "nothing", opened("sqlite"))


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        pytest.param(lambda lines: lines[:-1], BadInput, id="cut before the end line"),
        pytest.param(
            lambda lines: [line.replace(b'"p"', b'"q"') for line in lines], BadInput, id="altered"
        ),
        pytest.param(lambda lines: lines[:2] + lines[3:], BadInput, id="a row lost"),
        pytest.param(lambda lines: [*lines, lines[1]], BadInput, id="more after the end"),
        pytest.param(lambda lines: [*lines[:-1], b'["end"\n'], BadInput, id="cut in a line"),
        pytest.param(lambda lines: [b'["else","0001"]\n', *lines[1:]], BadInput, id="foreign"),
        pytest.param(lambda lines: [b"{}\n", *lines[1:]], BadInput, id="no list"),
        pytest.param(lambda lines: [lines[0], b'["users",1]\n'], BadInput, id="foreign row"),
        pytest.param(lambda lines: [lines[0], b'[["a"],1]\n'], BadInput, id="no table name"),
        pytest.param(
            lambda lines: [b'["twinhelm records","9999"]\n', *lines[1:]], NewerFormat, id="newer"
        ),
        pytest.param(lambda lines: [], BadInput, id="empty file"),
    ],
)
def test_a_spoilt_export_is_refused_and_nothing_written(opened, target, spoil, error):
    kept, fresh = opened("memory"), opened("sqlite")
    fill(kept)
    kept.backup(target)
    path = target / "records.jsonl"
    path.write_bytes(b"".join(spoil(path.read_bytes().splitlines(keepends=True))))
    with pytest.raises(error):
        restore_records(target, fresh)
    assert content(fresh) == ([], [])


def test_an_export_cut_anywhere_is_refused(opened, target):
    kept, fresh = opened("memory"), opened("sqlite")
    fill(kept, rows=1)
    kept.backup(target)
    path = target / "records.jsonl"
    whole = path.read_bytes()
    for size in itertools.chain(range(0, len(whole) - 1, 17), [len(whole) - 2]):
        path.write_bytes(whole[:size])
        with pytest.raises(BadInput):
            restore_records(target, fresh)
    assert content(fresh) == ([], [])
