"""What MLflow's clients are told: the same as at every other door."""

from __future__ import annotations

import pytest

from peers.memory_records import MemoryRecords
from twinhelm.core.clock import FakeClock
from twinhelm.core.errors import Denied
from twinhelm.core.roles import ANONYMOUS
from twinhelm.events.journal import Journal
from twinhelm.mlops.flow.gate import PromotionGate
from twinhelm.mlops.records import put
from twinhelm.mlops.types import Approval, Deployment, Part, Product


class Asked:
    """Stands for the promotions' desk: says what it is told to."""

    def __init__(self, answer=None):
        self.answer, self.asked = answer, []

    def ask(self, product, version, *, by, door):
        self.asked.append((product, version, by, door))
        return self.answer


def gate(*parts, hold="", answer=None):
    records = MemoryRecords()
    with Journal(records, FakeClock()).writing("test") as write:
        put(write, Product("churn", "d", "ada", "low", hold=hold))
        if parts:
            put(write, Deployment("churn", tuple(Part(*part) for part in parts), 0))
    return PromotionGate(records, Asked(answer))


LIVE = ("2", "champion", 1.0)


def test_what_is_champion_already_may_be_called_so():
    made = gate(LIVE)
    assert made.promote("churn", "2", by="ada") == ""
    assert made.promotions.asked == []


def test_nobody_without_a_name_asks():
    made = gate(LIVE)
    with pytest.raises(Denied, match="known by name"):
        made.promote("churn", "3", by=ANONYMOUS.name)
    assert made.promotions.asked == []


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (None, "is being rolled out"),
        (Approval("churn/3/1", "churn", "3", "ada", 0, 1), "waits for 1 other person"),
        (Approval("churn/3/1", "churn", "3", "ada", 0, 2), "waits for 2 other people"),
    ],
    ids=["gates alone", "one", "two"],
)
def test_an_asking_says_what_happens_now(answer, says):
    made = gate(LIVE, answer=answer)
    assert says in made.promote("churn", "3", by="ada")
    assert made.promotions.asked == [("churn", "3", "ada", "mlflow")]


@pytest.mark.parametrize("version", ["2", ""], ids=["this", "any"])
def test_what_answers_is_neither_unnamed_nor_deleted(version):
    made = gate(LIVE)
    with pytest.raises(Denied, match="is champion and may not lose"):
        made.may_unset("churn", version, by="ada")
    with pytest.raises(Denied, match="is champion and may not be deleted"):
        made.may_delete("churn", version, by="ada")


def test_what_does_not_answer_may_go():
    made = gate(LIVE)
    made.may_unset("churn", "1", by="ada")
    made.may_delete("churn", "1", by="ada")
    gate().may_delete("churn", "", by="ada")


def test_under_a_legal_hold_nothing_goes():
    with pytest.raises(Denied, match="legal hold"):
        gate(hold="a court asks").may_delete("churn", "1", by="ada")
