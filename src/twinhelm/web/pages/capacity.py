"""Capacity: what will run out, when at the earliest and at the latest, and how surely."""

from __future__ import annotations

from dataclasses import replace

from twinhelm.aiops.types import Forecast
from twinhelm.aiops.words import place, quantity, unit_of
from twinhelm.core.labels import metric_name
from twinhelm.web.pages.drawing import Drawing, query_of
from twinhelm.web.pages.elements import Node, When
from twinhelm.web.pages.frame import framed, title_row
from twinhelm.web.pages.live import Live, Region
from twinhelm.web.pages.pieces import ChartCard, confidence, empty, table
from twinhelm.web.pages.sheet import Sheet

__all__ = ["capacity", "fan"]

MOST = 12
PAST_MS = 24 * 3_600_000
LEAST_MS = 3_600_000
STEPS = 24


async def capacity(sheet: Sheet) -> None:
    """Build the page."""
    with framed(sheet, wing="machines"):
        title_row("Capacity", "What runs out next, soonest first")
        rows, charts = Region("card flush"), Region()
        cards: dict[str, ChartCard] = {}

        def show(now: list[tuple[Forecast, Drawing]]) -> None:
            found = [forecast for forecast, _ in now]
            rows.show(found, lambda _: _list(found))
            titles = [_title(one) for one in found]

            def draw(_: object) -> None:
                cards.clear()
                with Node("div", classes="charts wide"):
                    for forecast, drawing in now:
                        notes = [("forecast", "--fan")]
                        cards[_title(forecast)] = ChartCard(
                            _title(forecast), drawing, notes=notes, group=_title(forecast)
                        )

            charts.show(titles, draw)
            for forecast, drawing in now:
                cards[_title(forecast)].show(drawing)

        await Live(sheet, lambda: _ask(sheet), show, every_s=15.0).start()


def _ask(sheet: Sheet) -> list[tuple[Forecast, Drawing]]:
    now = sheet.house.clock.now_ms()
    drawn = []
    for one in sheet.house.desk.forecasts()[:MOST]:
        ahead = max(one.likely_ms, one.latest_ms or 0) - now
        past = min(PAST_MS, max(LEAST_MS, ahead))
        drawing = sheet.drawer.draw([one.series], now - past, now, band=False)
        drawn.append((one, fan(one, drawing, now)))
    return drawn


def fan(one: Forecast, drawing: Drawing, now_ms: int) -> Drawing:
    """Add to a drawing of the past where it will go: from now to the threshold, as a fan."""
    late = one.latest_ms or one.likely_ms + (one.likely_ms - one.earliest_ms)
    end = max(late, one.likely_ms, now_ms + 60_000)
    rise = one.threshold - one.now

    def at(ms: float, reached_ms: int) -> float:
        share = (ms - now_ms) / max(reached_ms - now_ms, 1)
        return one.now + rise * min(share, 1.0)

    rows = []
    for step in range(STEPS + 1):
        ms = now_ms + (end - now_ms) * step / STEPS
        edges = sorted((at(ms, one.earliest_ms), at(ms, end)))
        rows.append([round(ms), *edges])
    unit = drawing.model["unit"]
    model = {
        **drawing.model,
        "fan": rows,
        "to": end,
        "lines": [
            *drawing.model["lines"],
            {
                "name": "likely",
                "dashed": True,
                "points": [[now_ms, one.now], [one.likely_ms, one.threshold]],
            },
        ],
        "threshold": {"value": one.threshold, "text": f"limit {quantity(one.threshold, unit)}"},
        "marks": [(now_ms, "now", "now")],
        "spans": [],
    }
    return replace(drawing, model=model, usual=one.text, names=(*drawing.names, "likely"))


def _title(one: Forecast) -> str:
    labels = dict(one.labels)
    detail = labels.get("mountpoint") or labels.get("device") or ""
    return " ".join(part for part in (one.resource.value, detail, "of", place(one.entity)) if part)


def _list(found: list[Forecast]) -> None:
    if not found:
        empty(
            "Nothing is foreseen to run out in the next 14 days.",
            "A forecast needs some hours of history. Where a trend is unsure, or does no better "
            "than guessing on recent points, nothing is said.",
            good=True,
        )
        return
    heads = ["What", "Now", "Limit", "Earliest", "Likely", "Latest", "Confidence"]
    table(heads, found, _row)


def _row(one: Forecast) -> None:
    unit = unit_of(metric_name(one.labels))
    with Node("tr"):
        with Node("td", classes="cutoff"):
            Node("div", one.text)
            Node("code", query_of(one.labels), "muted")
        Node("td", quantity(one.now, unit), "tightcol")
        Node("td", quantity(one.threshold, unit), "tightcol")
        for moment in (one.earliest_ms, one.likely_ms):
            with Node("td", classes="tightcol"):
                When(moment)
        with Node("td", classes="tightcol"):
            if one.latest_ms is None:
                Node("span", "perhaps never", "muted")
            else:
                When(one.latest_ms)
        with Node("td", classes="tightcol"):
            confidence(one.confidence)
            Node("div", f"skill {one.skill:.2f} over a naive forecast", "muted small")
