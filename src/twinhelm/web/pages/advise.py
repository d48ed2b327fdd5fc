"""What to automate next, machines or processes; and where the team stands before it does.

Above the list stands the answer in one sentence. Each row says the toil, whose job it is and why,
hours a month, confidence and risk; behind it the evidence, what the draft would have done on the
past, and the draft itself to copy. The assessment shows what evidence answers already.
"""

from __future__ import annotations

from typing import Any

from twinhelm.advise.assess import Answered, levels, questions
from twinhelm.advise.flow.assessments import Assessment
from twinhelm.advise.flow.desk import Advice
from twinhelm.core.roles import Right
from twinhelm.web.pages.kit import html
from twinhelm.web.pages.kit.deeds import Deeds
from twinhelm.web.pages.kit.frame import framed
from twinhelm.web.pages.kit.html import Column, Node, Region, When
from twinhelm.web.pages.kit.sheet import Live, Sheet

__all__ = ["advise", "assessment"]

EVERY_S = 30.0
RISKS = ((0.5, "high risk", "red"), (0.2, "some risk", "amber"), (0.0, "low risk", ""))
TABS = (("/advise", "Advice"), ("/advise/assessment", "Where we stand"))
QUIET = "It needs some weeks of incidents that people took and left a note on. Shell history, "
QUIET += "tickets and CI runs make it see more: twinhelm advise chores, /api/webhooks/github."


async def advise(sheet: Sheet) -> None:
    """Build the page of advice."""
    desk = sheet.house.advice.desk
    with framed(sheet, "Advise", "What to automate next, machines or processes"):
        html.segments("Advice", TABS, "/advise")
        deeds = Deeds(sheet)
        with Node("div", classes="row"):
            deeds.button("Look now", Right.OPERATE, lambda *_: desk.look(), sure=False)
        answer, box = Region(), Region("stack")

        def show(found: list[Advice]) -> None:
            answer.show((found, desk.looked_ms), _answer)
            box.show(found, lambda now: _list(now, deeds))

        await Live(sheet, desk.advice, show, every_s=EVERY_S).start()


def _answer(now: tuple[list[Advice], int]) -> None:
    found, looked_ms = now
    wanted = [one for one in found if not one.dismissed]
    if not wanted:
        html.empty("Nothing that happens again and again was found.", QUIET, classes="card")
        return
    hours = sum(one.claim.facts["hours_month"] for one in wanted)
    first = wanted[0].claim
    of = first.facts["discipline"]
    says = f"Automate {of} first: {first.text}. All of this together: {hours:.1f} h a month. "
    html.phrase(says, *(("Looked ", looked_ms) if looked_ms else ()), tag="p", classes="lead prose")


def _list(found: list[Advice], deeds: Deeds) -> None:
    for one in found:
        _advice(one, deeds)


def _advice(one: Advice, deeds: Deeds) -> None:
    claim, facts, desk = one.claim, one.claim.facts, deeds.sheet.house.advice.desk
    machine = facts["discipline"] == "machines"
    wing = "machines" if machine else "models"
    with Node("section", classes=f"card {wing} stack", data_key=one.key):
        with Node("div", classes="card-head"):
            Node("h2", claim.text, "wrapany")
            with Node("span", classes="row"):
                html.chip("machine" if machine else "process").set(title=facts["why"])
                _, word, colour = next(row for row in RISKS if facts["risk"] >= row[0])
                html.chip(word, colour)
        with Node("div", classes="row"):
            Node("strong", f"{facts['hours_month']:.1f} h a month")
            html.confidence(claim.confidence)
            html.phrase("last ", facts["last_ms"])
        Node("p", facts["why"], "muted prose")
        with Node("details"):
            Node("summary", "See evidence")
            html.points((each.text for each in claim.evidence_for), "+")
            html.points((each.text for each in claim.evidence_against), "-")
            if facts["covered"]:
                Node("p", f"It would have run on: {', '.join(facts['covered'])}.", "muted wrapany")
        if draft := facts["draft"]:
            with Node("details"):
                Node("summary", f"Open the draft ({draft['kind']})")
                with Node("p", classes="row"):
                    Node("code", draft["file"])
                    html.copier(draft["text"])
                Node("pre", draft["text"], "wrapany", style="white-space:pre-wrap")
        _dismissal(one, deeds, desk)


def _dismissal(one: Advice, deeds: Deeds, desk: Any) -> None:
    if one.dismissed:
        with Node("div", classes="row"):
            Node("span", f"{one.by} dismissed it: {one.dismissed}", "muted wrapany")
            take = lambda who, _: desk.take_up(one.key, by=who)  # noqa: E731 - one press
            deeds.button("Hear of it again", Right.OPERATE, take, sure=False)
        return
    box = f"why-{one.key}"
    with Node("div", classes="row"):
        why = {"id": box, "maxlength": "1000", "placeholder": "why not", "aria_label": "Why not"}
        Node("input", type="text", **why)
        deeds.button(
            "Dismiss",
            Right.OPERATE,
            lambda who, reason: desk.dismiss(one.key, reason=reason, by=who),
            box=box,
            needs="why it is dismissed",
            sure=False,
        )


async def assessment(sheet: Sheet) -> None:
    """Build the page of the assessment."""
    desk = sheet.house.advice.assessments
    with framed(sheet, "Where we stand", "Use cases, data, skills and culture, from 0 to 3"):
        html.segments("Advice", TABS, "/advise/assessment")
        deeds = Deeds(sheet)
        given: dict[str, int] = {}
        with Node("div", classes="row"):
            save = lambda who, _: desk.save(dict(given), by=who)  # noqa: E731 - one press
            deeds.button(
                "Keep this assessment",
                Right.REMARK,
                save,
                done="Kept.",
                style="primary",
                sure=False,
            )
            deeds.barred(Right.REMARK)
        kept, box = Region("card flush"), Region("card stack")

        def show(now: tuple[list[Answered], list[Assessment]]) -> None:
            kept.show(now[1], _kept)
            box.show(now[0], lambda found: _questions(found, given))

        await Live(sheet, lambda: (desk.begun(), desk.saved()), show, every_s=0.0).start()


def _questions(found: list[Answered], given: dict[str, int]) -> None:
    part = ""
    for one, question in zip(found, questions(), strict=True):
        if question.part != part:
            part = question.part
            Node("h2", part.capitalize())
        with Node("label", classes="field"):
            Node("span", question.ask)
            Node("span", f"{question.why} Next: {question.next}", "muted small")
            known = "Nobody knows yet" if one.level is None else f"Evidence: {levels()[one.level]}"
            with Node("select", name=question.name, aria_label=question.ask) as choice:
                Node("option", f"{known}; {one.says}" if one.says else known, value="")
                for level, word in enumerate(levels()):
                    Node("option", f"{level}: {word}", value=str(level))

            def chosen(event: Any, name: str = question.name) -> None:
                said = str(event.args or "")
                given.pop(name, None)
                if said in {"0", "1", "2", "3"}:
                    given[name] = int(said)

            choice.on("change", chosen, js_handler="(e) => emit(e.target.value)")


def _kept(found: list[Assessment]) -> None:
    parts = list(dict.fromkeys(question.part for question in questions()))

    def score(part: str) -> Column:
        return Column(
            part.capitalize(),
            "num",
            lambda one: f"{one.scores[part]:.1f}" if part in one.scores else "unknown",
        )

    html.table(
        found,
        Column("When", "tightcol", lambda one: When(one.time_ms)),
        Column("By", "namecol", lambda one: one.by),
        *map(score, parts),
        nothing=lambda: html.empty("No assessment was kept yet; a kept one can be compared."),
    )
