"""Deny beats ask beats allow; facts that are missing or odd never let anything through."""

from __future__ import annotations

import itertools

import pytest

from twinhelm.core.errors import BadInput
from twinhelm.core.policy import OPERATORS, Condition, Decision, Rule, Verdict, decide

ALLOW, ASK, DENY = Verdict.ALLOW, Verdict.ASK, Verdict.DENY


def rule(verdict: Verdict, *when: Condition, name: str = "") -> Rule:
    return Rule(name or verdict.value, when, verdict, f"because {name or verdict.value}")


@pytest.mark.parametrize("order", list(itertools.permutations([ALLOW, ASK, DENY])))
def test_deny_beats_ask_beats_allow_in_any_order(order):
    rules = [rule(verdict) for verdict in order]
    assert decide(rules, {}).verdict is DENY
    assert decide([r for r in rules if r.verdict is not DENY], {}).verdict is ASK
    assert decide([r for r in rules if r.verdict is ALLOW], {}).verdict is ALLOW


@pytest.mark.parametrize("default", Verdict)
def test_nothing_matching_is_the_stated_default(default):
    never = rule(DENY, Condition("x", "present"))
    for rules in ([], [never]):
        assert decide(rules, {}, default=default, otherwise="quiet") == Decision(default, "quiet")


def test_the_default_is_deny():
    assert decide([], {}).verdict is DENY


def test_of_two_rules_with_one_verdict_the_first_decides():
    assert decide([rule(ASK, name="a"), rule(ASK, name="b")], {}) == Decision(ASK, "because a", "a")


def test_a_rule_needs_all_of_its_conditions():
    both = rule(ALLOW, Condition("a", "equal", 1), Condition("b", "equal", 2))
    assert decide([both], {"a": 1, "b": 2}).verdict is ALLOW
    assert decide([both], {"a": 1, "b": 3}).verdict is DENY


@pytest.mark.parametrize(
    ("test", "value", "true", "false"),
    [
        ("equal", 3, 3, 4),
        ("not_equal", 3, 4, 3),
        ("in", ["a", "b"], "a", "c"),
        ("not_in", ["a", "b"], "c", "a"),
        ("contains", "a", ["a"], ["b"]),
        ("above", 3, 4, 3),
        ("at_least", 3, 3, 2),
        ("below", 3, 2, 3),
        ("at_most", 3, 3, 4),
    ],
)
def test_each_comparison(test, value, true, false):
    condition = Condition("x", test, value)
    assert condition.holds({"x": true})
    assert not condition.holds({"x": false})


def test_presence():
    assert Condition("x", "present").holds({"x": None})
    assert not Condition("x", "present").holds({})
    assert Condition("x", "absent").holds({})
    assert not Condition("x", "absent").holds({"x": None})


@pytest.mark.parametrize("test", OPERATORS)
def test_an_absent_fact_matches_only_what_says_so(test):
    condition = Condition("x", test, ["a"])
    assert condition.holds({}) == (test in {"absent", "not_in", "not_equal"})


@pytest.mark.parametrize(
    ("test", "fact", "value"),
    [("above", "text", 3), ("below", None, 3), ("contains", 3, "a"), ("in", "a", 3)],
)
def test_what_cannot_be_compared_does_not_match(test, fact, value):
    assert not Condition("x", test, value).holds({"x": fact})


def test_a_missing_number_is_neither_above_nor_below():
    facts = {"x": float("nan")}
    assert not any(
        Condition("x", test, 1.0).holds(facts)
        for test in ("above", "below", "at_least", "at_most", "equal")
    )


def test_an_unknown_test_is_refused_when_the_rule_is_made():
    with pytest.raises(BadInput, match="sideways"):
        Condition("x", "sideways", 1)
