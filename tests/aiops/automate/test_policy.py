"""The policy is read whole or refused; freezes hold when they say, over clock changes too."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from twinhelm.aiops.automate.policy import read_policy
from twinhelm.core.errors import BadInput


def at(text, zone=UTC):
    return round(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


def freeze(**said):
    lines = "\n".join(f"{name} = {value}" for name, value in said.items())
    (made,) = read_policy(f'[[freezes]]\nname = "f"\n{lines}\n').freezes
    return made


def test_without_a_document_the_defaults_hold():
    assert read_policy("").autonomy.earn == 3


def test_a_freeze_from_a_moment_to_another():
    made = freeze(begins="2026-12-24T00:00:00Z", ends="2026-12-27T00:00:00Z")
    held = [made.holds(at(f"2026-12-{day}T00:00:00"), "production") for day in (23, 24, 26, 27)]
    assert held == [False, True, True, False]


def test_a_freeze_that_comes_again_reaches_into_the_next_day():
    made = freeze(days='["fri"]', **{"from": '"22:00"'}, until='"06:00"')
    friday, saturday = "2026-11-27T", "2026-11-28T"
    assert [made.holds(at(when), "x") for when in
            (f"{friday}05:00:00", f"{friday}22:00:00", f"{saturday}05:59:00",
             f"{saturday}06:00:00", f"{saturday}23:00:00")] == [
        False, True, True, False, False]  # fmt: skip


def test_a_freeze_of_whole_days_leaves_no_minute_open():
    made = freeze(days='["sat", "sun"]', **{"from": '"00:00"'}, until='"24:00"')
    assert [made.holds(at(when), "x") for when in
            ("2026-11-27T23:59:59", "2026-11-28T00:00:00", "2026-11-28T23:59:59",
             "2026-11-29T00:00:00", "2026-11-29T23:59:59", "2026-11-30T00:00:00")] == [
        False, True, True, True, True, False]  # fmt: skip


def test_a_freeze_follows_its_zone_over_a_clock_change():
    made = freeze(days='["sun"]', **{"from": '"04:00"'}, until='"05:00"', zone='"Europe/Berlin"')
    # On 25 October 2026 clocks go back at 3:00; 04:00 in Berlin is 03:00 UTC afterwards.
    assert [made.holds(at(f"2026-10-25T0{hour}:30:00"), "x") for hour in (2, 3, 4)] == [
        False, True, False]  # fmt: skip


def test_a_freeze_may_be_of_some_environments_only():
    made = freeze(begins="2026-12-24T00:00:00Z", ends="2026-12-27T00:00:00Z",
                  environments='["production"]')  # fmt: skip
    assert not made.holds(at("2026-12-25T00:00:00"), "staging")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[freezes]]\nname = "f"', "policy.toml:1:3: f: say begins and ends, or days"),
        ('[[freezes]]\nname = "f"\nbegins = 2026-12-24T00:00:00Z', "it must begin and then end"),
        ('[[freezes]]\nname = "f"\nbegins = 2026-12-24T00:00:00', "begins"),  # no zone
        ('[[freezes]]\nname = "f"\ndays = ["sat"]\nfrom = "6"\nuntil = "8"', "from is '6'; it mus"),
        ('[[freezes]]\nname = "f"\ndays = ["sat"]\nfrom = "06:00"\nuntil = "06:00"', "the same"),
        ('[[freezes]]\nname = "f"\ndays = ["sat"]\nfrom = "24:00"\nuntil = "06:00"', "from is '24"),
        ('[[freezes]]\nname = "f"\ndays = ["sat"]\nfrom = "06:00"\nuntil = "07:00"\nzone = "Mars"',
         "policy.toml:6:1: there is no time zone 'Mars'"),
        ('[[rules]]\nname = "r"\nverdict = "deny"\nreason = "x"\n'
         'when = [{ fact = "target", test = "like", value = "x" }]', "the test 'like' is none of"),
        ("[limits]\nrunnning = 3", "did you mean running?"),
        ("[autonomy]\nenvironments = { staging = 'always' }", "must be 'suggest', 'ask' or 'act'"),
    ],
)  # fmt: skip
def test_what_does_not_hold_together_is_refused(text, said):
    with pytest.raises(BadInput) as caught:
        read_policy(text)
    assert said in caught.value.message
