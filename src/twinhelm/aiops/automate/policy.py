"""What does the house's policy say of repairs? The document ``policy.toml``.

In: its text; out: a :class:`Policy`, or all that is wrong with it by line and column. Without the
document the defaults hold. Rules are those of :mod:`twinhelm.core.policy` over the facts that
:mod:`.limits` names. A freeze is a stretch of time (``begins``, ``ends``) or comes again on some
days of the week (``days``, ``from``, ``until``, in ``zone``); one that ends before it begins
reaches into the next day, and one until ``24:00`` ends with its day. Clock changes count as the
zone has them.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, Field

from twinhelm.aiops.automate.runbook import Level
from twinhelm.core.documents import Part, Path, Wrong, read_document
from twinhelm.core.documents.hours import Clock, Day, Hours, Until, Zone, within, zone_of
from twinhelm.core.policy import OPERATORS, Condition, Rule, Verdict

__all__ = ["Autonomy", "Freeze", "House", "Policy", "Said", "When", "read_policy"]

Count = Annotated[int, Field(ge=0, le=100_000)]


class Autonomy(Part):
    """How far runbooks go by themselves."""

    earn: Count = 3
    """So many verified repairs in a row let a runbook act by itself; one failure takes it away."""
    environments: Mapping[str, Level] = Field(default_factory=dict)
    """The most that is let in an environment, by its name; "act" where it is not named."""


class House(Part):
    """What all repairs together may do at most."""

    running: Count = 2
    """At once."""
    waiting: Count = 5
    """Open requests of one runbook."""
    per_hour: Count = 10
    per_entity_hour: Count = 2
    """Repairs that touch one entity."""
    reach: Count = 10
    """Entities that one repair may touch, whatever its runbook says."""
    cost_per_day: Annotated[float, Field(ge=0)] = 1e9


class Freeze(Part):
    """A time in which no repair begins."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    begins: AwareDatetime | None = None
    ends: AwareDatetime | None = None
    days: tuple[Day, ...] = ()
    from_: Annotated[Clock | None, Field(alias="from")] = None
    until: Until | None = None
    zone: Zone = "UTC"
    environments: tuple[str, ...] = ()
    """Where; everywhere unless told."""

    def holds(self, now_ms: int, environment: str) -> bool:
        """Tell whether it is this time now."""
        if self.environments and environment not in self.environments:
            return False
        if self.begins is not None and self.ends is not None:
            return self.begins <= datetime.fromtimestamp(now_ms / 1000, UTC) < self.ends
        hours = Hours(days=self.days, begin=self.from_ or "", end=self.until or "")
        return within(hours, now_ms, zone_of(self.zone))


class When(Part):
    """One comparison of a fact."""

    fact: str
    test: str
    value: Any = None


class Said(Part):
    """One rule of the house."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    when: tuple[When, ...] = ()
    verdict: Verdict
    reason: Annotated[str, Field(min_length=1, max_length=400)]

    @property
    def rule(self) -> Rule:
        """The rule itself."""
        conditions = tuple(Condition(one.fact, one.test, one.value) for one in self.when)
        return Rule(self.name, conditions, self.verdict, self.reason)


class Policy(Part):
    """The whole document."""

    autonomy: Autonomy = Field(default_factory=Autonomy)
    limits: House = Field(default_factory=House)
    freezes: Annotated[tuple[Freeze, ...], Field(max_length=100)] = ()
    rules: Annotated[tuple[Said, ...], Field(max_length=100)] = ()


def read_policy(text: str, where: str = "policy.toml") -> Policy:
    """Read the policy; raises what :func:`~twinhelm.core.documents.read_document` raises."""
    return read_document(text, Policy, where, _wrong)


def _wrong(policy: Policy) -> Iterator[Wrong]:
    for number, freeze in enumerate(policy.freezes):
        yield from _wrong_freeze(("freezes", number), freeze)
    for number, said in enumerate(policy.rules):
        for each, one in enumerate(said.when):
            if one.test not in OPERATORS:
                tests = ", ".join(OPERATORS)
                yield ("rules", number, "when", each), f"the test {one.test!r} is none of {tests}"


def _wrong_freeze(at: Path, freeze: Freeze) -> Iterator[Wrong]:
    once = freeze.begins is not None or freeze.ends is not None
    again = bool(freeze.days or freeze.from_ or freeze.until)
    if once == again:
        yield at, f"{freeze.name}: say begins and ends, or days, from and until"
    elif once:
        if freeze.begins is None or freeze.ends is None or freeze.begins >= freeze.ends:
            yield at, f"{freeze.name}: it must begin and then end"
    elif not (freeze.days and freeze.from_ and freeze.until):
        yield at, f'{freeze.name}: say days, from and until, such as ["sat"], "22:00" and "06:00"'
    elif freeze.from_ == freeze.until:
        yield at, f"{freeze.name}: from and until are the same; a whole day ends at 24:00"
