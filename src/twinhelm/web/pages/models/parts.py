"""What the pages of the models' wing share: chips, numbers with intervals, links, checks.

In: the wing's own words. A number that is not known is written "unknown", never left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from twinhelm.mlops.types import Check, Verdict
from twinhelm.web.pages.kit import html
from twinhelm.web.pages.kit.html import Column, Node

__all__ = [
    "check_table", "health_chip", "interval", "listed", "stage_chip", "verdict_chip",
    "version_link",
]  # fmt: skip

STAGES = {"live": "green", "approved": "blue", "refused": "red"}
VERDICTS = {Verdict.PASS: "green", Verdict.FAIL: "red", Verdict.UNKNOWN: "amber"}
HEALTH = {"good": "green", "drifted": "amber", "failing": "red"}
WORST_FIRST = [Verdict.FAIL, Verdict.UNKNOWN, Verdict.PASS]


def version_link(product: str, version: str) -> Node:
    """Name a version, as a link to its page."""
    return Node("a", version, href=html.path_of(product, version))


def interval(value: float | None, low: float | None, high: float | None) -> str:
    """Write a value with its 95 % interval."""
    known = all(each is not None and math.isfinite(each) for each in (low, high))
    return (
        f"{html.number(value)} ({html.number(low)} to {html.number(high)})"
        if known
        else html.number(value)
    )


def listed(values: Mapping[str, float], most: int = 3) -> str:
    """Write a few named numbers in a line."""
    return ", ".join(f"{name} {html.number(value)}" for name, value in list(values.items())[:most])


def stage_chip(stage: str) -> Node:
    """Show how far a version, or a product, has come."""
    return html.chip(stage, STAGES.get(stage, ""))


def verdict_chip(verdict: str) -> Node:
    """Show what a check came to."""
    return html.chip(verdict, VERDICTS.get(Verdict(verdict), ""))


def health_chip(state: str) -> Node:
    """Show how a product fares."""
    return html.chip(f"health {state}" if state == "unknown" else state, HEALTH.get(state, ""))


def check_table(found: Sequence[Check]) -> None:
    """Show checks: what failed, what is unknown, gates, and what every version must keep."""
    html.table(
        sorted(found, key=lambda one: (WORST_FIRST.index(one.verdict), not one.wanted)),
        Column("Verdict", "tightcol", lambda one: verdict_chip(one.verdict)),
        Column("Check", "", _check_words),
        Column(
            "Found", "num tightcol", lambda one: "" if one.value is None else html.number(one.value)
        ),
        Column("Wanted", "", lambda one: one.wanted),
        nothing=lambda: html.empty("Nothing was checked yet."),
    )


def _check_words(one: Check) -> None:
    Node("b", one.name)
    Node("div", one.says, "muted wrapany")
