"""Pieces that several pages show: chart cards, states and severities, empty pages, confidence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import urlencode

from twinhelm.aiops.types import IncidentState
from twinhelm.core.claims import certainty
from twinhelm.web.pages.drawing import Drawing
from twinhelm.web.pages.elements import Chart, Node, copier

__all__ = [
    "ChartCard",
    "chip",
    "confidence",
    "empty",
    "range_link",
    "segments",
    "severity_chip",
    "state_chip",
    "table",
]

SEVERITIES = {"critical": "red", "warning": "amber", "info": "blue"}
STATES = {
    IncidentState.OPEN: ("open", "red"),
    IncidentState.REOPENED: ("reopened", "red"),
    IncidentState.ACKNOWLEDGED: ("acknowledged", "blue"),
    IncidentState.RESOLVED: ("resolved", "green"),
}


def chip(text: str, colour: str = "") -> Node:
    """Show a word in a colour that means the same everywhere, with a shape beside it."""
    with Node("span", classes=f"chip {colour}") as made:
        if colour:
            Node("span", classes=f"dot {colour}", aria_hidden="true")
        Node("span", text)
    return made


def state_chip(state: IncidentState) -> Node:
    """Show the state of an incident."""
    return chip(*STATES[state])


def severity_chip(severity: str) -> Node:
    """Show how bad it is."""
    return chip(severity or "unknown", SEVERITIES.get(severity, ""))


def confidence(value: float) -> None:
    """Show a confidence as a word, a number and a length."""
    with Node("span", classes="row", style="flex-wrap:nowrap"):
        with Node("span", classes="meter", aria_hidden="true"):
            Node("i", style=f"width:{max(0.0, min(1.0, value)):.0%}")
        Node("span", f"{certainty(value)}, {value:.2f}", "small muted", style="white-space:nowrap")


def empty(lead: str, *says: str, good: bool = False) -> Node:
    """Show what stands where there is nothing; ``good`` when that is as it should be."""
    with Node("div", classes="empty") as made:
        with Node("p", classes="lead"):
            if good:
                Node("span", classes="dot green", aria_hidden="true")
            Node("span", lead)
        for text in says:
            Node("p", text, "muted prose")
    return made


def segments(path: str, name: str, choices: Sequence[tuple[str, str]], chosen: str) -> None:
    """Offer a few choices as links that keep nothing else of the address."""
    with Node("nav", classes="segments", aria_label=name):
        for value, text in choices:
            where = f"{path}?{urlencode({name.lower(): value})}" if value else path
            Node("a", text, href=where, aria_current="true" if value == chosen else None)


def table(
    heads: Iterable[str | tuple[str, str]], rows: Sequence[Any], render: Callable[[Any], None]
) -> None:
    """Show a dense table; a head may be (text, classes); ``render`` makes one row's cells."""
    with Node("div", classes="scroll"), Node("table"):
        with Node("thead"), Node("tr"):
            for head in heads:
                text, classes = head if isinstance(head, tuple) else (head, "")
                Node("th", text, classes, scope="col")
        with Node("tbody"):
            for row in rows:
                render(row)


def range_link(query: str, start_ms: int, end_ms: int) -> str:
    """Return where a selector is charted over a range."""
    return "/series?" + urlencode({"q": query, "from": start_ms, "to": end_ms})


class ChartCard:
    """A chart with its title, its newest value, what is usual, and the query that made it."""

    def __init__(
        self,
        title: str,
        drawing: Drawing,
        *,
        group: str = "page",
        href: str = "",
        live: bool = True,
        notes: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.title = title
        with Node("section", classes="chart", aria_label=title) as self.box:
            with Node("div", classes="chart-head"):
                with Node("h3", classes="oneline", title=title):
                    if href:
                        Node("a", title, href=href)
                    else:
                        Node("span", title)
                self._now = Node("span", drawing.now if live else "", "chart-now")
            with Node("div", classes="chart-usual oneline"):
                self._usual = Node("span", _usual(drawing))
            self.chart = Chart(drawing.model, label=drawing.said(title), group=group)
            if len(drawing.model["lines"]) > 1 or notes:
                _legend(drawing, notes)
            with Node("div", classes="chart-foot"):
                Node("code", drawing.query, "oneline", title=drawing.query)
                copier(drawing.query, says="Copy").set(aria_label=f"Copy the query of {title}")
        self._live = live
        self._box_state(drawing)

    def show(self, drawing: Drawing) -> None:
        """Show newer data in place."""
        if self._live:
            self._now.text = drawing.now
        self._usual.text = _usual(drawing)
        self.chart.show(drawing.model, drawing.said(self.title))
        self._box_state(drawing)

    def _box_state(self, drawing: Drawing) -> None:
        self.box.classes(
            add="strange" if drawing.strange else "", remove="" if drawing.strange else "strange"
        )


def _usual(drawing: Drawing) -> str:
    if drawing.empty:
        return drawing.waits or "No samples in this range"
    several = len(drawing.names) > 1
    usual = drawing.usual or "the usual range is still being learnt"
    if drawing.strange:
        usual = f"outside its range, {usual}"
    return f"{drawing.names[0]}: {usual}" if several else usual[:1].upper() + usual[1:]


def _legend(drawing: Drawing, notes: Sequence[tuple[str, str]]) -> None:
    with Node("div", classes="legend"):
        several = len(drawing.names) > 1
        for at, name in enumerate(drawing.names if several else ()):
            with Node("span"):
                Node("i", style=f"--c:var(--series-{at % 8 + 1})", aria_hidden="true")
                Node("span", name)
        for text, colour in notes:
            with Node("span"):
                Node("i", classes="block", style=f"--c:var({colour})", aria_hidden="true")
                Node("span", text)
