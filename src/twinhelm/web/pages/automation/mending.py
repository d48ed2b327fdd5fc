"""One repair, wherever it is shown: how it stands, its plan and steps, what people may say to it.

What stands in a field stays while the steps go on: the buttons are made anew only when what may
be answered has changed.
"""

from __future__ import annotations

from dataclasses import dataclass

from twinhelm.aiops.automate.limits import may_answer
from twinhelm.aiops.automate.repair import OPEN, UNDER_WAY, Repair, RepairState, StepState
from twinhelm.aiops.flow.feedback import Taught
from twinhelm.aiops.flow.repairs.desk import Desk, asked_for
from twinhelm.aiops.flow.repairs.standing import past_of
from twinhelm.aiops.records import find_answers, load_incident
from twinhelm.aiops.types import LIVE, Incident
from twinhelm.aiops.words import place
from twinhelm.core.policy import Verdict
from twinhelm.core.roles import Right
from twinhelm.events.values import Reading
from twinhelm.web.pages.automation.parts import (
    answered,
    outcome,
    plan_view,
    repair_chip,
    runbook_link,
    span,
)
from twinhelm.web.pages.kit import html
from twinhelm.web.pages.kit.html import Node, Region
from twinhelm.web.pages.kit.sheet import Sheet, holders
from twinhelm.web.pages.machines.answers import Answers, Known

__all__ = ["Mending", "Repaired", "barred_of", "repaired"]

COUNTS = ("it counts as its outcome, where the runbook earns how far it goes by itself",)
AGAINST = ("no", "undo", "leave", "refuse")
"""Choices that do not go on."""


@dataclass(frozen=True, slots=True)
class Repaired:
    """A repair with its incident; ``barred`` says why this visitor cannot answer.

    ``record`` says what became of the runbook's earlier repairs, ``said`` what people said of it.
    """

    repair: Repair
    incident: Incident | None
    barred: str
    record: str
    stopped: bool
    said: Known


def barred_of(sheet: Sheet, repair: Repair, incident: Incident | None) -> str:
    """Say why a visitor cannot answer for a repair, or nothing."""
    resolved = not repair.started_ms and (incident is None or incident.state not in LIVE)
    visitor = sheet.visitor
    may = may_answer(
        repair, by=visitor.name, roles=visitor.asker.identity.roles, person=True,
        resolved=resolved, now_ms=sheet.house.clock.now_ms(),
    )  # fmt: skip
    wrong = "" if may.verdict is Verdict.ALLOW else html.sentence(may.reason)
    return visitor.why_not(Right.APPROVE) or wrong


def repaired(sheet: Sheet, unit: Reading, repair: Repair) -> Repaired:
    """Load what is shown of a repair."""
    house = sheet.house
    incident = load_incident(unit, repair.incident)
    own = [one for one in past_of(unit).repairs
           if one.runbook == repair.runbook and one.started_ms and one.state.over]  # fmt: skip
    good = sum(one.state is RepairState.VERIFIED for one in own)
    record = f"it helped in {good} of {len(own)}" if own else "it never ran here before"
    stopped = house.repairs.desk.switch.on
    said = {one.about: Taught(one, "standing", COUNTS)
            for one in find_answers(unit, about=f"repair/{repair.id}")}  # fmt: skip
    return Repaired(repair, incident, barred_of(sheet, repair, incident), record, stopped, said)


