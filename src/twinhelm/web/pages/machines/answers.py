"""Answers: one click calls something right or wrong; what it changed stands beside it, with undo.

:class:`Answers` puts the buttons where something is asserted, and :func:`feedback` is the page of
all answers: what they teach, what of it is in force, and what the rest would have changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from twinhelm.aiops.flow.feedback import TAUGHT, Asked, Taught
from twinhelm.aiops.flow.incidents import IncidentFile
from twinhelm.aiops.learn import Lessons, Trial
from twinhelm.aiops.types import Answer
from twinhelm.aiops.words import spoken
from twinhelm.core.ports import Record
from twinhelm.core.roles import Right
from twinhelm.web.pages.kit import html
from twinhelm.web.pages.kit.deeds import Deeds
from twinhelm.web.pages.kit.frame import framed
from twinhelm.web.pages.kit.html import Column, Node, Region, When
from twinhelm.web.pages.kit.sheet import Live, Sheet

__all__ = ["Answers", "Known", "feedback", "known", "signs"]

MOST_SIGNS = 12
Known = Mapping[str, Taught]
"""The answers that stand, by what they are about."""


def known(sheet: Sheet) -> dict[str, Taught]:
    """Return the newest answers that stand."""
    found = sheet.house.learning.answers()
    return {one.answer.about: one for one in found if one.state == "standing"}


class Answers:
    """The buttons of one page, and the field for a reason that goes with all of them."""

    def __init__(self, sheet: Sheet) -> None:
        self.deeds = Deeds(sheet)
        self._desk = sheet.house.learning

    def reason(self) -> None:
        """Offer the field; empty is fine."""
        html.entry("reason", "", "Why? (if you like)", "Reason of an answer", "grow",
                   id="why-answer")  # fmt: skip

    def ask(self, about: str, stands: Known, *says: tuple[str, bool]) -> None:
        """Offer to answer, or show the answer that stands with what it changed."""
        with Node("span", classes="row small"):
            if about in stands:
                self._told(stands[about])
                return
            for text, right in says or (("Right", True), ("Wrong", False)):
                self.deeds.button(
                    text,
                    Right.OPERATE,
                    self._giving(about, right),
                    box="why-answer",
                    style="quiet small",
                    sure=False,
                )

    def undo(self, one: Answer) -> None:
        """Offer to take an answer back."""
        self.deeds.button(
            "Undo",
            Right.OPERATE,
            lambda who, _: self._desk.undo(one.id, by=who),
            style="quiet small",
            sure=False,
        )

    def applying(self, of: str) -> Callable[[str, str], object]:
        """Put in force what the answers of one kind teach, in somebody's name."""
        return lambda who, _: self._desk.apply(of, by=who)

    def _giving(self, about: str, right: bool) -> Callable[[str, str], object]:
        return lambda who, why: self._desk.give(about, right=right, reason=why, by=who)

    def _told(self, one: Taught) -> None:
        said = "right" if one.answer.right else "wrong"
        because = f": {one.answer.reason}" if one.answer.reason else ""
        Node("span", f"{one.answer.by} says {said}{because}", "wrapany")
        if one.answer.of in TAUGHT:
            html.chip("in force" if one.answer.applied else "in shadow")
        Node("span", "; ".join(one.changes), "muted wrapany")
        self.undo(one.answer)


def signs(file: IncidentFile, answers: Answers, stands: Known) -> None:
    """List the signs of an incident, the strongest first, to be answered one by one."""
    one = file.incident
    lead = one.attributes.get("lead", "")
    html.card_head("Is it so?", "What answers changed", "/feedback")
    ordered = sorted(file.anomalies, key=lambda each: (each.key != lead, -each.peak_score))
    with Node("ul", classes="items"):
        for each in ordered[:MOST_SIGNS]:
            with Node("li", classes="row asked"):
                Node("span", spoken(each), "wrapany")
                if each.key != lead:
                    member = f"incident/{one.id}/member/{each.key}"
                    answers.ask(member, stands, ("Does not belong here", False))
                answers.ask(f"anomaly/{each.key}", stands)
    if len(ordered) > MOST_SIGNS:
        Node("p", f"and {len(ordered) - MOST_SIGNS} weaker ones", "muted small")
    answers.deeds.barred(Right.OPERATE)


@dataclass(frozen=True, slots=True)
class _Learnt:
    answers: list[Taught]
    force: Lessons
    question: Asked | None
    trials: list[Trial]
    differences: list[Record]


