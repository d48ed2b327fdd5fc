"""May this repair happen now, by itself or if a person agrees? Policy over facts, with the reason.

In: the plan, the house's policy, the repairs there were, the stop switch; out: a decision. Deny
beats ask beats allow. The facts, also those that rules of the house may use:

| fact | what |
| --- | --- |
| runbook, environment, target, severity, by | the repair: texts; ``by`` is twinhelm or a person |
| dangerous | four eyes are wanted |
| level | suggest, ask or act: how far the runbook goes here by itself |
| reach, cost | entities touched; cost of this run |
| stopped, freeze | the switch is pulled; the name of a freeze (absent: none) |
| calm | the incident's signs have ended already |
| barred | what this house does not let its steps do (absent: nothing) |
| incident_runs | repairs of this incident that began, or are asked for |
| running, waiting | repairs under way in the house; open requests of the runbook |
| runbook_hour, house_hour, entity_hour | begun within an hour; of the busiest entity it touches |
| quiet_s | seconds since the runbook last touched an entity that it would (absent: never) |
| day_cost | what the last day cost, with this run |

Autonomy is earned: a runbook acts by itself once its last ``earn`` repairs of this version were
verified, and asks again after one that was not. A person sets how far it may go at most. Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from twinhelm.aiops.automate.plan import Plan
from twinhelm.aiops.automate.policy import Policy
from twinhelm.aiops.automate.repair import OPEN, UNDER_WAY, Repair, RepairState
from twinhelm.aiops.automate.runbook import Level, Runbook
from twinhelm.core.policy import Condition, Decision, Rule, Verdict, decide
from twinhelm.core.roles import ANSWERING, answering, same_name

__all__ = ["Autonomy", "autonomy_of", "facts_of", "judge", "may_answer", "needs"]

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
_ORDER = (Level.SUGGEST, Level.ASK, Level.ACT)
_WON = (RepairState.VERIFIED,)
_LOST = (RepairState.USELESS, RepairState.UNDONE, RepairState.FAILED)


@dataclass(frozen=True, slots=True)
class Autonomy:
    """How far a runbook goes by itself here: ``level``, of at most ``ceiling``, and why.

    ``won`` are the verified repairs in a row of this version, ``earn`` how many it takes.
    """

    level: Level
    ceiling: Level
    won: int
    earn: int
    text: str


def autonomy_of(
    runbook: Runbook,
    digest: str,
    said: Level,
    environment: str,
    policy: Policy,
    past: Iterable[Repair],
    answers: Mapping[str, bool] | None = None,
) -> Autonomy:
    """Compute how far a runbook goes by itself, from the records of its repairs.

    ``said`` is how far people let it go; ``answers`` are people's words on repairs, by id:
    wrong makes it a failure, right a success.
    """
    most = policy.autonomy.environments.get(environment, Level.ACT)
    ceiling = min(said, most, key=_ORDER.index)
    own = [each for each in past if (each.runbook, each.digest) == (runbook.name, digest)
           and each.environment == environment and each.state in (*_WON, *_LOST)]  # fmt: skip
    own.sort(key=lambda each: each.ended_ms, reverse=True)
    said_of = answers or {}
    good = [said_of.get(each.id, each.state in _WON) for each in own]
    won = good.index(False) if False in good else len(good)
    earn = policy.autonomy.earn
    level = ceiling if won >= earn else min(ceiling, Level.ASK, key=_ORDER.index)
    if ceiling is not Level.ACT:
        text = f"it may {ceiling} at most"
    elif level is Level.ACT:
        text = f"{won} verified in a row, {earn} are wanted"
    else:
        lost = f"; {own[won].id} before them was not" if won < len(own) else ""
        text = f"{won} of {earn} verified in a row{lost}"
    return Autonomy(level, ceiling, won, earn, text)


def facts_of(
    runbook: Runbook,
    plan: Plan,
    policy: Policy,
    past: Sequence[Repair],
    *,
    incident: int,
    severity: str,
    environment: str,
    level: Level,
    by: str,
    stopped: bool,
    calm: bool,
    now_ms: int,
) -> dict[str, object]:
    """Gather the facts; ``past`` are the repairs of the last day or longer, and all open ones."""
    reach = {plan.target, *plan.reach}
    begun = [each for each in past if each.started_ms]
    hour = [each for each in begun if each.started_ms > now_ms - HOUR_MS]
    own = [each for each in past if each.runbook == runbook.name]
    touched = [each.started_ms for each in own if each.started_ms and reach & set(each.reach)]
    day = sum(each.cost for each in begun if each.started_ms > now_ms - DAY_MS)
    facts: dict[str, object] = {
        "runbook": runbook.name, "environment": environment, "target": plan.target,
        "severity": severity, "by": by, "dangerous": plan.dangerous, "level": level.value,
        "reach": len(plan.reach), "cost": runbook.limits.cost, "stopped": stopped, "calm": calm,
        "incident_runs": sum(each.incident == incident for each in past
                             if each.started_ms or not each.state.over),
        "running": sum(each.state in UNDER_WAY or each.state in OPEN for each in begun),
        "waiting": sum(each.state in OPEN for each in own),
        "runbook_hour": sum(each.runbook == runbook.name for each in hour),
        "house_hour": len(hour),
        "entity_hour": max(sum(one in each.reach for each in hour) for one in reach),
        "day_cost": day + runbook.limits.cost,
    }  # fmt: skip
    if touched:
        facts["quiet_s"] = (now_ms - max(touched)) / 1000
    if plan.barred:
        facts["barred"] = "; ".join(plan.barred)
    freeze = next((each for each in policy.freezes if each.holds(now_ms, environment)), None)
    if freeze is not None:
        facts["freeze"] = freeze.name
    return facts


def judge(
    runbook: Runbook, policy: Policy, facts: Mapping[str, object], *, beginning: bool = False
) -> Decision:
    """Decide: deny, ask people, or let it happen.

    ``beginning``: it was agreed to, and is about to begin; only what may have changed since
    counts, and how many wait does not.
    """
    own, house = runbook.limits, policy.limits
    ago = facts.get("quiet_s")
    most: tuple[tuple[str, str, float], ...] = (
        ("running", "repairs are under way", house.running),
        ("runbook_hour", "repairs of this runbook within an hour", own.per_hour),
        ("house_hour", "repairs within an hour", house.per_hour),
        ("entity_hour", "repairs of one entity within an hour", house.per_entity_hour),
        *((("waiting", "requests of this runbook wait for an answer", house.waiting),)
          if not beginning else ()),
    )  # fmt: skip
    reach = min(own.reach, house.reach)
    rules = [
        _rule("stop switch", "the stop switch is pulled; release it (`twinhelm repair resume`)",
              ("stopped", "equal", True)),
        _rule("freeze", f"it is {facts.get('freeze')}: no repair begins", ("freeze", "present")),
        _rule("calm", "the signs have ended by themselves", ("calm", "equal", True)),
        _rule("barred", f"this house bars it: {facts.get('barred')}", ("barred", "present")),
        _rule("reach", f"it touches {facts['reach']} entities, more than the {reach} allowed",
              ("reach", "above", reach)),
        *(_rule(fact.replace("_", " "), f"as many {what} as are allowed: {many:g}",
                (fact, "at_least", many)) for fact, what, many in most),
        _rule("day cost", f"the day would cost more than the {house.cost_per_day:g} allowed",
              ("day_cost", "above", house.cost_per_day)),
        _rule("cool-down", f"it touched the same {ago or 0:.0f} s ago, and leaves it alone for "
              f"{own.cooldown_s:g} s", ("quiet_s", "below", own.cooldown_s)),
    ]  # fmt: skip
    if not beginning:
        rules += [
            _rule("once", "one repair was tried for this incident; a person goes on",
                  ("incident_runs", "at_least", 1), ("by", "equal", "twinhelm")),
            _rule("four eyes", "it is dangerous", ("dangerous", "equal", True), may=Verdict.ASK),
            _rule("level", "it asks before it acts", ("level", "not_equal", Level.ACT.value),
                  may=Verdict.ASK),
        ]  # fmt: skip
    rules += [each.rule for each in policy.rules if each.verdict is Verdict.DENY or not beginning]
    return decide(rules, facts, default=Verdict.ALLOW, otherwise="it may act by itself")


def needs(plan: Plan) -> int:
    """Say how many people must agree, where people are asked."""
    return 2 if plan.dangerous else 1


def may_answer(
    repair: Repair, *, by: str, roles: Iterable[str], person: bool, resolved: bool, now_ms: int
) -> Decision:
    """Decide whether ``by`` may answer; ``person``: somebody of that name can sign in."""
    facts = answering(by, roles, person=person) | {
        "open": repair.state in OPEN,
        "late": now_ms > repair.until_ms,
        "resolved": resolved,
        "again": any(same_name(each.by, by) for each in repair.answers) and not repair.question,
    }
    eyes = "; another person must agree too" if repair.needs > 1 else ""
    against = (
        ("open", False, f"it is {repair.state} already"),
        ("late", True, "its time to be answered is over"),
        ("resolved", True, "the incident was resolved meanwhile"),
        ("again", True, f"you have answered already{eyes}"),
    )
    rules = (_rule(fact, why, (fact, "equal", held)) for fact, held, why in against)
    return decide((*ANSWERING, *rules), facts, default=Verdict.ALLOW, otherwise="may answer")


def _rule(
    name: str, reason: str, *when: tuple[str, str] | tuple[str, str, object],
    may: Verdict = Verdict.DENY,
) -> Rule:  # fmt: skip
    return Rule(name, tuple(Condition(*each) for each in when), may, reason)
