"""Incidents: the list of them, and one: what is broken since when, why, and what can be done.

Everything stays true while the reader looks: state, suspects, timeline and charts follow the
records. What a person does here is checked against who they are at that moment.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from nicegui import ui

from twinhelm.aiops.correlate import Decision
from twinhelm.aiops.flow.incidents import IncidentDesk, IncidentFile
from twinhelm.aiops.records import find_incidents, load_incident
from twinhelm.aiops.types import LIVE, Incident, IncidentState
from twinhelm.aiops.words import place
from twinhelm.core.entities import Edge
from twinhelm.core.errors import NotFound
from twinhelm.core.roles import Right
from twinhelm.events.values import load
from twinhelm.web.pages.automation import mending_card
from twinhelm.web.pages.kit import html
from twinhelm.web.pages.kit.charts import Charts
from twinhelm.web.pages.kit.deeds import Deeds
from twinhelm.web.pages.kit.drawing import Drawing
from twinhelm.web.pages.kit.frame import framed, title_row
from twinhelm.web.pages.kit.html import Column, Node, Region, When
from twinhelm.web.pages.kit.sheet import Live, Sheet, work
from twinhelm.web.pages.machines.answers import Answers, Known, known, signs
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
        with html.empty(lead, good=good):
            html.phrase("Last check ", last_tick_ms or "not yet", tag="p")

    def show(now: Listed) -> None:
        found, counts, last_ms, unraised = now
        choices.show(counts, lambda _: _choices(chosen, counts))
        shown = found[:PAGE]
        rows.show(shown or last_ms, lambda _: _table(shown, lambda: quiet(last_ms)))
        further.show(found[PAGE - 1].id if len(found) > PAGE else 0, older)
        whynot.show(unraised, _decisions)

    def older(last: int) -> None:
        if before:
            Node("a", "Show the newest", href=html.address("/incidents", state=chosen))
        if last:
            Node("a", "Show older", href=html.address("/incidents", state=chosen, before=last))

    with framed(sheet, "Incidents", "What belongs together, in few words", wing="machines"):
        choices, rows = Region(), Region("card flush")
        further, whynot = Region("row"), Region("wait")
        await Live(sheet, ask, show).start()


def _choices(chosen: str, counts: dict[str, int]) -> None:
    offered = (
        (
            html.address("/incidents", state=key),
            f"{text} {sum(counts.get(each, 0) for each in states or IncidentState)}",
        )
        for key, (text, states) in CHOICES.items()
    )
    html.segments("State", offered, html.address("/incidents", state=chosen))


def _table(found: list[Incident], nothing: Callable[[], object]) -> None:
    html.table(
        found,
        Column("", "tightcol muted", lambda one: f"#{one.id}"),
        Column("Severity", "tightcol", lambda one: html.severity_chip(one.severity)),
        Column("State", "tightcol", lambda one: html.state_chip(one.state)),
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
        Column("Outcome", "tightcol", lambda one: html.chip(one.outcome.replace("_", " "))),
        Column("Why", "wrapany", lambda one: one.text),
    )
    with Node("details"):
        Node("summary", f"Why not? {len(found)} signs that were seen and not raised")
        with Node("div", classes="card flush", style="margin-top:8px"):
            html.table(found, *columns)


@dataclass(frozen=True, slots=True)
class _Known:
    """All that the page shows of one."""

    file: IncidentFile
    edges: tuple[Edge, ...]
    evidence: list[tuple[str, str, Drawing]]
    others: list[Decision]
    answers: Known


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
        await mending_card(sheet, number)
        with Node("div", classes="case"):
            reasons = Region("card")
            with Node("div", classes="stack"):
                with Node("div", classes="twos"):
                    places, changed = Region("card"), Region("card")
                story = Region("card")
        charts = Charts("stack tight")
        with Node("div", classes="card stack"):
            asked, answers = Region(), Answers(sheet)
            answers.reason()
        grouped, others = Region("card"), Region("wait")
        for one in DEEDS:
            _dialog(sheet, number, one)

        def show(now: _Known) -> None:
            file, one = now.file, now.file.incident
            head.show(one, lambda _: _head(one, sheet))
            start, end = window(file, sheet.house.clock.now_ms())
            told = [(each.text, each.confidence, each.evidence_for) for each in file.claims]
            against = [each.evidence_against for each in file.claims]
            stands = now.answers
            reasons.show(
                (one.verdict, told, against, stands),
                lambda _: why(file, start, end, lambda claim: answers.ask(claim, stands)),
            )
            asked.show((file.anomalies, stands), lambda _: signs(file, answers, stands))
            places.show((one.entities, now.edges), lambda _: where(file, now.edges))
            changed.show(file.changes, lambda _: changes(file))
            story.show(file.timeline, timeline)
            grouped.show(one.grouping, lambda _: grouping(file))
            others.show(now.others, _decisions)
            lasts = one.state is not IncidentState.RESOLVED
            charts.follow(now.evidence, lambda: None, head="Evidence", notes=NOTES, live=lasts)

        await Live(sheet, lambda: _ask(sheet, number), show).start()


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
    return _Known(file, tuple(edges[:200]), draw_evidence(sheet, file), others[:30], known(sheet))


def _head(now: Incident, sheet: Sheet) -> None:
    html.crumbs(("Incidents", "/incidents"), (f"#{now.id}", ""))
    title_row(now.title)
    with Node("div", classes="row"):
        html.severity_chip(now.severity)
        html.state_chip(now.state)
        html.phrase("Began ", now.started_ms)
        if now.resolved_ms is not None:
            html.phrase(f"lasted {_lasted(now)}, over ", now.resolved_ms)
        Node("span", f"Owner: {now.owner or 'nobody yet'}", "muted")
        if now.flaps:
            times = "once" if now.flaps == 1 else f"{now.flaps} times"
            Node("span", f"came back {times}", "muted")
        Node("span", _places(now, 4), "muted wrapany")
    _buttons(now, sheet)


class _Deed(NamedTuple):
    """What can be done with an incident, after a dialog says what that means."""

    key: str
    verb: str
    title: str
    says: str
    field: str
    do: Callable[[IncidentDesk, int, str, str], object]


DEEDS = (
    _Deed(
        "take",
        "Acknowledge",
        "Acknowledge this incident?",
        "It becomes yours: your name stands as its owner. The signs go on being watched, nothing "
        "else changes.",
        "",
        lambda desk, number, who, _: desk.acknowledge(number, by=who),
    ),
    _Deed(
        "close",
        "Resolve",
        "Resolve this incident?",
        "It is closed for everybody. If the signs come back within the hour it reopens by itself.",
        "What solved it (for whoever meets this next)",
        lambda desk, number, who, text: desk.resolve(number, by=who, note=text),
    ),
    _Deed(
        "remark",
        "Comment",
        "Add a comment",
        "It joins the timeline and the journal, with your name.",
        "Comment",
        lambda desk, number, who, text: desk.comment(number, by=who, text=text),
    ),
)


def _buttons(now: Incident, sheet: Sheet) -> None:
    """Show what can be done now, and why where it cannot."""
    barred = sheet.visitor.why_not(Right.OPERATE)
    over = now.state is IncidentState.RESOLVED
    wrong = {"take": "It is over.", "close": "It is resolved already."} if over else {}
    first = "close" if now.state is IncidentState.ACKNOWLEDGED else "take"
    with Node("div", classes="row"):
        for one in DEEDS:
            why = barred or wrong.get(one.key, "")
            style = "primary" if one.key == first and not why else ""
            button = Node("button", one.verb, style, type="button", data_opens=f"dialog-{one.key}")
            button.set(disabled=bool(why), title=why or None)
        if barred:
            Node("span", barred, "muted small")


def _dialog(sheet: Sheet, number: int, one: _Deed) -> None:
    """Make the dialog of a deed, which outlives the buttons that open it."""
    box, desk = f"text-{one.key}", sheet.house.desk
    with Node("dialog", id=f"dialog-{one.key}", aria_labelledby=f"title-{one.key}"):
        Node("h2", one.title, id=f"title-{one.key}")
        with Node("div", classes="stack"):
            Node("p", one.says, "muted")
            if one.field:
                with Node("label", classes="field"):
                    Node("span", one.field)
                    Node("textarea", id=box, maxlength="4000")
            deeds = Deeds(sheet)
            with Node("div", classes="row end"):
                Node("button", "Cancel", type="button", data_closes=True)
                go = Node("button", one.verb, "primary", type="button")
    deeds.on(
        go,
        Right.OPERATE,
        lambda who, text: one.do(desk, number, who, text),
        box=box,
        done=lambda _: ui.run_javascript(f"document.getElementById('dialog-{one.key}').close()"),
    )
