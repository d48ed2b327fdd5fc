"""Labels are canonical, limited, and matched as Prometheus matches them."""

from __future__ import annotations

import pytest

from twinhelm.core.errors import BadInput, TooLarge
from twinhelm.core.labels import (
    LabelLimits,
    Matcher,
    MatchKind,
    check_labels,
    labels_of,
    metric_name,
)

UP = labels_of({"__name__": "up", "job": "node", "instance": "a:9100"})


def test_order_of_arrival_does_not_matter():
    assert labels_of([("b", "2"), ("a", "1")]) == labels_of({"a": "1", "b": "2"})


def test_an_empty_value_means_absent():
    assert labels_of({"a": "", "b": "1"}) == (("b", "1"),)


def test_no_labels_are_labels():
    assert labels_of({}) == ()
    assert metric_name(()) == ""


def test_the_metric_name_is_a_label():
    assert metric_name(UP) == "up"


def test_labels_within_every_limit_pass():
    check_labels(UP, LabelLimits(max_labels=3, max_name_bytes=8, max_value_bytes=6))


@pytest.mark.parametrize(
    "limits",
    [LabelLimits(max_labels=2), LabelLimits(max_name_bytes=7), LabelLimits(max_value_bytes=5)],
)
def test_one_past_a_limit_is_refused(limits):
    with pytest.raises(TooLarge):
        check_labels(UP, limits)


def test_a_repeated_name_is_refused():
    with pytest.raises(BadInput, match="'job' is repeated on up"):
        check_labels((("__name__", "up"), ("job", "a"), ("job", "b")), LabelLimits())


def test_a_label_without_a_name_is_refused():
    with pytest.raises(BadInput, match="without a name"):
        check_labels((("", "x"),), LabelLimits())


@pytest.mark.parametrize(
    ("kind", "value", "hit"),
    [
        (MatchKind.EQUAL, "node", True),
        (MatchKind.EQUAL, "nod", False),
        (MatchKind.NOT_EQUAL, "node", False),
        (MatchKind.NOT_EQUAL, "other", True),
        (MatchKind.REGEX, "n.*", True),
        (MatchKind.REGEX, "od", False),  # anchored at both ends
        (MatchKind.NOT_REGEX, "od", True),
        (MatchKind.NOT_REGEX, "n.*", False),
    ],
)
def test_a_matcher_compares_as_it_says(kind, value, hit):
    assert Matcher("job", kind, value).matches("node") is hit


@pytest.mark.parametrize(
    ("kind", "value", "hit"),
    [
        (MatchKind.EQUAL, "", True),
        (MatchKind.NOT_EQUAL, "", False),
        (MatchKind.REGEX, ".*", True),
        (MatchKind.REGEX, ".+", False),
        (MatchKind.NOT_EQUAL, "x", True),
    ],
)
def test_an_absent_label_counts_as_empty(kind, value, hit):
    assert Matcher("zone", kind, value).matches("") is hit
