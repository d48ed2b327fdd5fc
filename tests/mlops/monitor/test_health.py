"""What a report says: the state follows its rules, drift alone never fails anybody."""

from __future__ import annotations

import numpy as np
import pytest

from twinhelm.mlops.monitor import Window, examine, know, window_profiles
from twinhelm.mlops.monitor.moved import moved
from twinhelm.mlops.types import Field, HeldOut, Schema, Scored, Spec

PRODUCT = {
    "name": "loans", "use_case": "u", "decides": "d", "owner": "ada", "tier": "low",
}  # fmt: skip
COLUMNS = [
    {"name": "income", "type": "number", "min": -50, "max": 50},
    {"name": "age", "type": "number", "missing": 0.1},
    {"name": "town", "type": "category", "values": ["a", "b", "c"]},
    {"name": "sex", "type": "category", "role": "slice"},
    {"name": "name", "type": "text"},
    {"name": "id", "type": "text", "role": "id"},
    {"name": "secret", "type": "number", "personal": True},
    {"name": "paid", "type": "category", "role": "target", "values": ["no", "yes"]},
]
SCHEMA = Schema(
    inputs=tuple(
        Field(name, kind)
        for name, kind in {"income": "double", "age": "double", "town": "string",
                           "sex": "string", "name": "string", "secret": "double"}.items()
    )
)  # fmt: skip


def a_spec(**more):
    return Spec.model_validate(
        {
            "product": PRODUCT,
            "data": {"columns": COLUMNS, "positive": "yes"},
            "slices": [{"name": "women", "column": "sex", "values": ["f"], "protected": True}],
            "gates": [{"metric": "accuracy", "at_least": 0.6}, {"metric": "recall"}],
            "monitor": {"min_rows": 200},
            **more,
        }
    )


class Bank:
    """People who ask for loans, a model that knows their chances, and what came of it."""

    def __init__(self, seed=1, spec=None):
        self.rng = np.random.default_rng(seed)
        self.spec = spec or a_spec()

    def people(self, n, *, richer=0.0):
        return {
            "income": self.rng.normal(richer, 1.0, n),
            "age": np.where(self.rng.random(n) < 0.05, np.nan, self.rng.normal(40, 9, n)),
            "town": self.rng.choice(np.array([*"abc"], object), n),
            "sex": self.rng.choice(np.array([*"fm"], object), n),
            "name": np.array([f"n{k}" for k in range(n)], object),
            "secret": self.rng.normal(size=n),
        }

    def scored(self, table):
        sure = 1 / (1 + np.exp(-2 * table["income"]))
        names = np.array(["no", "yes"], object)
        return Scored(
            names[(sure > 0.5).astype(int)], np.column_stack([1 - sure, sure]), ("no", "yes")
        )

    def truth(self, table, turned=1.0):
        yes = self.rng.random(len(table["income"])) < 1 / (
            1 + np.exp(-2 * turned * table["income"])
        )
        return np.array(["no", "yes"], object)[yes.astype(int)]

    def known(self, *, training=True, held=True):
        learnt, asked = self.people(3_000), self.people(1_500)
        out = HeldOut(asked, self.scored(asked), self.truth(asked)) if held else None
        return know(self.spec, SCHEMA, learnt if training else None, out)

    def window(self, table):
        n = len(table["income"])
        kept = {name: column for name, column in table.items() if name != "secret"}
        ids = tuple(f"p{k}" for k in range(n))
        return Window(kept, self.scored(table), np.arange(n), ids, requests=n)

    def examine(self, known, table, *, truth=None, good=None, window=None):
        window = self.window(table) if window is None else window
        labels = {} if truth is None else dict(zip(window.ids, truth.tolist(), strict=True))
        return examine(
            known,
            window,
            window,
            labels,
            product="loans",
            version="1",
            span_ms=(0, 10_000),
            spec=self.spec,
            good=good,
            rng=np.random.default_rng(7),
        )


