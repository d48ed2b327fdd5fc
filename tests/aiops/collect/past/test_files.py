from __future__ import annotations

import gzip
from contextlib import suppress
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twinhelm.aiops.collect.history import History
from twinhelm.aiops.collect.past.files import read_file
from twinhelm.core.errors import BadInput, NotFound, Refused, Unsupported

MOMENT_MS = 1_700_000_000_000


def written(folder: Path, text: str, name: str = "load.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def rows(histories: list[History]) -> dict[str, list[tuple[int, float]]]:
    """Write each series as ``name{value,...}`` with its samples."""
    found: dict[str, list[tuple[int, float]]] = {}
    for history in histories:
        for series, time_ms, value in zip(
            history.series, history.time_ms, history.value, strict=True
        ):
            labels = dict(history.labels[series])
            name = labels.pop("__name__")
            key = name + "".join(f"{{{k}={v}}}" for k, v in labels.items())
            found.setdefault(key, []).append((int(time_ms), float(value)))
    return found


def read(path: Path) -> dict[str, list[tuple[int, float]]]:
    return rows(list(read_file(path)))


def test_a_wide_file_is_one_series_a_column(tmp_path: Path) -> None:
    path = written(tmp_path, "time,CPU usage (%),mem\n1700000000,0.5,1\n1700000001,0.6,2\n")
    assert read(path) == {
        "CPU_usage": [(MOMENT_MS, 0.5), (MOMENT_MS + 1000, 0.6)],
        "mem": [(MOMENT_MS, 1.0), (MOMENT_MS + 1000, 2.0)],
    }


def test_a_long_file_is_one_series_a_metric_and_label_set(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "ts,metric,value,host.name\n1700000000,cpu,1,a\n1700000000,cpu,2,b\n1700000000,mem,3,a\n",
    )
    assert read(path) == {
        "cpu{host_name=a}": [(MOMENT_MS, 1.0)],
        "cpu{host_name=b}": [(MOMENT_MS, 2.0)],
        "mem{host_name=a}": [(MOMENT_MS, 3.0)],
    }


def test_names_decide_in_any_case_and_an_index_without_a_name_is_left_out(tmp_path: Path) -> None:
    path = written(tmp_path, ",Timestamp,Metric,Value,up\n0,1700000000,cpu,1,5\n")
    assert read(path) == {"cpu": [(MOMENT_MS, 1.0)]}


def test_a_lone_value_is_called_after_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "timestamp,value\n2023-11-14 22:13:20,5\n", "disk-io.csv")
    assert read(path) == {"disk_io": [(MOMENT_MS, 5.0)]}


@pytest.mark.parametrize(
    "moment",
    [
        "1700000000",
        "1700000000000",
        "1700000000000000",
        "1700000000000000000",
        "1700000000.0",
        "2023-11-14T22:13:20Z",
        "2023-11-14T23:13:20+01:00",
        "2023-11-14 22:13:20",
        "2023-11-14 22:13:20 UTC",
    ],
)
def test_times_are_recognised(tmp_path: Path, moment: str) -> None:
    assert read(written(tmp_path, f"time,cpu\n{moment},1\n")) == {"cpu": [(MOMENT_MS, 1.0)]}


def test_a_calendar_number_is_not_taken_for_a_count(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="calendar date"):
        read(written(tmp_path, "time,cpu\n20231114,1\n"))


def test_missing_values_bring_no_sample(tmp_path: Path) -> None:
    path = written(tmp_path, "time,a,b\n1,,NaN\n2,null,3\n3,-,inf\n")
    assert read(path) == {"b": [(2000, 3.0), (3000, float("inf"))]}


def test_a_bad_cell_is_named_by_file_line_and_column(tmp_path: Path) -> None:
    text = "time,cpu\n" + "1700000000,1\n" * 300 + '1700000001,"many\nlines"\n'
    with pytest.raises(BadInput, match=r"load\.csv:303: column 'cpu': .*is no number"):
        read(written(tmp_path, text))


def test_a_ragged_row_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"load\.csv:3: 3 cells, the header has 2"):
        read(written(tmp_path, "time,cpu\n1700000000,1\n1700000001,1,2\n"))


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_the_separator_is_recognised(tmp_path: Path, separator: str) -> None:
    text = "time,cpu\n1700000000,1\n".replace(",", separator)
    assert read(written(tmp_path, text)) == {"cpu": [(MOMENT_MS, 1.0)]}


