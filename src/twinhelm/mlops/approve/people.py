"""Who must agree that a version goes live, and who may say so? Four eyes, by risk tier.

Tier low: nobody, its gates are enough. Limited: one person who neither asked for it nor made it.
High: one of the reviewers that the product file names, who is not the owner either. A product
without a file counts as high. Names are compared without regard to case. Wrong where one person
has two names: the author that MLflow tells must be the name that this person signs in with.
"""

from collections.abc import Iterable

from twinhelm.core.policy import Condition, Decision, Rule, Verdict, decide
from twinhelm.core.roles import ANONYMOUS, Identity, Right, Role, allows
from twinhelm.mlops.types import Approval, ProductVersion, Spec, Tier

__all__ = ["RULES", "may_answer", "needs"]


def _deny(name: str, reason: str, *when: tuple[str, object]) -> Rule:
    conditions = tuple(Condition(fact, "equal", value) for fact, value in when)
    return Rule(name, conditions, Verdict.DENY, reason)


RULES = (
    _deny("signed in", "nobody is signed in; sign in to answer", ("signed in", False)),
    _deny("right", "this needs the right to approve; ask for the role approver", ("right", False)),
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


def needs(spec: Spec | None) -> int:
    """Say how many people must agree."""
    return 0 if spec is not None and spec.product.tier is Tier.LOW else 1


def may_answer(
    spec: Spec | None,
    version: ProductVersion,
    approval: Approval,
    *,
    by: str,
    roles: Iterable[str] | None = None,
) -> Decision:
    """Decide whether ``by`` may answer a request; without ``roles`` these are not looked at."""
    facts: dict[str, object] = {
        "signed in": bool(by) and by != ANONYMOUS.name,
        "asked": _same(by, approval.asked_by),
        "author": _same(by, version.author),
        "tier": str(Tier.HIGH if spec is None else spec.product.tier),
        "reviewer": spec is not None and any(_same(by, each) for each in spec.product.reviewers),
        "owner": spec is not None and _same(by, spec.product.owner),
    }
    if roles is not None:
        who = Identity(by, frozenset(Role(each) for each in roles), "session")
        facts["right"] = allows(who, Right.APPROVE)
    return decide(RULES, facts, default=Verdict.ALLOW, otherwise="may answer")


def _same(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()
