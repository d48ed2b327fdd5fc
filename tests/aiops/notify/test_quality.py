"""What made noise is found, and each finding names what would mend it."""

from __future__ import annotations

import math

import pytest

from twinhelm.aiops.notify.quality import Lived, judged

DAY = 86_400_000
HOUR = 3_600_000
MIN = 60_000


def rows(*given):
    """Rows of (opened, taken after, resolved after, acted, repaired, flaps, rule)."""
    return [
        Lived(
            opened, None if taken is None else opened + taken,
            None if resolved is None else opened + resolved,
            acted, repaired, flaps, "critical", rule, "service:shop",
        )
        for opened, taken, resolved, acted, repaired, flaps, rule in given
    ]  # fmt: skip


def test_nothing_gives_unknowns_and_no_groups():
    found = judged([], 0, DAY)
    assert (found.opened, found.groups) == (0, ())
    assert math.isnan(found.actionable)
    assert math.isnan(found.taken_s)
    assert sum(column.opened for column in found.columns) == 0


def test_the_numbers_are_medians_shares_and_counts():
    found = judged(
        rows(
            (0, 60_000, 600_000, True, False, 0, "up"),
            (DAY, 120_000, None, True, False, 0, "up"),
            (2 * DAY - 1, None, 1_200_000, False, False, 2, "slow"),
        ),
        0,
        2 * DAY,
    )
    assert (found.opened, found.over, found.critical) == (3, 2, 3)
    assert found.per_day == 1.5
    assert found.actionable == pytest.approx(2 / 3)
    assert (found.taken_s, found.taken_p90_s) == (90.0, pytest.approx(114.0))
    assert found.resolved_s == 900.0
    assert [column.opened for column in found.columns if column.opened] == [1, 1, 1]
    assert found.columns[-1].opened == 1
    by_rule = {group.name: group for group in found.groups if group.of == "rule"}
    assert list(by_rule) == ["slow", "up"]  # the noisiest first
    assert (by_rule["slow"].flaps, by_rule["up"].actionable) == (2, 1.0)


@pytest.mark.parametrize(
    ("each", "step", "says"),
    [
        ((None, 2 * MIN, False, False, 0), 7 * HOUR, "ended by themselves within 2 min"),
        ((None, 60 * MIN, False, False, 0), 7 * HOUR, "give it an owner and a runbook"),
        ((None, 60 * MIN, False, False, 3), 7 * HOUR, "it came back 24 times"),
        ((MIN, 60 * MIN, True, True, 0), 7 * HOUR, "the same repair ran"),
        ((60 * MIN, 90 * MIN, True, False, 0), 7 * HOUR, "with an escalation"),
        ((MIN, 90 * MIN, True, False, 0), 7 * HOUR, "give it a runbook"),
        ((None, 2 * MIN, False, False, 0), DAY, "began between 00:00 and 01:00 UTC"),
    ],
)
def test_each_kind_of_noise_has_its_fix(each, step, says):
    given = [(at * step, *each, "rule") for at in range(8)]
    found = judged(rows(*given), 0, 9 * DAY)
    assert says in found.groups[0].fix


def test_two_incidents_prove_nothing():
    given = [(at * DAY, None, MIN, False, False, 0, "rule") for at in range(2)]
    assert judged(rows(*given), 0, 3 * DAY).groups[0].fix == ""
