import numpy as np
import pytest

from mlops.validate.scorers import people, spec
from twinhelm.mlops.types import Verdict
from twinhelm.mlops.validate.data import duplicates, labels, leakage
from twinhelm.stats.answers import answers

NAMES = ["x", "z", "sex", "bought"]


def test_rows_that_were_trained_on_are_counted():
    train, table = people(1000, seed=2), people(600)
    for name in table:
        table[name][:60] = train[name][40:100]
    got = duplicates(table, train, NAMES)
    assert got.value == 0.1
    assert got.verdict is Verdict.FAIL
    assert got.says.startswith("60 of 600")
    assert duplicates(people(), train, NAMES).value == 0.0


def test_what_repeats_by_nature_is_no_leak():
    train = {"sex": np.array(["f", "m"] * 50, object)}
    got = duplicates({"sex": np.array(["m", "f", None], object)}, train, ["sex"])
    assert got.value == pytest.approx(2 / 3)
    assert got.verdict is Verdict.PASS


def test_equal_numbers_are_equal_whatever_their_type():
    train = {"a": np.array([0, 1, 2]), "b": np.array([np.nan, 1.0, 2.0])}
    table = {"a": np.array([-0.0, 1.5]), "b": np.array([-np.nan, 1.0])}
    assert duplicates(table, train, ["a", "b"]).value == 0.5


def test_swapped_columns_are_other_rows():
    table, train = (
        {"a": np.array([1]), "b": np.array([2])},
        {"a": np.array([2]), "b": np.array([1])},
    )
    assert duplicates(table, train, ["a", "b"]).value == 0.0


def test_without_rows_duplicates_are_unknown():
    table = people(5)
    assert duplicates(table, {"x": np.empty(0)}, ["x"]).verdict is Verdict.UNKNOWN
    assert duplicates(table, {}, ["x"]).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("leak", [
    lambda t: (t["bought"] == "yes") * 2.0 + np.random.default_rng(0).random(600),
    lambda t: -(t["bought"] == "yes").astype(float) - np.arange(600) * 1e-6,
    lambda t: t["bought"].copy(),
    lambda t: np.where(t["bought"] == "yes", 3, 7),
])  # fmt: skip
def test_a_feature_that_tells_the_target_is_found(leak):
    table = people()
    got = leakage({**table, "after": leak(table)}, ["x", "after"], spec())
    assert got.verdict is Verdict.FAIL
    assert "after alone" in got.says
    assert leakage(table, ["x", "z"], spec()).verdict is Verdict.PASS


def test_a_feature_that_is_the_target_of_a_regression_is_found():
    table = people()
    table["copy"] = -3 * table["worth"] + 1
    file = spec(task="regression")
    assert leakage(table, ["x", "copy"], file).value == pytest.approx(1.0)
    assert leakage(table, ["x", "z"], file).value < 0.9


def test_the_target_among_the_inputs_is_found():
    got = leakage(people(), ["x", "bought"], spec())
    assert (got.value, got.verdict) == (1.0, Verdict.FAIL)


def test_names_of_their_own_are_no_leak():
    """A column in which every row differs would tell any target by heart."""
    table = {**people(), "id": np.array([f"i{i}" for i in range(600)], object)}
    assert leakage(table, ["id"], spec()).verdict is Verdict.UNKNOWN
    constant = {**people(), "same": np.ones(600)}
    assert leakage(constant, ["same"], spec()).verdict is Verdict.UNKNOWN


def told(truth, **more):
    return answers(truth, np.resize(["a", "b"], len(truth)), task="classification", **more)


@pytest.mark.parametrize(("truth", "verdict", "said"), [
    (["a", "b"] * 10, "pass", "a: 10, b: 10"),
    (["a"] * 20, "fail", "one class alone"),
    (["a", "b", "c"] * 10, "fail", "never learnt c"),
    (["a"] * 20 + ["b"] * 3, "unknown", "too few rows of b"),
    ([None] * 3, "fail", "3 of 3 rows have no truth"),
    ([None, "a", "b"] * 10, "pass", "10 of 30 rows have no truth"),
])  # fmt: skip
def test_truths_are_looked_at(truth, verdict, said):
    got = labels(told(np.array(truth, object)), ("a", "b"))
    assert got.verdict == verdict
    assert said in got.says


def test_a_class_is_known_by_its_name_however_written():
    got = labels(told(np.array([0, 1] * 10)), ("0.0", "1.0", "a", "b"))
    assert got.verdict is Verdict.PASS


def test_truths_of_a_regression_must_vary():
    assert labels(answers([1.0, 2.0], [1, 1], task="regression"), ()).verdict is Verdict.PASS
    assert labels(answers([2.0, 2.0], [1, 1], task="regression"), ()).verdict is Verdict.FAIL
