"""A retraining begins where the product file lets it, once, and the journal is told either way."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from peers.memory_records import MemoryRecords
from twinhelm.core.clock import FakeClock
from twinhelm.core.errors import NotFound, Unavailable
from twinhelm.core.ports import Record
from twinhelm.core.telemetry import Change
from twinhelm.events.journal import Journal
from twinhelm.events.kinds.machines import IncidentOpened, IncidentResolved, IncidentUpdated
from twinhelm.mlops.flow.retrains import Retrains
from twinhelm.mlops.records import find, load, put
from twinhelm.mlops.types import Product, Run, Spec, Trigger

HOURS = 3600


class Wing:
    """A product, and builds that begin at once."""

    def __init__(self, *, build=None, data=None, **retrain):
        self.clock, self.records = FakeClock(), MemoryRecords()
        self.journal = Journal(self.records, self.clock)
        self.spec = Spec.model_validate(
            {
                "product": {
                    "name": "loans",
                    "use_case": "u",
                    "decides": "d",
                    "owner": "ada",
                    "tier": "low",
                },
                "retrain": {"on": ["drift", "performance"], "cooldown_hours": 24, **retrain},
                "build": build or {},
                "data": data or {},
            }
        )
        self.digest, self.happened = "", []
        self.number, self.broken = 0, False
        self.keep(Product("loans", "d", "ada", "low", framed_ms=self.clock.now_ms()))
        self.restart()

    def restart(self):
        self.retrains = Retrains(
            self.records, self.journal, self.clock, lambda _name: self.spec, self.start,
            self.digest_of, lambda start, end: self.happened,
        )  # fmt: skip

    def digest_of(self, product):
        if isinstance(self.digest, Exception):
            raise self.digest
        return self.digest

    def look(self):
        self.retrains.look(self.clock.now_ms())

    def runs(self):
        with self.records.reading() as unit:
            return [run.reason for run in find(unit, Run, product="loans")]

    def keep(self, value):
        with self.journal.writing("test") as write:
            put(write, value)

    def start(self, product, *, by, reason):
        if self.broken:
            raise Unavailable("no room")
        self.number += 1
        run = Run(product, self.number, "running", by, self.clock.now_ms(), reason=reason)
        self.keep(run)
        return run

    def end(self, **made):
        self.keep(replace(load(self.records, Run, f"loans/{self.number}"), state="done", **made))

    def consider(self, trigger=Trigger.DRIFT):
        return self.retrains.consider("loans", trigger, "x moved.")

    def told(self):
        rows = self.journal.read(kind="retrain.triggered")
        return [(row.body["trigger"], row.body["started"], row.body["text"]) for row in rows]


def test_a_trigger_that_is_named_begins_a_build():
    wing = Wing()
    assert wing.consider()
    assert wing.told() == [("drift", True, "x moved. Run 1 began.")]
    assert load(wing.records, Run, "loans/1").reason == "drift"


def test_another_waits_for_the_run_and_then_for_the_cool_down():
    wing = Wing()
    wing.consider()
    wing.clock.advance(30 * HOURS)
    assert not wing.consider()
    wing.end()
    assert wing.consider()
    wing.end()
    wing.clock.advance(23 * HOURS)
    assert not wing.consider()
    wing.clock.advance(1 * HOURS)
    assert wing.consider()
    assert [text for _, _, text in wing.told()] == [
        "x moved. Run 1 began.",
        "Not retrained: run 1 is under way.",
        "x moved. Run 2 began.",
        "Not retrained: 24 h have not passed since the last retraining.",
        "x moved. Run 3 began.",
    ]


def test_a_run_that_a_crash_kept_from_the_journal_counts():
    wing = Wing()
    wing.start("loans", by="twinhelm", reason="drift")
    wing.end()
    assert not wing.consider()
    asked = Wing()
    asked.start("loans", by="ada", reason="asked")
    asked.end()
    assert asked.consider()


def test_one_refusal_is_told_once():
    wing = Wing(on=["performance"])
    assert [wing.consider() for _ in range(3)] == 3 * [False]
    assert [text for _, _, text in wing.told()] == [
        "Not retrained: the product file does not name drift as a trigger."
    ]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda wing: setattr(wing, "spec", None), "no product file"),
        (lambda wing: setattr(wing, "broken", True), "could not begin: no room"),
        (lambda wing: wing.keep(Product("loans", "d", "ada", "low", retired="old")), "is retired"),
    ],
    ids=["no file", "no room", "retired"],
)
def test_what_stands_in_the_way_is_told(change, why):
    wing = Wing()
    change(wing)
    assert not wing.consider()
    ((_, started, text),) = wing.told()
    assert not started
    assert why in text


def test_an_unknown_product_is_refused():
    wing = Wing()
    with pytest.raises(NotFound):
        wing.retrains.consider("nobody", Trigger.DRIFT, "x")


def test_two_at_once_begin_one_build():
    wing = Wing(cooldown_hours=0)
    with ThreadPoolExecutor(4) as pool:
        begun = list(pool.map(lambda _: wing.consider(), range(8)))
    assert sum(begun) == 1


def test_another_trigger_s_refusal_between_is_no_reason_to_tell_one_again():
    wing = Wing()
    wing.consider()
    wing.end()
    for trigger in 3 * [Trigger.DRIFT, Trigger.PERFORMANCE]:
        wing.consider(trigger)
    assert [trigger for trigger, started, _ in wing.told() if not started] == [
        "drift", "performance",
    ]  # fmt: skip


def test_a_schedule_begins_runs_when_they_are_due():
    wing = Wing(build={"recipe": "train.py", "every_hours": 2})
    wing.look()
    assert wing.runs() == []
    wing.clock.advance(2 * HOURS)
    wing.look()
    wing.look()
    assert wing.runs() == ["schedule"]
    wing.end()
    wing.clock.advance(1 * HOURS)
    wing.look()
    wing.clock.advance(1 * HOURS)
    wing.look()
    assert wing.runs() == ["schedule", "schedule"]


def test_the_cool_down_holds_for_a_schedule_that_is_named():
    wing = Wing(build={"recipe": "train.py", "every_hours": 2}, on=["drift", "schedule"])
    wing.consider()
    wing.end()
    wing.clock.advance(23 * HOURS)
    wing.look()
    assert wing.runs() == ["drift"]
    wing.clock.advance(1 * HOURS)
    wing.look()
    assert wing.runs() == ["drift", "schedule"]


def tell(wing, *events):
    with wing.journal.writing("twinhelm") as write:
        for event in events:
            write.event(event)


CAUSE = "service:models/loans"


def test_an_incident_that_has_the_model_for_its_cause_retrains_it():
    wing = Wing(on=["incident"])
    tell(wing, IncidentOpened(7, "slow", "high"))
    wing.look()
    assert wing.runs() == []
    tell(wing, IncidentUpdated(7, "the cause is conclusive", verdict="conclusive", cause=CAUSE))
    wing.look()
    assert wing.runs() == ["incident"]
    assert wing.told() == [("incident", True, "Incident 7 has it for its cause. Run 1 began.")]


@pytest.mark.parametrize(
    "events",
    [
        [IncidentOpened(7, "slow", "high", cause="service:models/other")],
        [IncidentOpened(7, "slow", "high", cause="host:db")],
        [IncidentOpened(7, "slow", "high", cause=CAUSE), IncidentResolved(7, "the signs ended")],
        [IncidentOpened(7, "slow", "high", cause=CAUSE), IncidentUpdated(7, "it is not")],
    ],
    ids=["another product", "a host", "over", "no longer conclusive"],
)
def test_an_incident_of_something_else_does_not(events):
    wing = Wing(on=["incident"])
    tell(wing, *events)
    wing.look()
    assert wing.runs() == []


def test_an_incident_that_outlasts_the_cool_down_is_raised_again_after_a_restart_too():
    wing = Wing(on=["incident"])
    tell(wing, IncidentOpened(7, "slow", "high", cause=CAUSE))
    wing.look()
    wing.end()
    wing.clock.advance(23 * HOURS)
    wing.restart()
    wing.look()
    wing.look()
    assert wing.runs() == ["incident"]
    wing.clock.advance(1 * HOURS)
    wing.look()
    assert wing.runs() == ["incident", "incident"]
    assert [started for _, started, _ in wing.told()] == [True, False, True]


def test_one_that_is_not_asked_for_is_not_told_of():
    wing = Wing()
    tell(wing, IncidentOpened(7, "slow", "high", cause=CAUSE))
    wing.look()
    assert wing.told() == []


def data_wing(**retrain):
    wing = Wing(on=["data"], data={"train": "data/train.csv"}, **retrain)
    wing.keep(Run("loans", 1, "done", "ada", wing.clock.now_ms(), data={"train": "old"}))
    wing.number, wing.digest = 1, "old"
    return wing


def test_new_data_by_content_retrains_once():
    wing = data_wing()
    wing.look()
    assert wing.runs() == [""]
    wing.digest = "new"
    wing.look()
    assert wing.runs() == [""]  # it is looked for once an hour
    wing.clock.advance(1 * HOURS)
    wing.look()
    assert wing.runs() == ["", "data"]
    wing.end(data={"train": "new"})
    wing.clock.advance(48 * HOURS)
    wing.look()
    assert wing.runs() == ["", "data"]


def test_data_that_came_within_the_cool_down_waits_for_its_end():
    wing = data_wing()
    wing.digest = "new"
    wing.look()
    wing.end(data={"train": "new"})
    wing.digest = "newer"
    for _ in range(23):
        wing.clock.advance(1 * HOURS)
        wing.look()
    assert wing.runs() == ["", "data"]
    wing.clock.advance(1 * HOURS)
    wing.look()
    assert wing.runs() == ["", "data", "data"]
    assert len(wing.told()) == 3


def test_what_never_learnt_is_not_retrained_on_data():
    wing = Wing(on=["data"], data={"train": "data/train.csv"})
    wing.digest = "new"
    wing.look()
    assert wing.runs() == []


def test_data_that_broke_its_contract_is_not_tried_again():
    wing = data_wing()
    wing.digest = "broken"
    with wing.journal.writing("test") as write:
        write.put(Record("data", "broken", {"problems": ["x: 3 of 9 are below 0"]}))
    wing.look()
    assert wing.runs() == [""]


def test_data_that_cannot_be_looked_at_is_told_and_keeps_nobody_else_waiting():
    wing = data_wing()
    wing.digest = NotFound("there is no data at 'data/train.csv'")
    wing.keep(Product("other", "d", "ada", "low"))
    wing.look()
    ((trigger, started, text),) = wing.told()
    assert (trigger, started) == ("data", False)
    assert "there is no data" in text


def pipeline(run, outcome="success", outputs="file//srv/loans/data/train.csv"):
    facts = {"outputs": outputs}
    return Change(f"run/{run}", 5, "pipeline", "pipeline:etl/load", "x", "openlineage",
                  end_ms=9, outcome=outcome, attributes=facts)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "heard"),
    [
        (pipeline("r2"), True),
        (pipeline("r2", "failure"), False),
        (pipeline("r2", outputs="file//srv/loans/data/other.csv"), False),
        (pipeline("r1"), False),
    ],
    ids=["wrote it", "failed", "wrote something else", "is known"],
)
def test_a_pipeline_that_wrote_the_data_is_heard_at_once(change, heard):
    wing = data_wing()
    wing.happened.append(pipeline("r1"))
    wing.look()
    wing.digest = "new"
    wing.happened.append(change)
    wing.look()
    assert wing.runs() == ["", "data"][: 1 + heard]
