from __future__ import annotations

from twinhelm.aiops.clean import Reason
from twinhelm.aiops.collect.words.refusals import Refusals


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
