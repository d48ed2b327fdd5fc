"""The desk looks where there is news, keeps what it found, tells of changes, publishes numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from peers.memory_predictions import MemoryPredictions
from peers.memory_records import MemoryRecords
from twinhelm.core.clock import FakeClock
from twinhelm.core.errors import BadInput, NotFound, Unavailable
from twinhelm.core.json import dumps
from twinhelm.core.ports import Labelling, Prediction
from twinhelm.events.journal import Journal
from twinhelm.mlops.flow.health import HealthDesk
from twinhelm.mlops.records import put
from twinhelm.mlops.types import (
    Deployment,
    Field,
    Health,
    HeldOut,
    Part,
    Product,
    ProductVersion,
    Schema,
    Scored,
    Spec,
    Trigger,
)

MINUTE_MS = 60_000
SPEC = Spec.model_validate(
    {
        "product": {
            "name": "loans",
            "use_case": "u",
            "decides": "d",
            "owner": "ada",
            "tier": "low",
        },
        "data": {"columns": [{"name": "x", "type": "number"}], "positive": "1"},
        "gates": [{"metric": "accuracy", "at_least": 0.6}],
        "monitor": {
            "min_rows": 50,
            "window_minutes": 60,
            "cost_per_request": 0.01,
            "cost_per_cpu_hour": 2,
        },
    }
)


class Wing:
    """A live product whose requests and labels the test sends."""

    def __init__(self, spec=SPEC):
        self.clock, self.records = FakeClock(), MemoryRecords()
        self.journal = Journal(self.records, self.clock)
        self.predictions = MemoryPredictions()
        self.rng = np.random.default_rng(1)
        self.spec, self.published, self.considered, self.asked = spec, [], [], []
        self.sent = 0
        schema = Schema(inputs=(Field("x", "double"),))
        with self.journal.writing("test") as write:
            put(write, Product("loans", "d", "ada", "low"))
            for version in "12":
                put(write, ProductVersion("loans", version, "live", 0, "m", schema=schema))
            parts = (Part("1", "champion", 0.9), Part("2", "canary", 0.1))
            put(write, Deployment("loans", parts, 0))
        self.desk = self.made()

    def made(self):
        return HealthDesk(
            self.records,
            self.journal,
            self.clock,
            self.predictions,
            spec_of=lambda _name: self.spec,
            training=self.training,
            publish=self.published.extend,
            held_out=self.held_out,
            measures=lambda _product, _version: {"cpu_seconds": 1800.0},
            consider=lambda *said: self.considered.append(said) or True,
        )

    def training(self, product, version):
        self.asked.append((product, version))
        return {"x": np.random.default_rng(2).normal(size=2_000)}

    def held_out(self, _product, _version):
        rng = np.random.default_rng(3)
        x = rng.normal(size=1_000)
        sure = 1 / (1 + np.exp(-2 * x))
        truth = (rng.random(1_000) < sure).astype(int)
        both = np.column_stack([1 - sure, sure])
        return HeldOut({"x": x}, Scored((sure > 0.5).astype(int), both, ("0", "1")), truth)

    def send(self, n, *, mean=0.0, version="1", rows=1):
        """Send n requests of the last minute; returns ids and truths by row."""
        now, told = self.clock.now_ms(), []
        made = []
        for _ in range(n):
            x = self.rng.normal(mean, 1.0, rows)
            sure = 1 / (1 + np.exp(-2 * x))
            self.sent += 1
            request = {"instances": [[float(each)] for each in x]}
            response = {"predictions": [[1 - each, each] for each in sure]}
            name = f"r{self.sent}"
            made.append(
                Prediction(
                    "loans", name, version, "champion", now - 1, 9, rows, "mlflow",
                    dumps(request), dumps(response),
                )
            )  # fmt: skip
            truth = (self.rng.random(rows) < sure).astype(float)
            names = [name] if rows == 1 else [f"{name}:{k}" for k in range(rows)]
            told += zip(names, truth.tolist(), strict=True)
        self.predictions.append(made)
        return told

    def look(self):
        return self.desk.look(self.clock.now_ms())

    def later(self, minutes=61):
        self.clock.advance(minutes * 60)

    def events(self):
        return [row.kind for row in self.journal.read()]

    def series(self, name):
        return [value for said, _, _, value in self.published if said == name]


@pytest.fixture
def wing():
    return Wing()


def test_a_look_records_the_health_of_every_version_that_answered(wing):
    wing.send(100)
    wing.send(80, version="2")
    found = wing.look()
    assert [(each.version, each.state, each.rows) for each in found] == [
        ("1", "good", 100),
        ("2", "good", 80),
    ]
    assert wing.desk.report("loans") == found[0]
    assert wing.desk.report("loans", "2") == found[1]
    kept = wing.desk.history("loans")
    assert [each.version for each in kept] == ["2", "1"]
    assert replace(found[0], drift=()) == kept[1]  # the past keeps what drifted, no more
    assert wing.desk.report("loans", "9") is None


def test_nothing_new_is_not_looked_at_again(wing):
    wing.send(100)
    assert len(wing.look()) == 1
    wing.later()
    assert wing.look() == []
    wing.send(60)
    assert len(wing.look()) == 1
    wing.send(60)
    wing.later(9)  # a sixth of the window is ten minutes
    assert wing.look() == []
    wing.later(2)
    assert len(wing.look()) == 1
    assert wing.asked == [("loans", "1"), ("loans", "2")]  # prepared once each


def test_a_change_is_told_of_once_and_brought_before_the_retraining(wing):
    wing.send(100)
    wing.look()
    for _ in range(2):
        wing.later()
        wing.send(100, mean=2.0)
        assert wing.look()[0].state == "drifted"
    assert wing.events() == ["health.changed", "health.changed", "drift.found"]
    row = wing.journal.read(kind="drift.found")[0]
    assert row.subject == "version/loans/1"
    assert "x" in row.body["columns"]
    assert [said[:2] for said in wing.considered] == 2 * [("loans", Trigger.DRIFT)]
    wing.later()
    wing.send(100)
    assert wing.look()[0].state == "good"
    assert wing.events()[3:] == ["health.changed"]


def test_a_restarted_desk_tells_of_nothing_twice(wing):
    wing.send(100, mean=2.0)
    wing.look()
    wing.desk = wing.made()
    wing.later(1)
    assert wing.look()[0].state == "drifted"
    assert wing.events() == ["health.changed", "drift.found"]


def test_labels_count_whenever_they_come_and_fail_what_they_show_to_fail(wing):
    told = wing.send(100, rows=3)
    assert wing.look()[0].labelled == 0
    wing.later(3 * 24 * 60)
    wrong = [(name, 1.0 - value) for name, value in told]
    assert set(wing.desk.labels("loans", wrong, by="ada")) == {Labelling.KEPT}
    health = wing.look()[0]
    assert (health.state, health.labelled) == ("failing", 300)
    assert wing.considered == [("loans", Trigger.PERFORMANCE, health.says[0])]
    assert wing.events() == ["health.changed", "health.changed"]  # no drift was found


def test_each_label_gets_its_outcome(wing):
    ((one, value), (other, _)) = wing.send(2)
    said = [(one, value), (one, value), (one, 1 - value), ("nobody", 1.0), (other, "1")]
    assert wing.desk.labels("loans", said, by="ada") == [
        Labelling.KEPT,
        Labelling.AGAIN,
        Labelling.CONFLICTING,
        Labelling.UNKNOWN,
        Labelling.KEPT,
    ]


def test_a_label_that_is_no_number_keeps_none(wing):
    ((one, value),) = wing.send(1)
    with pytest.raises(BadInput, match="the label of 'b' is nan"):
        wing.desk.labels("loans", [(one, value), ("b", float("nan"))], by="ada")
    assert wing.predictions.labels("loans", [one]) == {}
    with pytest.raises(NotFound):
        wing.desk.labels("unknown", [(one, value)], by="ada")


def test_the_numbers_go_out_as_series(wing):
    told = wing.send(200)
    wing.desk.labels("loans", told, by="ada")
    health = wing.look()[0]
    assert wing.series("model_logged_requests_total") == [200.0]
    assert wing.series("model_labelled_ratio") == [1.0]
    assert wing.series("model_cost_total") == [200 * 0.01 + 0.5 * 2]
    assert wing.series("model_performance") == [health.performance["accuracy"][0]]
    assert wing.series("model_estimated_performance") == [health.estimated["accuracy"][0]]
    columns = {more["column"] for name, more, _, _ in wing.published if name == "model_drift_psi"}
    assert columns == {"x", "prediction", "probability"}
    assert {more["product"] for _, more, _, _ in wing.published} == {"loans"}
    assert all(time_ms == wing.clock.now_ms() for _, _, time_ms, _ in wing.published)


def test_too_few_in_the_window_are_filled_up_from_before_it(wing):
    wing.send(40)
    wing.later(24 * 60)
    wing.send(20)
    health = wing.look()[0]
    assert (health.rows, health.state) == (50, "good")
    assert health.start_ms < wing.clock.now_ms() - 24 * 60 * MINUTE_MS


def test_the_last_good_window_is_a_reference_too(wing):
    wing.send(100)
    wing.look()
    wing.later()
    wing.send(100)
    health = wing.look()[0]
    assert {each.against for each in health.drift} == {"training", "last good"}


def test_history_keeps_one_a_window_and_every_change(wing):
    for _ in range(4):
        wing.send(60)
        wing.look()
        wing.later(21)
    assert [each.state for each in wing.desk.history("loans")] == 2 * ["good"]
    wing.send(300, mean=3.0)
    wing.look()
    assert [each.state for each in wing.desk.history("loans", limit=2)] == ["drifted", "good"]


def test_one_product_in_trouble_does_not_keep_others_from_being_looked_at(wing):
    wing.send(100)
    wing.send(100, version="2")
    whole = wing.training

    def training(product, version):
        if version == "1":
            raise Unavailable("the data is away")
        return whole(product, version)

    wing.desk.training = training
    assert [each.version for each in wing.look()] == ["2"]


def test_a_product_without_a_file_is_watched_with_what_is_there():
    wing = Wing(spec=None)
    wing.send(300)
    health = wing.look()[0]
    assert health.state == "good"
    assert isinstance(wing.desk.report("loans"), Health)


def test_large_batches_are_read_in_part(wing, monkeypatch):
    monkeypatch.setattr("twinhelm.mlops.flow.health.MOST_ROWS", 300)
    wing.send(100, rows=5)
    health = wing.look()[0]
    assert 250 <= health.rows <= 300


def test_old_predictions_go_unless_a_legal_hold_keeps_them(wing):
    wing.send(3)
    wing.later(89 * 24 * 60)
    wing.send(2)
    assert wing.desk.prune(wing.clock.now_ms()) == 0
    wing.later(2 * 24 * 60)
    with wing.journal.writing("test") as write:
        put(write, Product("loans", "d", "ada", "low", hold="a court asks"))
    assert wing.desk.prune(wing.clock.now_ms()) == 0
    with wing.journal.writing("test") as write:
        put(write, Product("loans", "d", "ada", "low"))
    assert wing.desk.prune(wing.clock.now_ms()) == 3


def test_nobody_answers_and_nothing_is_found(wing):
    assert wing.look() == []
    assert wing.desk.report("loans") is None
    assert wing.desk.history("loans") == []
