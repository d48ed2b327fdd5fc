"""Draws what a validation holds: confusion, calibration, scores, errors, and differences.

In: the small tables of :mod:`twinhelm.mlops.validate.curves` and the rows of a comparison. Each
figure is told in words too; what a validation does not hold is not drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twinhelm.web.pages.kit import html
from twinhelm.web.pages.kit.html import Column, Node
from twinhelm.web.pages.models.parts import interval

__all__ = ["curves", "difference_table"]

MEANS = {"better": "green", "worse": "red"}
WIDE, HIGH = 320, 180
DEEPEST = 45
"""Per cent of the colour of the fullest cell, so that its text stays readable."""


def curves(found: Mapping[str, Any]) -> None:
    """Draw all that there is."""
    if not found:
        html.empty("Nothing can be drawn.", "The model answered no row whose truth is known.")
    if told := found.get("confusion"):
        _confusion(told["labels"], told["counts"])
    if told := found.get("calibration"):
        _calibration(told)
    if told := found.get("scores"):
        _bars("How sure it was, by what was true", told["edges"], told["counts"])
    if told := found.get("errors"):
        _bars("Answer less truth", told["edges"], {"rows": told["counts"]})


def _confusion(labels: Sequence[str], counts: Sequence[Sequence[float]]) -> None:
    Node("h3", "What was true, down, and what it said, across")
    most = max((count for row in counts for count in row), default=0) or 1
    with Node("div", classes="scroll"), Node("table", classes="grid"):
        with Node("thead"), Node("tr"):
            Node("th", "truth", scope="col")
            for label in labels:
                Node("th", label, "num", scope="col")
        with Node("tbody"):
            for label, row in zip(labels, counts, strict=True):
                with Node("tr"):
                    Node("th", label, scope="row")
                    for said, count in zip(labels, row, strict=True):
                        colour = "--series-3" if said == label else "--series-2"
                        depth = f"{DEEPEST * count / most:.0f}%"
                        shade = f"background:color-mix(in srgb, var({colour}) {depth}, transparent)"
                        Node("td", f"{count:,.0f}", "num", style=shade)


def _calibration(points: Sequence[Mapping[str, float]]) -> None:
    Node("h3", "Calibration: how often it was so, for each probability said")
    told = ", ".join(f"{one['said']:.0%} said, {one['so']:.0%} so" for one in points)
    with Node("svg", classes="figure", viewBox=f"0 0 {WIDE} {HIGH}", role="img", aria_label=told):
        Node("line", x1=0, y1=HIGH, x2=WIDE, y2=0, stroke="var(--line-2)", stroke_dasharray="4 4")
        at = [(one["said"] * WIDE, HIGH - one["so"] * HIGH) for one in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
        Node("polyline", points=path, fill="none", stroke="var(--series-1)", stroke_width=2)
        for x, y in at:
            Node("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=3, fill="var(--series-1)")
    Node("p", "On the dashed line, what it says is what happens.", "muted small")


def _bars(title: str, edges: Sequence[float], groups: Mapping[str, Sequence[float]]) -> None:
    Node("h3", title)
    most = max((count for counts in groups.values() for count in counts), default=0) or 1
    step = WIDE / max(1, len(edges) - 1)
    wide = step / len(groups)
    says = "; ".join(f"{name}: {', '.join(map(html.number, of))}" for name, of in groups.items())
    with Node("svg", classes="figure", viewBox=f"0 0 {WIDE} {HIGH}", role="img", aria_label=says):
        for at, counts in enumerate(groups.values()):
            for place, count in enumerate(counts):
                tall = count / most * HIGH
                box = {"x": f"{place * step + at * wide:.1f}", "y": f"{HIGH - tall:.1f}"}
                box |= {"width": f"{max(1.0, wide - 1):.1f}", "height": f"{tall:.1f}"}
                Node("rect", fill=f"var(--series-{at + 1})", **box)
    with Node("div", classes="legend"):
        Node(
            "span",
            f"from {html.number(edges[0])} to {html.number(edges[-1])}; most {html.number(most)}",
        )
        for at, name in enumerate(groups):
            with Node("span"):
                Node("i", classes="block", style=f"--c:var(--series-{at + 1})", aria_hidden="true")
                Node("span", name)


def difference_table(rows: Sequence[Mapping[str, Any]], a: str, b: str) -> None:
    """Show metrics of two versions side by side, ``b`` less ``a``, and what that means."""

    def side(row: Mapping[str, Any], of: str) -> str:
        return interval(row[of], row[f"{of}_low"], row[f"{of}_high"])

    def metric(row: Mapping[str, Any]) -> None:
        Node("div", row["metric"])
        Node("div", row["says"], "muted small")

    html.table(
        rows,
        Column("Metric", "cutoff", metric),
        Column("Of", "", lambda row: row["slice"] or "everybody"),
        Column(f"Version {a}", "", lambda row: side(row, "a")),
        Column(f"Version {b}", "", lambda row: side(row, "b")),
        Column("Apart", "", lambda row: interval(row["difference"], row["low"], row["high"])),
        Column(
            "So", "tightcol", lambda row: html.chip(row["verdict"], MEANS.get(row["verdict"], ""))
        ),
        nothing=lambda: html.empty("There is nothing to compare.", "Validate both versions first."),
    )