def test_a_window_like_the_training_is_good_and_its_performance_is_estimated():
    bank = Bank(seed=2)
    known, table = bank.known(), bank.people(2_000)
    health = bank.examine(known, table)
    assert (health.state, health.rows, health.labelled) == ("good", 2_000, 0)
    assert {each.column for each in health.drift} == {
        "income", "age", "town", "sex", "prediction", "probability",
    }  # fmt: skip
    assert {each.slice for each in health.drift} == {"", "women"}
    assert not any(each.drifted for each in health.drift)
    assert set(health.estimated) == {"accuracy", "recall"}
    assert "columns of 2,000 rows are where they were" in health.says[-1]


def test_labels_say_how_right_it_is_and_the_estimate_agrees():
    bank = Bank()
    known, table = bank.known(), bank.people(2_000)
    health = bank.examine(known, table, truth=bank.truth(table))
    value, low, high = health.performance["accuracy"]
    assert low < value < high
    assert value == pytest.approx(health.estimated["accuracy"][0], abs=0.03)
    assert health.labelled == 2_000
    assert set(health.fairness) == {"parity_gap sex", "opportunity_gap sex"}
    assert all(0 <= gap < 0.15 for gap in health.fairness.values())


def test_drift_beyond_chance_and_size_is_drifted_but_never_failing():
    bank = Bank()
    health = bank.examine(bank.known(), bank.people(2_000, richer=1.5))
    assert health.state == "drifted"
    assert health.says[0].startswith("Moved from training: income (PSI ")
    assert next(each for each in health.drift if each.column == "income").drifted


def test_drift_of_little_size_is_told_but_wakes_nobody():
    bank = Bank()
    health = bank.examine(bank.known(), bank.people(3_000, richer=0.2))
    assert health.state == "good"
    assert any(each.drifted for each in health.drift)
    assert any(said.startswith("Moved from training, but wakes nobody") for said in health.says)


def test_labels_below_the_floor_fail_it_and_end_the_estimates():
    bank = Bank()
    table = bank.people(1_000)
    health = bank.examine(bank.known(), table, truth=bank.truth(table, turned=-1.0))
    assert health.state == "failing"
    assert health.says[0].startswith("Labels show accuracy 0.2")
    assert health.says[0].endswith("0.6 is asked.")
    assert not health.estimated
    assert any("cannot be estimated" in said for said in health.says)


def test_an_estimate_below_the_floor_is_a_reason_to_look_not_a_failure():
    bank = Bank(spec=a_spec(monitor={"min_rows": 200, "metric": "accuracy", "floor": 0.9}))
    known, table = bank.known(), bank.people(2_000)
    table["income"] *= 0.2
    health = bank.examine(known, table)
    assert health.state == "drifted"
    assert any("without labels, accuracy is" in said.lower() for said in health.says)


def test_too_few_rows_are_unknown_and_so_is_what_nothing_is_known_of():
    bank = Bank()
    health = bank.examine(bank.known(), bank.people(199))
    assert (health.state, health.drift) == ("unknown", ())
    assert "199 rows were answered, 200 are needed to judge" in health.says[0]
    health = bank.examine(bank.known(training=False, held=False), bank.people(500))
    assert health.state == "unknown"
    assert any("No training data" in said for said in health.says)
    assert any("hold-out data are unknown" in said for said in health.says)


def test_the_last_good_window_stands_in_for_training_data():
    bank = Bank()
    known = bank.known(training=False, held=False)
    good = window_profiles(bank.window(bank.people(1_000)), bank.spec, known)
    health = bank.examine(known, bank.people(1_000, richer=2.0), good=good)
    assert (health.state, health.drift[0].against) == ("drifted", "last good")
    assert "Moved from last good: " in health.says[0]
    assert bank.examine(known, bank.people(1_000), good=good).state == "good"


def test_beside_training_data_a_move_from_the_last_good_window_wakes_nobody():
    bank = Bank()
    known = bank.known()
    good = window_profiles(bank.window(bank.people(1_000, richer=1.5)), bank.spec, known)
    health = bank.examine(known, bank.people(1_000), good=good)
    assert health.state == "good"
    assert any("from last good, but wakes nobody" in said for said in health.says)


