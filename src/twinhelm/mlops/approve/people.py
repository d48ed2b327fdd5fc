"""Who must agree that a version goes live, and who may say so? Four eyes, by risk tier.

Tier low: nobody, its gates are enough. Limited: one person who neither asked for it nor made it.
High: one of the reviewers that the product file names, who is not the owner either. A product
without a file counts as high. Where an MLflow client without a token brought the version, its
author is a name that nobody proved: it bars whoever bears it and vouches for nobody, so one more
person must agree, and at least one of them did not make it. Only a person answers, by signing in
or by a token made for that person, which bears the person's name here. Names are compared without
regard to case. Wrong where one person has two names, or made a version by a token of nobody's.
"""

from collections.abc import Iterable

from twinhelm.core.policy import Condition, Decision, Rule, Verdict, decide
from twinhelm.core.roles import ANSWERING, answering, same_name
from twinhelm.mlops.types import Approval, ProductVersion, Spec, Tier

__all__ = ["RULES", "may_answer", "needs"]


def _deny(name: str, reason: str, *when: tuple[str, object]) -> Rule:
    conditions = tuple(Condition(fact, "equal", value) for fact, value in when)
    return Rule(name, conditions, Verdict.DENY, reason)


RULES = (
    *ANSWERING,
    _deny("own request", "you asked for it yourself; somebody else must answer", ("asked", True)),
    _deny("author", "you made this version; somebody else must answer", ("author", True)),
    _deny(
        "reviewer",
        "the risk tier is high; only a reviewer named in the product file may answer",
        *(("tier", "high"), ("reviewer", False)),
    ),
    _deny(
        "owner",
        "the risk tier is high and you own the product; another reviewer must answer",
        *(("tier", "high"), ("owner", True)),
    ),
)
"""Why somebody may not answer; nobody else is kept from it."""


def needs(spec: Spec | None, version: ProductVersion) -> int:
    """Say how many people must agree that a version go live."""
    return 0 if spec is not None and spec.product.tier is Tier.LOW else 1 + version.claimed


def may_answer(
    spec: Spec | None,
    version: ProductVersion,
    approval: Approval,
    *,
    by: str,
    roles: Iterable[str],
    person: bool,
) -> Decision:
    """Decide whether ``by`` may answer a request.

    ``person`` tells whether somebody of that name can sign in.
    """
    facts = answering(by, roles, person=person) | {
        "asked": same_name(by, approval.asked_by),
        "author": same_name(by, version.author),
        "tier": str(Tier.HIGH if spec is None else spec.product.tier),
        "reviewer": spec is not None
        and any(same_name(by, each) for each in spec.product.reviewers),
        "owner": spec is not None and same_name(by, spec.product.owner),
    }
    return decide(RULES, facts, default=Verdict.ALLOW, otherwise="may answer")
