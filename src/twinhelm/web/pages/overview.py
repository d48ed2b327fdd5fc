"""The overview: is all well, what needs me, how is this host, what comes next, what was done.

Machines on the left, models on the right, a sentence each on top. The charts of this host begin
with the first sample and widen to the range asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twinhelm.aiops.types import Forecast, Incident, IncidentState
from twinhelm.aiops.words import place, quantity, unit_of
from twinhelm.core.labels import metric_name
from twinhelm.core.ports import JournalRow
from twinhelm.mlops.register import products
from twinhelm.mlops.types import Product
from twinhelm.web.pages.drawing import Drawing
from twinhelm.web.pages.elements import Node, When
from twinhelm.web.pages.frame import framed, title_row
from twinhelm.web.pages.hostcharts import Panel, panels
from twinhelm.web.pages.live import Live, Region
from twinhelm.web.pages.pieces import (
    ChartCard,
    chip,
    empty,
    severity_chip,
    state_chip,
)
from twinhelm.web.pages.sheet import Sheet
from twinhelm.web.pages.wording import deed

__all__ = ["overview"]

LIVE = (IncidentState.OPEN, IncidentState.REOPENED, IncidentState.ACKNOWLEDGED)
LEAST_MS = 120_000
SHOWN = 8
READ = 200
QUIET = {"incident.updated", "session.signed_in", "session.signed_out", "detector.registered"}
"""Kinds of event that the audit page lists and that are no news."""


@dataclass(frozen=True, slots=True)
class Machines:
    """What the machines' half says."""

    live: list[Incident]
    series: int
    last_tick_ms: int
    forecasts: list[Forecast]


@dataclass(frozen=True, slots=True)
class Models:
    """What the models' half says."""

    products: list[Product]
    deeds: list[JournalRow]


async def overview(sheet: Sheet) -> None:
    """Build the page."""
    with framed(sheet, ranged=True):
        title_row("Overview")
        with Node("div", classes="halves"):
            with Node("div", classes="stack"):
                await _machines(sheet)
            with Node("div", classes="stack"):
                await _models(sheet)


async def _machines(sheet: Sheet) -> None:
    lead, mine = Region("card machines"), Region("wait")

    def show(now: Machines) -> None:
        lead.show((now.live, now.series, bool(now.last_tick_ms)), lambda _: _sentence(now))
        if last_check:
            last_check[-1].at(now.last_tick_ms)
        mine.show(now.live, _needs_me)
        ahead.show(now.forecasts, _ahead)

    last_check: list[When] = []

    def _sentence(now: Machines) -> None:
        last_check.clear()
        waiting = [one for one in now.live if one.state is not IncidentState.ACKNOWLEDGED]
        with Node("p", classes="lead row"):
            if not now.live:
                Node("span", classes=f"dot {'green' if now.last_tick_ms else ''}")
                said = "Machines: all quiet" if now.last_tick_ms else "Machines: starting to watch"
            else:
                Node("span", classes="dot red", aria_hidden="true")
                count = len(now.live)
                noun = "incident" if count == 1 else "incidents"
                needs = f"{len(waiting)} needs you" if len(waiting) == 1 else ""
                needs = needs or (f"{len(waiting)} need you" if waiting else "all taken")
                said = f"Machines: {count} {noun}, {needs}"
            Node("span", said)
        with Node("p", f"{now.series} series watched", "muted"):
            if now.last_tick_ms:
                Node("span", "; last check ")
                last_check.append(When(now.last_tick_ms))

    charts, ahead = Node("div", classes="stack"), Region("card")
    await Live(sheet, lambda: _ask_machines(sheet), show).start()
    with charts:
        await _charts(sheet)


async def _charts(sheet: Sheet) -> None:
    """Draw this host; apart from the sentence above, which must not wait for it."""
    box = Region()
    cards: dict[str, ChartCard] = {}

    def show(found: list[tuple[Panel, Drawing]]) -> None:
        def draw(titles: list[str]) -> None:
            cards.clear()
            if not titles:
                _no_host(sheet)
                return
            with Node("div", classes="charts"):
                for panel, drawing in found:
                    cards[panel.title] = ChartCard(panel.title, drawing, href=panel.href)

        box.show([panel.title for panel, _ in found], draw)
        for panel, drawing in found:
            cards[panel.title].show(drawing)

    def ask() -> list[tuple[Panel, Drawing]]:
        start, end = sheet.range()
        return panels(sheet, start, end, least_ms=LEAST_MS)

    await Live(sheet, ask, show).start()


