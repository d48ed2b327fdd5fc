"""What was live at a time, since when, who asked for it, who approved it and why.

The time is chosen in the reader's zone and stands in the address (``?at=`` in epoch ms), so that a
link shows others the same. All of it is read from the journal; without a time it is now.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import partial
from typing import Any

from twinhelm.core.ports import JournalRow
from twinhelm.events.kinds.products import DeploymentChanged
from twinhelm.web.pages.kit import html
from twinhelm.web.pages.kit.frame import framed
from twinhelm.web.pages.kit.html import Column, Moment, Node, When
from twinhelm.web.pages.kit.sheet import Sheet, follow
from twinhelm.web.pages.ledgers import ledgers
from twinhelm.web.pages.models.parts import version_link

__all__ = ["past"]

PATH = "/audit/live"
EVERY_S = 15.0
Row = dict[str, Any]


async def past(sheet: Sheet) -> None:
    """Build the page."""
    house, product = sheet.house, sheet.asked("product")
    asked = sheet.asked("at")
    fixed = int(asked) if re.fullmatch("[0-9]{1,14}", asked) else None

    def ask() -> tuple[list[Row], list[JournalRow]]:
        at = house.clock.now_ms() if fixed is None else fixed
        found = house.models.promotions.live_at(at)
        of = f"product/{product}" if product else None
        first = house.journal.read(kind=DeploymentChanged.kind, subject=of, limit=1)
        return [one for one in found if not product or one["product"] == product], first

    with framed(sheet, "What was live", "Which versions decided, and who let them", wing="models"):
        ledgers(PATH)
        now = house.clock.now_ms()
        with html.searching(PATH, product=product):
            Moment("at", now if fixed is None else fixed, "At this time")
            Node("button", "Show", "primary", type="submit")
            if fixed is not None:
                Node("a", "Now", "button", href=html.address(PATH, product=product))
            if product:
                Node("a", "All products", "button", href=html.address(PATH, at=fixed))
        if fixed is None or fixed > now:
            says = "Live now" if fixed is None else "That time has not come; live now"
            Node("p", says, "lead")
        else:
            html.phrase("Live at ", fixed, tag="p", classes="lead", absolute=True)
        every_s = EVERY_S if fixed is None else 0.0
        await follow(sheet, ask, partial(_rows, product), every_s=every_s)
        command = "twinhelm live"
        if fixed is not None:
            command += f" --at {datetime.fromtimestamp(fixed / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
        with Node("p", classes="row"):
            Node("code", command, "muted")
            html.copier(command)


def _rows(product: str, found: tuple[list[Row], list[JournalRow]]) -> None:
    rows, first = found

    def nothing() -> None:
        with html.empty("Nothing was live then."):
            if first:
                began = first[0].time_ms
                says = "The first version went live on "
                with html.phrase(says, began, ". ", tag="p", absolute=True):
                    Node(
                        "a", "Show that moment", href=html.address(PATH, product=product, at=began)
                    )
            else:
                Node("p", "No version has gone live yet.", "muted")
                Node("a", "What there is, and what comes next", href="/products")

    html.table(
        rows,
        Column("Product", "namecol", _product),
        Column("Version", "tightcol", lambda one: version_link(one["product"], one["version"])),
        Column("Answered", "tightcol", _share),
        Column("Since", "tightcol", lambda one: When(one["since_ms"], absolute=True)),
        Column("Asked by", "namecol", _asker),
        Column("Approved by", "namecol", _approvers),
        Column("Why", "cutoff", _why),
        Column("", "tightcol", _evidence),
        nothing=nothing,
    )


def _product(one: Row) -> None:
    Node("a", one["product"], href=html.path_of(one["product"]))


def _share(one: Row) -> str:
    if one["role"] == "shadow":
        return "nobody, as shadow"
    return f"{one['share']:.1%} as {one['role']}"


def _asker(one: Row) -> str:
    return one["asked_by"] or f"nobody; {one['changed_by']} turned to it"


def _approvers(one: Row) -> object:
    if one["approved_by"]:
        return ", ".join(one["approved_by"])
    return Node("span", "nobody had to" if one["needs"] == 0 else "nobody", "muted")


def _why(one: Row) -> None:
    for note in one["notes"]:
        Node("div", html.sentence(note))
    Node("div", html.sentence(one["reason"]), "muted" if one["notes"] else "")


def _evidence(one: Row) -> None:
    Node("a", "Evidence", href=f"{html.path_of(one['product'], one['version'])}#evidence")
