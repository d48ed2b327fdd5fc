"""Shows who is on call, when trouble is expected, what is told to whom, and how that went."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from nicegui.events import GenericEventArguments

from twinhelm.aiops.flow.notices.desk import Duty
from twinhelm.aiops.flow.notices.kept import Standing
from twinhelm.aiops.flow.notices.maintenance import Maintenance
from twinhelm.aiops.notify.document import Channel, Route
from twinhelm.aiops.notify.messages import Delivery
from twinhelm.core.errors import BadInput
from twinhelm.core.roles import Right
from twinhelm.web.pages.kit import html
from twinhelm.web.pages.kit.deeds import Deeds
from twinhelm.web.pages.kit.frame import framed
from twinhelm.web.pages.kit.html import Column, Moment, Node, Region, When
from twinhelm.web.pages.kit.sheet import Live, Sheet

__all__ = ["on_call"]

HOUR_MS = 3_600_000
HOURS = (1, 4, 12)
MOST = 100
STATES = {"waiting": "amber", "sent": "green", "together": "green", "failed": "red"}
FIRST = """[[channels]]
name = "ops"
kind = "slack"
secret = "secret:slack"

[[routes]]
name = "all"
to = ["channel:ops"]
"""


class _Now(NamedTuple):
    """All that the page shows."""

    wrong: str
    duties: list[Duty]
    windows: list[Maintenance]
    channels: tuple[Channel, ...]
    standings: list[Standing]
    routes: tuple[Route, ...]
    sent: list[Delivery]


async def on_call(sheet: Sheet) -> None:
    """Build the page."""
    desk, maintenance = sheet.house.notices.desk, sheet.house.notices.maintenance

    def ask() -> _Now:
        plan = desk.plan
        return _Now(
            desk.wrong, desk.duties(), maintenance.all(limit=10), plan.channels, desk.standings(),
            plan.routes, desk.deliveries(limit=MOST),
        )  # fmt: skip

    with framed(sheet, "On call", "Who is told of what, and how that went", wing="machines"):
        deeds = Deeds(sheet)
        wrong, duties = Region("wait"), Region("card flush")
        _planning(deeds)
        windows, channels = Region("card flush"), Region("card flush")
        routes, sent = Region("card flush"), Region("card flush")

        def show(now: _Now) -> None:
            wrong.show(now.wrong, _wrong)
            duties.show((now.duties, bool(now.routes)), _duties)
            windows.show(now.windows, partial(_windows, deeds))
            channels.show((now.channels, now.standings), partial(_channels, deeds))
            routes.show(now.routes, _routes)
            sent.show(now.sent, _sent)

        await Live(sheet, ask, show).start()


def _wrong(text: str) -> None:
    if text:
        html.say(f"The file of routes cannot be taken, the one before holds: {text}", kind="failed")


def _duties(now: tuple[list[Duty], bool]) -> None:
    def nothing() -> None:
        if now[1]:
            html.empty("Nobody is on call by a rota.", "Routes lead to channels and people.")
            return
        says = "Nobody is told anything yet. Write notify.toml in the data directory, such as:"
        with html.empty(says, "`twinhelm notify check` says whether it is sound."):
            Node("pre", FIRST, "snippet")
            html.copier(FIRST)

    html.table(
        now[0],
        Column("Rota", "namecol", lambda one: one.rota),
        Column("On call now", "namecol", lambda one: Node("b", one.now.person or "nobody")),
        Column("Until", "tightcol", lambda one: When(one.now.end_ms)),
        Column("Then", "namecol", lambda one: one.next.person or "nobody" if one.next else ""),
        Column("Zone", "cutoff", _zone),
        nothing=nothing,
    )


def _zone(one: Duty) -> None:
    Node("span", one.zone)
    for text in one.clock_changes:
        Node("div", text, "muted small")


def _planning(deeds: Deeds) -> None:
    """Offer to plan a window, from now on or from a moment that is chosen."""
    desk, clock = deeds.sheet.house.notices.maintenance, deeds.sheet.house.clock

    chosen = 0

    def choose(event: GenericEventArguments) -> None:
        nonlocal chosen
        chosen = int(event.args or 0)

    def plan(hours: int, who: str, written: str) -> object:
        *entities, reason = written.splitlines() or [""]
        if not entities:
            raise BadInput("a window needs entities and a reason", hint="the reason comes last")
        start = chosen or clock.now_ms()
        return desk.plan(start, start + hours * HOUR_MS, entities, reason, by=who)

    with Node("details", classes="card"):
        Node("summary", "Expect trouble: a maintenance window")
        with Node("label", classes="field"):
            says = "Entities, one a line, as service:shop/* (* for all); in the last line why"
            Node("span", says)
            Node("textarea", id="window", maxlength="4000")
        with Node("div", classes="row"):
            Node("span", "It begins")
            Moment("start", clock.now_ms(), "When it begins").on("chosen", choose)
        with Node("div", classes="row"):
            for hours in HOURS:
                deeds.button(
                    f"Plan {html.plural(hours, 'hour')}", Right.OPERATE,
                    partial(plan, hours), box="window", needs="which entities, and why",
                )  # fmt: skip


def _windows(deeds: Deeds, rows: list[Maintenance]) -> None:
    sheet, now = deeds.sheet, deeds.sheet.house.clock.now_ms()

    def end(one: Maintenance) -> None:
        if one.end_ms > now:
            stop = sheet.house.notices.maintenance.end
            deeds.button("End it", Right.OPERATE, lambda who, _: stop(one.id, by=who))

    html.table(
        rows,
        Column("Maintenance of", "namecol", lambda one: ", ".join(one.entities)),
        Column("From", "tightcol", lambda one: When(one.start_ms)),
        Column("Until", "tightcol", lambda one: When(one.end_ms)),
        Column("Each week", "cutoff", lambda one: str(one.weekly or "")),
        Column("Why", "cutoff", lambda one: one.reason),
        Column("By", "tightcol", lambda one: one.by),
        Column("", "tightcol", end),
        nothing=lambda: html.empty("No maintenance is planned.", good=True),
    )


def _channels(deeds: Deeds, now: tuple[tuple[Channel, ...], list[Standing]]) -> None:
    desk = deeds.sheet.house.notices.desk

    def test(one: Channel) -> None:
        deeds.button(
            "Send a test", Right.OPERATE, lambda who, _: desk.test(one.name, "", by=who),
            done=lambda said: html.say(f"{one.name} took it: {'; '.join(said)}"),
        )  # fmt: skip

    def fares(one: Channel) -> None:
        for each in (each for each in now[1] if each.channel == one.name):
            with Node("div", classes="row dotted"):
                html.dot("red" if each.failures else "green")
                waits = f"{each.failures} tries failed: " if each.failures else ""
                whom = f"{each.person}: " if each.person else ""
                html.phrase(f"{whom}{waits}{each.last}, ", each.last_ms)

    html.table(
        now[0],
        Column("Channel", "namecol", lambda one: one.name),
        Column("Kind", "tightcol", lambda one: one.kind),
        Column("How it fares", "cutoff", fares),
        Column("", "tightcol", test),
    )


def _routes(rows: tuple[Route, ...]) -> None:
    def takes(one: Route) -> str:
        only = (
            *one.severity,
            *one.entities,
            *one.products,
            *(f"team {each}" for each in one.teams),
        )
        return ", ".join((*one.kinds, *only)) + (", at its hours" if one.hours else "")

    html.table(
        rows,
        Column("Route", "namecol", lambda one: one.name),
        Column("Takes", "cutoff", takes),
        Column("Leads to", "namecol", lambda one: ", ".join(one.to)),
        Column("", "tightcol", lambda one: f"digest {', '.join(one.digest)}" if one.digest else ""),
    )


def _sent(rows: list[Delivery]) -> None:
    def what(one: Delivery) -> None:
        Node("a", one.message.title, href=one.message.path)
        if one.attempts:
            with Node("details", classes="small"):
                Node("summary", html.plural(len(one.attempts), "try").replace("trys", "tries"))
                for each in one.attempts:
                    html.phrase(each.time_ms, f" {each.outcome or 'cut off'}", tag="div")

    html.table(
        rows,
        Column("Message", "cutoff", what),
        Column("To", "namecol", lambda one: f"{one.channel} {one.person}".strip()),
        Column("", "tightcol", lambda one: html.chip(one.state, STATES.get(one.state, ""))),
        Column("Made", "tightcol", lambda one: When(one.made_ms)),
        nothing=lambda: html.empty("No message was due so far.", good=True),
    )
