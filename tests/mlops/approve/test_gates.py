"""What stands between a version and its going live, one reason at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from twinhelm.core.policy import Verdict as May
from twinhelm.mlops.approve import Case, judge
from twinhelm.mlops.types import (
    RECIPE,
    Answer,
    Approval,
    ApprovalState,
    Check,
    Product,
    ProductVersion,
    Spec,
    Stage,
    Validation,
    Verdict,
)

PURPOSE = {
    "name": "fraud", "use_case": "u", "decides": "d", "owner": "olga", "reviewers": ["rita"],
    "affects": "patients", "reasons": ["health"], "instead": "rules were worse",
}  # fmt: skip
VERSION = ProductVersion(
    "fraud", "3", Stage.REGISTERED, 1, "m", author="ada", digest="d" * 64,
    data={"train": "t1", "holdout": "h1"},
)  # fmt: skip
VALIDATION = Validation(
    "fraud", "3", 20, (Check("accuracy", Verdict.PASS, "0.95"),), (), data={"holdout": "h1"}
)
AGREED = Approval(
    "fraud/3/1", "fraud", "3", "grace", 30, 1, ApprovalState.APPROVED,
    (Answer("rita", True, "", 40),),
)  # fmt: skip


def spec(tier="limited", **changed):
    whole = {
        "product": {**PURPOSE, "tier": tier},
        "success": {"measure": "recall", "cost_of_wrong": "a missed tumour"},
        "data": {"train": "train.csv", "holdout": "hold.csv"},
        "gates": [{"metric": "accuracy", "at_least": 0.9}],
    }
    return Spec.model_validate(whole | changed)


def case(tier="limited", **changed):
    made = Case(
        Product("fraud", "d", "olga", tier, framed_ms=10), spec(tier), VERSION, VALIDATION,
        (AGREED,), "grace",
    )  # fmt: skip
    return replace(made, **changed)


def failing(made):
    return [each.name for each in judge(made)[1] if each.verdict is not Verdict.PASS]


@pytest.mark.parametrize("tier", ["low", "limited", "high"])
def test_with_everything_in_place_it_may_go_live(tier):
    decision, checks = judge(case(tier))
    assert decision.verdict is May.ALLOW
    assert all(each.verdict is Verdict.PASS for each in checks)
    assert "accuracy" in {each.name for each in checks}


@pytest.mark.parametrize("tier", ["limited", "high"])
def test_without_an_agreement_people_are_asked(tier):
    for approvals in ((), (replace(AGREED, state=ApprovalState.OPEN, answers=()),)):
        decision, _ = judge(case(tier, approvals=approvals))
        assert (decision.verdict, decision.rule) == (May.ASK, "four eyes")
        assert "must approve" in decision.reason


def test_the_high_tier_names_its_reviewers():
    assert "rita" in judge(case("high", approvals=()))[0].reason


def test_the_low_tier_needs_nobody():
    assert judge(case("low", approvals=()))[0].verdict is May.ALLOW


def test_an_agreement_of_nobody_does_not_serve_a_higher_tier():
    nobody = replace(AGREED, needs=0, answers=())
    assert judge(case("limited", approvals=(nobody,)))[0].verdict is May.ASK


CASES = {
    "asked by": {"asker": "anonymous@loopback"},
    "framed": {"spec": None},
    "product": {"product": Product("fraud", "d", "olga", "low", framed_ms=10, retired="unused")},
    "stage": {"version": replace(VERSION, stage=Stage.REFUSED, reason="os.system")},
    "signature": {"seal": "model.pkl is not as it was signed"},
    "validated": {"validation": None},
    "data": {"validation": replace(VALIDATION, data={"holdout": "h2"})},
    "gates": {"spec": spec(gates=[])},
}


@pytest.mark.parametrize("name", CASES)
def test_each_of_these_stands_in_the_way(name):
    made = case(**CASES[name])
    assert failing(made) == [name]
    decision, _ = judge(made)
    assert decision.verdict is May.DENY
    assert decision.reason


@pytest.mark.parametrize("stage", [Stage.LIVE, Stage.REFUSED])
def test_what_is_live_or_refused_may_not_go_on(stage):
    assert failing(case(version=replace(VERSION, stage=stage))) == ["stage"]
    assert failing(case(version=replace(VERSION, stage=Stage.APPROVED))) == []


def test_what_was_taken_back_may_be_asked_for_again_and_the_reason_stands_among_the_checks():
    back = replace(VERSION, stage=Stage.RETIRED, reason="12 of 40 requests failed")
    decision, checks = judge(case(version=back))
    assert decision.verdict is May.ALLOW
    (told,) = [each.says for each in checks if each.name == "taken back"]
    assert "12 of 40 requests failed" in told
    assert judge(case(version=back, approvals=()))[0].verdict is May.ASK


def test_a_recipe_does_not_ask_for_itself():
    assert failing(case("low", asker=f"{RECIPE}1f")) == ["asked by"]


def test_one_agreement_is_not_enough_for_what_nobody_signed_in_made():
    claimed = case(version=replace(VERSION, claimed=True))
    decision, _ = judge(claimed)
    assert decision.verdict is May.ASK
    assert "2 people" in decision.reason
    assert "nobody proved that ada made it" in decision.reason
    twice = replace(AGREED, needs=2, answers=(*AGREED.answers, Answer("bob", True, "", 41)))
    assert judge(replace(claimed, approvals=(twice,)))[0].verdict is May.ALLOW


def test_a_rollout_under_way_is_not_begun_again():
    assert failing(case(rolling=True)) == ["stage"]


def test_an_unsigned_version_is_not_let_in():
    assert failing(case(version=replace(VERSION, digest=""))) == ["signature"]


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.UNKNOWN])
def test_a_gate_that_fails_or_is_unknown_is_told(verdict):
    bad = Check("recall", verdict, "it is 0.71 (0.6 to 0.8)", 0.71, "at least 0.9")
    made = case(validation=replace(VALIDATION, checks=(*VALIDATION.checks, bad)))
    decision, checks = judge(made)
    assert decision.verdict is May.DENY
    assert decision.reason == "recall must be at least 0.9: it is 0.71 (0.6 to 0.8)"
    assert bad in checks


def test_all_reasons_are_told_at_once():
    decision, _ = judge(case(validation=None, asker="", seal="it is torn"))
    for part in ("sign in", "never validated", "it is torn"):
        assert part in decision.reason


def test_a_changed_product_file_asks_for_another_validation():
    changed = replace(case().product, framed_ms=VALIDATION.time_ms + 1)
    assert failing(case(product=changed)) == ["validated"]


@pytest.mark.parametrize(
    ("changed", "missing"),
    [
        ({"spec": spec("high", product={**PURPOSE, "tier": "high", "affects": ""})}, "affected"),
        ({"spec": spec("high", success={})}, "wrong answer costs"),
        ({"version": replace(VERSION, author="")}, "who made"),
        ({"version": replace(VERSION, data={})}, "which data"),
    ],
)
def test_the_high_tier_must_know_its_facts(changed, missing):
    decision, _ = judge(case("high", **changed))
    assert decision.verdict is May.DENY
    assert missing in decision.reason


def test_the_others_may_leave_facts_open():
    assert failing(case("limited", version=replace(VERSION, author="", data={}))) == []
