"""The overview: is all well, what needs me, how is this host, what comes next, what was done.

Machines on the left, models on the right, a sentence each on top. The charts of this host begin
with the first sample and widen to the range asked for; what it does not have (no pressure in its
kernel, no second disk) is left out.
"""

from collections.abc import Iterable, Iterator, Sequence

from twinhelm.aiops.automate.repair import OPEN, Repair
from twinhelm.aiops.types import LIVE, Forecast, Incident, IncidentState
from twinhelm.aiops.words import place, quantity, unit_of
from twinhelm.core.labels import METRIC, Matcher, MatchKind, metric_name
from twinhelm.core.ports import JournalRow
from twinhelm.core.telemetry import SeriesInfo
from twinhelm.mlops.types import Product
from twinhelm.web.pages.automation.parts import repair_chip, repair_path
from twinhelm.web.pages.kit import html
from twinhelm.web.pages.kit.charts import charted
from twinhelm.web.pages.kit.drawing import Drawing, query_of
from twinhelm.web.pages.kit.frame import framed
from twinhelm.web.pages.kit.html import Node, Region, When
from twinhelm.web.pages.kit.sheet import Live, Sheet
from twinhelm.web.pages.ledgers import deed
from twinhelm.web.pages.models.portfolio import live_chip
from twinhelm.web.pages.tour import tour_card

__all__ = ["overview"]

LEAST_MS = 120_000
HEARD_MS = 86_400_000
HOST = Matcher("job", MatchKind.EQUAL, "host")
CHARTED = Matcher(
    METRIC,
    MatchKind.REGEX,
    "host_cpu_busy_ratio|host_memory_used_ratio|host_disk_used_ratio|node_load1"
    "|node_network_(receive|transmit)_bytes_total|node_pressure_.*_waiting_seconds_total",
)
PRESSURE = {"cpu": "waits for CPU", "io": "waits for disk", "memory": "waits for memory"}
AWAY = {"lo", "ifb0", "ifb1", "docker0"}
SHOWN = 8
READ = 200
QUIET = {"incident.updated", "session.signed_in", "session.signed_out", "detector.registered"}
"""Kinds of event that the audit page lists and that are no news."""

Panel = tuple[str, list[tuple[SeriesInfo, str]]]
"""A chart's title, and the series that it draws with what each is called in it."""


async def overview(sheet: Sheet) -> None:
    """Build the page."""
    with framed(sheet, "Overview", ranged=True), Node("div", classes="halves"):
        with Node("div", classes="stack"):
            tour_card(sheet)
            await _machines(sheet)
        with Node("div", classes="stack"):
            await _models(sheet)


async def _machines(sheet: Sheet) -> None:
    house = sheet.house

    def ask() -> tuple[list[Incident], list[Repair], int, int, list[Forecast]]:
        return (
            house.desk.incidents(states=LIVE, limit=50),
            house.repairs.desk.list(states=OPEN, limit=SHOWN),
            house.telemetry.series_count(),
            house.watch.last_tick_ms,
            house.desk.forecasts()[:SHOWN],
        )

    def show(now: tuple[list[Incident], list[Repair], int, int, list[Forecast]]) -> None:
        live, waiting, series, last_ms, forecasts = now
        lead.show((live, bool(last_ms)), lambda _: say(live, quiet=bool(last_ms)))
        last = ("; last check ", last_ms) if last_ms else ()
        told = f"{series} series watched"
        checked.show((told, last), lambda _: html.phrase(told, *last, tag="p"))
        mine.show((live, waiting), lambda _: _needs_me(live, waiting))
        ahead.show(forecasts, _ahead)

    def say(live: list[Incident], *, quiet: bool) -> None:
        waiting = sum(one.state is not IncidentState.ACKNOWLEDGED for one in live)
        with Node("p", classes="lead row"):
            if live:
                html.dot("red")
                needs = "1 needs you" if waiting == 1 else f"{waiting} need you"
                needs = needs if waiting else "all taken"
                Node("span", f"Machines: {html.plural(len(live), 'incident')}, {needs}")
            else:
                html.dot("green" if quiet else "")
                Node("span", f"Machines: {'all quiet' if quiet else 'starting to watch'}")

    with Node("div", classes="card machines"):
        lead, checked = Region(), Region()
    mine = Region("wait")
    charts, ahead = Node("div", classes="stack"), Region("card")
    await Live(sheet, ask, show).start()
    # Apart from the sentence above, which must not wait for charts.
    with charts:
        nothing = lambda: _no_host(sheet)  # noqa: E731 - one of two
        await charted(sheet, lambda: _drawn(sheet), nothing, classes="charts")


def _needs_me(live: Sequence[Incident], waiting: Sequence[Repair]) -> None:
    if not (live or waiting):
        return
    with html.card("What needs you"):
        severe = {"critical": 0, "warning": 1}
        ordered = sorted(live, key=lambda one: severe.get(one.severity, 2))
        ordered.sort(key=lambda one: one.state is IncidentState.ACKNOWLEDGED)
        with Node("ul", classes="items"):
            for repair in waiting:
                with Node("li", classes="row"):
                    repair_chip(repair.state)
                    says = f"{repair.runbook} for incident {repair.incident} waits for an answer"
                    Node("a", says, "wrapany", href=repair_path(repair))
            for incident in ordered[:SHOWN]:
                with Node("li"):
                    with Node("div", classes="row"):
                        html.severity_chip(incident.severity)
                        Node("a", incident.title, "wrapany", href=f"/incidents/{incident.id}")
                    with Node("div", classes="row muted small"):
                        html.state_chip(incident.state)
                        When(incident.started_ms)
                        if incident.owner:
                            Node("span", f"taken by {incident.owner}")