async def feedback(sheet: Sheet) -> None:
    """Show all answers, what they teach, and what would be different with all in force."""
    says = "What people called right or wrong, and what that changed"
    with framed(sheet, "Answers", says, wing="machines"):
        answers = Answers(sheet)
        question = Region("card stack tight")
        force, shadow, rows = Region("card"), Region("card"), Region("card flush")

        def show(now: _Learnt) -> None:
            question.show(now.question, lambda asked: _question(asked, answers))
            force.show(now.force, _force)
            shadow.show((now.trials, now.differences), lambda _: _shadow(now, answers))
            rows.show(now.answers, lambda found: _list(found, answers))

        await Live(sheet, lambda: _ask(sheet), show).start()


def _ask(sheet: Sheet) -> _Learnt:
    desk = sheet.house.learning
    with sheet.house.records.reading() as unit:
        apart = unit.find("difference", newest_first=True, limit=20)
    return _Learnt(desk.answers(200), desk.lessons()[0], desk.question(), desk.trials(), apart)


def _question(asked: Asked | None, answers: Answers) -> None:
    html.card_head("The next question that would teach most")
    if asked is None:
        html.empty("Nothing is left to ask about.", "The next incidents bring new signs.")
        return
    with Node("p", classes="lead wrapany"):
        Node("span", f"{asked.text}: was that trouble?")
    why = (
        f"Called wrong, it would silence {html.plural(asked.silences, 'sign')} like it"
        if asked.silences > 1
        else "No other sign is like it, so it teaches of this one alone"
    )
    with html.phrase(f"{why}. It began ", asked.time_ms, ", in "):
        Node("a", f"incident {asked.incident}", href=f"/incidents/{asked.incident}")
    with Node("div", classes="row"):
        answers.reason()
        answers.ask(asked.about, {})
        answers.deeds.barred(Right.OPERATE)


def _force(now: Lessons) -> None:
    Node("h2", "In force")
    told = [*(need.text for need in now.needs), *(weight.text for weight in now.weights)]
    html.points(told or ["Nothing yet: everything is judged as it was delivered."])


def _shadow(now: _Learnt, answers: Answers) -> None:
    Node("h2", "In shadow")
    if not now.trials:
        Node("p", "Every answer that stands is in force.", "muted")
    for one in now.trials:
        with Node("div", classes="row"):
            Node("span", f"{one.of}: {_tried(one)}.", "wrapany")
            html.chip("passes" if one.passed else "not yet", "green" if one.passed else "")
            answers.deeds.button(
                f"Put what {one.of} answers teach in force", Right.OPERATE, answers.applying(one.of)
            )
    html.points(str(one.body["text"]) for one in now.differences)


def _tried(one: Trial) -> str:
    """Say what would still be told, of what was called wrong and of what was called right."""
    rows = (("wrong", one.wrong, one.wrong_before, one.wrong_after),
            ("right", one.right, one.right_before, one.right_after))  # fmt: skip
    said = (f"of {count} called {word} {after} would be told, {before} are now"
            for word, count, before, after in rows if count)  # fmt: skip
    return "; ".join(said) or "nothing was called right or wrong yet"


def _about(one: Taught) -> Node:
    about = one.answer.about
    kind, key, *_ = about.split("/")
    paths = {"incident": f"/incidents/{key}", "repair": f"/repairs/{key}", "forecast": "/capacity"}
    return html.linked(about, paths.get(kind, ""), "wrapany")


def _list(found: list[Taught], answers: Answers) -> None:
    def state(one: Taught) -> None:
        if one.state == "standing":
            answers.undo(one.answer)
        else:
            Node("span", "undone", "muted")

    html.table(
        found,
        Column("No.", "num", lambda one: str(one.answer.id)),
        Column("About", "cutoff", _about),
        Column("Answer", "", lambda one: "right" if one.answer.right else "wrong"),
        Column("Why", "cutoff", lambda one: one.answer.reason),
        Column("Who", "", lambda one: one.answer.by),
        Column("When", "tightcol", lambda one: When(one.answer.time_ms)),
        Column("What it changes", "cutoff", lambda one: "; ".join(one.changes)),
        Column("", "tightcol", state),
        nothing=lambda: html.empty(
            "Nobody has answered yet.",
            "Incidents, repairs and forecasts have the buttons: one click says right or wrong.",
        ),
    )
