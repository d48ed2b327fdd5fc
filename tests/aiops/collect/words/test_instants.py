from __future__ import annotations

import math
from zoneinfo import ZoneInfo

import pytest

from twinhelm.aiops.collect.words.instants import epoch_ms, instant_ms
from twinhelm.core.errors import BadInput

MOMENT_MS = 1_700_000_000_000


@pytest.mark.parametrize(
    "text",
    [
        "2023-11-14T22:13:20Z",
        "2023-11-14T22:13:20.000000000Z",
        "2023-11-14T23:13:20+01:00",
        "2023-11-14 22:13:20.0004+00:00",
    ],
)
def test_a_moment_may_be_written_in_many_ways(text: str) -> None:
    assert instant_ms(text) == MOMENT_MS


def test_a_zone_is_where_a_bare_time_was_meant() -> None:
    assert instant_ms("2023-11-14T23:13:20", zone=ZoneInfo("Europe/Berlin")) == MOMENT_MS
    with pytest.raises(BadInput, match="no time zone"):
        instant_ms("2023-11-14T23:13:20")


def test_the_go_zero_time_lies_before_1970() -> None:
    assert instant_ms("0001-01-01T00:00:00Z") < 0


@pytest.mark.parametrize("text", ["", "yesterday", "2023-13-01T00:00:00Z", None, 5, "2023-1-1"])
def test_what_is_no_moment_is_refused(text: object) -> None:
    with pytest.raises(BadInput):
        instant_ms(text)


@pytest.mark.parametrize("factor", [1e-3, 1, 1e3, 1e6])
def test_the_unit_is_told_by_size(factor: float) -> None:
    assert epoch_ms(MOMENT_MS * factor) == MOMENT_MS


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, 1e300])
def test_what_is_no_count_is_refused(number: float) -> None:
    with pytest.raises(BadInput):
        epoch_ms(number)
