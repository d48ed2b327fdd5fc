"""Data is named by its content, wherever it lies, and comes as plain columns."""

from __future__ import annotations

import gzip
import hashlib
import sqlite3

import fsspec
import numpy as np
import pytest

from twinhelm.core.errors import BadInput, NotFound, TooLarge, Unavailable, Unsupported
from twinhelm.mlops.build.data import Limits, digest_of, read, save

CSV = 'age,ill,name,seen\n41,true,"a, b",2026-01-02 03:04:05\n,false,,2026-01-03 00:00:00\n'


def put(folder, name="train.csv", text=CSV):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_csv_file_comes_as_columns_under_the_digest_of_its_bytes(tmp_path):
    path = put(tmp_path)
    table, digest = read("train.csv", tmp_path)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert list(table) == ["age", "ill", "name", "seen"]
    np.testing.assert_array_equal(table["age"], [41.0, np.nan])
    assert table["ill"].tolist() == [True, False]
    assert table["name"].tolist() == ["a, b", None]
    assert table["seen"].tolist() == ["2026-01-02 03:04:05", "2026-01-03 00:00:00"]
    assert [column.dtype.kind for column in table.values()] == ["f", "b", "O", "O"]


def test_whole_numbers_stay_whole_and_many_digits_are_kept(tmp_path):
    put(tmp_path, text=f"id,big,x\n{2**62},{2**70},0.1\n2,3,1e300\n")
    table, _ = read("train.csv", tmp_path)
    assert table["id"].tolist() == [2**62, 2]
    assert table["big"].tolist() == [float(2**70), 3.0]
    assert table["x"].tolist() == [0.1, 1e300]


def test_a_type_that_shows_late_is_seen(tmp_path):
    put(tmp_path, text="x\n" + "1\n" * 30_000 + "other\n")
    table, _ = read("train.csv", tmp_path)
    assert table["x"].tolist()[-2:] == ["1", "other"]


def test_packed_and_absolute_files_are_read(tmp_path):
    path = put(tmp_path, "t.csv.gz", gzip.compress(b"x\n1\n2\n"))
    assert read(str(path), tmp_path / "elsewhere")[0]["x"].tolist() == [1, 2]


def test_what_a_contract_calls_words_stays_words(tmp_path):
    """DuckDB takes yes and no, and t and f, for booleans."""
    rows = "yes,t,true,True,0,yes,1\nno,f,FALSE,,1,no,2\n"
    put(tmp_path, text=f'left,"o\'k",sure,told,n,free,id\n{rows}')
    texts = ("left", "o'k", "sure", "told", "n", "gone")
    table, _ = read("train.csv", tmp_path, texts=texts, limits=Limits(rows=2))
    assert table["left"].tolist() == ["yes", "no"]
    assert table["o'k"].tolist() == ["t", "f"]
    assert table["sure"].tolist() == [True, False]
    assert table["told"].tolist() == ["true", None]
    assert table["n"].tolist() == [0, 1]
    assert table["free"].tolist() == [True, False]
    assert table["id"].dtype == np.int64


def test_parquet_keeps_its_types(tmp_path):
    table = {
        "n": np.array([1.5, np.nan]),
        "i": np.array([1, 2]),
        "b": np.array([True, False]),
        "t": np.array(["x", None], object),
    }
    save(table, tmp_path / "t.parquet")
    back, _ = read("t.parquet", tmp_path)
    for name, column in table.items():
        np.testing.assert_array_equal(back[name], column)
        assert back[name].dtype.kind == column.dtype.kind


def test_a_glob_is_all_its_files_by_name(tmp_path):
    put(tmp_path, "d/b.csv", "x\n2\n")
    put(tmp_path, "d/a.csv", "x\n1\n")
    table, digest = read("d/*.csv", tmp_path)
    assert table["x"].tolist() == [1, 2]
    put(tmp_path, "d/c.csv", "x\n3\n")
    assert read("d/*.csv", tmp_path)[1] != digest


def test_the_same_content_elsewhere_is_the_same_version(tmp_path):
    put(tmp_path, "a/t.csv")
    put(tmp_path, "b/t.csv")
    assert read("t.csv", tmp_path / "a")[1] == read("t.csv", tmp_path / "b")[1]
    put(tmp_path, "b/t.csv", CSV.replace("41", "42"))
    assert read("t.csv", tmp_path / "a")[1] != read("t.csv", tmp_path / "b")[1]


def test_a_query_reads_files_of_the_folder(tmp_path):
    put(tmp_path, text="x,y\n1,a\n2,b\n3,c\n")
    table, digest = read("sql:SELECT x, y FROM 'train.csv' WHERE x > 1 -- the rest;", tmp_path)
    assert (table["x"].tolist(), table["y"].tolist()) == ([2, 3], ["b", "c"])
    put(tmp_path, "b.csv", "x,y\n3,c\n2,b\n")
    again = read("sql:SELECT * FROM 'b.csv' ORDER BY x", tmp_path)
    assert again[1] == digest
    assert read("sql:SELECT * FROM 'b.csv'", tmp_path)[1] != digest


