"""Policy: whatever may or may not proceed is one evaluation of rules over facts.

Deny beats ask beats allow, whatever the order of the rules; of several rules with the winning
verdict the first decides; where no rule matches, the caller's stated default holds. A condition
on a fact that is absent, or that cannot be compared, does not match, except ``absent`` and
``not_in``, ``not_equal`` on an absent fact. Pure; cost in proportion to the number of conditions.

    >>> rules = [Rule("night", (Condition("hour", "above", 21),), Verdict.ASK, "people sleep")]
    >>> decide(rules, {"hour": 23}, default=Verdict.ALLOW)
    Decision(verdict=<Verdict.ASK: 'ask'>, reason='people sleep', rule='night')
"""

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from twinhelm.core.errors import BadInput

__all__ = ["OPERATORS", "Condition", "Decision", "Rule", "Verdict", "decide"]


class Verdict(StrEnum):
    """What becomes of it. ALLOW: go on. ASK: a person decides. DENY: it does not happen."""

    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"


_ABSENT = object()

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "equal": operator.eq,
    "not_equal": operator.ne,
    "in": lambda fact, value: fact in value,
    "not_in": lambda fact, value: fact not in value,
    "contains": operator.contains,
    "above": operator.gt,
    "at_least": operator.ge,
    "below": operator.lt,
    "at_most": operator.le,
    "present": lambda fact, _: fact is not _ABSENT,
    "absent": lambda fact, _: fact is _ABSENT,
}
"""How a fact (left) is compared with a condition's value (right)."""

_MATCH_ABSENT = frozenset({"absent", "not_in", "not_equal"})


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison: the fact's name, an operator of :data:`OPERATORS`, a value."""

    fact: str
    test: str
    value: Any = None

    def __post_init__(self) -> None:
        if self.test not in OPERATORS:
            raise BadInput(
                f"a condition on {self.fact!r} uses the unknown test {self.test!r}",
                hint=f"tests are {', '.join(OPERATORS)}",
            )

    def holds(self, facts: Mapping[str, Any]) -> bool:
        """Tell whether the facts satisfy this condition; what cannot be compared does not."""
        fact = facts.get(self.fact, _ABSENT)
        if fact is _ABSENT:
            return self.test in _MATCH_ABSENT
        try:
            return bool(OPERATORS[self.test](fact, self.value))
        except TypeError:
            return False


@dataclass(frozen=True, slots=True)
class Rule:
    """A verdict with its reason, given when all conditions hold; without any, always."""

    name: str
    when: tuple[Condition, ...]
    verdict: Verdict
    reason: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided, why, and by which rule (empty: the default)."""

    verdict: Verdict
    reason: str
    rule: str = ""


def decide(
    rules: Iterable[Rule],
    facts: Mapping[str, Any],
    *,
    default: Verdict = Verdict.DENY,
    otherwise: str = "no rule says otherwise",
) -> Decision:
    """Evaluate all rules over the facts; ``default`` and ``otherwise`` hold where none matches."""
    found: dict[Verdict, Rule] = {}
    for rule in rules:
        if rule.verdict not in found and all(condition.holds(facts) for condition in rule.when):
            found[rule.verdict] = rule
    for verdict in (Verdict.DENY, Verdict.ASK, Verdict.ALLOW):
        if verdict in found:
            return Decision(verdict, found[verdict].reason, found[verdict].name)
    return Decision(default, otherwise)
