"""One runbook: its text, how far it goes by itself, its versions, a dry run, a back-test.

The dry run and the back-test are asked by the address, so that they can be sent to somebody.
"""

from __future__ import annotations

import re
from difflib import unified_diff

from twinhelm.aiops.automate.repair import Repair
from twinhelm.aiops.automate.runbook import Level
from twinhelm.aiops.flow.repairs.judging import Judged, PastFit
from twinhelm.aiops.flow.repairs.kept import Book
from twinhelm.aiops.flow.repairs.standing import Shelved, shelf
from twinhelm.aiops.records import find_incidents
from twinhelm.aiops.types import LIVE, Incident
from twinhelm.core.errors import NotFound
from twinhelm.core.roles import Right
from twinhelm.web.pages.automation.parts import (
    earned,
    level_chip,
    plan_view,
    repair_chip,
    repair_path,
)
from twinhelm.web.pages.automation.runbooks import SOURCES
from twinhelm.web.pages.kit import html
from twinhelm.web.pages.kit.deeds import Deeds
from twinhelm.web.pages.kit.frame import framed, title_row
from twinhelm.web.pages.kit.html import Column, Node, Region, When
from twinhelm.web.pages.kit.sheet import Live, Sheet, follow, work

__all__ = ["NAME", "choose", "judged_view", "past_table", "recent", "runbook"]

OUTCOMES = {"act": ("would have run", "green"), "ask": ("would have asked", "blue"),
            "held": ("held back", "amber"), "no": ("not for it", "")}  # fmt: skip
VERDICTS = {
    "allow": "It fits, and would act by itself.",
    "ask": "It fits, and would ask first.",
    "deny": "It fits, and is held back.",
}
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
OFFERED = 100
MOST_PAST = 200
SHOWN = 20


async def runbook(sheet: Sheet) -> None:
    """Show one; raises :class:`NotFound`."""
    name, house = str(sheet.request.path_params["name"]), sheet.house
    if not NAME.fullmatch(name):
        raise NotFound(f"there is no runbook {name[:60]!r}", hint="/runbooks lists them")
    books = house.repairs.books

    def ask() -> tuple[Shelved, list[Book]]:
        return shelf(books, name)[0], books.versions(name)

    def show(now: tuple[Shelved, list[Book]]) -> None:
        shelved, past = now
        head.show(shelved, lambda found: _head(sheet, found, deeds))
        text.show(shelved.book.text, _numbered)
        ran.show(shelved.repairs[:SHOWN], _repairs)
        versions.show(past, _versions)

    await work(ask)  # so that what is not there is answered with 404
    with framed(sheet, wing="machines"):
        html.crumbs(("Runbooks", "/runbooks"), (name, ""))
        title_row(name)
        deeds = Deeds(sheet)
        head = Region("card stack")
        await _trial(sheet, name)
        with Node("div", classes="twos"):
            text = Region("card stack tight")
            with Node("div", classes="stack"):
                ran, versions = Region("card"), Region("card")
        await Live(sheet, ask, show).start()


def _head(sheet: Sheet, one: Shelved, deeds: Deeds) -> None:
    book, name = one.book, one.book.name
    books = sheet.house.repairs.books
    if one.fault:
        html.say(f"It cannot be used: {one.fault}", kind="failed")
    if book.removed:
        html.say("It was taken out of use; its versions and repairs stay.", kind="amber")
    Node("p", one.says, "lead prose")
    with Node("div", classes="row"):
        if one.autonomy is not None:
            level_chip(one.autonomy.level)
            Node("span", earned(one.autonomy), "muted")
        if one.dangerous:
            html.chip("dangerous, two people must agree", "amber")
    html.facts(
        {
            "From": SOURCES.get(book.source, book.source),
            "Owner": one.owner,
            "Version": lambda: html.phrase(
                f"{book.version}, {book.by}, ", book.time_ms, classes=""
            ),
            "Set by a person": book.level,
        }
    )
    wrong = "It is out of use." if book.removed else ""
    with Node("div", classes="row"):
        Node("span", "It may at most")
        for says, level in (("Suggest", Level.SUGGEST), ("Ask", Level.ASK),
                            ("Act and tell", Level.ACT), ("As its author says", None)):  # fmt: skip

            def put(who: str, _: str, level: Level | None = level) -> None:
                books.set_level(name, level, by=who)

            button = deeds.button(says, Right.APPROVE, put, wrong=wrong)
            button.set(aria_pressed="true" if book.level == level else "false")
        deeds.barred(Right.APPROVE)
    with Node("div", classes="row"):
        Node("a", "Write a new version", "button", href=f"/runbooks/_new?from={name}")
        if book.source == "api" and not book.removed:
            deeds.button(
                "Take it out of use",
                Right.OPERATE,
                lambda who, _: books.remove(name, source="api", by=who),
                style="danger",
            )


def _numbered(text: str) -> None:
    """Show a text with the numbers of its lines."""
    with html.card_head("Text"):
        html.copier(text)
    lines = text.splitlines() or [""]
    with Node("div", classes="editor read"):
        Node(
            "pre", "\n".join(str(number) for number in range(1, len(lines) + 1)), aria_hidden="true"
        )
        Node("pre", text, tabindex="0", aria_label="Text of the runbook")


