"""What pages are made of: plain HTML elements, moments, charts, tables, and what stands in them.

Nothing that comes from telemetry or people is ever read as markup. Links lead only to this
server's own paths, or are checked by :func:`outside`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from nicegui.element import Element
from nicegui.elements import echart
from nicegui.elements.mixins.text_element import TextElement

from twinhelm.aiops.types import IncidentState
from twinhelm.core.claims import certainty
from twinhelm.web.pages.drawing import Drawing

__all__ = [
    "STATIC", "UNAIDED", "Chart", "ChartCard", "Charts", "Column", "Node", "Region", "When",
    "card_head", "chip", "confidence", "copier", "dot", "empty", "entry", "linked", "outside",
    "plural", "range_link", "say", "searching", "segments", "sentence", "sentences",
    "severity_chip", "state_chip", "table",
]  # fmt: skip

UNAIDED: dict[str, Any] = {"autocomplete": "off", "spellcheck": "false"}
"""For what is written exactly."""

STATIC = Path(__file__).parent / "static"
ECHARTS = {"nicegui-echart": str(Path(echart.__file__).parent / "dist")}
SEVERITIES = {"critical": "red", "warning": "amber", "info": "blue"}
STATES = {IncidentState.OPEN: "red", IncidentState.REOPENED: "red"}
STATES |= {IncidentState.ACKNOWLEDGED: "blue", IncidentState.RESOLVED: "green"}


class Node(TextElement):
    """One HTML element: a tag, a text, classes and attributes (``_`` in a name becomes ``-``)."""

    def __init__(self, tag: str, text: str = "", classes: str = "", **attributes: Any) -> None:
        super().__init__(text=text, tag=tag)
        self.classes(classes)
        self.set(**attributes)

    def set(self, **attributes: Any) -> Node:
        """Set attributes; None and False take one away."""
        for name, value in attributes.items():
            name = name.rstrip("_").replace("_", "-")
            if value is None or value is False:
                self._props.pop(name, None)
            else:
                self._props[name] = "" if value is True else value
        self.update()
        return self


class When(Element, component=STATIC / "when.js"):
    """A moment: relative to now and ticking, or ``absolute``; whole on hover, in their zone."""

    def __init__(self, time_ms: int, *, absolute: bool = False) -> None:
        super().__init__()
        self._props["ms"] = time_ms
        self._props["absolute"] = absolute

    def at(self, time_ms: int) -> None:
        """Show another moment in place."""
        if self._props["ms"] != time_ms:
            self._props["ms"] = time_ms
            self.update()


class Region:
    """A box whose content follows a value; rendered anew only when that has changed."""

    def __init__(self, classes: str = "", *, tag: str = "div") -> None:
        self.box = Node(tag, classes=classes)
        self._shown = ""

    def show(self, value: object, render: Callable[[Any], object]) -> None:
        """Render ``value`` if it is not what stands here."""
        now = repr(value)
        if now == self._shown:
            return
        self._shown = now
        self.box.clear()
        with self.box:
            render(value)


class Chart(Element, component=STATIC / "chart.js", esm=ECHARTS):
    """A chart of data as :mod:`twinhelm.web.pages.drawing` makes it.

    Charts of one ``group`` on a page share cursor and zoom. ``label`` tells in words what is to
    be seen. Emits ``zoom`` with ``from`` and ``to`` in ms, and ``unzoom``.
    """

    def __init__(self, model: Mapping[str, Any], *, label: str, group: str = "page") -> None:
        super().__init__()
        self._props["group"] = group
        self.show(model, label)

    def show(self, model: Mapping[str, Any], label: str) -> None:
        """Draw other data in place; the reader's zoom stays."""
        self._props["model"] = dict(model)
        self._props["label"] = label
        self.update()