def _drawn(sheet: Sheet) -> list[tuple[str, str, Drawing]]:
    """Draw the host over a range, which begins no earlier than the host was first heard of."""
    start, end = sheet.range()
    found = sheet.house.telemetry.find_series(
        [HOST, CHARTED], start_ms=min(start, end - HEARD_MS), limit=500
    )
    if not found:
        return []
    start = max(start, min(*(info.first_ms for info in found), end - LEAST_MS))
    drawn = []
    for title, lines in _panels(found):
        ids, names = [info.id for info, _ in lines], [name for _, name in lines]
        href = html.address("/series", q=query_of(lines[0][0].labels))
        drawn.append((title, href, sheet.drawer.draw(ids, start, end, names=names)))
    return drawn


def _panels(found: Iterable[SeriesInfo]) -> Iterator[Panel]:
    by_name: dict[str, list[SeriesInfo]] = {}
    for info in found:
        by_name.setdefault(metric_name(info.labels), []).append(info)

    def by_label(name: str, label: str) -> dict[str, SeriesInfo]:
        return {dict(info.labels).get(label, ""): info for info in by_name.get(name, ())}

    for info in by_name.get("host_cpu_busy_ratio", ())[:1]:
        yield "CPU busy", [(info, "used")]
    for info in by_name.get("host_memory_used_ratio", ())[:1]:
        yield "Memory used", [(info, "used")]
    mounts = by_label("host_disk_used_ratio", "mountpoint")
    for mount, info in sorted(mounts.items(), key=lambda one: len(one[0]))[:1]:
        yield f"Disk used, {mount}", [(info, "used")]
    received = by_label("node_network_receive_bytes_total", "device")
    sent = by_label("node_network_transmit_bytes_total", "device")
    devices = sorted((received.keys() & sent.keys()) - AWAY)
    for device in sorted(devices, key=lambda name: not name.startswith(("e", "w")))[:1]:
        yield f"Network, {device}", [(received[device], "received"), (sent[device], "sent")]
    for info in by_name.get("node_load1", ())[:1]:
        yield "Load, 1 minute", [(info, "tasks")]
    pressure = [
        (info, said)
        for word, said in PRESSURE.items()
        for info in by_name.get(f"node_pressure_{word}_waiting_seconds_total", ())[:1]
    ]
    if pressure:
        yield "Pressure", pressure


def _no_host(sheet: Sheet) -> None:
    if sheet.house.host is not None:
        says = "They come every 5 s."
        html.empty("The first samples of this host are on their way.", says, classes="card")
    else:
        with html.empty("This host is not watched.", classes="card"), Node("p"):
            Node("a", "How to send telemetry", href="/connect")


def _ahead(forecasts: Sequence[Forecast]) -> None:
    html.card_head("What runs out next", "Capacity" if forecasts else "", "/capacity")
    if not forecasts:
        said = "Nothing is foreseen to run out in the next 14 days. A forecast needs some hours of "
        Node("p", f"{said}history and stays silent where the trend is unsure.", "muted prose")
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
    house = sheet.house

    def ask() -> tuple[list[Product], list[JournalRow]]:
        rows = house.journal.read(newest_first=True, limit=READ)
        return house.models.desk.all(), [row for row in rows if row.kind not in QUIET][:SHOWN]

    def show(now: tuple[list[Product], list[JournalRow]]) -> None:
        found, rows = now
        lead.show([(one.name, one.live) for one in found], lambda _: _portfolio(found))
        stages.box.set_visibility(bool(found))
        stages.show(found, _stages)
        done.show(rows, _deeds)

    lead, stages, done = Region("card models"), Region("card"), Region("card")
    await Live(sheet, ask, show).start()


def _portfolio(found: Sequence[Product]) -> None:
    count, live = len(found), sum(bool(one.live) for one in found)
    good = count and live == count
    told = f"{html.plural(count, 'product')}, {'all' if good else live} live"
    says = "twinhelm's own algorithms among them." if count else "Nothing to watch."
    with Node("p", classes="lead row"):
        html.dot("green" if good else "")
        Node("span", f"Models: {told if count else 'none registered yet'}")
    Node("p", says, "muted")


def _stages(found: Sequence[Product]) -> None:
    html.card_head("Products", "Portfolio", "/products")
    with Node("ul", classes="items"):
        for one in found:
            with Node("li", classes="row", style="justify-content:space-between"):
                Node("a", one.name, href=html.path_of(one.name))
                live_chip(one)


def _deeds(rows: Sequence[JournalRow]) -> None:
    html.card_head("What happened lately", "Audit", "/audit")
    with Node("ul", classes="items plain"):
        for row in rows:
            with Node("li"):
                html.linked(*deed(row), "wrapany")
                html.phrase(row.time_ms, f", {row.actor}", tag="div", classes="muted small")
