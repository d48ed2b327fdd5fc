"""What does not fit the contract is told with a count and an example."""

from __future__ import annotations

import numpy as np
import pytest

from twinhelm.mlops.build.contract import check
from twinhelm.mlops.types.spec import Column


def column(name="x", kind="number", **more):
    return Column(name=name, type=kind, **more)


def texts(*values):
    made = np.empty(len(values), object)
    made[:] = values
    return made


FINE = [
    (np.array([1.0, 2.5]), column()),
    (np.array([1, 2]), column()),
    (np.array([1.0, np.nan]), column(kind="integer", missing=0.5)),
    (np.array([True, False]), column(kind="boolean")),
    (np.array([0, 1]), column(kind="boolean")),
    (texts("true", "False"), column(kind="boolean")),
    (np.array([0, 1]), column(kind="category", values=("0", "1"))),
    (np.array([0.0, 1.0]), column(kind="category", values=("0", "1"))),
    (texts("a", "b"), column(kind="category")),
    (texts("a", None), column(kind="text", missing=1)),
    (texts("2026-01-02", "2026-01-02T03:04:05Z"), column(kind="time")),
    (np.array([1_700_000_000, 1]), column(kind="time")),
    (np.array([1, 2]), column(kind="integer", role="id")),
]


@pytest.mark.parametrize("number", range(len(FINE)))
def test_what_fits_is_left_in_peace(number):
    values, contract = FINE[number]
    assert check({"x": values}, [contract]) == []


@pytest.mark.parametrize(
    ("values", "contract", "says"),
    [
        (texts("a", "1"), column(), "x: 2 of 2 are no number, such as 'a' in row 1"),
        (np.array([1, np.inf]), column(), "x: 1 of 2 are no number, such as inf"),
        (np.array([1, 1.5]), column(kind="integer"), "x: 1 of 2 are no integer"),
        (np.array([0, 2]), column(kind="boolean"), "x: 1 of 2 are no boolean, such as 2"),
        (texts("2026-13-01", "2026-01-01"), column(kind="time"), "x: 1 of 2 are no time"),
        (np.array([1, 5, -1]), column(min=0), "x: 1 of 3 are below 0, such as"),
        (np.array([1, 5, -1]), column(max=4), "in row 2"),
        (texts("a", "c"), column(kind="category", values=("a", "b")), "are none of a, b"),
        (np.array([np.nan, 1]), column(), "1 of 2 are missing (50.0%), at most 0.0%"),
        (texts("a", "b", "a"), column(kind="text", role="id"), "2 of 3 are there more than once"),
    ],
)
def test_what_does_not_fit_is_told(values, contract, says):
    (said,) = check({"x": values}, [contract])
    assert says in said


def test_columns_missing_and_unexpected_are_told():
    said = check({"y": np.array([1.0])}, [column()])
    assert said == ["missing columns: x; there are y", "columns that the contract does not know: y"]


def test_without_declared_features_more_columns_are_no_breach():
    target = column("y", "number", role="target")
    assert check({"y": np.array([1.0]), "x": np.array([1.0])}, [target]) == []


def test_no_rows_and_no_columns_are_told():
    assert check({"x": np.empty(0)}, [column()]) == ["there are no rows"]
    assert check({}, [column()]) == ["there are no rows"]
    assert check({"x": np.array([1.0])}, []) == []


def test_many_unknown_columns_are_cut_short():
    table = {f"c{n}": np.array([1.0]) for n in range(100)} | {"x": np.array([1.0])}
    (said,) = check(table, [column()])
    assert said.endswith("and 80 more")
