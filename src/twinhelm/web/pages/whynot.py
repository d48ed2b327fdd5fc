"""Why something was not raised: each sign that was seen and what became of it."""

from __future__ import annotations

from collections.abc import Sequence

from twinhelm.aiops.correlate import Decision
from twinhelm.web.pages.elements import Node, When
from twinhelm.web.pages.pieces import chip, table

__all__ = ["decisions"]


def decisions(found: Sequence[Decision]) -> None:
    """List signs that are in no incident, and why not."""
    if not found:
        return
    with Node("details"):
        Node("summary", f"Why not? {len(found)} signs that were seen and not raised")
        with Node("div", classes="card flush", style="margin-top:8px"):
            table([("When", "tightcol"), ("Outcome", "tightcol"), "Why"], found, _row)


def _row(decision: Decision) -> None:
    with Node("tr"):
        with Node("td", classes="tightcol"):
            When(decision.time_ms)
        with Node("td", classes="tightcol"):
            chip(decision.outcome.replace("_", " "))
        Node("td", decision.text, "wrapany")
