"""The portfolio: every product, how far it is, how it fares, whose it is, and what comes next."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from twinhelm.mlops.govern import Readiness
from twinhelm.mlops.types import Product, ProductVersion, Stage
from twinhelm.web.pages.kit import html
from twinhelm.web.pages.kit.frame import framed
from twinhelm.web.pages.kit.html import Column, Node
from twinhelm.web.pages.kit.sheet import Sheet, follow
from twinhelm.web.pages.models.parts import health_chip, stage_chip

__all__ = ["live_chip", "products", "ready_meter"]

OWN_OWNER = "twinhelm"
FULL = 7
"""The best score of readiness."""
START = """twinhelm product new          # questions, and whether a model is the right answer
twinhelm product frame product.toml
MLFLOW_TRACKING_URI={base}/mlflow python train.py   # the script that you have
twinhelm build NAME           # or let twinhelm run it"""


@dataclass(frozen=True, slots=True)
class _Row:
    """All that the page shows of one product."""

    product: Product
    stage: str
    health: str
    waiting: int
    score: float
    step: str


async def products(sheet: Sheet) -> None:
    """Show the portfolio; with no product of anybody's own, how to start."""
    says = "What learns or decides here, twinhelm's own algorithms too"
    base = str(sheet.request.base_url).rstrip("/")
    with framed(sheet, "Portfolio", says, wing="models"):
        await follow(
            sheet,
            lambda: _ask(sheet),
            lambda found: _portfolio(found, base),
            every_s=15.0,
            classes="stack",
        )


def _ask(sheet: Sheet) -> list[_Row]:
    models = sheet.house.models
    waiting = Counter(one.product for one in models.promotions.inbox())
    rows = []
    for one in models.desk.all():
        ready = models.evidence.readiness(one.name)
        report = models.health.report(one.name)
        rows.append(
            _Row(
                one,
                _stage(one, models.desk.versions(one.name)),
                report.state if report else "unknown",
                waiting[one.name],
                ready.score,
                _next(one, ready),
            )
        )
    # What needs somebody stands first, twinhelm's own algorithms last.
    return sorted(rows, key=lambda row: (not row.waiting, row.product.owner == OWN_OWNER))


def _next(one: Product, ready: Readiness) -> str:
    if one.owner == OWN_OWNER:
        return "It is part of twinhelm itself."
    if not one.spec:
        return "Frame it: twinhelm product new"
    return ready.steps[0].step if ready.steps else "Nothing is left to do."


def _stage(one: Product, versions: list[ProductVersion]) -> str:
    if one.retired:
        return Stage.RETIRED
    if one.live:
        return Stage.LIVE
    return versions[0].stage if versions else "framed"


def _portfolio(found: list[_Row], base: str) -> None:
    waiting = sum(bool(row.waiting) for row in found)
    unwell = sum(row.health in {"drifted", "failing"} for row in found)
    told = (
        f"{html.plural(len(found), 'product')}, {waiting} waiting for approval, {unwell} not well"
    )
    Node("p", told, "lead")
    with Node("div", classes="card flush"):
        html.table(
            found,
            Column("Product", "cutoff", _named),
            Column("Stage", "tightcol", lambda row: stage_chip(row.stage)),
            Column("Live", "tightcol", lambda row: row.product.live or Node("span", "-", "muted")),
            Column("Health", "tightcol", lambda row: health_chip(row.health)),
            Column("Owner", "namecol", lambda row: row.product.owner),
            Column("Risk tier", "tightcol", lambda row: row.product.tier),
            Column("Approvals", "tightcol", _waiting),
            Column("Ready", "tightcol", _ready),
            Column("Next step", "cutoff", lambda row: row.step),
            nothing=lambda: html.empty(
                "No product is registered yet.", "Start with the lines below."
            ),
            href=lambda row: html.path_of(row.product.name),
        )
    if all(row.product.owner == OWN_OWNER for row in found):
        _start(START.format(base=base))


def _named(row: _Row) -> None:
    Node("a", row.product.name, href=html.path_of(row.product.name))
    Node("div", row.product.decides, "muted small")


def _waiting(row: _Row) -> object:
    if not row.waiting:
        return "none"
    return Node("a", f"{row.waiting} open", "chip amber", href="/approvals")


def _start(snippet: str) -> None:
    with Node("section", classes="card"):
        with html.card_head("Bring your first model"):
            html.copier(snippet)
        says = "A product is a model with a purpose, an owner and rules: what it decides, for whom,"
        says += " what must hold before it goes live, and who must agree. Its file lies beside the "
        Node("p", f"{says}training code, which stays as it is.", "prose")
        Node("pre", snippet, "snippet", tabindex="0", style="margin-top:8px")


def _ready(row: _Row) -> None:
    if row.product.owner == OWN_OWNER:
        # What is part of twinhelm is tested with it, and has no file of its own to be scored by.
        Node("span", "-", "muted")
    else:
        ready_meter(row.score)


def ready_meter(score: float) -> None:
    """Show a score of readiness."""
    html.meter(score / FULL, f"{score:.1f} of {FULL}")


def live_chip(product: Product) -> None:
    """Say which version of a product is live."""
    if product.live:
        html.chip(f"version {product.live} live", "green")
    else:
        html.chip("not live")
