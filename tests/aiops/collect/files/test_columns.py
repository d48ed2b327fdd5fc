from __future__ import annotations

import pytest

from twinhelm.aiops.collect.past.columns import ColumnChoice, ColumnMap, guess_columns
from twinhelm.core.errors import BadInput


def guess(header: str, numeric: str, **choice: object) -> ColumnMap:
    return guess_columns(
        header.split(","), set(numeric.split(",")), ColumnChoice(**choice), name="file"  # type: ignore[arg-type]
    )  # fmt: skip


def test_many_columns_of_numbers_are_wide() -> None:
    found = guess("time,cpu,mem,host", "time,cpu,mem")
    assert (found.values, found.labels, found.name) == (("cpu", "mem"), ("host",), "")


def test_a_metric_and_a_value_are_long() -> None:
    found = guess("Timestamp,Metric,Value,host", "Timestamp,Value")
    assert (found.time, found.metric, found.values) == ("Timestamp", "Metric", ("Value",))
    assert found.labels == ("host",)


def test_a_lone_value_is_called_after_the_file() -> None:
    found = guess("timestamp,value,is_anomaly", "timestamp,value,is_anomaly")
    assert (found.values, found.name, found.ignored) == (("value",), "file", ("is_anomaly",))


def test_what_is_said_wins_over_what_is_guessed() -> None:
    found = guess("a,b,c,d", "a,b,c", time="b", values=("c",), labels=("a",))
    assert found == ColumnMap("b", ("c",), "", ("a",), "", ("d",))
    found = guess("t,k,v", "t,v", time="t", metric="k", values=("v",))
    assert (found.metric, found.values, found.name) == ("k", ("v",), "")
    assert guess("time,value", "time,value", name="load").name == "load"


def test_an_index_column_without_a_name_is_left_out() -> None:
    assert guess(",time,cpu", ",time,cpu").values == ("cpu",)


@pytest.mark.parametrize(
    ("header", "choice", "said"),
    [
        ("a,b", {}, "called like a time"),
        ("time,host", {}, "hold no values"),
        ("time,cpu,cpu", {}, "twice"),
        ("time,cpu", {"time": "when"}, "no column 'when'"),
        ("time,cpu", {"labels": ("x",)}, "no column 'x'"),
        ("time,m,cpu,mem", {"metric": "m"}, "hold no values"),
    ],
)
def test_a_table_that_cannot_be_mapped_is_refused(
    header: str, choice: dict[str, object], said: str
) -> None:
    with pytest.raises(BadInput, match=said):
        guess(header, "time,cpu,mem", **choice)
