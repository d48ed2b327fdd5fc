"""The portfolio: what learns or decides here, with its versions and which of them is live."""

from __future__ import annotations

from twinhelm.mlops.register import products as all_products
from twinhelm.mlops.register import versions
from twinhelm.mlops.types import Product, ProductVersion
from twinhelm.web.pages.elements import Node, When
from twinhelm.web.pages.frame import framed, title_row
from twinhelm.web.pages.live import Live, Region
from twinhelm.web.pages.pieces import chip, empty, table
from twinhelm.web.pages.sheet import Sheet

__all__ = ["products"]

STAGES = {"live": "green", "registered": "blue"}
Portfolio = list[tuple[Product, list[ProductVersion]]]


async def products(sheet: Sheet) -> None:
    """Build the page."""
    with framed(sheet, wing="models"):
        title_row("Portfolio", "The algorithms twinhelm decides with, as products")
        rows = Region("stack")

        def ask() -> Portfolio:
            records = sheet.house.records
            return [(one, versions(records, one.name)) for one in all_products(records)]

        def show(now: Portfolio) -> None:
            rows.show(now, _all)

        await Live(sheet, ask, show, every_s=15.0).start()


def _all(found: Portfolio) -> None:
    if not found:
        with Node("div", classes="card flush"):
            empty("No product is registered yet.", "twinhelm's own algorithms appear here.")
    for product, known in found:
        with Node("section", classes="card models", id=product.name):
            with Node("div", classes="card-head"):
                Node("h2", product.name)
                chip(
                    f"live {product.live}" if product.live else "not live",
                    "green" if product.live else "",
                )
            Node("p", product.decides, "prose")
            Node("p", f"Owner {product.owner}, risk tier {product.tier}", "muted small")
            with Node("div", style="margin-top:12px"):
                heads: list[str | tuple[str, str]] = [
                    ("Version", "tightcol"),
                    ("Stage", "tightcol"),
                    ("Registered", "tightcol"),
                    "Method",
                    "Facts",
                ]
                table(heads, known, _version)


def _version(version: ProductVersion) -> None:
    with Node("tr"):
        Node("td", version.version, "tightcol")
        with Node("td", classes="tightcol"):
            chip(version.stage, STAGES.get(version.stage, ""))
        with Node("td", classes="tightcol"):
            When(version.registered_ms)
        Node("td", version.method, "cutoff")
        with Node("td"), Node("dl", classes="facts"):
            for name, value in sorted(version.facts.items()):
                Node("dt", name)
                Node("dd", value)
