"""In which steps does a version take over, and when is it too bad to go on? Rules over measures.

In: the product's ``[rollout]`` rules and a :class:`~twinhelm.mlops.deploy.measures.Tally` of what
the new version answered in the step. Out: shares, and a reason to give up, with its numbers. A
share of 0 is the shadow. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from twinhelm.core.errors import BadInput
from twinhelm.mlops.deploy.measures import Tally
from twinhelm.mlops.types import Part, Spec
from twinhelm.mlops.types.spec import Rollout

__all__ = ["check_parts", "fails_early", "rules_of", "way", "worse"]

EARLY_ERRORS = 5
"""So many errors, over the ratio, end a step before it has run its time."""


def rules_of(spec: Spec | None) -> Rollout:
    """Return a product's rules; without a file the usual ones hold: a canary."""
    return Rollout() if spec is None else spec.rollout


def way(rules: Rollout, *, first: bool) -> tuple[str, tuple[float, ...]]:
    """Return how a version takes over, and the shares of its steps; the first goes direct."""
    if first or rules.kind == "direct":
        return "direct", ()
    return rules.kind, (0.0,) if rules.kind == "shadow" else rules.shares


def fails_early(tally: Tally, rules: Rollout) -> bool:
    """Tell whether so much failed already that waiting for the step's end would do harm."""
    return tally.errors >= EARLY_ERRORS and tally.error_ratio > rules.max_error_ratio


def worse(tally: Tally, rules: Rollout, *, shadow: bool) -> str:
    """Say with numbers why a version may not go on; empty where it may."""
    p99_ms = tally.quantile_s(0.99) * 1e3
    seen = f"over {tally.requests} requests"
    if tally.requests and tally.error_ratio > rules.max_error_ratio:
        said = f"{tally.errors} errors {seen} are {tally.error_ratio:.1%}"
        return f"{said}; at most {rules.max_error_ratio:.1%} may fail"
    if tally.requests and p99_ms > rules.max_latency_ms:
        said = f"the 99th percentile {seen} was {p99_ms:.0f} ms"
        return f"{said}; at most {rules.max_latency_ms:g} ms may be"
    if shadow and tally.disagreement > rules.max_disagreement:
        said = f"{tally.differing} of {tally.compared} rows differ from the champion's"
        return f"{said}: {tally.disagreement:.1%}; at most {rules.max_disagreement:.1%} may"
    return ""


def check_parts(parts: Sequence[Part]) -> None:
    """Refuse a split of the traffic that makes no sense; raises :class:`BadInput`."""
    champions = [part for part in parts if part.role == "champion"]
    total = sum(part.share for part in parts)
    wrong = [part for part in parts if (part.role == "shadow") != (part.share == 0.0)]
    if len(champions) != 1 or len({part.version for part in parts}) < len(parts) or wrong:
        said = "one part must be the champion, each version named once, and only a shadow has none"
        raise BadInput(said, hint="such as 1=champion:0.9 and 2=canary:0.1")
    if abs(total - 1.0) > 1e-9:
        raise BadInput(f"the shares add up to {total:g}, not 1", hint="shares are parts of 1")
