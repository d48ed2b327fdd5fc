"""The editor of runbooks: checked while it is written, tried on the past, saved as a new version.

It begins with a runbook in use (``?from=``), an incident (``?incident=``), a text that another
page hands over (``?text=``), or a small example. Nothing is kept before it is saved, and what is
written stays when that is refused. Whoever may not save can check, try and copy.
"""

from __future__ import annotations

import re
from typing import Any

from nicegui import ui
from nicegui.events import GenericEventArguments

from twinhelm.aiops.automate.draft import draft_of
from twinhelm.aiops.automate.runbook import MAX_CHARACTERS, Runbook
from twinhelm.aiops.flow.repairs.cases import case_of
from twinhelm.aiops.types import Incident
from twinhelm.core.errors import NotFound, TooLarge, TwinhelmError
from twinhelm.core.roles import Right
from twinhelm.web.pages.automation.runbook import NAME, choose, judged_view, past_table, recent
from twinhelm.web.pages.kit import html
from twinhelm.web.pages.kit.deeds import Deeds
from twinhelm.web.pages.kit.frame import framed
from twinhelm.web.pages.kit.html import UNAIDED, Node, Region
from twinhelm.web.pages.kit.sheet import Sheet

__all__ = ["editor"]

BOX = "runbook-text"
MAX_HANDED = 16_000
MOST_PAST = 200
CHECK_S = 0.4
_VALUE = "document.getElementById('%s').value"
TRIALS = (("What exactly would it do about this one?", _VALUE % "incident"),
          ("On which past incidents would it have run?", "''"))  # fmt: skip
NUMBER = re.compile(r"[0-9]{1,15}")
_PLACE = re.compile(r"[^:]*:(\d+):(\d+): (.*)", re.DOTALL)
SAYS = "Checked while you write. Nothing is kept before you save it."


async def editor(sheet: Sheet) -> None:
    """Show it; raises :class:`NotFound` for a runbook or an incident that is not there."""
    text, taken_from = await sheet.visitor.read(lambda: _begin(sheet))
    found = await recent(sheet)
    with framed(sheet, "Write a runbook", SAYS, wing="machines"):
        html.crumbs(("Runbooks", "/runbooks"), ("Write", ""))
        if taken_from == "library":
            html.say("It comes with twinhelm. What you save takes its place here.")
        deeds = Deeds(sheet)
        with Node("div", classes="case"):
            with Node("div", classes="stack"):
                verdict = Region("card stack tight")
            with Node("div", classes="stack tight"):
                area = _area(text)
                _buttons(deeds, taken_from, found)

        async def check(written: str) -> None:
            await _checked(sheet, written, verdict)

        async def typed(event: GenericEventArguments) -> None:
            await check(str(event.args or ""))

        area.on("input", typed, throttle=CHECK_S, js_handler="(e) => emit(e.target.value)")
        await check(text)


def _begin(sheet: Sheet) -> tuple[str, str]:
    """Return the text to begin with, and where the runbook of it comes from, if it is one."""
    repairs, name, number = sheet.house.repairs, sheet.asked("from"), sheet.asked("incident")
    handed = sheet.request.query_params.get("text", "")
    if len(handed) > MAX_HANDED:
        said = f"the text has {len(handed)} characters, an address takes {MAX_HANDED}"
        raise TooLarge(said, hint="open the empty editor and paste it")
    if handed:
        return handed, ""
    if name:
        if not NAME.fullmatch(name):
            raise NotFound(f"there is no runbook {name[:60]!r}", hint="/runbooks lists them")
        book = repairs.books.get(name)
        return book.text, book.source
    if NUMBER.fullmatch(number):
        with sheet.house.records.reading() as unit:
            return draft_of(case_of(unit, int(number), repairs.judge.changes)), ""
    return draft_of(), ""


def _area(text: str) -> Node:
    with Node("div", classes="editor"):
        count = text.count("\n") + 1
        numbers = "\n".join(str(number) for number in range(1, count + 1))
        Node("pre", numbers, aria_hidden="true")
        return Node("textarea", text, id=BOX, aria_label="Text of the runbook",
                    maxlength=str(MAX_CHARACTERS), wrap="off", **UNAIDED)  # fmt: skip


