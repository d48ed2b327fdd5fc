"""Who may answer, when, and what it comes to: each wrong answer is refused before anything runs."""

from __future__ import annotations

import pytest

from twinhelm.aiops.automate.repair import RepairState
from twinhelm.aiops.automate.runbook import Level
from twinhelm.core.errors import BadInput, Conflict, Denied
from twinhelm.core.roles import Role

APPROVER = frozenset({Role.APPROVER})


@pytest.fixture
def asked(house):
    """One request that waits."""
    house.shelve()
    house.open()
    house.hear()
    assert house.desk.get("1-1").state is RepairState.ASKED
    return house


def answer(house, by="grace", *, agrees=True, roles=APPROVER, note="", choice=""):
    return house.desk.answer("1-1", agrees=agrees, note=note, by=by, roles=roles, choice=choice)


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.APPROVER, Role.ADMIN}))
def test_without_the_role_nobody_answers(asked, role):
    with pytest.raises(Denied, match="needs the right to approve"):
        answer(asked, roles={role})
    assert asked.doer.done == []


def test_only_a_person_answers(asked):
    with pytest.raises(Denied, match="only a person"):
        answer(asked, by="robot")


def test_a_second_answer_comes_too_late(asked):
    answer(asked)
    asked.until("verifying")
    with pytest.raises(Denied, match="it is verifying already"):
        answer(asked, by="ada")


def test_an_answer_after_its_time_is_refused(asked):
    asked.clock.advance(3601)
    with pytest.raises(Denied, match="time to be answered is over"):
        answer(asked)
    asked.hear()
    assert asked.desk.get("1-1").reason == "nobody answered in time"


def test_an_answer_after_the_incident_was_resolved_is_refused(asked):
    asked.resolve()
    with pytest.raises(Denied, match="the incident was resolved meanwhile"):
        answer(asked)
    asked.hear()
    repair = asked.desk.get("1-1")
    assert (repair.state, repair.reason) == (
        RepairState.REFUSED, "the incident was resolved meanwhile",
    )  # fmt: skip


def test_a_refusal_needs_a_reason_and_ends_it(asked):
    with pytest.raises(BadInput, match="needs a reason"):
        answer(asked, agrees=False)
    assert answer(asked, agrees=False, note="not now").state is RepairState.REFUSED
    assert asked.doer.done == []
    asked.clock.advance(60)
    assert asked.hear() == []  # it is not asked again


def test_four_eyes_are_two_people(house):
    house.doer.risky = True
    house.shelve(level=Level.ACT)
    house.open()
    house.hear()
    answer(house)
    with pytest.raises(Denied, match="you have answered already; another person must agree"):
        answer(house)
    assert house.doer.done == []
    answer(house, by="ada")
    house.until("verifying")


def test_a_limit_that_came_up_since_keeps_it_from_beginning(asked):
    asked.desk.pull(by="ada", reason="")
    with pytest.raises(Denied, match="is pulled; release it"):
        answer(asked)
    asked.desk.release(by="grace", reason="")
    answer(asked)
    asked.until("verifying")


def test_the_switch_is_kept_over_a_restart(house):
    house.desk.pull(by="ada", reason="odd")
    house.wire()
    assert "pulled by ada" in house.desk.halted("1-1")
    house.desk.release(by="grace", reason="")
    with pytest.raises(Conflict, match="not pulled"):
        house.desk.release(by="grace", reason="")
    assert house.kinds("stop/all") == ["stop.pulled", "stop.released"]


def test_what_was_agreed_and_cut_off_before_its_walk_began_is_begun(asked):
    asked.workflows.start = lambda *_, **__: ""
    answer(asked)
    asked.wire()
    asked.desk.settle()
    asked.until("verifying")


def test_a_walk_that_ended_before_its_repair_is_told(asked):
    asked.actors.pop("doer")
    answer(asked)
    asked.workflows.list()
    while not asked.workflows.status("repair-1-1-walk").state.over:
        pass
    asked.desk.settle()
    assert asked.desk.get("1-1").state is RepairState.FAILED


def test_a_person_asks_by_hand_with_values_that_must_match(house):
    house.shelve()
    house.open(entity="service:shop/cart", confidence=0.3)  # too unsure to be proposed
    assert house.hear() == []
    with pytest.raises(Conflict, match=r"suspected with 0\.30, it takes 0\.65"):
        house.desk.run("restart", 1, by="carl")
    with pytest.raises(BadInput, match="service is 'cart; reboot'"):
        house.desk.run("restart", 1, by="carl", values={"service": "cart; reboot"})
    with pytest.raises(BadInput, match="no parameter 'host'"):
        house.desk.run("restart", 1, by="carl", values={"host": "a"})
    made = house.desk.run("restart", 1, by="carl", values={"service": "cart"})
    assert (made.state, made.asked_by) == (RepairState.ASKED, "carl")
    with pytest.raises(Conflict, match="repair 1-1 of incident 1 is asked already"):
        house.desk.run("restart", 1, by="ada", values={"service": "cart"})
    assert house.desk.stop("1-1", by="carl", reason="no").state is RepairState.REFUSED


def test_a_suggestion_waits_for_a_person_to_start_it(house):
    house.shelve(level=Level.SUGGEST)
    house.open()
    house.hear()
    assert house.desk.get("1-1").state is RepairState.PROPOSED
    assert house.kinds() == ["repair.proposed"]
    answer(house)
    house.until("verifying")
