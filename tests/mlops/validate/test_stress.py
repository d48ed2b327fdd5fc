import numpy as np
import pytest

from mlops.validate.scorers import Model, people, spec
from twinhelm.core.errors import Unavailable
from twinhelm.mlops.types import Scored, Verdict
from twinhelm.mlops.validate.ask import answered, ask
from twinhelm.mlops.validate.stress import Stress, latencies


def stressed(model, file=None, table=None, metric="accuracy", features=("x", "z")):
    file, table = file or spec(), table or people(2000)
    told = answered(ask(model, table, list(features)), table[file.data.target], file)
    stress = Stress(model, table, list(features), file, told, metric, np.random.default_rng(0))
    return stress.drops(lambda _done, _of: None)


def tolerant(model, table):
    odds = np.nansum([w * table[n] for w, n in zip(model.weights, ("x", "z"), strict=True)], axis=0)
    return Scored(np.where(odds > 0, "yes", "no").astype(object))


def test_a_model_that_bears_missing_values_loses_a_little():
    found = stressed(Model(fault=tolerant))["missing_drop"]
    assert found.verdict is Verdict.PASS
    assert 0 < found.value < 0.1
    assert "one value in ten missing" in found.says


def test_a_model_may_refuse_what_the_contract_does_not_allow():
    found = stressed(Model())["missing_drop"]
    assert (found.value, found.verdict) == (0.0, Verdict.PASS)
    assert "no missing values are allowed" in found.says
    assert "takes no NaN" in found.says


def test_a_model_must_not_refuse_what_the_contract_allows():
    columns = [
        {"name": "x", "type": "number", "missing": 0.2},
        {"name": "z", "type": "number"},
        {"name": "bought", "type": "category", "role": "target"},
    ]
    found = stressed(Model(), spec(columns=columns))["missing_drop"]
    assert found.verdict is Verdict.FAIL
    assert "one value in ten of x missing" in found.says


def test_noise_costs_less_than_a_shift_and_the_worst_shift_is_told():
    found = stressed(Model((1.0, 3.0)), metric="roc_auc")
    assert abs(found["noise_drop"].value) < 0.01
    found = stressed(Model((1.0, 3.0)))
    assert found["shift_drop"].value > 0.05
    assert "z shifted" in found["shift_drop"].says


def test_values_stay_within_the_contract_and_whole_numbers_whole():
    seen = []

    def watching(_model, table):
        seen.append(table["count"])
        return Scored(np.full(len(table["count"]), "yes", object))

    columns = [
        {"name": "count", "type": "integer", "min": 0, "max": 49},
        {"name": "bought", "type": "category", "role": "target"},
    ]
    stressed(Model(fault=watching), spec(columns=columns), features=["count"])
    assert all(np.nanmin(each) >= 0 and np.nanmax(each) <= 49 for each in seen)
    assert [each.dtype.kind for each in seen] == ["i", "f", "i", "i"]


def test_a_model_without_numbers_has_nothing_to_shift():
    def by_sex(_model, table):
        return Scored(np.where(table["sex"] == "f", "yes", "no").astype(object))

    found = stressed(Model(fault=by_sex), features=["sex"])
    assert (found["shift_drop"].value, found["noise_drop"].value) == (0.0, 0.0)


def test_a_metric_of_zero_cannot_fall_in_part():
    def coin(_model, table):
        flipped = np.abs(table["x"]) > 1e-9
        return Scored(np.where(flipped, "no", "yes").astype(object))

    table = people(100)
    table["bought"] = np.where(np.arange(100) % 2, "no", "yes").astype(object)
    found = stressed(Model(fault=coin), spec(), table, metric="recall")
    assert found["noise_drop"].value == 0.0


def test_latency_is_that_of_the_call_alone():
    now, costs = [0.0], iter([*[0.2] * 3, *[0.01] * 196, *[0.03] * 4, *[0.02] * 100])

    def slow(_model, table):
        now[0] += next(costs)
        return Scored(table["x"])

    found = latencies(Model(fault=slow), {"x": np.ones(7)}, lambda: now[0])
    assert found.value == pytest.approx(30, abs=0.5)
    assert "1 row: 10 ms, p99" in found.says
    assert "100 rows: 20 ms, p99 20 ms" in found.says


def test_a_slow_model_is_not_asked_all_that_often():
    now = [0.0]

    def slow(_model, table):
        now[0] += 2.0
        return Scored(table["x"])

    model = Model(fault=slow)
    assert latencies(model, {"x": np.ones(3)}, lambda: now[0]).value == pytest.approx(2000)
    assert model.asked <= 5 + 500


def test_a_model_that_dies_of_shifts_fails_there():
    def brittle(model, table):
        if np.nanmean(table["x"]) > 0.5:
            raise Unavailable("the worker died")
        return tolerant(model, table)

    found = stressed(Model(fault=brittle))
    assert found["shift_drop"].verdict is Verdict.FAIL
    assert "x shifted" in found["shift_drop"].says
