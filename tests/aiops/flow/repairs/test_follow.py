"""What the journal tells is heard once, also over restarts; limits hold however much it tells."""

from __future__ import annotations

from collections import Counter

from peers.runbooks import RESTART
from twinhelm.aiops.automate.policy import read_policy
from twinhelm.aiops.automate.repair import RepairState
from twinhelm.aiops.automate.runbook import Level
from twinhelm.aiops.flow.repairs.standing import autonomy, past_of
from twinhelm.aiops.records import put_answer
from twinhelm.aiops.types import Answer

QUIET = read_policy("[autonomy]\nearn = 0\n")
ALL = RESTART.replace('entity = ["service:[a-z/-]+"]', 'entity = ["service:[a-z0-9/-]+"]').replace(
    "[verify]", "[limits]\nreach = 100\nper_hour = 1000\ncooldown_s = 0\n[verify]"
)


def test_the_past_is_not_repaired(house):
    house.shelve()
    assert house.hear() == []
    house.open()
    with house.records.writing() as unit:
        unit.delete("cursor", "repairs")
    house.wire()
    assert house.hear() == []


def test_nothing_is_heard_twice_over_restarts(house):
    house.shelve()
    house.open()
    assert house.hear() == ["1-1"]
    house.wire()
    house.clock.advance(60)
    assert house.hear() == []
    assert house.kinds()[:2] == ["repair.proposed", "repair.asked"]


def test_what_is_not_for_it_is_left_alone(house):
    house.shelve()
    house.open(resource="disk")
    house.open(2, confidence=0.4)
    assert house.hear() == []


def test_by_policy_it_acts_by_itself(house):
    house.books.policy = QUIET
    house.shelve(level=Level.ACT)
    house.open()
    house.hear()
    house.until("verifying")
    assert "repair.asked" not in house.kinds()


def test_autonomy_is_earned_and_lost(house):
    house.shelve(ALL, level=Level.ACT)

    def again(number, helped):
        house.clock.advance(3600)
        house.open(number, f"service:shop/cart{number}".replace("cart", "cart-"))
        house.hear()
        repair = house.desk.get(f"{number}-1")
        if repair.state is RepairState.ASKED:
            house.agree(repair.id)
        house.until("verifying", repair.id)
        if helped:
            house.resolve(number)
        else:
            house.clock.advance(301)
        house.until("verified" if helped else "useless", repair.id)
        return repair.state is not RepairState.ASKED

    assert [again(number, helped=True) for number in (1, 2, 3)] == [False] * 3
    assert again(4, helped=False)
    assert not again(5, helped=True)
    with house.records.reading() as unit:
        (book, runbook), *_ = house.books.sound(unit)
        past = past_of(unit)
        assert autonomy(house.books, book, runbook, past).won == 1
    right = Answer(1, "action", "repair/4-1", right=True, reason="", by="ada", time_ms=1)
    with house.journal.writing("ada") as write:
        put_answer(write, right)
    with house.records.reading() as unit:
        past = past_of(unit)
        assert autonomy(house.books, book, runbook, past).level is Level.ACT


def test_a_fault_that_comes_back_is_repaired_once_then_left_to_people(house):
    house.books.policy = QUIET
    house.shelve(level=Level.ACT)
    for number in range(1, 30):
        house.open(number)
        house.hear()
        if number == 1:
            house.until("verifying")
        house.resolve(number)
        if number == 1:
            house.until("verified")
        house.clock.advance(20)
    assert house.doer.done.count("stop cart") == 1  # its cool-down holds
    assert house.kinds("runbook/restart").count("repair.held") == 1


def test_a_thousand_incidents_in_a_minute_meet_the_limits(house):
    house.books.policy = replace_limits(running=2, per_hour=4)
    house.shelve(ALL, level=Level.ACT)
    for number in range(1, 1001):
        house.open(number, f"service:shop/s-{number}")
        house.clock.advance(0.06)
    house.hear()
    states = Counter(each.state for each in house.desk.list(limit=1000))
    assert sum(states.values()) == 2
    held = house.journal.read(subject="runbook/restart", kind="repair.held")
    assert [row.body["rule"] for row in held] == ["running"]  # told once, not a thousand times
    for repair in house.desk.list():
        house.until("verifying", repair.id)
        house.resolve(repair.incident)
        house.until("verified", repair.id)
    house.clock.advance(11)
    house.hear()  # as the two are over, two others may begin, and that is the hour's four
    assert sum(each.started_ms > 0 for each in house.desk.list(limit=1000)) == 4
    house.clock.advance(11)
    house.hear()
    assert len(house.desk.list(limit=1000)) == 4


def test_a_runbook_that_hits_everything_is_barred_by_its_reach(house):
    house.books.policy = QUIET
    house.doer.reaches = tuple(f"service:shop/s-{number}" for number in range(50))
    house.shelve(RESTART, level=Level.ACT)
    house.open()
    assert house.hear() == []
    (held,) = house.journal.read(subject="runbook/restart", kind="repair.held")
    assert held.body["reason"] == "it touches 50 entities, more than the 1 allowed"
    assert house.doer.done == []


def test_a_freeze_holds_and_what_was_held_is_looked_at_again(house):
    day = "2023-11-1"  # the fake clock stands at 2023-11-14T22:13:20Z
    freeze = f"begins = {day}4T00:00:00Z\nends = {day}4T22:20:00Z\n"
    house.books.policy = read_policy(f'[[freezes]]\nname = "sale"\n{freeze}[autonomy]\nearn = 0\n')
    house.shelve(level=Level.ACT)
    house.open()
    assert house.hear() == []
    (held,) = house.journal.read(subject="runbook/restart", kind="repair.held")
    assert held.body["reason"] == "it is sale: no repair begins"
    house.clock.advance(401)
    assert house.hear() == ["1-1"]
    house.until("verifying")


def test_rules_of_the_house_ask_and_deny(house):
    rules = """
[autonomy]
earn = 0
[[rules]]
name = "shop"
when = [{ fact = "target", test = "equal", value = "service:shop/cart" }]
verdict = "deny"
reason = "the shop is left alone"
"""
    house.books.policy = read_policy(rules)
    house.shelve(level=Level.ACT)
    house.open()
    assert house.hear() == []
    house.books.policy = read_policy(rules.replace('"deny"', '"ask"'))
    house.clock.advance(11)
    house.hear()
    assert house.desk.get("1-1").state is RepairState.ASKED


def test_what_this_house_bars_is_not_asked_for(house):
    house.shelve(RESTART.replace("stop {service}", "forbidden {service}"))
    house.open()
    assert house.hear() == []


def test_a_backtest_says_what_would_have_been_and_why_not(house):
    house.shelve()
    house.open()
    house.resolve()
    house.clock.advance(60)
    house.open(2)  # within the cool-down
    house.clock.advance(60)
    house.open(3, resource="disk")
    ((_, runbook),) = house.books.sound(house.records.reading().__enter__())
    found = house.judge.backtest(runbook)
    assert [(each.incident, each.outcome) for each in found] == [(3, "no"), (2, "held"), (1, "act")]
    assert found[0].why == ("the signs on service:shop/cart are of disk",)
    assert found[1].why[0].startswith("it touched the same 60 s ago")
    assert found[2].says == ("Do: stop cart.",)


def replace_limits(**limits):
    house = QUIET.limits.model_copy(update=limits)
    return QUIET.model_copy(update={"limits": house})