class Mending:
    """The boxes of one repair; :meth:`show` fills them."""

    def __init__(self, sheet: Sheet, *, alone: bool = False) -> None:
        self._sheet, self._alone = sheet, alone
        self._head = Region("stack tight")
        self._said = Region("stack tight")
        self._answers = Answers(sheet)
        self._deeds = self._answers.deeds
        self._asked = Region("stack tight")
        self._body = Region("stack tight")

    def show(self, now: Repaired) -> None:
        """Show it as it stands now."""
        repair = now.repair
        self._head.show((repair, now.record), lambda _: self._headed(now))
        asked = (repair.id, repair.state, repair.answers, repair.question, now.barred, now.stopped)
        self._said.show(asked, lambda _: self._answering(now))
        over = repair.state.over and repair.started_ms > 0
        self._asked.show((over, now.said), lambda _: self._asking(now) if over else None)
        self._body.show(repair, self._planned)

    def _asking(self, now: Repaired) -> None:
        """Ask whoever saw it how it was; on an incident's page one field takes every reason."""
        about = f"repair/{now.repair.id}"
        with Node("div", classes="row"):
            Node("span", "Did it do what it should?", "muted")
            if self._alone and about not in now.said:
                self._answers.reason()
            self._answers.ask(about, now.said, ("It was right", True), ("It was wrong", False))
            self._deeds.barred(Right.OPERATE)

    def _headed(self, now: Repaired) -> None:
        repair = now.repair
        with Node("div", classes="row"):
            repair_chip(repair.state)
            if self._alone and now.incident is not None:
                Node("a", f"#{repair.incident} {now.incident.title}", "wrapany",
                     href=f"/incidents/{repair.incident}")  # fmt: skip
            else:
                Node("a", f"Repair {repair.id}", href=f"/repairs/{repair.id}")
            runbook_link(repair.runbook, repair.version)
            Node("span", f"on {place(repair.plan.target)}", "muted wrapany")
        Node("p", outcome(repair), "lead")
        if repair.reason:
            Node("p", html.sentence(repair.reason), "wrapany")
        took = repair.repair_s
        ended = (repair.ended_ms - repair.started_ms) / 1000 if repair.started_ms else 0
        html.facts(
            {
                "Asked by": lambda: html.phrase(
                    f"{repair.asked_by}, ", repair.asked_ms, classes=""
                ),
                "Time to repair": span(took) if took is not None else "",
                "It ran": span(ended) if repair.state.over and ended > 0 else "",
                "Verified by": "; ".join(repair.checks),
                "Runbook's commit": repair.commit or "",
                "Its record": now.record,
            }
        )

    def _planned(self, repair: Repair) -> None:
        begun = repair.started_ms > 0
        with Node("details", open=self._alone or not repair.state.over):
            Node("summary", "What it does, step by step" if begun else "What it would do exactly")
            plan_view(repair.plan, repair.steps, over=repair.state.over and begun)
        with Node("details", open=self._alone):
            Node("summary", "Why this one")
            html.points(repair.why)

    def _answering(self, now: Repaired) -> None:
        repair, box = now.repair, f"say-{now.repair.id}"
        if repair.state in OPEN or repair.answers:
            answered(repair, holders(Right.APPROVE))
        taken_back = all(one.state in (StepState.WAITING, StepState.UNDONE) for one in repair.steps)
        takes_back = repair.state is RepairState.STOPPED and repair.started_ms and not taken_back
        if repair.state.over and not takes_back:
            return
        if repair.question:
            html.say(html.sentence(repair.question), kind="amber")
        if not takes_back:
            with Node("label", classes="field"):
                Node("span", "Note, or the reason; it stands in the journal")
                Node("input", id=box, maxlength="2000", autocomplete="off")
        with Node("div", classes="row"):
            if takes_back:
                why = "The stop switch is pulled; release it first." if now.stopped else ""
                self._deeds.button(
                    "Take back what was done",
                    Right.OPERATE,
                    lambda who, _: self._desk.undo(repair.id, by=who),
                    wrong=why,
                    style="",
                )
                self._deeds.barred(Right.OPERATE)
            elif repair.question:
                for choice, means in asked_for(repair).items():
                    self._answer(now, box, f"{choice.capitalize()}: {means}", choice)
            elif repair.state in OPEN:
                self._answer(now, box, "Approve", "")
                self._answer(now, box, "Refuse", "refuse")
            if repair.state in UNDER_WAY or repair.question:
                self._deeds.button(
                    "Stop it",
                    Right.OPERATE,
                    lambda who, text: self._desk.stop(
                        repair.id, by=who, reason=text or "no reason"
                    ),
                    box=box,
                    style="danger",
                )
        if repair.state in OPEN and now.barred:
            Node("p", now.barred, "muted")

    def _answer(self, now: Repaired, box: str, says: str, choice: str) -> None:
        """Offer one answer; to refuse, at the beginning, takes a reason."""
        refuses = choice == "refuse"
        style = "danger" if refuses else "primary" if choice in ("", "yes", "done") else ""

        def say(who: str, note: str) -> Repair:
            return self._desk.answer(
                now.repair.id, agrees=choice not in AGAINST, note=note, by=who,
                roles=self._sheet.visitor.asker.identity.roles, choice="" if refuses else choice,
            )  # fmt: skip

        needs = "why it is refused" if refuses else ""
        self._deeds.button(
            says, Right.APPROVE, say, box=box, needs=needs, wrong=now.barred, style=style
        )

    @property
    def _desk(self) -> Desk:
        return self._sheet.house.repairs.desk
