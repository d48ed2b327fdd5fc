"""What several pages of automation show: states in words and colours, plans, steps as they go."""

from __future__ import annotations

from collections.abc import Sequence

from twinhelm.aiops.automate.limits import Autonomy
from twinhelm.aiops.automate.plan import Plan, PlannedStep
from twinhelm.aiops.automate.repair import OPEN, Repair, RepairState, StepRun, StepState
from twinhelm.aiops.automate.runbook import Level
from twinhelm.aiops.words import place
from twinhelm.web.pages.kit import html
from twinhelm.web.pages.kit.html import Node, When

__all__ = [
    "answered", "earned", "level_chip", "outcome", "plan_view", "repair_chip", "repair_path",
    "runbook_link", "span",
]  # fmt: skip

COLOURS = {
    RepairState.PROPOSED: "blue", RepairState.ASKED: "amber", RepairState.RUNNING: "blue",
    RepairState.VERIFYING: "blue", RepairState.UNDOING: "amber", RepairState.VERIFIED: "green",
    RepairState.USELESS: "amber", RepairState.UNDONE: "amber", RepairState.FAILED: "red",
    RepairState.STOPPED: "amber",
}  # fmt: skip
STEP_COLOURS = {
    StepState.DOING: "blue", StepState.UNDOING: "amber", StepState.DONE: "green",
    StepState.FAILED: "red", StepState.UNKNOWN: "amber", StepState.KEPT: "amber",
}  # fmt: skip
LEVELS = {Level.SUGGEST: "", Level.ASK: "blue", Level.ACT: "green"}
OUTCOMES = {
    RepairState.PROPOSED: "It is suggested; nothing was done. Whoever may can let it begin.",
    RepairState.ASKED: "It waits for people to agree; nothing was done.",
    RepairState.RUNNING: "Its steps are being done.",
    RepairState.VERIFYING: "Its steps are done. It waits to see whether the signs end.",
    RepairState.UNDOING: "What it did is being taken back.",
    RepairState.VERIFIED: "It helped: the signs have ended and the incident is over.",
    RepairState.USELESS: "It did not help and was taken back. A person must go on.",
    RepairState.UNDONE: "It did not work out; what it did was taken back. A person must go on.",
    RepairState.FAILED: "Something of it could not be taken back. A person must look at it now.",
    RepairState.REFUSED: "It never began.",
    RepairState.STOPPED: "It was halted half-way. What was done stands until it is taken back.",
}


def outcome(repair: Repair) -> str:
    """Say in a sentence how a repair stands."""
    if repair.question:
        return "It waits half-way for an answer."
    return OUTCOMES[repair.state]


def repair_chip(state: RepairState) -> Node:
    """Show the state of a repair."""
    return html.chip(state.value, COLOURS.get(state, ""))


def level_chip(level: Level) -> Node:
    """Show how far a runbook goes by itself."""
    return html.chip({"act": "acts and tells", "ask": "asks", "suggest": "suggests"}[level],
                     LEVELS[level])  # fmt: skip


def earned(one: Autonomy) -> str:
    """Say how far a runbook goes by itself, why, and what it has earned so far."""
    row = "" if one.ceiling is Level.ACT else f"; {one.won} verified in a row"
    return html.sentence(one.text + row)


def repair_path(repair: Repair) -> str:
    """Return where a repair has its page."""
    return f"/repairs/{repair.id}"


def runbook_link(name: str, version: int = 0) -> Node:
    """Lead to a runbook."""
    said = f"{name}, version {version}" if version else name
    return Node("a", said, "wrapany", href=f"/runbooks/{name}")


def span(seconds: float) -> str:
    """Write how long something took."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def plan_view(plan: Plan, runs: Sequence[StepRun] = (), *, over: bool = False) -> None:
    """Show exactly what is done, step by step, and how far that is where it has begun."""
    for barred in plan.barred:
        html.say(f"This house bars it: {barred}.", kind="failed")
    with Node("ol", classes="steps"):
        for number, step in enumerate(plan.steps):
            with Node("li"), Node("div", classes="stack tight"):
                _step(step, runs[number] if number < len(runs) else None, over=over)
    touches = ", ".join(place(entity) for entity in plan.reach) or "nothing"
    html.facts(
        {
            "It touches": touches,
            "It has helped when": "; and ".join(plan.verify),
            "At most it takes": span(plan.longest_s),
            "With": ", ".join(f"{name} = {value}" for name, value in plan.values.items()),
        }
    )


def _step(step: PlannedStep, run: StepRun | None, *, over: bool) -> None:
    begun = run is not None and run.state is not StepState.WAITING
    with Node("div", classes="row"):
        Node("h3", step.name)
        if run is not None and (begun or over):
            word = "not done" if run.state is StepState.WAITING else run.state.value
            html.chip(word, STEP_COLOURS.get(run.state, ""))
            if run.ended_ms:
                took = span((run.ended_ms - run.started_ms) / 1000)
                html.phrase(f"took {took}, ended ", run.ended_ms, classes="muted small")
            elif run.started_ms:
                html.phrase("began ", run.started_ms, classes="muted small")
        if step.dangerous:
            html.chip("dangerous", "amber")
        if step.changes and not step.repeatable:
            html.chip("never repeated by itself")
    Node("p", step.says)
    if run is not None and run.text:
        Node(
            "p",
            html.sentence(run.text),
            "small" if run.state is StepState.FAILED else "small muted",
        )
    told = [f"Before: {says}" for says in step.before] + [f"After: {says}" for says in step.after]
    if step.undo:
        told.append(f"Undo: {step.undo}")
    html.points(told)


def answered(repair: Repair, who_else: str) -> None:
    """Show who agreed and who did not, and who else must."""
    agreed = sum(answer.agrees for answer in repair.answers)
    if repair.answers:
        with Node("ul", classes="items"):
            for answer in repair.answers:
                with Node("li", classes="row"):
                    html.dot("green" if answer.agrees else "red")
                    said = answer.choice or ("agreed" if answer.agrees else "refused")
                    Node("span", f"{answer.by}: {said}")
                    When(answer.time_ms)
                    Node("span", answer.note, "wrapany")
    if repair.state not in OPEN:
        return
    left = 1 if repair.question else repair.needs - agreed
    eyes = "Four eyes, as it is dangerous: " if repair.needs > 1 and not repair.question else ""
    other = "two people" if left > 1 else "another person" if agreed and eyes else "one person"
    says = html.sentence(f"{eyes}{other} of the role {who_else} must agree")
    html.phrase(f"{says} The time for it ends ", repair.until_ms, tag="p")
