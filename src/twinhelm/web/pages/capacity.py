"""Capacity: what will run out, when at the earliest and at the latest, and how surely."""

from dataclasses import replace

from twinhelm.aiops.types import Forecast
from twinhelm.aiops.words import place, quantity, unit_of
from twinhelm.core.labels import metric_name
from twinhelm.web.pages.kit import html
from twinhelm.web.pages.kit.charts import Charts
from twinhelm.web.pages.kit.drawing import Drawing, query_of
from twinhelm.web.pages.kit.frame import framed
from twinhelm.web.pages.kit.html import Column, Node, Region, When
from twinhelm.web.pages.kit.sheet import Live, Sheet
from twinhelm.web.pages.machines.answers import Answers, Known, known

__all__ = ["capacity"]

MOST = 12
PAST_MS = 24 * 3_600_000
LEAST_MS = 3_600_000
STEPS = 24
WHY = "A forecast needs some hours of history. Where a trend is unsure, or does no better than "
WHY += "guessing on recent points, nothing is said."


async def capacity(sheet: Sheet) -> None:
    """Build the page."""
    with framed(sheet, "Capacity", "What runs out next, soonest first", wing="machines"):
        answers = Answers(sheet)
        reason, rows, charts = Region("row"), Region("card flush"), Charts()

        def show(found: tuple[list[tuple[Forecast, Drawing]], Known]) -> None:
            now, stands = found
            told = [forecast for forecast, _ in now]
            reason.show(bool(told), lambda some: answers.reason() if some else None)
            rows.show((told, stands), lambda _: _list(told, answers, stands))
            drawn = [(_title(forecast), "", drawing) for forecast, drawing in now]
            charts.follow(drawn, lambda: None, alone=True, notes=[("forecast", "--fan")])

        await Live(sheet, lambda: _ask(sheet), show, every_s=15.0).start()


def _ask(sheet: Sheet) -> tuple[list[tuple[Forecast, Drawing]], Known]:
    now = sheet.house.clock.now_ms()
    drawn = []
    for one in sheet.house.desk.forecasts()[:MOST]:
        ahead = max(one.likely_ms, one.latest_ms or 0) - now
        past = min(PAST_MS, max(LEAST_MS, ahead))
        drawing = sheet.drawer.draw([one.series], now - past, now, band=False)
        drawn.append((one, _fan(one, drawing, now)))
    return drawn, known(sheet)


def _fan(one: Forecast, drawing: Drawing, now_ms: int) -> Drawing:
    """Add to a drawing of the past where it will go: from now to the threshold, as a fan."""
    late = one.latest_ms or one.likely_ms + (one.likely_ms - one.earliest_ms)
    end = max(late, one.likely_ms, now_ms + 60_000)

    def at(ms: float, reached_ms: int) -> float:
        share = (ms - now_ms) / max(reached_ms - now_ms, 1)
        return one.now + (one.threshold - one.now) * min(share, 1.0)

    rows = []
    for step in range(STEPS + 1):
        ms = now_ms + (end - now_ms) * step / STEPS
        rows.append([round(ms), *sorted((at(ms, one.earliest_ms), at(ms, end)))])
    points = [[now_ms, one.now], [one.likely_ms, one.threshold]]
    limit = f"limit {quantity(one.threshold, drawing.model['unit'])}"
    model = {
        **drawing.model,
        "fan": rows,
        "to": end,
        "lines": [*drawing.model["lines"], {"name": "likely", "dashed": True, "points": points}],
        "threshold": {"value": one.threshold, "text": limit},
        "marks": [(now_ms, "now", "now")],
        "spans": [],
    }
    return replace(drawing, model=model, usual=one.text, names=(*drawing.names, "likely"))


def _title(one: Forecast) -> str:
    labels = dict(one.labels)
    detail = labels.get("mountpoint") or labels.get("device") or ""
    return " ".join(part for part in (one.resource.value, detail, "of", place(one.entity)) if part)


def _list(found: list[Forecast], answers: Answers, stands: Known) -> None:
    html.table(
        found,
        Column("What", "cutoff", _what),
        Column("Now", "tightcol", lambda one: _quantity(one, one.now)),
        Column("Limit", "tightcol", lambda one: _quantity(one, one.threshold)),
        Column("Earliest", "tightcol", lambda one: When(one.earliest_ms)),
        Column("Likely", "tightcol", lambda one: When(one.likely_ms)),
        Column("Latest", "tightcol", _latest),
        Column("Confidence", "tightcol", _confidence),
        Column("Is it so?", "", lambda one: answers.ask(f"forecast/{one.series}", stands)),
        nothing=lambda: html.empty(
            "Nothing is foreseen to run out in the next 14 days.", WHY, good=True
        ),
    )


def _what(one: Forecast) -> None:
    Node("div", one.text)
    Node("code", query_of(one.labels), "muted")


def _quantity(one: Forecast, value: float) -> str:
    return quantity(value, unit_of(metric_name(one.labels)))


def _latest(one: Forecast) -> None:
    if one.latest_ms is None:
        Node("span", "perhaps never", "muted")
    else:
        When(one.latest_ms)


def _confidence(one: Forecast) -> None:
    html.confidence(one.confidence)
    Node("div", f"skill {one.skill:.2f} over a naive forecast", "muted small")
