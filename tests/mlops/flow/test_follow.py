"""What is new is measured once; what a retraining made asks once, in the name of the house."""

from __future__ import annotations

import pytest

from peers.memory_records import MemoryRecords
from twinhelm.core.clock import FakeClock
from twinhelm.core.errors import Denied, Unavailable
from twinhelm.events.journal import Journal
from twinhelm.events.kinds.products import PromotionRefused
from twinhelm.mlops.flow.follow import Follow
from twinhelm.mlops.records import put
from twinhelm.mlops.types import (
    Approval,
    Deployment,
    Part,
    Product,
    ProductVersion,
    Run,
    Stage,
    Validation,
)

SPEC = {
    "product": {"name": "churn", "use_case": "u", "decides": "d", "owner": "ada", "tier": "low"},
    "retrain": {"promote": "automatic"},
}


class Room:
    """A product with one version, and desks that note what they are asked."""

    def __init__(self, tier="high", spec=SPEC, reason="drift", measured=True):
        self.records = MemoryRecords()
        self.journal = Journal(self.records, FakeClock())
        self.started, self.asked, self.resumed = [], [], 0
        self.keep(
            Product("churn", "d", "ada", tier, spec=spec),
            ProductVersion("churn", "2", Stage.REGISTERED, 0, "m", build="1"),
            Run("churn", 1, "done", "twinhelm", 0, reason=reason, version="2"),
        )
        if measured:
            self.keep(Validation("churn", "2", 0, (), ()))
        self.told = []
        tell = lambda *champion: self.told.append(champion)  # noqa: E731
        self.follow = Follow(self.records, self.journal, self, self, tell)

    def keep(self, *values):
        with self.journal.writing("test") as write:
            for value in values:
                put(write, value)

    def start(self, product, version, *, by):
        self.started.append((product, version, by))

    def resume(self):
        self.resumed += 1

    def ask(self, product, version, *, by, door):
        self.asked.append((product, version, by, door))


def test_what_was_never_measured_is_measured_once():
    room = Room(measured=False)
    room.follow.look()
    room.keep(Product("other", "d", "ada", "low"))
    room.follow.look()
    assert room.started == [("churn", "2", "twinhelm")]
    assert room.asked == []


def test_without_a_product_file_nothing_is_measured():
    room = Room(spec={}, measured=False)
    room.follow.look()
    assert room.started == []


def test_a_retraining_asks_once():
    room = Room()
    assert room.follow.look() == ["churn/2"]
    room.keep(Product("other", "d", "ada", "low"))
    assert room.follow.look() == []
    assert room.asked == [("churn", "2", "twinhelm", "retrain")]


@pytest.mark.parametrize("reason", ["asked", "again 1"])
def test_what_a_person_built_a_person_promotes(reason):
    room = Room(reason=reason)
    assert room.follow.look() == []


@pytest.mark.parametrize(
    ("promote", "asks"), [("automatic", ["churn/2"]), ("ask", [])], ids=["automatic", "ask"]
)
def test_at_tier_low_the_file_decides(promote, asks):
    room = Room(tier="low", spec={**SPEC, "retrain": {"promote": promote}})
    assert room.follow.look() == asks


def test_a_request_of_before_a_crash_is_not_made_again():
    room = Room()
    room.keep(Approval("churn/2/1", "churn", "2", "twinhelm", 0, 1))
    assert room.follow.look() == []


def test_a_refusal_of_before_a_crash_stands():
    room = Room()
    with room.journal.writing("twinhelm") as write:
        write.event(PromotionRefused("churn", "2", "a gate does not hold", "retrain"))
    assert room.follow.look() == []


def test_a_refusal_ends_nothing():
    room = Room()

    def refuse(*_, **__):
        raise Denied("a gate does not hold")

    room.ask = refuse
    assert room.follow.look() == ["churn/2"]


def test_what_could_not_be_done_is_done_the_next_time(monkeypatch):
    room = Room(measured=False)

    def busy(*_, **__):
        raise Unavailable("the database does not answer")

    with monkeypatch.context() as now:
        now.setattr(room, "start", busy)
        with pytest.raises(Unavailable):
            room.follow.look()
    room.follow.look()
    assert room.started == [("churn", "2", "twinhelm")]


def test_what_was_approved_and_waits_is_begun():
    room = Room()
    room.follow.look()
    room.follow.look()
    assert room.resumed == 1
    room.keep(Product("other", "d", "ada", "low"))  # such as the end of another rollout
    room.follow.look()
    assert room.resumed == 2


def test_mlflow_is_told_of_each_champion_once():
    room = Room()
    for version in ("1", "1", "2"):
        room.keep(Deployment("churn", (Part(version, "champion", 1.0),), 0))
        room.follow.look()
    room.keep(Deployment("churn", (), 0, "2"))
    room.follow.look()
    assert room.told == [("churn", "1"), ("churn", "2")]


def test_while_mlflow_does_not_answer_it_is_told_again():
    room = Room()
    room.keep(Deployment("churn", (Part("1", "champion", 1.0),), 0))

    def starts(*_):
        raise Unavailable("it starts")

    tell, room.follow.tell = room.follow.tell, starts
    with pytest.raises(Unavailable):
        room.follow.look()
    assert len(room.asked) == 1
    room.follow.tell = tell
    room.follow.look()
    assert (room.told, len(room.asked)) == ([("churn", "1")], 1)


def test_while_nothing_was_written_nothing_is_read():
    room = Room()
    room.follow.look()
    room.records.reading = None
    assert room.follow.look() == []