def _ask_machines(sheet: Sheet) -> Machines:
    house = sheet.house
    return Machines(
        live=house.desk.incidents(states=LIVE, limit=50),
        series=house.telemetry.series_count(),
        last_tick_ms=house.watch.last_tick_ms,
        forecasts=house.desk.forecasts()[:SHOWN],
    )


def _needs_me(live: Sequence[Incident]) -> None:
    if not live:
        return
    with Node("section", classes="card"):
        Node("h2", "What needs you")
        order = {IncidentState.REOPENED: 0, IncidentState.OPEN: 0}
        severe = {"critical": 0, "warning": 1}
        ordered = sorted(
            live, key=lambda one: (order.get(one.state, 1), severe.get(one.severity, 2))
        )
        with Node("ul", classes="items"):
            for incident in ordered[:SHOWN]:
                with Node("li"):
                    with Node("div", classes="row"):
                        severity_chip(incident.severity)
                        Node("a", incident.title, "wrapany", href=f"/incidents/{incident.id}")
                    with Node("div", classes="row muted small"):
                        state_chip(incident.state)
                        When(incident.started_ms)
                        if incident.owner:
                            Node("span", f"taken by {incident.owner}")


def _no_host(sheet: Sheet) -> None:
    with Node("div", classes="card flush"):
        if sheet.house.settings.host.enabled:
            empty("The first samples of this host are on their way.", "They come every 5 s.")
        else:
            with empty("This host is not watched.", "host.enabled is off."), Node("p"):
                Node("a", "How to send telemetry", href="/connect")


def _ahead(forecasts: Sequence[Forecast]) -> None:
    with Node("div", classes="card-head"):
        Node("h2", "What runs out next")
        if forecasts:
            Node("a", "Capacity", href="/capacity", classes="small")
    if not forecasts:
        Node(
            "p",
            "Nothing is foreseen to run out in the next 14 days. A forecast needs some hours of "
            "history and stays silent where the trend is unsure.",
            "muted prose",
        )
        return
    with Node("ul", classes="items"):
        for one in forecasts:
            unit = unit_of(metric_name(one.labels))
            with Node("li"):
                Node("div", one.text, "wrapany")
                with Node("div", classes="row muted small"):
                    Node("span", f"{place(one.entity)}, now {quantity(one.now, unit)}, likely")
                    When(one.likely_ms)
                    Node("span", f"confidence {one.confidence:.2f}")


async def _models(sheet: Sheet) -> None:
    lead, stages, done = Region("card models"), Region("card"), Region("card")

    def show(now: Models) -> None:
        lead.show([(one.name, one.live) for one in now.products], lambda _: _portfolio(now))
        stages.box.set_visibility(bool(now.products))
        stages.show(now.products, _stages)
        done.show(now.deeds, _deeds)

    live = Live(sheet, lambda: _ask_models(sheet), show, every_s=5.0)
    await live.start()


def _ask_models(sheet: Sheet) -> Models:
    house = sheet.house
    rows = house.journal.read(newest_first=True, limit=READ)
    told = [row for row in rows if row.kind not in QUIET][:SHOWN]
    return Models(products(house.records), told)


def _portfolio(now: Models) -> None:
    count, live = len(now.products), sum(bool(one.live) for one in now.products)
    with Node("p", classes="lead row"):
        good = count and live == count
        Node("span", classes=f"dot {'green' if good else ''}", aria_hidden="true")
        if not count:
            Node("span", "Models: none registered yet")
        else:
            noun = "product" if count == 1 else "products"
            Node("span", f"Models: {count} {noun}, {'all' if good else live} live")
    says = "The algorithms that twinhelm itself decides with." if count else "Nothing to watch."
    Node("p", says, "muted")


def _stages(found: Sequence[Product]) -> None:
    with Node("div", classes="card-head"):
        Node("h2", "Products")
        Node("a", "Portfolio", href="/products", classes="small")
    with Node("ul", classes="items"):
        for one in found:
            with Node("li", classes="row", style="justify-content:space-between"):
                Node("a", one.name, href=f"/products#{one.name}")
                if one.live:
                    chip(f"live {one.live}", "green")
                else:
                    chip("not live")


def _deeds(rows: Sequence[JournalRow]) -> None:
    with Node("div", classes="card-head"):
        Node("h2", "What happened lately")
        Node("a", "Audit", href="/audit", classes="small")
    with Node("ul", classes="items plain"):
        for row in rows:
            with Node("li"):
                text, href = deed(row)
                if href:
                    Node("a", text, "wrapany", href=href)
                else:
                    Node("span", text, "wrapany")
                with Node("div", classes="muted small"):
                    When(row.time_ms)
                    Node("span", f", {row.actor}")