async def _trial(sheet: Sheet, name: str) -> None:
    """Offer the dry run and the back-test, and show the one that the address asks for."""
    house = sheet.house
    judge, number = house.repairs.judge, sheet.asked("incident")
    wanted = int(number) if re.fullmatch(r"[0-9]{1,15}", number) else 0

    with Node("section", classes="card stack tight"):
        html.card_head("Try it")
        Node("p", "Nothing is done by either.", "muted")
        found = await recent(sheet)
        with Node("div", classes="row"):
            with html.searching(f"/runbooks/{name}"):
                choose(found, wanted)
                why = "" if found else "There is no incident yet."
                Node("button", "Dry run", type="submit", disabled=bool(why), title=why or None)
            Node("a", "On which past incidents would it have run?", "button",
                 href=f"/runbooks/{name}?past=1")  # fmt: skip
        if wanted:
            dry = lambda: judge.dry_run(name, wanted, by=sheet.visitor.name)  # noqa: E731
            await follow(sheet, dry, judged_view, every_s=10.0, classes="stack tight")
        elif sheet.asked("past"):
            books = house.repairs.books
            past = lambda: judge.backtest(books.runbook(books.get(name)), limit=MOST_PAST)  # noqa: E731
            await follow(sheet, past, past_table, every_s=0, classes="stack tight")


async def recent(sheet: Sheet) -> list[Incident]:
    """Return the newest incidents, those that last first."""

    def ask() -> list[Incident]:
        with sheet.house.records.reading() as unit:
            return find_incidents(unit, limit=OFFERED)

    return sorted(await sheet.visitor.read(ask), key=lambda one: one.state not in LIVE)


def choose(found: list[Incident], wanted: int = 0) -> None:
    """Offer incidents to try something on."""
    with Node("select", id="incident", name="incident", classes="grow", aria_label="Incident"):
        for one in found:
            Node("option", f"#{one.id} {one.title}"[:90], value=str(one.id),
                 selected=one.id == wanted)  # fmt: skip


def judged_view(one: Judged) -> None:
    """Show what a run for an incident would do, and whether it may."""
    Node("p", VERDICTS.get(one.verdict, "It is not for this incident."), "lead")
    if one.fit.fits:
        Node("p", html.sentence(one.reason))
    html.points(one.fit.why)
    if one.plan is not None:
        plan_view(one.plan)


def past_table(found: list[PastFit]) -> None:
    """Show on which past incidents it would have run, and why not on the others."""
    ran = [one for one in found if one.outcome != "no"]
    others = [one for one in found if one.outcome == "no"]
    told = f"Of the {html.plural(len(found), 'newest incident')} it would have been for {len(ran)}."
    Node("p", told if found else "There is no past incident to try it on yet.", "lead")
    for rows in filter(None, (ran, others)):
        with Node("details", open=rows is ran):
            Node("summary", "Those it is for" if rows is ran else "Those it is not for, and why")
            html.table(
                rows,
                Column("Incident", "cutoff", _past),
                Column("When", "tightcol", lambda one: When(one.started_ms)),
                Column("It", "tightcol", lambda one: html.chip(*OUTCOMES[one.outcome])),
                Column("Why", "cutoff", lambda one: html.sentence("; ".join(one.why))),
                Column("It would have done", "cutoff", lambda one: " ".join(one.says)),
            )


def _past(one: PastFit) -> None:
    Node("a", f"#{one.incident} {one.title}", "wrapany", href=f"/incidents/{one.incident}")


def _repairs(found: tuple[Repair, ...]) -> None:
    html.card_head("Its repairs", "All repairs", "/repairs")
    html.table(
        found,
        Column("Repair", "tightcol", lambda one: Node("a", one.id, href=repair_path(one))),
        Column("State", "tightcol", lambda one: repair_chip(one.state)),
        Column("When", "tightcol", lambda one: When(one.asked_ms)),
        Column("What came of it", "cutoff", lambda one: html.sentence(one.reason)),
        nothing=lambda: Node("p", "It never ran here.", "muted"),
    )


def _versions(found: list[Book]) -> None:
    html.card_head("Versions")
    for number, book in enumerate(found[:SHOWN]):
        before = found[number + 1] if number + 1 < len(found) else None
        with Node("details"):
            with Node("summary"):
                Node("span", f"Version {book.version}, {book.by} ")
                When(book.time_ms)
            if before is None:
                Node("p", "The first one.", "muted")
            else:
                _difference(before, book)


def _difference(before: Book, after: Book) -> None:
    sides = before.text.splitlines(), after.text.splitlines()
    lines = list(unified_diff(*sides, n=2, lineterm=""))[2:]
    if not lines:
        Node("p", "The same text, from another source.", "muted")
    with Node("div", classes="changed", tabindex="0"):
        for line in lines:
            Node("span", line or " ", {"+": "in", "-": "out"}.get(line[:1], "same"))
