from itertools import count

import numpy as np
import pytest

from mlops.validate.scorers import Model, Numbers, people, spec
from twinhelm.core import json
from twinhelm.core.errors import Unavailable
from twinhelm.mlops.types import Scored, Verdict
from twinhelm.mlops.validate import Known, examine

SEXES = [
    {"name": "women", "column": "sex", "values": ["f"], "protected": True},
    {"name": "men", "column": "sex", "values": ["m"], "protected": True},
]


def examined(model, file, table=None, *, heard=None, **known):
    ticks = count()
    return examine(
        model,
        people() if table is None else table,
        file,
        Known("2", **{"digests": {"holdout": "h", "train": "t"}, **known}),
        rng=np.random.default_rng(0),
        timer=lambda: next(ticks) / 1000,
        progress=lambda *told: (heard if heard is not None else []).append(told),
    )


def check_of(found, name):
    (one,) = [each for each in found.checks if each.name == name]
    return one


def verdicts(found):
    return {each.name: str(each.verdict) for each in found.checks}


def test_a_good_model_passes_everything_that_is_looked_at():
    gates = [{"metric": "roc_auc", "at_least": 0.85}, {"metric": "brier", "at_most": 0.2}]
    found = examined(Model(), spec(*gates), train=people(seed=2), facts={"size_bytes": 2e6})
    assert set(verdicts(found).values()) == {"pass"}
    auc = check_of(found, "roc_auc")
    assert auc.wanted == "at least 0.85"
    assert "600 rows" in auc.says
    assert check_of(found, "size_mb").value == 2.0
    # The tick of a call is one of the timer's.
    assert check_of(found, "latency_p99_ms").value == pytest.approx(1.0)
    assert {"confusion", "calibration", "scores"} == set(found.curves)
    assert json.dumps(found.curves)
    assert {each.of for each in found.measured} == {"2"}


def test_a_gate_that_is_not_reached_fails_with_the_numbers():
    found = examined(Model(), spec({"metric": "accuracy", "at_least": 0.99}))
    one = check_of(found, "accuracy")
    assert one.verdict is Verdict.FAIL
    assert one.says.startswith(f"accuracy is {one.value:.4g} (")


def test_slices_are_measured_and_small_ones_are_unknown():
    slices = [*SEXES, {"name": "far", "column": "x", "at_least": 2.5}]
    gates = [
        {"metric": "recall", "at_least": 0.5, "slice": "women"},
        {"metric": "recall", "at_least": 0.5, "slice": "far"},
        {"metric": "recall", "at_least": 0.5, "slice": "children"},
    ]
    found = examined(Model(), spec(*gates, slices=slices))
    assert check_of(found, "recall in women").verdict is Verdict.PASS
    assert check_of(found, "recall in far").verdict is Verdict.UNKNOWN
    assert "not declared" in check_of(found, "recall in children").says
    assert {each.slice for each in found.measured} == {"", "women", "men"}


@pytest.mark.parametrize(("file", "said"), [
    ({"name": "a", "column": "age", "below": 18}, "no column age"),
    ({"name": "a", "column": "sex", "below": 18}, "could not convert"),
])  # fmt: skip
def test_a_slice_that_makes_no_sense_is_unknown(file, said):
    found = examined(Model(), spec({"metric": "f1", "at_least": 0, "slice": "a"}, slices=[file]))
    assert said in check_of(found, "f1 in a").says


def test_a_model_that_treats_groups_unequally_fails_fairness():
    def unfair(model, table):
        said = np.where((table["x"] + table["z"] > 0) & (table["sex"] == "m"), "yes", "no")
        return Scored(said.astype(object))

    gates = [
        {"metric": "parity_gap", "at_most": 0.2},
        {"metric": "opportunity_gap", "at_most": 0.2},
    ]
    file = spec(*gates, slices=SEXES)
    assert set(verdicts(examined(Model(inputs=("x", "z", "sex")), file)).values()) >= {"pass"}
    found = examined(Model(fault=unfair, inputs=("x", "z", "sex")), file)
    assert verdicts(found)["parity_gap"] == verdicts(found)["opportunity_gap"] == "fail"
    assert check_of(found, "parity_gap").value == pytest.approx(0.5, abs=0.07)
    # One slice alone is held against the rest, which are the same two groups here.
    alone = examined(Model(fault=unfair, inputs=("x", "z", "sex")), spec(*gates, slices=SEXES[:1]))
    assert check_of(alone, "parity_gap").value == check_of(found, "parity_gap").value


def test_a_group_too_small_to_judge_leaves_the_gap_unknown_whatever_other_columns_say():
    few = {"name": "rare", "column": "count", "values": ["7"], "protected": True}
    for slices in ([*SEXES, few], [few, *SEXES]):
        found = examined(Model(), spec({"metric": "parity_gap", "at_most": 1}, slices=slices))
        assert verdicts(found)["parity_gap"] == "unknown"


