"""Incidents: the list of them, and one: what is broken since when, why, and what can be done.

Everything stays true while the reader looks: state, suspects, timeline and charts follow the
records. What a person does here is checked against who they are at that moment.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlencode

from nicegui import ui

from twinhelm.aiops.correlate import Decision
from twinhelm.aiops.flow.incidents import IncidentFile
from twinhelm.aiops.records import find_incidents, load_incident
from twinhelm.aiops.types import LIVE, Incident, IncidentState
from twinhelm.aiops.words import place
from twinhelm.core.entities import Edge
from twinhelm.core.errors import NotFound, TwinhelmError
from twinhelm.core.roles import Right
from twinhelm.events.values import load
from twinhelm.web.pages.drawing import Drawing
from twinhelm.web.pages.elements import (
    Charts,
    Column,
    Node,
    Region,
    When,
    chip,
    empty,
    say,
    segments,
    severity_chip,
    state_chip,
    table,
)
from twinhelm.web.pages.frame import framed, title_row
from twinhelm.web.pages.sheet import Live, Sheet, work
from twinhelm.web.pages.story import changes, draw_evidence, grouping, timeline, where, why, window

__all__ = ["incident", "incidents"]

CHOICES: dict[str, tuple[str, tuple[IncidentState, ...] | None]] = {
    "": ("All", None),
    "live": ("Not resolved", LIVE),
    "open": ("Needs somebody", (IncidentState.OPEN, IncidentState.REOPENED)),
    "acknowledged": ("Acknowledged", (IncidentState.ACKNOWLEDGED,)),
    "resolved": ("Resolved", (IncidentState.RESOLVED,)),
}
QUIET = {"resolved": "Nothing was resolved yet.", "acknowledged": "Nobody has taken an incident."}
NOTES = [("anomaly", "--span"), ("expected", "--band")]
PAGE = 200
NEAR_MS = 600_000

Listed = tuple[list[Incident], dict[str, int], int, list[Decision]]
"""The incidents, perhaps with one more than a page holds, how many there are of each state, the
last check, and what was not raised."""


async def incidents(sheet: Sheet) -> None:
    """Show the list: newest first, by state; on a good day it is empty and says so."""
    house, chosen = sheet.house, sheet.asked("state")
    chosen = chosen if chosen in CHOICES else ""
    before = int(sheet.asked("before")) if re.fullmatch("[0-9]{1,10}", sheet.asked("before")) else 0
    checked: list[When] = []

    def ask() -> Listed:
        with house.records.reading() as unit:
            last = load_incident(unit, before) if before else None
            found = find_incidents(unit, states=CHOICES[chosen][1], before=last, limit=PAGE + 1)
        return (
            found,
            house.desk.counts(),
            house.watch.last_tick_ms,
            [one for one in house.desk.decisions(60) if one.incident is None][:20],
        )

    def quiet(last_tick_ms: int) -> None:
        lead = QUIET.get(chosen, "All is well: no incidents.")
        good = chosen not in QUIET and bool(last_tick_ms)
        with empty(lead, good=good), Node("p", "Last check ", "muted"):
            checked.append(When(last_tick_ms))

    def show(now: Listed) -> None:
        found, counts, last_ms, unraised = now

        def fill(_: object) -> None:
            checked.clear()
            _table(found[:PAGE], lambda: quiet(last_ms))

        choices.show(counts, lambda _: _choices(chosen, counts))
        rows.show((found, bool(last_ms)), fill)
        for moment in checked:
            moment.at(last_ms)
        further.show(found[PAGE - 1].id if len(found) > PAGE else 0, older)
        whynot.show(unraised, _decisions)

    def older(last: int) -> None:
        if before:
            Node("a", "Show the newest", href=f"/incidents?{urlencode({'state': chosen})}")
        if last:
            wanted = urlencode({"state": chosen, "before": last})
            Node("a", "Show older", href=f"/incidents?{wanted}")

    with framed(sheet, "Incidents", "What belongs together, in few words", wing="machines"):
        choices, rows = Region(), Region("card flush")
        further, whynot = Region("row"), Region("wait")
        await Live(sheet, ask, show).start()


def _choices(chosen: str, counts: dict[str, int]) -> None:
    offered = []
    for key, (text, states) in CHOICES.items():
        offered.append(
            (key, f"{text} {sum(counts.get(each, 0) for each in states or IncidentState)}")
        )
    segments("/incidents", "State", offered, chosen)


def _table(found: list[Incident], nothing: Callable[[], object]) -> None:
    table(
        found,
        Column("", "tightcol muted", lambda one: f"#{one.id}"),
        Column("Severity", "tightcol", lambda one: severity_chip(one.severity)),
        Column("State", "tightcol", lambda one: state_chip(one.state)),
        Column("What", "cutoff", lambda one: Node("a", one.title, href=f"/incidents/{one.id}")),
        Column("Where", "wrapany", lambda one: _places(one, 3)),
        Column("Began", "tightcol", lambda one: When(one.started_ms)),
        Column("Lasted", "tightcol", _lasted),
        Column("Owner", "tightcol", lambda one: one.owner or Node("span", "nobody", "muted")),
        nothing=nothing,
        href=lambda one: f"/incidents/{one.id}",
    )


def _places(one: Incident, most: int) -> str:
    places = [place(entity) for entity in one.entities]
    more = f" and {len(places) - most} more" if len(places) > most else ""
    return ", ".join(places[:most]) + more


def _lasted(one: Incident) -> str:
    if one.resolved_ms is None:
        return "still"
    seconds = max(0, one.resolved_ms - one.started_ms) / 1000
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _decisions(found: list[Decision]) -> None:
    """List signs that are in no incident, and why not."""
    if not found:
        return
    columns = (
        Column("When", "tightcol", lambda one: When(one.time_ms)),
        Column("Outcome", "tightcol", lambda one: chip(one.outcome.replace("_", " "))),
        Column("Why", "wrapany", lambda one: one.text),
    )
    with Node("details"):
        Node("summary", f"Why not? {len(found)} signs that were seen and not raised")
        with Node("div", classes="card flush", style="margin-top:8px"):
            table(found, *columns)


@dataclass(frozen=True, slots=True)
class _Known:
    """All that the page shows of one."""

    file: IncidentFile
    edges: tuple[Edge, ...]
    evidence: list[tuple[str, str, Drawing]]
    others: list[Decision]


async def incident(sheet: Sheet) -> None:
    """Show one; raises :class:`NotFound`."""
    named = str(sheet.request.path_params["incident_id"])
    if not re.fullmatch(r"[0-9]{1,15}", named):
        raise NotFound(f"there is no incident {named[:40]}", hint="incidents have numbers")
    number = int(named)
    # Asked once before anything is built, so that what is not there is answered with 404.
    await work(lambda: sheet.house.desk.file(number))
    with framed(sheet, wing="machines"):
        head = Region("stack tight")
        with Node("div", classes="case"):
            reasons = Region("card")
            with Node("div", classes="stack"):
                with Node("div", classes="twos"):
                    places, changed = Region("card"), Region("card")
                story = Region("card")
        charts = Charts("stack tight")
        grouped, others = Region("card"), Region("wait")
        desk = _Desk(sheet, number)

        def show(now: _Known) -> None:
            file, one = now.file, now.file.incident
            head.show(one, lambda _: _head(one, desk))
            start, end = window(file, sheet.house.clock.now_ms())
            told = [(each.text, each.confidence, each.evidence_for) for each in file.claims]
            against = [each.evidence_against for each in file.claims]
            reasons.show((one.verdict, told, against), lambda _: why(file, start, end))
            places.show((one.entities, now.edges), lambda _: where(file, now.edges))
            changed.show(file.changes, lambda _: changes(file))
            story.show(file.timeline, timeline)
            grouped.show(one.grouping, lambda _: grouping(file))
            others.show(now.others, _decisions)
            lasts = one.state is not IncidentState.RESOLVED
            charts.follow(now.evidence, lambda: None, head="Evidence", notes=NOTES, live=lasts)

        live = Live(sheet, lambda: _ask(sheet, number), show)
        desk.changed = live.ask
        await live.start()


def _ask(sheet: Sheet, number: int) -> _Known:
    house = sheet.house
    file = house.desk.file(number)
    near = set(file.incident.entities)
    with house.records.reading() as unit:
        edges = [load(Edge, record) for record in unit.find("edge", limit=2000)]
    now = house.clock.now_ms()
    edges = [each for each in edges if near & {each.source, each.target} and each.alive(now)]
    since, until = file.incident.started_ms - NEAR_MS, (file.incident.resolved_ms or now) + NEAR_MS
    unraised = (one for one in house.desk.decisions(300) if one.incident is None)
    others = [one for one in unraised if since <= one.time_ms <= until]
    return _Known(file, tuple(edges[:200]), draw_evidence(sheet, file), others[:30])


def _head(now: Incident, desk: _Desk) -> None:
    with Node("div", classes="row"):
        Node("a", "Incidents", href="/incidents")
        Node("span", f"/ #{now.id}", "muted")
    title_row(now.title)
    with Node("div", classes="row"):
        severity_chip(now.severity)
        state_chip(now.state)
        with Node("span", "Began ", "muted"):
            When(now.started_ms)
        if now.resolved_ms is not None:
            with Node("span", f"lasted {_lasted(now)}, over ", "muted"):
                When(now.resolved_ms)
        Node("span", f"Owner: {now.owner or 'nobody yet'}", "muted")
        if now.flaps:
            times = "once" if now.flaps == 1 else f"{now.flaps} times"
            Node("span", f"came back {times}", "muted")
        Node("span", _places(now, 4), "muted wrapany")
    desk.buttons(now)


class _Desk:
    """The buttons of an incident and the dialogs behind them, which outlive the buttons."""

    changed: Callable[[], Awaitable[None]]

    def __init__(self, sheet: Sheet, number: int) -> None:
        self._sheet = sheet
        desk = sheet.house.desk
        self._dialog(
            "take",
            "Acknowledge this incident?",
            f"It becomes yours: {sheet.visitor.name} stands as its owner. The signs go on being "
            "watched, nothing else changes.",
            "Acknowledge",
            lambda who, _: desk.acknowledge(number, by=who),
        )
        self._dialog(
            "close",
            "Resolve this incident?",
            "It is closed for everybody. If the signs come back within the hour it reopens by "
            "itself.",
            "Resolve",
            lambda who, text: desk.resolve(number, by=who, note=text[:4000]),
            field="What solved it (for whoever meets this next)",
        )
        self._dialog(
            "remark",
            "Add a comment",
            "It joins the timeline and the journal, with your name.",
            "Add comment",
            lambda who, text: desk.comment(number, by=who, text=text),
            field="Comment",
        )

    def buttons(self, now: Incident) -> None:
        """Show what can be done now, and why where it cannot."""
        barred = self._sheet.visitor.why_not(Right.OPERATE)
        over = now.state is IncidentState.RESOLVED
        taken = now.state is IncidentState.ACKNOWLEDGED
        with Node("div", classes="row"):
            for text, key, wrong, primary in (
                ("Acknowledge", "take", "It is over." if over else "", not taken),
                ("Resolve", "close", "It is resolved already." if over else "", taken),
                ("Comment", "remark", "", False),
            ):
                wrong = barred or wrong
                style = "primary" if primary and not wrong else ""
                button = Node("button", text, style, type="button", data_opens=f"dialog-{key}")
                button.set(disabled=bool(wrong), title=wrong or None)
            if barred:
                Node("span", barred, "muted small")

    def _dialog(
        self,
        key: str,
        title: str,
        says: str,
        button: str,
        change: Callable[[str, str], object],
        field: str = "",
    ) -> None:
        box = f"text-{key}"
        with Node("dialog", id=f"dialog-{key}", aria_labelledby=f"title-{key}"):
            Node("h2", title, id=f"title-{key}")
            with Node("div", classes="stack"):
                Node("p", says, "muted")
                if field:
                    with Node("label", classes="field"):
                        Node("span", field)
                        Node("textarea", id=box, maxlength="4000")
                wrong = Region("wait")
                with Node("div", classes="row end"):
                    Node("button", "Cancel", type="button", data_closes=True)
                    go = Node("button", button, "primary", type="button")

        async def act(text: object) -> None:
            written = str(text or "")
            try:
                await self._sheet.visitor.act(Right.OPERATE, lambda who: change(who, written))
            except TwinhelmError as error:
                wrong.show(str(error), lambda told: say(told, kind="failed"))
                return
            wrong.show("", lambda _: None)
            ui.run_javascript(
                f"document.getElementById('dialog-{key}').close();"
                f"const t = document.getElementById('{box}'); if (t) t.value = '';"
            )
            await self.changed()

        script = f"() => emit(document.getElementById('{box}')?.value || '')"
        go.on("click", lambda event: act(event.args), js_handler=script)
