"""How a product fares: what moved, how right it is with labels and, estimated, without them.

Drift is told against what the version learnt on; a window with too little in it is unknown, which
is not good and not bad. Fairness and quality stand beside it, earlier looks below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twinhelm.core.labels import METRIC, Matcher, MatchKind
from twinhelm.mlops.types import Drift, Health
from twinhelm.web.pages.kit import html
from twinhelm.web.pages.kit.deeds import Deeds
from twinhelm.web.pages.kit.html import Column, Node, When
from twinhelm.web.pages.kit.sheet import Sheet, follow
from twinhelm.web.pages.models.parts import health_chip, interval
from twinhelm.web.pages.models.traffic import TRAFFIC, charts

__all__ = ["health"]

FEW = 12
"""What did not drift and ranks after so many is folded away."""
FULL_PSI = 0.5
"""A population stability index of this much fills the bar; 0.2 is told of as a rule."""
LABELS = """curl -X POST {base}/api/twinhelm/v1/products/{name}/labels \\
  -H 'Authorization: Bearer TOKEN' -H 'Content-Type: application/json' \\
  -d '{{"labels": [{{"id": "ID-OF-THE-PREDICTION", "value": 1}}]}}'"""
MODEL = Matcher(METRIC, MatchKind.REGEX, "model_.*")


async def health(sheet: Sheet, name: str, _deeds: Deeds) -> None:
    """Build the part."""
    models = sheet.house.models
    base = str(sheet.request.base_url).rstrip("/")

    def ask() -> tuple[Health | None, list[Health]]:
        return models.health.report(name), models.health.history(name)

    def render(found: tuple[Health | None, list[Health]]) -> None:
        _report(found[0])
        if found[0] is None or not found[0].labelled:
            _how_to_label(LABELS.format(base=base, name=name))
        _history(found[1])

    await follow(sheet, ask, render, every_s=15.0, classes="stack")
    await charts(sheet, name, MODEL, "Nothing was measured", but=TRAFFIC)


def _report(found: Health | None) -> None:
    if found is None:
        says = "A live version is looked at every minute, once it has answered enough requests."
        html.empty("Nobody has looked yet.", says, classes="card")
        return
    with html.card(classes="card models stack tight"):
        with Node("p", classes="lead row"):
            health_chip(found.state)
            Node("span", found.says[0] if found.says else "Nothing to tell of.")
        html.points(found.says[1:])
        with Node("p", f"Version {found.version}, {found.rows:,} rows, ", "muted small"):
            Node("span", f"{found.labelled:,} of them with labels, from ")
            When(found.start_ms, absolute=True)
            Node("span", " to ")
            When(found.end_ms, absolute=True)
    with Node("div", classes="twos"):
        _performance(found)
        with html.card("Fairness and quality", classes="card stack tight"):
            if not found.fairness and not found.quality:
                Node("p", "Nothing is declared protected, and nothing was counted.", "muted")
            html.facts({**found.fairness, **found.quality})
    ranked = sorted(found.drift, key=lambda one: (not one.drifted, bool(one.slice), -one.psi))
    first = max(FEW, sum(one.drifted for one in ranked))
    with Node("section", classes="card flush"):
        _drift(ranked[:first])
        if rest := ranked[first:]:
            with Node("details", style="padding:4px 12px"):
                Node("summary", f"{len(rest)} more columns and slices that did not drift")
                _drift(rest)


def _drift(rows: Sequence[Drift]) -> None:
    html.table(
        rows,
        Column("Column", "namecol", _column),
        Column("Drifted", "tightcol", _drifted),
        Column("PSI", "tightcol", lambda one: html.meter(one.psi / FULL_PSI, html.number(one.psi))),
        Column("Distance", "num tightcol", lambda one: html.number(one.distance)),
        Column("p", "num tightcol", lambda one: html.number(one.p)),
        Column("Test", "tightcol muted", lambda one: one.test),
        Column("Against", "tightcol muted", lambda one: one.against),
        Column("Missing", "num tightcol", lambda one: f"{one.missing:.1%}"),
        Column("New values", "cutoff", lambda one: ", ".join(one.new_values)),
        nothing=lambda: html.empty(
            "Drift is unknown.", "The data it learnt on, or enough requests, are missing."
        ),
    )


def _column(one: Drift) -> None:
    Node("span", one.column)
    if one.slice:
        Node("div", one.slice, "muted small")


def _drifted(one: Drift) -> Node:
    return html.chip("drifted", "amber") if one.drifted else html.chip("no")


def _performance(found: Health) -> None:
    both = sorted({*found.performance, *found.estimated})

    def cell(of: Mapping[str, tuple[float, float, float]], metric: str) -> str:
        return interval(*of[metric]) if metric in of else "unknown"

    with html.card("Performance, with 95 % intervals", classes="card stack tight"):
        html.table(
            both,
            Column("Metric", "namecol", str),
            Column("With labels", "", lambda metric: cell(found.performance, metric)),
            Column("Estimated without", "", lambda metric: cell(found.estimated, metric)),
            nothing=lambda: Node("p", "Unknown: no labels came, nothing to estimate by.", "muted"),
        )


def _how_to_label(snippet: str) -> None:
    with Node("section", classes="card"):
        with html.card_head("Labels are missing"):
            Node("a", "Make a token", href="/settings")
        Node("p", "Send what turned out to be true, whenever it is known.", "muted prose")
        Node("pre", snippet, "snippet", tabindex="0", style="margin-top:8px")


def _history(found: list[Health]) -> None:
    if not found:
        return
    with Node("section", classes="card flush"):
        html.table(
            found,
            Column("Looked at", "tightcol", lambda one: When(one.end_ms)),
            Column("Version", "tightcol", lambda one: one.version),
            Column("Health", "tightcol", lambda one: health_chip(one.state)),
            Column("Rows", "num tightcol", lambda one: f"{one.rows:,}"),
            Column("Labelled", "num tightcol", lambda one: f"{one.labelled:,}"),
            Column("Says", "cutoff", lambda one: one.says[0] if one.says else ""),
        )