def test_gzip_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    path = tmp_path / "load.csv.gz"
    path.write_bytes(gzip.compress("\ufefftime,cpu\r\n1700000000,1\r\n".encode()))
    assert read(path) == {"cpu": [(MOMENT_MS, 1.0)]}


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "is empty"), ("time,cpu,cpu\n1,2,3\n", "twice"), ("time,host\n1,a\n", "no values"),
     ("1,2\n3,4\n", "holds numbers"), ("a,b\n1,2\n", "called like a time"),
     ('time,cpu\n1,"open\n', "unexpected end"), ("time,a b,a-b\n1700000000,1,2\n", "of their own")],
)  # fmt: skip
def test_what_is_no_table_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        read(written(tmp_path, text))


def test_a_header_alone_is_no_sample(tmp_path: Path) -> None:
    assert read(written(tmp_path, "time,cpu\n")) == {}


def test_another_file_is_unsupported_and_none_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(Unsupported):
        read(written(tmp_path, "x", "a.xlsx"))
    with pytest.raises(NotFound):
        read(tmp_path / "absent.csv")


@pytest.mark.parametrize(
    "body", [b"time,cpu\n1,\xff\xfe\n", b"PAR1 nonsense PAR1", b"\x1f\x8b\x08"]
)
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet"])
def test_a_file_that_is_not_what_its_name_says_is_refused(
    tmp_path: Path, body: bytes, name: str
) -> None:
    (tmp_path / name).write_bytes(body)
    with pytest.raises(BadInput, match="a\\."):
        read(tmp_path / name)


def test_progress_reaches_the_end_and_a_cursor_goes_on(tmp_path: Path) -> None:
    text = "time,cpu\n" + "".join(f"{1_700_000_000 + i},{i}\n" for i in range(500))
    path = written(tmp_path, text)
    told: list[tuple[int, int]] = []
    whole = list(read_file(path, progress=lambda done, total: told.append((done, total))))
    assert len(whole) > 1
    assert told[-1] == (len(text), len(text))
    rest = list(read_file(path, cursor=whole[0].cursor))
    assert rows([whole[0], *rest]) == rows(whole)
    assert sum(map(len, whole)) == 500


def parquet(path: Path, select: str) -> Path:
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
    return path


@pytest.mark.parametrize(
    "moment",
    [
        "1700000000::BIGINT",
        "1700000000000000123::BIGINT",
        "1700000000.0::DOUBLE",
        "TIMESTAMP '2023-11-14 22:13:20'",
        "TIMESTAMPTZ '2023-11-14 22:13:20+00'",
        "'2023-11-14T22:13:20Z'",
        "TIMESTAMP_NS '2023-11-14 22:13:20'",
    ],
)
def test_parquet_times_are_recognised(tmp_path: Path, moment: str) -> None:
    path = parquet(tmp_path / "a.parquet", f"SELECT {moment} AS ts, 0.5::FLOAT AS cpu")
    assert read(path) == {"cpu": [(MOMENT_MS, 0.5)]}


def test_parquet_columns_are_read_by_type(tmp_path: Path) -> None:
    path = parquet(
        tmp_path / "a.parquet",
        'SELECT 1700000000 AS ts, \'a\' AS host, 1.5::DECIMAL(9,2) AS "q""d", NULL::INT AS none, '
        "[1] AS nested, true AS up",
    )
    assert read(path) == {"q_d{host=a}": [(MOMENT_MS, 1.5)], "up{host=a}": [(MOMENT_MS, 1.0)]}


def test_many_parquet_rows_come_in_chunks(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.pq", "SELECT 1700000000 + i AS ts, i AS v FROM range(120000) t(i)")
    told: list[tuple[int, int]] = []
    found = list(read_file(path, progress=lambda done, total: told.append((done, total))))
    assert [len(history) for history in found] == [50_000, 50_000, 20_000]
    assert told[-1] == (120_000, 120_000)
    assert np.concatenate([history.value for history in found]).tolist() == list(range(120_000))


@settings(max_examples=80, suppress_health_check=list(HealthCheck))
@given(
    name=st.sampled_from(["a.csv", "b.csv.gz", "c.parquet"]),
    head=st.sampled_from([b"", b"time,cpu\n", b"time,metric,value\n1,a,2\n", b"PAR1"]),
    junk=st.binary(max_size=200)
    | st.text('0123456789.,-:;"\n\tTZeEnaif', max_size=60).map(str.encode),
)
def test_rubbish_is_refused_or_read(
    tmp_path_factory: pytest.TempPathFactory, name: str, head: bytes, junk: bytes
) -> None:
    path = tmp_path_factory.mktemp("rubbish") / name
    path.write_bytes(head + junk)
    with suppress(Refused):
        list(read_file(path))
