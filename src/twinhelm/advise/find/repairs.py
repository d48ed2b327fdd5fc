"""Which runbooks may act by themselves? Those that people are asked about, and always agree to.

What counts is the newest text of a runbook in one environment, where this house asked and people
answered. One refusal or a plan that four eyes must see, and nothing is said; nor where it might
act already, had its last repairs helped. The wait for a yes is what it costs, at most an hour.
"""

from collections import defaultdict
from collections.abc import Iterator
from statistics import median

from twinhelm.advise.draft import level, slug
from twinhelm.advise.types import HOUR_MS, PAGE_HOURS, Found, Seen
from twinhelm.advise.words import risk_of
from twinhelm.aiops.automate.policy import Autonomy
from twinhelm.aiops.automate.repair import Repair, RepairState
from twinhelm.aiops.automate.runbook import Level

__all__ = ["trusted"]

EARNED = int(Autonomy().earn)
"""After so many that helped, a runbook that may act is asked about no more."""


def trusted(seen: Seen) -> Iterator[Found]:
    """Yield runbooks that were approved every time, and helped."""
    books: dict[tuple[str, str], list[Repair]] = defaultdict(list)
    for one in seen.repairs:
        if one.asked_by == "twinhelm" and any(not each.choice for each in one.answers):
            books[one.runbook, one.environment].append(one)
    for (name, environment), every in books.items():
        last = every[-1]
        asked = [one for one in every if one.digest == last.digest]
        helped = [one.state is RepairState.VERIFIED for one in asked]
        refused = any(not each.agrees for one in asked for each in one.answers)
        earned = len(asked) > EARNED and all(helped[-1 - EARNED : -1])
        if refused or last.plan.dangerous or last.level is Level.ACT or not earned:
            continue
        waits = [max(one.started_ms - one.asked_ms, 0) / HOUR_MS for one in asked]
        count, good = len(asked), sum(helped)
        says = " ".join(step.says for step in last.plan.steps)
        yield Found(
            slug("trusted", name, environment), "trusted", last.plan.target,
            f"{name} was approved {count} times of {count}: let it act by itself",
            times=[one.asked_ms for one in asked],
            people={each.by for one in asked for each in one.answers},
            hours=sum(min(max(wait, PAGE_HOURS), 1.0) for wait in waits), same=good / count,
            saved=1.0, risk=risk_of(says, *last.reach),
            says_for=[(f"{good} of {count} were verified: the signs ended", 0.9),
                      (f"trouble waited for a yes, {median(waits) * 60:.0f} min as a rule", 0.8)],
            says_against=[("nobody looks before it acts; limits, verification and undo stay", 0.3),
                          (f"the policy must let it act in {environment}", 0.1)],
            draft=level(name), covered=[f"repair/{one.id}" for one in asked],
        )  # fmt: skip
