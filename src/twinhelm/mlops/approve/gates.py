"""May this version go live, and if not, what is to be done about it? Gates as policy.

Comes in: everything that is known of one version (:class:`Case`). Goes out: a decision (deny,
ask, allow) and the checks that it rests on, those of the validation among them. What is not known
never passes. Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from twinhelm.core.policy import Condition, Decision, Rule, decide
from twinhelm.core.policy import Verdict as May
from twinhelm.core.roles import ANONYMOUS
from twinhelm.mlops.approve.people import needs
from twinhelm.mlops.types import (
    RECIPE,
    Approval,
    ApprovalState,
    Check,
    Product,
    ProductVersion,
    Spec,
    Stage,
    Tier,
    Validation,
    Verdict,
)

__all__ = ["Case", "judge"]


@dataclass(frozen=True, slots=True)
class Case:
    """One version that is to go live.

    ``approvals`` are those that hold for this promotion: open, or agreed to and not used yet.
    ``seal`` says what is wrong with its files; empty where they are whole or were not read.
    ``rolling``: a rollout of it is under way.
    """

    product: Product
    spec: Spec | None
    version: ProductVersion
    validation: Validation | None
    approvals: tuple[Approval, ...]
    asker: str
    seal: str = ""
    rolling: bool = False


def judge(case: Case) -> tuple[Decision, list[Check]]:
    """Decide: DENY while a check does not pass, ASK while people must agree, else ALLOW."""
    checks = [*_standing(case), *_known(case), *_measured(case)]
    against = [each for each in checks if each.verdict is not Verdict.PASS]
    reason = "; ".join(_against(each) for each in against)
    people = _people(case)
    rules = (
        Rule("gates", (Condition("against", "above", 0),), May.DENY, reason),
        Rule("four eyes", (Condition("people", "not_equal", Verdict.PASS),), May.ASK, people.says),
    )
    facts = {"against": len(against), "people": people.verdict}
    return decide(rules, facts, default=May.ALLOW, otherwise=people.says), [*checks, people]


def _against(check: Check) -> str:
    """Say what a check found, and what it must be where it is a gate."""
    return f"{check.name} must be {check.wanted}: {check.says}" if check.wanted else check.says


def _check(name: str, holds: bool, says: str, instead: str) -> Check:
    return Check(name, Verdict.PASS if holds else Verdict.FAIL, says if holds else instead)


def _standing(case: Case) -> Iterator[Check]:
    """Look at what stands regardless of how good the model is."""
    product, version = case.product, case.version
    known = case.asker not in ("", ANONYMOUS.name) and not case.asker.startswith(RECIPE)
    instead = "sign in, or use a token of your own, to ask; a recipe does not ask for itself"
    yield _check("asked by", known, f"{case.asker} asks", instead)
    yield _check(
        "framed", case.spec is not None, "the product is framed",
        f"{product.name} has no product file, so nobody has said what it decides and who answers "
        "for it; frame it (twinhelm product new)",
    )  # fmt: skip
    yield _check(
        "product", not product.retired, "the product is in use",
        f"{product.name} is retired ({product.retired}); take it up again first",
    )  # fmt: skip
    stages = {
        Stage.REFUSED: f"version {version.version} was refused: {version.reason}",
        Stage.LIVE: f"version {version.version} is live already",
    }
    against = f"version {version.version} is being rolled out already" if case.rolling else ""
    against = stages.get(Stage(version.stage), against)
    yield _check("stage", not against, f"it is {version.stage}", against)
    if version.stage == Stage.RETIRED:
        says = f"it answered before and is asked for again; it was retired: {version.reason}"
        yield Check("taken back", Verdict.PASS, says)
    broken = case.seal or ("" if version.digest else "it was never signed; register it again")
    yield _check("signature", not broken, f"signed, digest {version.digest[:12]}", broken)


def _known(case: Case) -> Iterator[Check]:
    """Look at the facts that tier high must know; the others may leave them open."""
    if (spec := case.spec) is None or spec.product.tier is not Tier.HIGH:
        return
    told = {
        "who is affected (product.affects)": spec.product.affects,
        "why the tier is high (product.reasons)": spec.product.reasons,
        "who reviews (product.reviewers)": spec.product.reviewers,
        "what was considered instead (product.instead)": spec.product.instead,
        "how success is measured (success.measure)": spec.success.measure,
        "what a wrong answer costs (success.cost_of_wrong)": spec.success.cost_of_wrong,
        "the training data (data.train)": spec.data.train,
        "the hold-out data (data.holdout)": spec.data.holdout,
        "who made the version": case.version.author,
        "which data it was made with": case.version.data.get("train"),
    }
    missing = [name for name, value in told.items() if not value]
    says = f"tier high must know, and does not: {', '.join(missing)}"
    verdict = Verdict.UNKNOWN if missing else Verdict.PASS
    yield Check("facts", verdict, says if missing else "everything that tier high must know is")


def _measured(case: Case) -> Iterator[Check]:
    """Look at the validation: there, of this file and this data, and passed."""
    found, version = case.validation, case.version
    if case.spec is not None and not case.spec.gates:
        yield Check("gates", Verdict.UNKNOWN, "the product file has no gate; write one ([[gates]])")
    if found is None:
        says = f"version {version.version} was never validated; validate it"
        yield Check("validated", Verdict.UNKNOWN, says)
        return
    claims, was = version.data.get("holdout"), found.data.get("holdout")
    yield _check(
        "validated", found.time_ms >= case.product.framed_ms, "validated as the product file says",
        "the product file changed after it was validated; validate it again",
    )  # fmt: skip
    yield _check(
        "data", not claims or claims == was, "validated on the data that it claims",
        f"it claims hold-out data {str(claims)[:12]} but was validated on "
        f"{str(was or 'unknown data')[:12]}; validate it again",
    )  # fmt: skip
    yield from found.checks


def _people(case: Case) -> Check:
    """Look at who agreed."""
    wanted = needs(case.spec, case.version)
    agreed = next((each for each in case.approvals if _holds(each, wanted)), None)
    if wanted == 0:
        return Check("approved", Verdict.PASS, "tier low: passed gates are enough", 0, "0")
    if agreed is not None:
        names = ", ".join(each.by for each in agreed.answers if each.agrees)
        return Check("approved", Verdict.PASS, f"{names} agreed", wanted, str(wanted))
    high = case.spec is not None and case.spec.product.tier is Tier.HIGH
    reviewers = ", ".join(case.spec.product.reviewers) if case.spec and high else ""
    who = f"a named reviewer ({reviewers})" if high else "a person who neither asked nor made it"
    if wanted > 1:
        who = f"{wanted} people, each {who}, as nobody proved that {case.version.author} made it,"
    return Check("approved", Verdict.UNKNOWN, f"{who} must approve", 0, str(wanted))


def _holds(approval: Approval, wanted: int) -> bool:
    return approval.state is ApprovalState.APPROVED and approval.needs >= wanted