def _buttons(deeds: Deeds, taken_from: str, found: list[Incident]) -> None:
    sheet = deeds.sheet
    books = sheet.house.repairs.books
    wrong = ""
    if taken_from == "folder":
        wrong = "It comes from your folder: copy the text, and change the file there."

    async def tried(event: GenericEventArguments) -> None:
        text, number = (str(each or "") for each in event.args)
        await _tried(sheet, text, int(number) if NUMBER.fullmatch(number) else 0, trial)

    with Node("div", classes="row"):
        deeds.button(
            "Save as a new version",
            Right.OPERATE,
            lambda who, text: books.add(f"{text}\n", source="api", by=who),
            box=BOX,
            needs="what the runbook is",
            wrong=wrong,
            done=lambda book: ui.navigate.to(f"/runbooks/{book.name}"),
            style="primary",
            sure=False,
            longest=MAX_CHARACTERS,
        )
        Node("button", "Copy", "quiet small", type="button", data_copy_of=BOX)
        if wrong:
            Node("span", wrong, "muted small")
        deeds.barred(Right.OPERATE)
    with Node("div", classes="row"):
        if found:
            wanted = sheet.asked("incident")
            choose(found, int(wanted) if NUMBER.fullmatch(wanted) else 0)
        for says, of in TRIALS if found else TRIALS[1:]:
            button = Node("button", says, type="button")
            button.on("click", tried, js_handler=f"() => emit([{_VALUE % BOX}, {of}])")
    trial = Region("card stack tight")


async def _checked(sheet: Sheet, text: str, verdict: Region) -> None:
    books = sheet.house.repairs.books
    try:
        read = await sheet.visitor.read(lambda: books.check(text[: MAX_CHARACTERS + 1]))
    except TwinhelmError as error:
        verdict.show((error.message, error.hint), _faults)
    else:
        verdict.show(read, _sound)


def _faults(told: tuple[str, str]) -> None:
    message, hint = told
    lines = [line for line in message.splitlines() if line.strip()]
    html.card_head(f"{html.plural(len(lines), 'thing')} to mend")
    with Node("ul", classes="items", role="status"):
        for line in lines:
            with Node("li"):
                if found := _PLACE.fullmatch(line):
                    row, column, says = found.groups()
                    where = f"Line {row}, column {column}"
                    link = {"data_goto": BOX, "data_at": f"{row}:{column}"}
                    Node("button", where, "quiet small", type="button", **link)
                    Node("p", html.sentence(says), "wrapany")
                else:
                    Node("p", html.sentence(line), "wrapany")
    if hint:
        Node("p", html.sentence(hint), "muted")


def _sound(read: Runbook) -> None:
    html.card_head("It is sound")
    steps = html.plural(len(read.steps), "step")
    back = sum(step.undo == "none" for step in read.steps)
    html.facts(
        {
            "Name": read.name,
            "Does": read.runbook.says,
            "Steps": f"{steps}, {back} of them cannot be undone" if back else steps,
            "By itself": f"{read.runbook.level} at most, as its author says",
            "Verified": f"within {read.verify.within_s:g} s",
            "Touches": f"{html.plural(read.limits.reach, 'thing')} at most",
        }
    )


async def _tried(sheet: Sheet, text: str, number: int, trial: Region) -> None:
    """Try what is written on one incident, or (0) see on which it would have run."""
    judge, books = sheet.house.repairs.judge, sheet.house.repairs.books

    def ask() -> object:
        read = books.check(text[: MAX_CHARACTERS + 1])
        if number:
            return judge.trial(read, number, by=sheet.visitor.name)
        return judge.backtest(read, limit=MOST_PAST)

    try:
        found = await sheet.visitor.read(ask)
    except TwinhelmError:
        says = "It can be tried once nothing is left to mend."
        trial.show(says, lambda _: html.say(says, kind="amber"))
    else:
        trial.show((number, found), lambda _: _trial(number, found))


def _trial(number: int, found: Any) -> None:
    """Show what came of it; nothing was done and nothing is kept."""
    html.card_head(f"On incident {number}, nothing is done" if number else "On the past")
    (judged_view if number else past_table)(found)