def test_a_database_is_asked_and_never_changed(tmp_path):
    with sqlite3.connect(tmp_path / "d.sqlite") as database:
        database.execute("CREATE TABLE t (i INTEGER, f REAL, s TEXT)")
        database.execute("INSERT INTO t VALUES (1, 0.5, 'x'), (2, NULL, NULL)")
    database.close()
    table, digest = read("sql:sqlite:///d.sqlite SELECT * FROM t ORDER BY i", tmp_path)
    assert (table["i"].dtype.kind, table["i"].tolist()) == ("i", [1, 2])
    np.testing.assert_array_equal(table["f"], [0.5, np.nan])
    assert table["s"].tolist() == ["x", None]
    assert len(digest) == 64
    with pytest.raises(Unavailable, match="readonly"):
        read("sql:sqlite:///d.sqlite INSERT INTO t VALUES (3, 1, 'y') RETURNING i", tmp_path)
    with pytest.raises(Unavailable, match="no such table"):
        read("sql:sqlite:///d.sqlite SELECT * FROM u", tmp_path)
    with pytest.raises(NotFound):
        read("sql:sqlite:///e.sqlite SELECT 1", tmp_path)
    assert not (tmp_path / "e.sqlite").exists()


def test_an_address_may_come_from_the_environment(tmp_path, monkeypatch):
    sqlite3.connect(tmp_path / "d.sqlite").close()
    (tmp_path / "d.sqlite").touch()
    monkeypatch.setenv("SALES", "sqlite:///d.sqlite")
    assert read("sql:$SALES SELECT 1 AS x", tmp_path)[0]["x"].tolist() == [1]
    with pytest.raises(Unsupported, match="no database") as raised:
        read("sql:nothing://ada:secret@host/d SELECT 1", tmp_path)
    assert "secret" not in str(raised.value)


def test_an_object_store_is_read_like_a_folder(tmp_path):
    store = fsspec.filesystem("memory")
    for name, text in (("b", b"x\n2\n"), ("a", b"x\n1\n")):
        store.pipe(f"/bucket/{name}.csv", text)
    table, digest = read("memory://bucket/*.csv", tmp_path)
    assert table["x"].tolist() == [1, 2]
    put(tmp_path, "a.csv", "x\n1\n")
    put(tmp_path, "b.csv", "x\n2\n")
    assert read("*.csv", tmp_path)[1] == digest
    with pytest.raises(NotFound):
        read("memory://bucket/c.csv", tmp_path)
    with pytest.raises(NotFound):
        read("memory://bucket/c*.csv", tmp_path)
    with pytest.raises(Unsupported):
        read("nosuchstore://bucket/c.csv", tmp_path)


@pytest.mark.parametrize(
    ("source", "error"),
    [("", NotFound), ("none.csv", NotFound), ("none*.csv", NotFound), ("t.xls", Unsupported),
     ("broken.parquet", BadInput), ("sql:SELEC 1", BadInput),
     ("sql:DROP TABLE x", BadInput), ("sql:", BadInput)],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(tmp_path, source, error):
    put(tmp_path, "t.xls")
    put(tmp_path, "broken.parquet", "PAR1")
    with pytest.raises(error):
        read(source, tmp_path)


def test_limits_hold(tmp_path):
    put(tmp_path, text="x\n1\n2\n3\n")
    assert len(read("train.csv", tmp_path, limits=Limits(rows=3))[0]["x"]) == 3
    with pytest.raises(TooLarge, match="2 rows"):
        read("train.csv", tmp_path, limits=Limits(rows=2))
    with pytest.raises(TooLarge, match="8 bytes"):
        read("train.csv", tmp_path, limits=Limits(size_bytes=7))


def test_a_query_digests_what_duckdb_can_hold(tmp_path):
    query = (
        "sql:SELECT [1, 2] AS l, 1.5::DECIMAL(9, 2) AS d, NULL::BOOLEAN AS b, 'nan'::DOUBLE AS n"
    )
    table, digest = read(query, tmp_path)
    assert (table["l"][0], table["d"][0], table["b"][0]) == ("[1, 2]", 1.5, None)
    assert read(query, tmp_path)[1] == digest


@pytest.mark.parametrize(
    ("first", "then", "says"),
    [("\r\n", "\n", "ends in LF, those before it in CRLF"),
     ("\n", "\r\n", "ends in CRLF, those before it in LF"),
     ("\r", "\n", "ends in LF, those before it in CR")],
)  # fmt: skip
@pytest.mark.parametrize("name", ["train.csv", "train.csv.gz"])
def test_mixed_line_ends_are_told_in_one_short_sentence(tmp_path, name, first, then, says):
    rows = [f"{n},{n}" for n in range(40)]
    text = first.join(["x,y", *rows]) + first + then.join(rows) + then
    pack = gzip.compress if name.endswith(".gz") else bytes
    put(tmp_path, name, pack(text.encode()))
    with pytest.raises(BadInput) as refused:
        read(name, tmp_path)
    assert refused.value.message == f"{name}: the line ends of {name} are mixed: line 42 {says}"
    assert "dos2unix" in refused.value.hint


def test_what_is_no_csv_is_told_without_the_reader_s_own_options(tmp_path):
    put(tmp_path, text=bytes(range(256)) * 20)
    with pytest.raises(BadInput, match=r"train\.csv") as refused:
        read("train.csv", tmp_path)
    assert "search space" not in refused.value.message
    assert len(refused.value.message) < 350


def test_a_digest_is_that_of_reading_without_reading(tmp_path):
    for name in ("train.csv", "d/b.csv", "d/a.csv"):
        put(tmp_path, name, "x\n1\n")
    for source in ("train.csv", "d/*.csv", "sql:SELECT x FROM 'train.csv'"):
        assert digest_of(source, tmp_path) == read(source, tmp_path)[1]
