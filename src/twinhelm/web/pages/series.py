"""The series explorer: a selector, the labels to narrow it by, and charts of what it finds.

The address holds everything that is asked, so that a link shows others the same. Drag across a
chart to look closer: the data come anew at a finer step; a double click goes back.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from nicegui.events import GenericEventArguments

from twinhelm.aiops.types import Anomaly
from twinhelm.core.errors import BadInput
from twinhelm.core.labels import METRIC, Matcher, metric_name
from twinhelm.core.telemetry import MetricMeta, SeriesInfo
from twinhelm.events.values import load
from twinhelm.web.pages.kit import html
from twinhelm.web.pages.kit.charts import ChartCard, Charts
from twinhelm.web.pages.kit.drawing import Drawing, query_of, quoted, short_name
from twinhelm.web.pages.kit.frame import framed
from twinhelm.web.pages.kit.html import Column, Node, Region
from twinhelm.web.pages.kit.sheet import RANGES, Live, Sheet, follow
from twinhelm.web.prometheus.selector import parse_selector

__all__ = ["matchers_of", "series"]

MOST = 12
LINES = 8
NAMES = 400
VALUES = 24
LEAST_MS = 120_000
SLOW_MS = RANGES["6h"]


@dataclass(frozen=True, slots=True)
class _Found:
    """What the selector found, and its charts."""

    infos: list[SeriesInfo]
    drawings: list[tuple[str, str, Drawing]]
    meta: MetricMeta | None


@dataclass(slots=True)
class _View:
    """What the reader asked for; ``zoom`` is where they look closer, in ms."""

    query: str
    band: bool
    together: bool
    zoom: tuple[int, int] | None = None


async def series(sheet: Sheet) -> None:
    """Build the page."""
    view = _View(sheet.asked("q"), sheet.asked("band") != "0", sheet.asked("as") == "one")
    with framed(sheet, "Series", "Anything measured over time", wing="machines", ranged=True):
        with html.searching("/series", band="" if view.band else "0", range=sheet.range_name):
            hint = 'node_load1{host="a"}'
            html.entry(
                "q", view.query, hint, "Selector", "grow mono", maxlength="4096", **html.UNAIDED
            )
            Node("button", "Show", "primary", type="submit")
        try:
            matchers = matchers_of(view.query)
        except BadInput as error:
            html.say(html.sentences(error.message, error.hint), kind="failed")
            matchers = None
        if view.query and matchers:
            await _charts(sheet, view, matchers)
        else:
            await _browser(sheet)


def matchers_of(query: str) -> tuple[Matcher, ...]:
    """Read a selector; nothing asked is no matcher. Raises :class:`BadInput`."""
    return parse_selector(query).matchers if query.strip() else ()


def _link(sheet: Sheet, **changed: str) -> str:
    kept = {name: sheet.asked(name) for name in ("q", "range", "from", "to", "band", "as")}
    kept.update(changed)
    return html.address("/series", **kept)


def _ask(sheet: Sheet, view: _View, matchers: Sequence[Matcher]) -> _Found:
    house = sheet.house
    start, end = view.zoom or sheet.range()
    infos = house.telemetry.find_series(matchers, start_ms=start, end_ms=end, limit=1000)
    shown = infos[:LINES] if view.together else infos[:MOST]
    if shown and view.zoom is None and sheet.fixed is None:
        # Empty hours before the first sample would press what there is against the edge.
        start = max(start, min(min(info.first_ms for info in shown), end - LEAST_MS))
    marks = house.telemetry.read_changes(start, end, limit=20)
    with house.records.reading() as unit:
        rows = unit.find("anomaly", since_ms=start - RANGES["24h"], until_ms=end, limit=1000)
    found = [load(Anomaly, row) for row in rows]
    anomalies = [one for one in found if (one.end_ms or end) >= start]
    groups = [[info.id for info in shown]] if view.together and shown else [[i.id] for i in shown]
    drawings = []
    for at, group in enumerate(groups):
        drawing = sheet.drawer.draw(group, start, end, band=view.band and len(group) == 1)
        own = [one for one in anomalies if one.series in group]
        title = "All in one chart" if view.together else _title(shown, at)
        drawings.append((title, "", drawing.marked(own, marks, end)))
    name = metric_name(infos[0].labels) if infos else ""
    return _Found(infos, drawings, house.telemetry.metric_meta().get(name))


def _title(infos: Sequence[SeriesInfo], at: int) -> str:
    names = [short_name(info.labels) for info in infos]
    if names.count(names[at]) > 1:
        return query_of(infos[at].labels)
    metric = metric_name(infos[at].labels)
    alike = len(infos) > 1 and all(name.startswith(f"{metric} ") for name in names)
    # Where one metric is charted many times, what tells the charts apart comes first.
    return names[at].removeprefix(f"{metric} ") if alike else names[at]


async def _charts(sheet: Sheet, view: _View, matchers: Sequence[Matcher]) -> None:
    bar, charts, labels = Region(), Charts(), Region("wait")

    async def zoom(event: GenericEventArguments) -> None:
        start, end = event.args.get("from"), event.args.get("to")
        if isinstance(start, int) and isinstance(end, int) and 0 <= start < end:
            view.zoom = (start, end)
            await live.ask()

    async def unzoom(_: GenericEventArguments) -> None:
        view.zoom = None
        await live.ask()

    def listen(card: ChartCard) -> None:
        card.chart.on("zoom", zoom)
        card.chart.on("unzoom", unzoom)

    def show(now: _Found) -> None:
        bar.show((len(now.infos), now.meta), lambda _: _bar(sheet, view, now))
        charts.follow(
            now.drawings,
            lambda: _nothing(sheet),
            classes="charts" if len(now.drawings) > 4 else "charts wide",
            each=listen,
            notes=[("expected", "--band")] if view.band and not view.together else [],
        )
        labels.show([info.labels for info in now.infos], lambda _: _narrow(sheet, now.infos))

    moving = sheet.fixed is None and RANGES[sheet.range_name] <= SLOW_MS
    live = Live(sheet, lambda: _ask(sheet, view, matchers), show, every_s=5.0 if moving else 0.0)
    await live.start()


def _bar(sheet: Sheet, view: _View, now: _Found) -> None:
    with Node("div", classes="row"):
        count = len(now.infos)
        most = LINES if view.together else MOST
        if count:
            more = f", the first {most} are shown" if count > most else ""
            several = "1000 or more" if count == 1000 else str(count)
            Node("span", f"{several} series{more}" if count != 1 else "1 series", "muted")
        if now.meta is not None and now.meta.help:
            Node("span", now.meta.help, "muted wrapany")
        Node("span", style="flex:1")
        if count > 1:
            other = "" if view.together else "one"
            says = "One chart each" if view.together else "All in one chart"
            Node("a", says, "button", href=_link(sheet, **{"as": other}))
        if not view.together:
            says = "Hide expected range" if view.band else "Show expected range"
            Node("a", says, "button", href=_link(sheet, band="0" if view.band else ""))


def _nothing(sheet: Sheet) -> None:
    longer = [name for name in RANGES if RANGES[name] > RANGES[sheet.range_name]]
    says = "Check the spelling, or take a matcher away."
    with (
        html.empty("No series match in this range.", says, classes="card"),
        Node("p", classes="row"),
    ):
        if longer:
            where = _link(sheet, range=longer[-1], **{"from": "", "to": ""})
            Node("a", "Look at the last 30 days", href=where)
        Node("a", "Browse all metrics", href="/series")


def _narrow(sheet: Sheet, infos: Sequence[SeriesInfo]) -> None:
    """Offer the labels that differ between what was found, to narrow by."""
    if len(infos) < 2:
        return
    values: dict[str, Counter[str]] = {}
    for info in infos:
        for name, value in info.labels:
            values.setdefault(name, Counter())[value] += 1
    differing = {name: found for name, found in values.items() if len(found) > 1}
    if not differing:
        return
    with Node("section", classes="card"):
        Node("h2", "Narrow by label")
        with Node("dl", classes="facts"):
            for name, found in sorted(differing.items()):
                Node("dt", "metric" if name == METRIC else name)
                with Node("dd", classes="row"):
                    for value, count in sorted(found.items())[:VALUES]:
                        query = _added(sheet.asked("q"), name, value)
                        Node("a", f"{value} {count}", "chip", href=_link(sheet, q=query))
                    if len(found) > VALUES:
                        Node("span", f"and {len(found) - VALUES} more", "muted")


def _added(query: str, name: str, value: str) -> str:
    known = parse_selector(query).matchers
    others = (each for each in known if (each.name, each.kind.value) != (name, "="))
    written = [f"{each.name}{each.kind.value}{quoted(each.value)}" for each in others]
    return "{" + ",".join([*written, f"{name}={quoted(value)}"]) + "}"


async def _browser(sheet: Sheet) -> None:
    """List every metric there is, with what it says of itself."""

    def ask() -> list[tuple[str, str, int]]:
        store = sheet.house.telemetry
        metas = store.metric_meta()
        infos = store.find_series([], limit=50_000)
        names, counts = np.unique([metric_name(info.labels) for info in infos], return_counts=True)
        return [
            (name, metas[name].help if name in metas else "", count)
            for name, count in zip(names[:NAMES].tolist(), counts.tolist(), strict=False)
        ]

    def metric(row: tuple[str, str, int]) -> None:
        query = f"{{__name__={quoted(row[0])}}}"
        Node("a", row[0] or "(no name)", "mono", href=_link(sheet, q=query))

    def nothing() -> None:
        with html.empty("No series yet.", "The first samples show within seconds of being sent."):
            Node("a", "How to send telemetry", href="/connect")

    columns = (
        Column("Metric", "wrapany", metric),
        Column("What it is", "muted cutoff", lambda row: row[1]),
        Column("Series", "num tightcol", lambda row: str(row[2])),
    )
    await follow(
        sheet, ask, lambda found: html.table(found, *columns, nothing=nothing), every_s=15.0
    )