class ChartCard:
    """A chart with its title, its newest value, what is usual, and the query that made it."""

    def __init__(
        self,
        title: str,
        drawing: Drawing,
        *,
        alone: bool = False,
        href: str = "",
        live: bool = True,
        notes: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.title, self._live = title, live
        with Node("section", classes="chart", aria_label=title) as self.box:
            with Node("div", classes="chart-head"):
                with Node("h3", classes="oneline", title=title):
                    linked(title, href)
                self._now = Node("span", classes="chart-now")
            with Node("div", classes="chart-usual oneline"):
                self._usual = Node("span")
            group = title if alone else "page"
            self.chart = Chart(drawing.model, label=drawing.said(title), group=group)
            if len(drawing.model["lines"]) > 1 or notes:
                _legend(drawing, notes)
            with Node("div", classes="chart-foot"):
                Node("code", drawing.query, "oneline", title=drawing.query)
                copier(drawing.query).set(aria_label=f"Copy the query of {title}")
        self._words(drawing)

    def show(self, drawing: Drawing) -> None:
        """Show newer data in place."""
        self.chart.show(drawing.model, drawing.said(self.title))
        self._words(drawing)

    def _words(self, drawing: Drawing) -> None:
        self._now.text = drawing.now if self._live else ""
        self._usual.text = _usual(drawing)
        self.box.classes(**{"add" if drawing.strange else "remove": "strange"})


class Charts(Region):
    """Chart cards by their titles: made anew when the titles change, else shown newer data."""

    cards: Mapping[str, ChartCard] = {}

    def follow(
        self,
        drawn: Sequence[tuple[str, str, Drawing]],
        nothing: Callable[[], object],
        *,
        classes: str = "charts wide",
        head: str = "",
        each: Callable[[ChartCard], None] = lambda card: None,
        **options: Any,
    ) -> None:
        """Show (title, link, drawing); ``options`` are those of a card, ``each`` gets each."""

        def draw(titles: list[str]) -> None:
            self.cards = {}
            if not titles:
                nothing()
                return
            if head:
                Node("h2", head)
            with Node("div", classes=classes):
                self.cards = {
                    title: ChartCard(title, drawing, href=href, **options)
                    for title, href, drawing in drawn
                }
            for card in self.cards.values():
                each(card)

        self.show([title for title, _, _ in drawn], draw)
        for title, _, drawing in drawn:
            self.cards[title].show(drawing)


def _usual(drawing: Drawing) -> str:
    if drawing.empty:
        return drawing.waits or "No samples in this range"
    usual = drawing.usual or "the usual range is still being learnt"
    if drawing.strange:
        usual = f"outside its range, {usual}"
    several = len(drawing.names) > 1
    return f"{drawing.names[0]}: {usual}" if several else usual[:1].upper() + usual[1:]


def _legend(drawing: Drawing, notes: Sequence[tuple[str, str]]) -> None:
    names = drawing.names if len(drawing.names) > 1 else ()
    shown = [(name, "", f"--series-{at % 8 + 1}") for at, name in enumerate(names)]
    with Node("div", classes="legend"):
        for text, classes, colour in [*shown, *((text, "block", colour) for text, colour in notes)]:
            with Node("span"):
                Node("i", classes=classes, style=f"--c:var({colour})", aria_hidden="true")
                Node("span", text)


class Column(NamedTuple):
    """A column: ``cell`` builds inside the cell or returns its text; ``th`` is for the head."""

    head: str
    classes: str
    cell: Callable[[Any], object]
    th: str = ""


def table(
    rows: Sequence[Any],
    *columns: Column,
    nothing: Callable[[], object] = lambda: None,
    classes: str = "",
    href: Callable[[Any], str | None] = lambda row: None,
) -> None:
    """Show a dense table, or ``nothing`` where it has no rows; ``href`` is where a row leads."""
    if not rows:
        nothing()
        return
    with Node("div", classes="scroll", tabindex="0"), Node("table", classes=classes):
        with Node("thead"), Node("tr"):
            for column in columns:
                narrow = [each for each in column.classes.split() if each in {"num", "tightcol"}]
                Node("th", column.head, " ".join([column.th, *narrow]), scope="col")
        with Node("tbody"):
            for row in rows:
                with Node("tr", data_href=href(row)):
                    for column in columns:
                        with Node("td", classes=column.classes) as cell:
                            text = column.cell(row)
                        if isinstance(text, str):
                            cell.text = text


def linked(text: str, href: str, classes: str = "", **attributes: Any) -> Node:
    """Show a text, as a link where it leads somewhere."""
    if href:
        return Node("a", text, classes, href=href, **attributes)
    return Node("span", text, classes)


def copier(text: str, *, says: str = "Copy") -> Node:
    """Make a button that puts ``text`` on the clipboard."""
    return Node("button", says, "quiet small", type="button", data_copy=text)


def dot(colour: str) -> None:
    """Show a dot beside a word that says the same."""
    Node("span", classes=f"dot {colour}", aria_hidden="true")


def chip(text: str, colour: str = "") -> Node:
    """Show a word in a colour that means the same everywhere, with a shape beside it."""
    with Node("span", classes=f"chip {colour}") as made:
        if colour:
            dot(colour)
        Node("span", text)
    return made


def state_chip(state: IncidentState) -> Node:
    """Show the state of an incident."""
    return chip(state.value, STATES[state])


def severity_chip(severity: str) -> Node:
    """Show how bad it is."""
    return chip(severity or "unknown", SEVERITIES.get(severity, ""))


def confidence(value: float) -> None:
    """Show a confidence as a word, a number and a length."""
    with Node("span", classes="row", style="flex-wrap:nowrap"):
        with Node("span", classes="meter", aria_hidden="true"):
            Node("i", style=f"width:{max(0.0, min(1.0, value)):.0%}")
        Node("span", f"{certainty(value)}, {value:.2f}", "small muted", style="white-space:nowrap")


def card_head(title: str, link: str = "", href: str = "") -> Node:
    """Head a card, with a link to the whole where there is one."""
    with Node("div", classes="card-head") as made:
        Node("h2", title)
        if link:
            Node("a", link, "small", href=href)
    return made


def empty(lead: str, *says: str, good: bool = False) -> Node:
    """Show what stands where there is nothing; ``good`` when that is as it should be."""
    with Node("div", classes="empty") as made:
        with Node("p", classes="lead"):
            if good:
                dot("green")
            Node("span", lead)
        for text in says:
            Node("p", text, "muted prose")
    return made


def say(text: str, *, kind: str = "") -> Node:
    """Show a notice in place; ``kind`` failed is read out at once by a screen reader."""
    return Node("p", text, f"notice {kind}", role="alert" if kind == "failed" else "status")


def segments(path: str, name: str, choices: Sequence[tuple[str, str]], chosen: str) -> None:
    """Offer a few choices as links that keep nothing else of the address."""
    with Node("nav", classes="segments", aria_label=name):
        for value, text in choices:
            where = f"{path}?{urlencode({name.lower(): value})}" if value else path
            Node("a", text, href=where, aria_current="true" if value == chosen else None)


def searching(path: str, **hidden: str) -> Node:
    """Open a form that asks by the address; ``hidden`` parameters that are not empty stay."""
    with Node("form", classes="row", method="get", action=path, role="search") as made:
        for name, value in hidden.items():
            if value:
                Node("input", type="hidden", name=name, value=value)
    return made


def entry(name: str, value: str, hint: str, label: str, classes: str = "", **more: Any) -> Node:
    """Offer a line to write in, of a form."""
    attributes = {"name": name, "value": value, "placeholder": hint, "aria_label": label}
    return Node("input", classes=classes, **attributes, **more)


def range_link(query: str, start_ms: int, end_ms: int) -> str:
    """Return where a selector is charted over a range."""
    return "/series?" + urlencode({"q": query, "from": start_ms, "to": end_ms})


def outside(url: str) -> str:
    """Return an address from outside if a link may lead there (http or https), else ``""``."""
    try:
        return url if urlsplit(url).scheme in {"http", "https"} else ""
    except ValueError:
        return ""


def plural(count: int, noun: str) -> str:
    """Count things in words: "1 sign", "2 signs"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def sentence(text: str) -> str:
    """Make a sentence of a message: a capital at its start and a stop at its end."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if not text or text[-1] in ".?!" else ".")


def sentences(*texts: str) -> str:
    """Join messages to sentences; empty ones fall away."""
    return " ".join(sentence(text) for text in texts if text)
