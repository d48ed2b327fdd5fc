import pytest

from twinhelm.mlops.types import Measured, Validation
from twinhelm.mlops.validate import compare_rows

PAIR = {"metric": "f1", "slice": "", "difference": 0.1, "low": 0.02, "high": 0.2, "p": 0.01,
        "verdict": "better"}  # fmt: skip


def validation(version, *measured, against="", data="h", curves=None):
    found = tuple(Measured(m, v, v - 0.01, v + 0.01, 100, "", version) for m, v in measured)
    other = (Measured("f1", 0.1, 0.0, 0.2, 100, "", against),) if against else ()
    digests = {"holdout": data} if data else {}
    return Validation("p", version, 1, (), found + other, against, digests, curves or {})


@pytest.mark.parametrize(("metric", "b", "verdict"), [
    ("f1", 0.9, "better"), ("f1", 0.805, "no clear difference"), ("brier", 0.9, "worse"),
    ("bias", -0.9, "worse"), ("parity_gap", 0.7, "better"),
    ("selection_rate", 0.9, "no clear difference"),
])  # fmt: skip
def test_intervals_on_the_same_data_are_compared(metric, b, verdict):
    (row,) = compare_rows(validation("1", (metric, 0.8)), validation("2", (metric, b)))
    assert row["difference"] == pytest.approx(b - 0.8)
    assert row["low"] < row["difference"] < row["high"]
    assert row["verdict"] == verdict


def test_the_paired_difference_is_taken_where_there_is_one():
    one = validation("1", ("f1", 0.8))
    two = validation("2", ("f1", 0.9), against="1", curves={"against": [PAIR]})
    (row,) = compare_rows(one, two)
    assert (row["difference"], row["low"], row["high"], row["verdict"]) == (
        0.1,
        0.02,
        0.2,
        "better",
    )
    assert "p 0.01" in row["says"]
    (turned,) = compare_rows(two, one)
    assert (turned["difference"], turned["low"], turned["high"]) == (-0.1, -0.2, -0.02)
    assert turned["verdict"] == "worse"
    # Against a third it says nothing.
    (other,) = compare_rows(validation("3", ("f1", 0.8)), two)
    assert "independent" in other["says"]


@pytest.mark.parametrize("data", ["other", ""])
def test_other_data_is_not_compared(data):
    (row,) = compare_rows(validation("1", ("f1", 0.8), data=data), validation("2", ("f1", 0.9)))
    assert (row["a"], row["b"], row["difference"]) == (0.8, 0.9, None)
    assert row["verdict"] == "not comparable"


def test_what_one_does_not_have_is_unknown():
    rows = compare_rows(validation("1", ("f1", 0.8)), validation("2", ("recall", 0.9)))
    assert [(row["metric"], row["a"], row["b"], row["verdict"]) for row in rows] == [
        ("f1", 0.8, None, "unknown"),
        ("recall", None, 0.9, "unknown"),
    ]
    assert compare_rows(validation("1"), validation("2")) == []
