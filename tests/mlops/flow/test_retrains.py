"""A retraining begins where the product file lets it, once, and the journal is told either way."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from peers.memory_records import MemoryRecords
from twinhelm.core.clock import FakeClock
from twinhelm.core.errors import NotFound, Unavailable
from twinhelm.events.journal import Journal
from twinhelm.mlops.flow.retrains import Retrains
from twinhelm.mlops.records import load, put
from twinhelm.mlops.types import Product, Run, Spec, Trigger

HOURS = 3600


class Wing:
    """A product, and builds that begin at once."""

    def __init__(self, **retrain):
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
            }
        )
        self.number, self.broken = 0, False
        self.keep(Product("loans", "d", "ada", "low"))
        self.retrains = Retrains(
            self.records, self.journal, self.clock, lambda _name: self.spec, self.start
        )

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

    def end(self):
        self.keep(replace(load(self.records, Run, f"loans/{self.number}"), state="done"))

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
