"""How good the alerts of a range were, what was noise, and what would mend it."""

from __future__ import annotations

import math
from functools import partial

from twinhelm.aiops.notify.quality import Group, Quality
from twinhelm.web.pages.kit import html
from twinhelm.web.pages.kit.charts import Charts
from twinhelm.web.pages.kit.drawing import Drawing
from twinhelm.web.pages.kit.frame import framed
from twinhelm.web.pages.kit.html import Column, Node, Region
from twinhelm.web.pages.kit.sheet import Live, Sheet

__all__ = ["quality"]

PATH = "/alert-quality"
DAY_MS = 86_400_000
DAYS = (1, 7, 30, 90)
EVERY_S = 60.0


async def quality(sheet: Sheet) -> None:
    """Build the page; its range stands in the address, in days or from one moment to another."""
    house, asked = sheet.house, sheet.asked("days")
    days = int(asked) if asked in map(str, DAYS) else 30

    def ask() -> Quality:
        now = house.clock.now_ms()
        return house.notices.quality.over(*(sheet.fixed or (now - days * DAY_MS, now)))

    with framed(sheet, "Alert quality", "Whether what called people should have", wing="machines"):
        ranges = [(f"{PATH}?days={each}", html.plural(each, "day")) for each in DAYS]
        html.segments("Range", ranges, "" if sheet.fixed else f"{PATH}?days={days}")
        head, charts, groups = Region("card"), Charts(), Region("stack")

        def show(now: Quality) -> None:
            head.show(now, _head)
            nothing = partial(html.empty, "No incident began in this range.", good=True)
            charts.follow(_drawn(now) if now.opened else [], nothing, live=False)
            groups.show(now.groups, _groups)

        await Live(sheet, ask, show, every_s=EVERY_S).start()


def _head(now: Quality) -> None:
    acted = "unknown" if math.isnan(now.actionable) else f"{now.actionable:.0%}"
    html.facts(
        {
            "Incidents": f"{now.opened:,}, {now.per_day:.1f} a day, {now.critical:,} critical",
            "Somebody acted on": f"{acted} of them; {now.over:,} are over",
            "Acknowledged after": _spans(now.taken_s, now.taken_p90_s),
            "Resolved after": _spans(now.resolved_s, now.resolved_p90_s),
        }
    )


def _spans(half: float, most: float) -> str:
    if math.isnan(half):
        return "unknown: none was"
    return f"{_minutes(half)} in half of them, {_minutes(most)} in nine of ten"


def _minutes(seconds: float) -> str:
    if math.isnan(seconds):
        return "unknown"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _drawn(now: Quality) -> list[tuple[str, str, Drawing]]:
    model = {"from": now.start_ms, "to": now.end_ms, "zero": True, "band": []}
    steps = now.columns
    volume = [
        {"name": "began", "points": [[each.start_ms, each.opened] for each in steps]},
        {"name": "acted on", "points": [[each.start_ms, each.acted] for each in steps]},
    ]
    known = [each for each in steps if not math.isnan(each.taken_s)]
    taken = [{"name": "time to acknowledge", "points": [[e.start_ms, e.taken_s] for e in known]}]
    first = Drawing(
        {**model, "unit": "", "lines": volume}, "incident.opened", str(now.opened),
        f"{now.opened} in all", names=("began", "acted on"), waits=f"{now.opened} in all",
    )  # fmt: skip
    then = Drawing(
        {**model, "unit": "seconds", "lines": taken}, "incident.acknowledged",
        _minutes(now.taken_s), f"{_minutes(now.taken_s)} over all",
        names=("time to acknowledge",), waits="None was acknowledged",
    )  # fmt: skip
    return [("Incidents", "", first), ("Time to acknowledge, median", "", then)]


def _groups(rows: tuple[Group, ...]) -> None:
    for of, title in (("rule", "Noisiest rules"), ("entity", "Noisiest entities")):
        with html.card(title, classes="card flush"):
            html.table(
                [row for row in rows if row.of == of],
                Column(of.title(), "namecol", lambda one: one.name),
                Column("Incidents", "num tightcol", lambda one: f"{one.opened:,}"),
                Column("Share", "num tightcol", lambda one: f"{one.share:.0%}"),
                Column("Acted on", "num tightcol", lambda one: f"{one.actionable:.0%}"),
                Column("Came back", "num tightcol", lambda one: f"{one.flaps:,}"),
                Column("Lasted", "num tightcol", lambda one: _minutes(one.lasted_s)),
                Column("What would mend it", "cutoff", _fix),
                nothing=lambda: html.empty("Nothing called anybody.", good=True),
            )


def _fix(one: Group) -> object:
    return html.sentence(one.fix) if one.fix else Node("span", "nothing stands out", "muted")