def test_a_challenger_must_not_be_worse_than_the_champion():
    gate = {"metric": "roc_auc", "than": "champion", "by": 0.02}
    worse, same = Model((1.0, 0.3)), Model()
    first = examined(worse, spec(gate))
    assert "no champion yet" in check_of(first, "roc_auc against champion").says
    assert check_of(first, "roc_auc against champion").verdict is Verdict.PASS
    found = examined(worse, spec(gate), champion=Model(), against="1")
    assert check_of(found, "roc_auc against champion").verdict is Verdict.FAIL
    row = next(each for each in found.curves["against"] if each["metric"] == "roc_auc")
    assert row["verdict"] == "worse"
    assert row["difference"] < row["high"] < 0
    assert found.curves["mcnemar"]["p"] < 0.05
    assert {each.of for each in found.measured} == {"1", "2"}
    equal = examined(same, spec(gate), champion=Model(), against="1")
    assert check_of(equal, "roc_auc against champion").verdict is Verdict.PASS
    assert {each["verdict"] for each in equal.curves["against"]} == {"no clear difference"}


def test_a_champion_that_does_not_answer_leaves_the_comparison_unknown():
    gate = {"metric": "roc_auc", "than": "champion"}
    lost = examined(Model(), spec(gate), against="1")
    assert "could not be opened" in check_of(lost, "roc_auc against champion").says

    def dies(_model, _table):
        raise Unavailable("the worker died")

    dead = examined(Model(), spec(gate), champion=Model(fault=dies), against="1")
    one = check_of(dead, "roc_auc against champion")
    assert one.verdict is Verdict.UNKNOWN
    assert "the worker died" in one.says


def dies(_model, _table):
    raise Unavailable("the worker died of signal 9")


@pytest.mark.parametrize(("fault", "said"), [
    (dies, "signal 9"),
    (lambda _, table: Scored(np.full(len(table["x"]), np.nan)), "NaN or nothing to 600 of 600"),
    (lambda _, table: Scored(np.array(["yes", None], object)[np.arange(len(table["x"])) % 2]),
     "nothing to 300 of 600"),
    (lambda _, table: Scored(table["x"][1:]), r"600 rows and answered with shape \(599,\)"),
    (lambda _, table: Scored(np.full(len(table["x"]), "yes", object), np.ones((600, 3)), ("a",)),
     "do not fit"),
])  # fmt: skip
def test_a_model_that_does_not_answer_fails_with_the_reason(fault, said):
    found = examined(Model(fault=fault), spec({"metric": "accuracy", "at_least": 0.5}))
    assert verdicts(found) == {"answers": "fail", "accuracy": "unknown"}
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(found.checks[0].says)


def test_hold_out_data_without_what_the_model_takes_fails():
    found = examined(Model(inputs=("x", "z", "age")), spec())
    assert "lacks age" in found.checks[0].says


def test_without_a_target_nothing_is_known():
    found = examined(Model(), spec(), {"x": np.ones(50), "z": np.ones(50)})
    assert verdicts(found) == {"labels": "unknown"}
    assert "target" in found.checks[0].says


def test_no_rows_fail():
    empty = {name: values[:0] for name, values in people().items()}
    assert "there are no rows" in examined(Model(), spec(), empty).checks[0].says


def test_gates_on_what_is_not_there_say_what_is_missing():
    def classes_only(model, table):
        return Scored(np.where(model.odds(table) > 0, "yes", "no").astype(object))

    gates = [
        {"metric": name, "at_least": 0} for name in ("roc_auc", "mae", "parity_gap", "size_mb")
    ]
    found = examined(Model(fault=classes_only), spec(*gates, {"metric": "karma", "at_least": 0}))
    assert "predict_proba" in check_of(found, "roc_auc").says
    assert "another task" in check_of(found, "mae").says
    assert "protected slices" in check_of(found, "parity_gap").says
    assert "not known" in check_of(found, "size_mb").says
    assert "no metric karma" in check_of(found, "karma").says
    assert {str(each.verdict) for each in found.checks if each.wanted} == {"unknown"}


def test_the_same_data_for_both_is_told():
    found = examined(Model(), spec(), digests={"holdout": "same", "train": "same"})
    assert check_of(found, "hold-out").verdict is Verdict.FAIL
    unknown = examined(Model(), spec(), digests={"holdout": "same"})
    assert check_of(unknown, "hold-out").verdict is Verdict.UNKNOWN
    assert check_of(unknown, "duplicates").verdict is Verdict.UNKNOWN


def test_a_regression_is_measured_as_one():
    gates = [{"metric": "r2", "at_least": 0.5}, {"metric": "pinball_90", "at_most": 5}]
    found = examined(Numbers((2.0, 2.0)), spec(*gates, task="regression"))
    assert set(verdicts(found).values()) == {"pass", "unknown"}
    assert check_of(found, "r2").value == pytest.approx(8 / 9, abs=0.03)
    assert set(found.curves) == {"errors"}
    shift = check_of(found, "shift_drop")
    assert "shifted by one deviation" in shift.says
    assert shift.value > 0.3


def test_cross_validation_is_shown_as_the_recipe_logged_it():
    found = examined(Model(), spec(), facts={"cv_accuracy": 0.8125, "loss": 3.0})
    assert check_of(found, "cross-validation").says == "the recipe measured cv_accuracy 0.8125"


def test_progress_goes_up_to_the_end():
    heard = []
    examined(Model(), spec(), heard=heard)
    done = [each[0] for each in heard]
    assert done == sorted(done)
    assert done[-1] >= 95


def test_the_same_randomness_finds_the_same():
    file = spec({"metric": "f1", "at_least": 0.5})
    assert examined(Model(), file) == examined(Model(), file)
