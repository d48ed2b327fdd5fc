from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from twinhelm.aiops.clean import Reason
from twinhelm.aiops.collect.words import Refusals, instant_ms, label_name, severity_of
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


@pytest.mark.parametrize(
    ("name", "label"), [("a.b-c", "a_b_c"), ("4xx", "key_4xx"), ("", ""), ("é", "_")]
)
def test_a_label_name_holds_letters_digits_and_underscores(name: str, label: str) -> None:
    assert label_name(name) == label


@pytest.mark.parametrize(
    ("word", "number"),
    [("TRACE", 1), ("Debug", 5), ("info", 9), ("WARNING", 13), ("err", 17), ("FATAL", 21),
     ("ERROR3", 19), (" crit ", 18), ("", 0), ("9", 0)],
)  # fmt: skip
def test_a_level_word_is_its_number(word: str, number: int) -> None:
    assert severity_of(word) == number


def test_reasons_are_added_up_with_the_first_example_of_each() -> None:
    refusals = Refusals()
    refusals.add("malformed", "first")
    refusals.add("too_large", "x" * 500)
    refusals.add("malformed", "second", 2)
    refusals.add("bad_labels", "none", 0)
    assert [(item.reason, item.count, item.example[:5]) for item in refusals.listed()] == [
        ("malformed", 3, "first"),
        ("too_large", 1, "xxxxx"),
    ]
    assert len(refusals.listed()[1].example) == 200


def test_the_reasons_used_here_are_known_to_cleaning() -> None:
    assert {"bad_labels", "line_too_long", "malformed", "too_far_ahead", "too_large"} <= {
        reason.value for reason in Reason
    }
