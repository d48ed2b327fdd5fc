"""What telemetry was not kept: by which door, why, how much, and what to do about it."""

from __future__ import annotations

from twinhelm.aiops.types import Rejection
from twinhelm.web.pages.elements import Node, When
from twinhelm.web.pages.frame import framed, title_row
from twinhelm.web.pages.live import Live, Region
from twinhelm.web.pages.pieces import empty, table
from twinhelm.web.pages.reasons import advice_on
from twinhelm.web.pages.sheet import Sheet

__all__ = ["rejected"]


async def rejected(sheet: Sheet) -> None:
    """Build the page."""
    with framed(sheet):
        title_row("Rejected", "Telemetry that was not kept since the server started, and why")
        rows = Region("card flush")

        def ask() -> list[Rejection]:
            return sheet.house.intake.rejections.snapshot()[:500]

        await Live(sheet, ask, lambda now: rows.show(now, _list), every_s=5.0).start()


def _list(found: list[Rejection]) -> None:
    if not found:
        empty(
            "Nothing was rejected.",
            "Everything that was sent since the server started has been kept.",
            good=True,
        )
        return
    heads: list[str | tuple[str, str]] = [
        "Why",
        ("Door", "tightcol"),
        ("Tenant", "tightcol"),
        ("How many", "num"),
        "Example",
        ("First", "tightcol"),
        ("Last", "tightcol"),
    ]
    table(heads, sorted(found, key=lambda one: -one.last_ms), _row)


def _row(one: Rejection) -> None:
    means, remedy = advice_on(one.reason)
    with Node("tr"):
        with Node("td", classes="cutoff"):
            Node("b", one.reason.replace("_", " "))
            Node("div", means)
            Node("div", remedy, "muted")
        Node("td", one.door, "tightcol")
        Node("td", one.tenant, "tightcol")
        Node("td", f"{one.count:,}", "num tightcol")
        with Node("td", classes="cutoff"):
            Node("code", one.example[:300])
        for moment in (one.first_ms, one.last_ms):
            with Node("td", classes="tightcol"):
                When(moment)
