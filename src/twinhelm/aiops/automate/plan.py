"""What exactly would happen? The dry run of a runbook, with the values of one incident.

In: a runbook and the values of its parameters; out: a :class:`Plan`: for every step what would be
looked at, done and undone, to the letter, in the words of its actor; which entities that touches;
what this house does not allow of it; which steps cannot be repeated, and which are dangerous.
What an undo takes from the deed it undoes is shown as ``<did.NAME>``. Nothing is touched.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from twinhelm.aiops.automate.runbook import Deed, Runbook, Step
from twinhelm.aiops.automate.steps import Actor, parameters_of
from twinhelm.core.errors import BadInput

__all__ = ["Plan", "PlannedStep", "plan_of"]

SAMPLE = "2"
"""Stands for a number that an undo will take from the deed that it undoes."""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step, told; ``undo`` is empty where nothing changes, and says why where it is none."""

    name: str
    do: str
    says: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    undo: str
    undoes: bool
    """Whether it can be taken back."""
    changes: bool
    repeatable: bool
    dangerous: bool
    reach: tuple[str, ...]
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole dry run; ``barred`` says what keeps it from happening in this house."""

    runbook: str
    target: str
    values: Mapping[str, str]
    steps: tuple[PlannedStep, ...]
    reach: tuple[str, ...]
    barred: tuple[str, ...]
    dangerous: bool
    verify: tuple[str, ...]
    longest_s: float


def plan_of(
    runbook: Runbook, values: Mapping[str, str], target: str, actors: Mapping[str, Actor]
) -> Plan:
    """Tell what a run would do; a value that no step takes is told in ``barred``."""
    barred: list[str] = []
    steps = tuple(_told(step, values, actors, barred) for step in runbook.steps)
    reach = tuple(dict.fromkeys(entity for step in steps for entity in step.reach))
    check = runbook.verify
    wanted = (
        f"{one.metric}{{{', '.join(f'{k}={v}' for k, v in one.labels.items())}}}"
        + (f" >= {one.at_least:g}" if one.at_least is not None else "")
        + (f" <= {one.at_most:g}" if one.at_most is not None else "")
        for one in check.metrics
    )
    return Plan(
        runbook.name, target, dict(values), steps, reach, tuple(dict.fromkeys(barred)),
        runbook.runbook.dangerous or any(step.dangerous for step in steps),
        (f"the signs have ended within {check.within_s:g} s", *wanted),
        sum(step.timeout_s for step in steps) + check.within_s,
    )  # fmt: skip


def _told(
    step: Step, values: Mapping[str, str], actors: Mapping[str, Actor], barred: list[str]
) -> PlannedStep:
    actor = actors[step.do]
    reach: list[str] = []

    def say(deed: Deed) -> str:
        one = actors[deed.do]
        unknown = sorted(each for each in parameters_of(deed.arguments) if each.startswith("did."))
        told = ""
        try:
            try:
                filled = one.fill(deed.arguments, {**values, **{n: f"<{n}>" for n in unknown}})
            except BadInput:
                if not unknown:
                    raise
                # It takes a number there, which nobody knows yet.
                filled = one.fill(deed.arguments, {**values, **dict.fromkeys(unknown, SAMPLE)})
                told = f" ({SAMPLE} stands for {', '.join(unknown)})"
            if not unknown:  # of what is not known yet nothing can be said for sure
                barred.extend(f"{step.name}: {each}" for each in one.barred(filled))
            if one.changes(deed.arguments):
                reach.extend(one.reach(filled))
            return one.tell(filled) + told
        except BadInput as error:
            barred.append(f"{step.name}: {error}")
            return f"{deed.do}: {error}"

    changes = actor.changes(step.arguments)
    undo = f"nothing: {step.because}" if step.undo == "none" else ""
    says = say(step)
    before, after = tuple(map(say, step.before)), tuple(map(say, step.after))
    if isinstance(step.undo, Deed):
        undo = say(step.undo)
    return PlannedStep(
        step.name, step.do, says, before, after, undo, isinstance(step.undo, Deed), changes,
        actor.repeatable(step.arguments), actor.dangerous(step.arguments),
        tuple(dict.fromkeys(reach)), step.timeout_s,
    )  # fmt: skip
