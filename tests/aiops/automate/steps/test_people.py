"""Waiting ends at its time or when somebody stops it; asking is only told of."""

from __future__ import annotations

import pytest

from twinhelm.aiops.automate.steps import Ask, Limit, Wait


def test_waiting_lets_time_pass():
    assert Wait().act({"seconds": 0.01}, Limit(30)).ok


def test_waiting_ends_when_it_is_stopped():
    asked = iter(["", "", *["stopped by ann"] * 2])
    outcome = Wait().act({"seconds": 60}, Limit(60, lambda: next(asked)))
    assert not outcome.ok
    assert "stopped by ann" in outcome.text


def test_waiting_ends_at_the_limit():
    outcome = Wait().act({"seconds": 60}, Limit(0.01))
    assert not outcome.ok
    assert "longer than 0.01 s" in outcome.text


def test_what_the_stop_raises_passes_through():
    def ended() -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Wait().act({"seconds": 60}, Limit(60, ended))


@pytest.mark.parametrize("seconds", [None, 0, -1, "5", 1e9, True and "x", float("nan")])
def test_a_wait_without_a_good_time_is_a_fault(seconds):
    assert Wait().faults({"seconds": seconds})
    assert not Wait().faults({"seconds": 5})


def test_a_question_is_told_and_never_answered_by_the_actor():
    asked = Ask().fill({"question": "Is {host} yours?"}, {"host": "db-1"})
    assert Ask().tell(asked) == "Ask a person: Is db-1 yours?"
    assert not Ask().act(asked, Limit(1)).ok
    assert Ask().faults({"question": " "})
