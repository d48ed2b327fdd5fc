"""Turns have no holes and no overlaps, across every change of the clock; and who is behind one."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops.notify.plans import NOW, SMALL, ms, plan
from twinhelm.aiops.notify.document import Plan
from twinhelm.aiops.notify.rota import clock_changes, gaps, on_call, turns

HOUR = 3_600_000
DAY = 24 * HOUR


SHIFTS = '[[rotas.shifts]]\npeople = ["ada", "bob"]\nevery = "day"'


def rota(handover="09:00", shifts=SHIFTS):
    text = SMALL.replace('handover = "09:00"', f'handover = "{handover}"')
    made = plan(text.replace(SHIFTS, shifts))
    return made, made.rotas[0]


def told(made, start, end):
    return [
        (turn.person, (turn.end_ms - turn.start_ms) / HOUR) for turn in turns(*made, start, end)
    ]


def test_turns_across_the_change_in_spring_are_an_hour_shorter():
    made = rota()
    assert told(made, ms(2026, 3, 27, 8), ms(2026, 3, 30, 7)) == [
        ("bob", 24), ("ada", 23), ("bob", 24)
    ]  # fmt: skip


def test_turns_across_the_change_in_autumn_are_an_hour_longer():
    made = rota()
    assert told(made, ms(2026, 10, 23, 7), ms(2026, 10, 26, 8)) == [
        ("bob", 24), ("ada", 25), ("bob", 24)
    ]  # fmt: skip


def test_a_handover_that_does_not_exist_comes_an_hour_later_by_the_clock():
    made = rota("02:30")
    starts = [turn.start_ms for turn in turns(*made, ms(2026, 3, 28, 2), ms(2026, 3, 31))]
    assert ms(2026, 3, 29, 1, 30) in starts  # 03:30 CEST, 24 hours after the one before
    assert any("02:30 does not exist" in each for each in clock_changes(*made, NOW))


def test_a_handover_that_comes_twice_happens_once_at_the_first():
    made = rota("02:30")
    found = told(made, ms(2026, 10, 24, 0, 30), ms(2026, 10, 26, 1, 30))
    assert found == [("ada", 24), ("bob", 25)]
    assert any("02:30 comes twice" in each for each in clock_changes(*made, NOW))


def test_an_override_stands_in_and_then_it_is_as_it_was():
    made = plan(SMALL.replace('person = "ada"', 'person = "bob"'))
    found = turns(made, made.rotas[0], ms(2026, 4, 30, 7), ms(2026, 5, 4, 7))
    # the 1st of May would be ada's: bob has three days in a row
    assert [(turn.person, turn.end_ms) for turn in found] == [
        ("bob", ms(2026, 5, 3, 7)), ("ada", ms(2026, 5, 4, 7))
    ]  # fmt: skip


def test_the_last_shift_that_covers_a_moment_counts_and_gaps_are_told():
    shifts = """[[rotas.shifts]]
people = ["ada"]
[[rotas.shifts]]
people = ["bob"]
hours = {days = ["mon", "tue", "wed", "thu", "fri"], begin = "22:00", end = "06:00"}"""
    made = rota(shifts=shifts)
    night = ms(2026, 3, 3, 1)
    assert on_call(*made, night)[0].person == "bob"
    assert on_call(*made, ms(2026, 3, 3, 12))[0].person == "ada"
    assert not gaps(*made, NOW)


def test_while_a_driven_clock_stands_at_nothing_a_rota_is_looked_at_from_its_start():
    assert not gaps(*rota(), 0)


def test_who_is_next_is_told():
    now, then = on_call(*rota(), NOW)
    assert (now.person, then.person) == ("ada", "bob")  # the 55th day began at 09:00 of the 28th
    assert now.start_ms <= NOW < now.end_ms == then.start_ms


@pytest.mark.parametrize(
    "zone", ["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "UTC"]
)
@given(
    at=st.integers(ms(2026, 3, 1), ms(2027, 11, 30)),
    handover=st.sampled_from(["00:00", "01:45", "02:00", "02:30", "09:00", "23:59"]),
    every=st.sampled_from(["day", "week"]),
)
def test_at_every_moment_exactly_one_person_is_on_call(zone, at, handover, every):
    base = plan(SMALL).model_dump(mode="json")
    base["zone"] = zone
    base["rotas"][0] |= {"handover": handover, "overrides": []}
    base["rotas"][0]["shifts"][0] |= {"every": every, "people": ["ada", "bob"]}
    made = Plan.model_validate(base)
    found = turns(made, made.rotas[0], at, at + 20 * DAY)
    assert (found[0].start_ms, found[-1].end_ms) == (at, at + 20 * DAY)
    for one, then in pairwise(found):
        assert one.end_ms == then.start_ms
        assert one.person != then.person
    assert {turn.person for turn in found} <= {"ada", "bob"}
    long = (7 if every == "week" else 1) * 24 + 1
    assert all((turn.end_ms - turn.start_ms) / HOUR <= long for turn in found)
    assert on_call(made, made.rotas[0], at)[0].person == found[0].person
