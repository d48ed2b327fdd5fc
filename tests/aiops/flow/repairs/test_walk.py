"""A repair is walked once, verified on telemetry, or taken back; nothing is done twice silently."""

from __future__ import annotations

import pytest

from peers.runbooks import RESTART
from twinhelm.aiops.automate.repair import RepairState, StepState

TWO = RESTART.replace(
    "[verify]",
    """[[steps]]
name = "tidy"
do = "doer"
arguments = { what = "tidy {service}" }
undo = "none"
because = "what is tidied is gone"
[verify]""",
)


def test_it_is_done_and_verified_once_the_signs_ended(house):
    house.shelve()
    house.open()
    assert house.hear() == ["1-1"]
    house.agree()
    house.until("verifying")
    assert house.doer.done == ["is cart there", "stop cart"]
    house.clock.advance(60)
    house.resolve()
    repair = house.until("verified")
    assert (repair.repair_s, repair.checks) == (60, ("the signs have ended",))
    assert house.kinds() == [
        "repair.proposed", "repair.asked", "repair.answered", "repair.started",
        "repair.step_begun", "repair.step_ended", "repair.ended",
    ]  # fmt: skip


def test_what_does_not_help_is_undone_in_reverse_and_escalated(house):
    house.shelve(TWO)
    house.open()
    house.hear()
    house.agree()
    house.until("verifying")
    house.clock.advance(301)
    repair = house.until("useless")
    assert house.doer.done == ["is cart there", "stop cart", "tidy cart", "start cart as up"]
    assert [step.state for step in repair.steps] == [StepState.UNDONE, StepState.KEPT]
    assert "did not help within 300 s" in repair.reason
    assert house.journal.read(subject="repair/1-1")[-1].body["escalated"] is True


def test_a_step_that_fails_is_undone_and_the_next_is_not_begun(house):
    house.shelve(TWO)
    house.doer.fails.add("stop")
    house.open()
    house.hear()
    house.agree()
    repair = house.until("undone")
    assert house.doer.done == ["is cart there", "stop cart", "start cart as up"]
    assert [step.state for step in repair.steps] == [StepState.UNDONE, StepState.WAITING]


def test_a_check_before_that_fails_lets_nothing_happen(house):
    house.shelve()
    house.doer.fails.add("there")
    house.open()
    house.hear()
    house.agree()
    repair = house.until("undone")
    assert house.doer.done == ["is cart there"]
    assert "stop was not begun" in repair.reason


def test_what_cannot_be_undone_is_a_failure(house):
    house.shelve()
    house.doer.fails.add("start")
    house.open()
    house.hear()
    house.agree()
    house.until("verifying")
    house.clock.advance(301)
    assert "stop could not be undone" in house.until("failed").reason


def test_metrics_must_hold_too(house):
    more = 'within_s = 300\n[[verify.metrics]]\nmetric = "up"\nat_least = 1\n'
    house.shelve(RESTART.replace("within_s = 300\n", more))
    house.measured = {"up": [1.0, 0.0]}
    house.open()
    house.hear()
    house.agree()
    house.until("verifying")
    house.resolve()
    house.clock.advance(301)
    assert house.until("useless").checks == ("the signs have ended", "not: up is 1, 0")


def test_an_incident_that_a_person_resolves_meanwhile_proves_nothing(house):
    house.shelve()
    house.open()
    house.hear()
    house.agree()
    house.until("verifying")
    house.resolve(calm=False)
    assert "a person resolved" in house.until("stopped").reason
    assert house.doer.done[-1] == "stop cart"  # nothing was taken back


def cut_off(house, state, *, tries=1):
    """Leave a repair as ``kill -9`` leaves it: a mark, and nobody who goes on."""
    from twinhelm.aiops.flow.repairs.kept import get_repair, put_repair

    house.workflows.start = lambda *_, **__: ""
    house.agree()
    with house.journal.writing("test") as write:
        one = get_repair(write, "1-1")
        put_repair(write, one.with_step(0, state=state, tries=tries, started_ms=one.started_ms))
    house.wire()
    house.desk.settle()


def test_a_deed_that_was_cut_off_is_asked_about_not_repeated(house):
    house.shelve()
    house.open()
    house.hear()
    cut_off(house, StepState.DOING)
    repair = house.until("asked")
    assert "nobody knows whether it happened" in repair.question
    assert house.doer.done == []
    house.agree(choice="done")
    house.until("verifying")
    assert house.doer.done == []


