"""What answers for a product now: the split, the rollout under way, its charts, the way back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from twinhelm.core.labels import METRIC, Matcher, MatchKind, metric_name
from twinhelm.core.roles import Right
from twinhelm.core.telemetry import SeriesInfo
from twinhelm.mlops.types import Deployment, Part, Rollout, RolloutState
from twinhelm.web.pages.kit import html
from twinhelm.web.pages.kit.charts import charted, range_link
from twinhelm.web.pages.kit.deeds import Deeds
from twinhelm.web.pages.kit.drawing import Drawing, query_of
from twinhelm.web.pages.kit.html import Column, Node, Region, When
from twinhelm.web.pages.kit.sheet import Live, Sheet, follow
from twinhelm.web.pages.models.parts import version_link

__all__ = ["charts", "now"]

STATES = {RolloutState.RUNNING: "blue", RolloutState.DONE: "green", RolloutState.ROLLED_BACK: "red"}
ROLES = {"champion": "1", "canary": "2", "shadow": "8"}
TRAFFIC = "model_.*(request|error|latency|second|prediction|cost).*"
WHY = "rollback-reason"
SHOWN = 12

Measures = Mapping[str, Mapping[str, float]]


async def now(sheet: Sheet, name: str, deeds: Deeds) -> None:
    """Build the part."""
    models = sheet.house.models

    def ask() -> tuple[Deployment | None, Measures]:
        found = models.rollouts.deployment(name)
        parts = found.parts if found else ()
        counts = models.serving.measures
        return found, {one.version: counts(name, one.version) for one in parts}

    def show(found: tuple[Deployment | None, Measures]) -> None:
        split.show(found, lambda _: _split(name, *found))
        undo.show(found[0], lambda _: _undo(name, found[0], deeds))

    split, undo = Region("card"), Region("card stack tight")
    await Live(sheet, ask, show).start()
    await follow(
        sheet, lambda: models.rollouts.rollouts(name)[:SHOWN], lambda rows: _rollouts(name, rows)
    )
    await charts(sheet, name, Matcher(METRIC, MatchKind.REGEX, TRAFFIC), "No request was served")


def _split(name: str, found: Deployment | None, measures: Measures) -> None:
    html.card_head("Who answers", "What was live when", html.address("/audit/live", product=name))
    if found is None or not found.parts:
        says = "A version that was approved takes over by a rollout. "
        says += "twinhelm's own algorithms are asked inside the server."
        html.empty("No request is led here.", says)
        return
    with Node("div", classes="split", aria_hidden="true"):
        for one in found.parts:
            colour = f"var(--series-{ROLES.get(one.role, '8')})"
            Node("i", style=f"width:{one.share:.1%};background:{colour}")
    html.table(
        found.parts,
        Column("Version", "", lambda one: version_link(name, one.version)),
        Column(
            "Role", "tightcol", lambda one: html.chip(one.role, "green" * (one.role == "champion"))
        ),
        Column("Share", "num tightcol", _share),
        Column("Measured", "cutoff", lambda one: _told(measures.get(one.version, {}))),
    )
    html.phrase("Since ", found.since_ms, tag="p", classes="muted small")


def _share(one: Part) -> str:
    return "sees all, answers none" if one.role == "shadow" else f"{one.share:.1%}"


def _undo(name: str, found: Deployment | None, deeds: Deeds) -> None:
    if found is None or not found.parts:
        return
    rollouts = deeds.sheet.house.models.rollouts
    html.card_head("The way back")
    # While another version takes over, the way back leads to the champion.
    before = found.champion if len(found.parts) > 1 else found.before
    if not before:
        Node("p", "There was no champion before this one to go back to.", "prose")
        return
    says = f"All requests for {name} go to version {before} at once; nobody is cut off."
    Node("p", says, "prose")
    with Node("div", classes="row"):
        html.entry("", "", "Why", "Reason for rolling back", "grow", id=WHY, maxlength="1000")
        deeds.button(
            f"Roll back {name} to {before}",
            Right.ROLL_BACK,
            lambda who, text: rollouts.rollback(name, by=who, reason=text or "asked on the page"),
            box=WHY,
            style="danger",
        )
        if len(found.parts) > 1:
            deeds.button(
                "Stop the rollout",
                Right.ROLL_BACK,
                lambda who, text: rollouts.stop(name, by=who, reason=text or "asked on the page"),
                box=WHY,
            )
        deeds.barred(Right.ROLL_BACK)


def _rollouts(name: str, found: list[Rollout]) -> None:
    html.table(
        found,
        Column("Began", "tightcol", lambda one: When(one.started_ms)),
        Column("Version", "", lambda one: version_link(name, one.version)),
        Column("From", "tightcol", lambda one: one.before or "nothing"),
        Column("State", "tightcol", lambda one: html.chip(one.state, STATES.get(one.state, ""))),
        Column("Steps", "tightcol", _steps),
        Column("Measured", "cutoff", lambda one: _told(one.measured)),
        Column("Why", "cutoff", lambda one: one.reason),
        Column("Who", "namecol", lambda one: one.by),
        nothing=lambda: html.empty("No rollout yet.", "Ask for promotion under Versions."),
    )


def _steps(one: Rollout) -> str:
    if not one.shares:
        return "at once"
    shares = [f"{share:.0%}" if share else "shadow" for share in one.shares]
    if one.state is RolloutState.RUNNING and one.step:
        shares[one.step - 1] = f"now {shares[one.step - 1]}"
    return ", ".join(shares)


async def charts(sheet: Sheet, name: str, which: Matcher, nothing: str, but: str = "") -> None:
    """Chart the product's series that match, one chart a metric and one line a version."""
    ours = Matcher("product", MatchKind.EQUAL, name)
    rest = [Matcher(METRIC, MatchKind.NOT_REGEX, but)] if but else []

    def ask() -> list[tuple[str, str, Drawing]]:
        start, end = sheet.range()
        found = sheet.house.telemetry.find_series(
            [ours, which, *rest], start_ms=start, end_ms=end, limit=200
        )
        by_metric: dict[str, list[SeriesInfo]] = defaultdict(list)
        for info in found:
            by_metric[metric_name(info.labels)].append(info)
        return [
            _drawn(sheet, metric, infos[:8], start, end)
            for metric, infos in sorted(by_metric.items())[:SHOWN]
        ]

    def none() -> None:
        says = "Charts come with the first numbers."
        html.empty(f"{nothing} in this range.", says, classes="card")

    await charted(sheet, ask, none, classes="charts")


def _drawn(
    sheet: Sheet, metric: str, infos: list[SeriesInfo], start: int, end: int
) -> tuple[str, str, Drawing]:
    names = [
        " ".join(
            value for key, value in info.labels if key not in {METRIC, "product", "job", "instance"}
        )
        for info in infos
    ]
    drawing = sheet.drawer.draw([info.id for info in infos], start, end, names=names)
    title = metric.removeprefix("model_").replace("_", " ")
    return title, range_link(query_of(infos[0].labels), start, end), drawing


def _told(measured: Mapping[str, float]) -> str:
    """Say what was counted of a version, in words."""
    if not measured.get("requests"):
        return "no request since the server started" if measured else ""
    count = measured["requests"]
    told = f"{count:,.0f} request{'' if count == 1 else 's'}, "
    told += f"{measured.get('error_ratio', 0.0):.2%} failed, "
    told += f"half within {html.number(measured.get('p50_ms'))} ms, 99 of 100 within "
    told += f"{html.number(measured.get('p99_ms'))} ms"
    if measured.get("compared"):
        told += f"; {measured.get('disagreement', 0.0):.1%} answered otherwise than the champion"
    return told
