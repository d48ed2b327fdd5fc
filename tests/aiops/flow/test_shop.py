"""The whole walk on a simulated shop: one fault, one incident, soon, its cause first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from aiops.flow.shop import FAULTS, STEP_S, Shop, State
from twinhelm.aiops.records import put_edge
from twinhelm.aiops.types import Incident, Received
from twinhelm.core.labels import labels_of
from twinhelm.core.telemetry import Change, SampleBlock

WARM_S, FAULT_S = 480, 80
ENOUGH_S = 60


@dataclass
class Seen:
    """What became of one run."""

    incidents: list[Incident]
    after_s: float | None
    suspects: list[str]
    names: list[str]
    verdict: str
    wing: object


class Play:
    """A shop whose telemetry a wing watches."""

    def __init__(self, wing, seed):
        self.wing, self.shop, self.ids = wing, Shop(seed), {}

    def steps(self, count):
        """Make samples of ``count`` moments and send them."""
        series, times, values = [], [], []
        for _ in range(count):
            self.wing.clock.advance(STEP_S)
            now = self.wing.clock.now_ms()
            made = self.shop.step()
            fresh = [key for key in made if key not in self.ids]
            if fresh:
                sets = [labels_of([("__name__", name), *labels]) for name, labels in fresh]
                given = self.wing.intake.decoders("default").intern(sets)
                self.ids.update(zip(fresh, given.tolist(), strict=True))
            for key, value in made.items():
                series.append(self.ids[key])
                times.append(now)
                values.append(value)
        block = SampleBlock(np.array(series, np.uint32), np.array(times), np.array(values))
        self.wing.intake.take(Received(samples=block), door="test", tenant="default")

    def learn(self, seconds):
        """Let a quiet time pass."""
        with self.wing.journal.writing("test") as write:
            for edge in self.shop.edges(self.wing.clock.now_ms() + seconds * 1000):
                put_edge(write, edge)
        self.steps(seconds // STEP_S)
        self.wing.watch.tick()

    def live(self, seconds):
        """Tick as the watch does; return after how long the first incident stood there."""
        first = None
        for at in range(STEP_S, seconds + 1, STEP_S):
            self.steps(1)
            self.wing.watch.tick()
            if first is None and self.wing.desk.incidents():
                first = float(at)
        return first

    def seen(self, after_s):
        """Gather what was found."""
        incidents = self.wing.desk.incidents()
        if not incidents:
            return Seen([], None, [], [], "", self.wing)
        file = self.wing.desk.file(incidents[-1].id)
        return Seen(
            incidents,
            after_s,
            list(dict.fromkeys(claim.subject for claim in file.claims)),
            [claim.text for claim in file.claims],
            file.incident.verdict,
            self.wing,
        )


def play(wing, fault, seed, change=None):
    one = Play(wing, seed)
    one.learn(WARM_S)
    one.live(20)
    if change is not None:
        made = Change("c1", wing.clock.now_ms(), change[0], change[1], change[2], "ci")
        wing.intake.take(Received(changes=(made,)), door="cloudevents", tenant="default")
    FAULTS[fault][0](one.shop.state)
    return one.seen(one.live(FAULT_S))


def names(entity):
    return entity.partition(":")[2].rpartition("/")[2]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_incident_with_its_cause_first(new_wing, fault, seed):
    seen = play(new_wing(), fault, seed)
    assert seen.after_s is not None, "not detected"
    assert seen.after_s <= ENOUGH_S
    assert len(seen.incidents) == 1, [one.title for one in seen.incidents]
    assert names(seen.suspects[0]) in FAULTS[fault][1], seen.names


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_quiet_shop_raises_nothing(new_wing, seed):
    one = Play(new_wing(), seed)
    one.learn(WARM_S)
    one.live(400)
    assert [each.title for each in one.wing.desk.incidents()] == []


@pytest.mark.parametrize("seed", [1, 2])
def test_more_traffic_is_nobodys_fault(new_wing, seed):
    one = Play(new_wing(), seed)
    one.learn(WARM_S)
    one.live(20)
    one.shop.state.rate *= 3
    one.live(FAULT_S)
    assert [each.title for each in one.wing.desk.incidents()] == []


def test_what_was_changed_just_before_is_named(new_wing):
    seen = play(new_wing(), "checkout errors", 1, ("deploy", "service:checkout", "checkout 2.1.0"))
    assert seen.suspects[0] == "service:shop/checkout"
    assert "deploy checkout 2.1.0" in seen.names[0]
    assert seen.verdict == "conclusive"


def test_nothing_is_left_of_a_fault_that_is_over(new_wing):
    one = Play(new_wing(), 1)
    one.learn(WARM_S)
    FAULTS["payments slow"][0](one.shop.state)
    one.live(FAULT_S)
    one.shop.state = State()
    one.live(200)
    (incident,) = one.wing.desk.incidents()
    assert incident.state == "resolved"


def test_the_next_fault_is_not_lost_in_the_last_one(new_wing):
    one = Play(new_wing(), 3)
    one.learn(WARM_S)
    FAULTS["payments failing"][0](one.shop.state)
    one.live(40)
    one.shop.state = State()
    one.live(32)
    before = [(each.id, each.flaps) for each in one.wing.desk.incidents()]
    FAULTS["shipping slow"][0](one.shop.state)
    one.live(40)
    after = one.wing.desk.incidents()
    assert len(before) == 1
    assert sum(1 + each.flaps for each in after) == 2
    newest = max(after, key=lambda each: each.since_ms)
    assert names(one.wing.desk.file(newest.id).claims[0].subject) == "shipping"