@pytest.mark.parametrize(
    ("choice", "done", "state"),
    [
        ("again", ["is cart there", "stop cart"], "verifying"),
        ("undo", [], "failed"),  # the undo needs what the deed would have told
    ],
)
def test_a_person_may_have_it_done_again_or_undone(house, choice, done, state):
    house.shelve()
    house.open()
    house.hear()
    cut_off(house, StepState.DOING)
    house.until("asked")
    house.agree(choice=choice)
    house.until(state)
    assert house.doer.done == done


def test_where_nobody_answers_it_is_undone(house):
    house.shelve(RESTART.replace(" as {did.before}", ""))
    house.open()
    house.hear()
    cut_off(house, StepState.DOING)
    house.until("asked")
    house.clock.advance(3601)
    house.until("undone")
    assert house.doer.done == ["start cart"]


def test_what_bears_repeating_is_repeated(house):
    house.doer.again = True
    house.shelve()
    house.open()
    house.hear()
    cut_off(house, StepState.DOING)
    repair = house.until("verifying")
    assert (house.doer.done, repair.steps[0].tries) == (["is cart there", "stop cart"], 2)


def test_the_stop_switch_ends_a_deed_under_way_and_nothing_follows(house):
    house.shelve(TWO)
    house.doer.hangs = True
    house.open()
    house.hear()
    house.agree()
    assert house.doer.begun.wait(20)
    house.desk.pull(by="ada", reason="something is odd")
    assert house.desk.get("1-1").state is RepairState.STOPPED
    repair = house.until("stopped")
    while repair.steps[0].state is StepState.DOING:
        repair = house.desk.get("1-1")
    assert "the stop switch was pulled by ada" in repair.steps[0].text
    assert house.doer.done == ["is cart there", "stop cart"]
    house.desk.release(by="grace", reason="it was nothing")
    house.doer.hangs = False
    house.desk.undo("1-1", by="ada")
    house.until("undone")
    assert house.doer.done[-1] == "start cart as up"


def begun(house):
    """Let a deed begin, which hangs."""
    house.shelve(RESTART)
    house.doer.hangs = True
    house.open()
    house.hear()
    house.agree()
    assert house.doer.begun.wait(20)


def over(house, walk):
    while not house.desk.over(f"1-1-{walk}"):
        pass


def test_taken_back_at_once_it_waits_for_the_deed_that_was_halted(house):
    begun(house)
    house.desk.stop("1-1", by="ada", reason="no")
    house.desk.undo("1-1", by="ada")
    over(house, "walk")
    house.doer.hangs = False
    repair = house.until("undone")
    assert repair.steps[0].state is StepState.UNDONE
    assert house.doer.done == ["is cart there", "stop cart", "start cart as up"]


def test_a_walk_that_was_halted_takes_no_part_in_taking_back(house):
    begun(house)
    house.desk.stop("1-1", by="ada", reason="no")
    over(house, "walk")
    house.doer.hangs = False
    house.workflows.start = lambda *_, **__: ""
    house.desk.undo("1-1", by="ada")
    house.wire()  # killed, and its first walk resumed
    house.workflows.start("repair", {"id": "1-1", "walk": "walk"}, key="1-1-walk")
    over(house, "walk")
    assert house.doer.done == ["is cart there", "stop cart"]
    house.desk.settle()
    house.until("undone")
    assert house.doer.done == ["is cart there", "stop cart", "start cart as up"]


def test_a_taking_back_that_was_halted_is_taken_up_again(house):
    begun(house)
    house.desk.stop("1-1", by="ada", reason="no")
    over(house, "walk")
    house.doer.begun.clear()
    house.desk.undo("1-1", by="ada")
    assert house.doer.begun.wait(20)
    house.desk.stop("1-1", by="ada", reason="wait")
    over(house, "walk-undo")
    assert house.desk.get("1-1").steps[0].state is StepState.UNDOING
    house.doer.hangs = False
    house.desk.undo("1-1", by="ada")
    assert "nobody knows" in house.until("asked").question
    house.agree(choice="again")
    house.until("undone")
    assert house.doer.done == ["is cart there", "stop cart", "start cart as up", "start cart as up"]


def test_a_step_may_ask_a_person(house):
    ask = '[[steps]]\nname = "look"\ndo = "ask"\narguments = { question = "Is {service} idle?" }\n'
    house.shelve(RESTART.replace("[[steps]]", ask + "[[steps]]"))
    house.open()
    house.hear()
    house.agree()
    assert house.until("asked").question == "Is cart idle?"
    house.agree(choice="yes", by="ada")
    house.until("verifying")
    assert house.doer.done[-1] == "stop cart"
