"""Who may answer: the four eyes of each tier, one rule at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from twinhelm.core.policy import Verdict
from twinhelm.core.roles import ANONYMOUS, Role
from twinhelm.mlops.approve import may_answer, needs
from twinhelm.mlops.types import Approval, ProductVersion, Spec, Stage

VERSION = ProductVersion("fraud", "3", Stage.REGISTERED, 1, "a model", author="Ada")
ASKED = Approval("fraud/3/1", "fraud", "3", "grace", 1, 1)


def spec(tier, reviewers=("rita", "olga")):
    purpose = {"name": "fraud", "use_case": "x", "decides": "y", "owner": "Olga"}
    return Spec.model_validate({"product": {**purpose, "tier": tier, "reviewers": reviewers}})


def answer(by, tier="limited", roles=(Role.APPROVER,)):
    return may_answer(spec(tier), VERSION, ASKED, by=by, roles=roles, person=True)


@pytest.mark.parametrize(("tier", "wanted"), [("low", 0), ("limited", 1), ("high", 1)])
def test_how_many_must_agree(tier, wanted):
    assert needs(spec(tier), VERSION) == wanted


def test_what_nobody_framed_needs_somebody():
    assert needs(None, VERSION) == 1


@pytest.mark.parametrize(("tier", "wanted"), [("low", 0), ("limited", 2), ("high", 2)])
def test_a_maker_whom_nobody_proved_vouches_for_nobody(tier, wanted):
    assert needs(spec(tier), replace(VERSION, claimed=True)) == wanted


def test_a_name_that_was_only_claimed_still_bars_whoever_bears_it():
    claimed = replace(VERSION, claimed=True)
    decision = may_answer(spec("limited"), claimed, ASKED, by="ada", roles=["admin"], person=True)
    assert decision.rule == "author"


def test_a_token_of_no_person_s_name_is_no_pair_of_eyes():
    decision = may_answer(spec("limited"), VERSION, ASKED, by="ci", roles=["admin"], person=False)
    assert (decision.verdict, decision.rule) == (Verdict.DENY, "person")


@pytest.mark.parametrize("by", ["rita", "bob", "olga"])
def test_limited_takes_any_other_approver(by):
    assert answer(by).verdict is Verdict.ALLOW


@pytest.mark.parametrize("by", ["rita", " Rita"])
def test_high_takes_a_named_reviewer(by):
    assert answer(by, "high").verdict is Verdict.ALLOW


@pytest.mark.parametrize(
    ("by", "tier", "rule"),
    [
        (ANONYMOUS.name, "limited", "signed in"),
        ("", "limited", "signed in"),
        ("grace", "limited", "own request"),
        ("GRACE", "limited", "own request"),
        ("ada", "limited", "author"),
        ("ada", "high", "author"),
        ("bob", "high", "reviewer"),
        ("olga", "high", "owner"),
    ],
)
def test_who_may_not(by, tier, rule):
    decision = answer(by, tier)
    assert (decision.verdict, decision.rule) == (Verdict.DENY, rule)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.DATA_SCIENTIST])
def test_without_the_right_nobody_answers(role):
    assert answer("rita", roles=[role]).rule == "right"


def test_the_administrator_is_no_exception_to_four_eyes():
    assert answer("rita", roles=["admin"]).verdict is Verdict.ALLOW
    assert answer("grace", roles=["admin"]).rule == "own request"


def test_without_a_product_file_nobody_is_a_reviewer():
    decision = may_answer(None, VERSION, ASKED, by="rita", roles=["admin"], person=True)
    assert decision.rule == "reviewer"
