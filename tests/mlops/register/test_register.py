"""The register: versions never change but in their stage, and one of a product is live."""

from __future__ import annotations

import pytest

from peers.memory_records import MemoryRecords
from twinhelm.core.clock import FakeClock
from twinhelm.core.errors import Conflict
from twinhelm.events.journal import Journal
from twinhelm.mlops.flow.products import ProductDesk
from twinhelm.mlops.register.builtin import register_builtin
from twinhelm.mlops.types import Product

PRODUCT = Product("baseline", "Which samples are strange.", "twinhelm", "limited")


class Register:
    def __init__(self):
        self.records = MemoryRecords()
        self.clock = FakeClock(1_000)
        self.journal = Journal(self.records, self.clock)
        self.desk = ProductDesk(self.records, self.journal, self.clock)

    def add(self, version, *, product=PRODUCT, method="a robust baseline", **facts):
        self.clock.advance(1)
        register_builtin(
            self.journal, self.clock, product, version=version, method=method, facts=facts
        )

    def stages(self, name="baseline"):
        return {each.version: each.stage for each in self.desk.versions(name)}


@pytest.fixture
def register():
    return Register()


def test_an_empty_register_lists_nothing(register):
    assert register.desk.all() == []
    assert register.desk.versions("baseline") == []


def test_the_first_version_is_live_and_told_of(register):
    register.add("1", input="samples")
    (product,) = register.desk.all()
    assert product.live == "1"
    (version,) = register.desk.versions("baseline")
    assert (version.stage, version.registered_ms) == ("live", 2_000)
    assert version.facts == {"input": "samples"}
    (row,) = register.journal.read()
    assert (row.kind, row.subject) == ("detector.registered", "detector/baseline")


def test_the_same_again_writes_nothing(register):
    for _ in range(3):
        register.add("1", input="samples")
    assert len(register.journal.read()) == 1


@pytest.mark.parametrize("other", [{"method": "another"}, {"input": "other samples"}])
def test_what_changed_must_have_a_version_of_its_own(register, other):
    register.add("1", input="samples")
    with pytest.raises(Conflict):
        register.add("1", **{"input": "samples", **other})
    assert register.stages() == {"1": "live"}


def test_a_new_version_takes_over(register):
    register.add("1")
    register.add("2")
    assert register.stages() == {"1": "retired", "2": "live"}
    assert [each.version for each in register.desk.versions("baseline")] == ["2", "1"]
    assert register.desk.all()[0].live == "2"


def test_going_back_makes_the_old_version_live_with_its_old_date(register):
    register.add("1")
    register.add("2")
    register.add("1")
    assert register.stages() == {"1": "live", "2": "retired"}
    assert {each.version: each.registered_ms for each in register.desk.versions("baseline")} == {
        "1": 2_000,
        "2": 3_000,
    }


def test_products_keep_to_themselves_and_are_listed_by_name(register):
    register.add("1")
    register.add("7", product=Product("a ranker", "What is to blame.", "twinhelm", "low"))
    assert [each.name for each in register.desk.all()] == ["a ranker", "baseline"]
    assert register.stages() == {"1": "live"}