def test_drift_within_a_slice_is_found():
    bank = Bank()
    table = bank.people(3_000)
    women = table["sex"] == "f"
    table["age"] = np.where(women, table["age"] + 9, table["age"] - 9)
    table["sex"] = np.where(women, "f", "m").astype(object)
    health = bank.examine(bank.known(), table)
    assert any(each.slice == "women" and each.drifted for each in health.drift)


def test_what_breaks_the_contract_is_counted_and_told():
    bank = Bank()
    table = bank.people(1_000)
    table["income"][:100] = 60.0
    table["town"][:30] = "z"
    table["age"][:250] = np.nan
    health = bank.examine(bank.known(), table)
    assert health.quality["out_of_contract income"] == pytest.approx(0.1)
    assert health.quality["out_of_contract town"] == pytest.approx(0.03)
    assert health.quality["out_of_contract age"] == pytest.approx(0.19, abs=0.03)
    assert health.state == "drifted"
    assert any(said.startswith("Out of contract: age in ") for said in health.says)
    assert "New values: town z." in health.says


def test_columns_that_are_gone_or_new_are_told_of():
    bank = Bank()
    table = bank.people(1_000)
    del table["age"]
    table["colour"] = np.full(1_000, "red", object)
    health = bank.examine(bank.known(), table)
    assert "No request holds age." in health.says
    assert "Requests hold colour, which the model does not take." in health.says
    assert health.state == "drifted"


def test_requests_that_nobody_can_read_fail_it():
    bank = Bank()
    empty = Window({}, Scored(np.empty(0)), np.empty(0, np.int64), (), 50, 40)
    health = bank.examine(bank.known(), {}, window=empty)
    assert (health.state, health.quality) == ("failing", {"unreadable": 0.8})


def test_text_names_and_secrets_are_not_watched():
    known = Bank().known()
    assert {"name", "secret", "id", "paid"} <= known.unwatched
    assert not {"name", "secret"} & known.learnt[""].keys()


def test_names_are_known_by_having_one_per_row_without_a_product_file():
    bare = Spec.model_construct(product=None)
    table = {"x": np.arange(500.0), "key": np.array([f"k{n}" for n in range(500)], object)}
    known = know(bare, Schema(), table, None)
    assert known.kinds == {"x": "number", "key": "category"}
    assert list(known.learnt[""]) == ["x"]


def test_numbers_of_a_regression_are_watched_and_estimated():
    rng = np.random.default_rng(3)
    spec = a_spec(
        data={"task": "regression", "columns": [{"name": "x", "type": "number"}]},
        slices=[],
        gates=[{"metric": "mae", "at_most": 5.0}],
    )

    def rows(n):
        x = rng.normal(size=n)
        return {"x": x}, Scored(3 * x), 3 * x + rng.normal(size=n)

    table, scored, truth = rows(1_000)
    known = know(spec, Schema(), table, HeldOut(table, scored, truth))
    table, scored, truth = rows(600)
    window = Window(table, scored, np.zeros(600, np.int64), tuple(map(str, range(600))), 600)
    bank = Bank(spec=spec)
    health = bank.examine(known, table, window=window, truth=truth)
    assert health.state == "good"
    assert health.performance["mae"][0] == pytest.approx(health.estimated["mae"][0], abs=0.1)
    assert {each.column for each in health.drift} == {"x", "prediction"}
    truth += 50.0
    assert bank.examine(known, table, window=window, truth=truth).state == "failing"


def test_labels_that_do_not_fit_are_told_of():
    bank = Bank(spec=a_spec(data={"task": "regression"}, gates=[], slices=[]))
    table = bank.people(300)
    health = bank.examine(bank.known(held=False), table, truth=bank.truth(table))
    assert any(said.startswith("Labels and answers do not fit") for said in health.says)
    assert health.performance == {}


def test_reports_on_people_who_did_not_change_seldom_tell_of_drift():
    told, tries = 0, 60
    for seed in range(tries):
        bank = Bank(seed)
        known = know(bank.spec, SCHEMA, bank.people(2_000), None)
        now = window_profiles(bank.window(bank.people(400)), bank.spec, known)
        told += any(
            each.drifted for each in moved(now, {"training": known.learnt}, false_alarms=0.05)
        )
    assert told / tries < 0.05
