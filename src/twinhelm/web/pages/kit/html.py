"""What pages are made of: plain HTML elements, moments, cards, tables, and what stands in them.

Nothing that comes from telemetry or people is ever read as markup. Links lead only to this
server's own paths, or are checked by :func:`outside`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement

from twinhelm.aiops.types import IncidentState
from twinhelm.core.claims import certainty

__all__ = [
    "STATIC", "UNAIDED", "Column", "Moment", "Node", "Region", "When", "address", "card",
    "card_head", "chip", "confidence", "copier", "crumbs", "dot", "empty", "entry", "facts",
    "linked", "meter", "number", "outside", "path_of", "phrase", "plural", "points", "road", "say",
    "searching", "segments", "sentence", "sentences", "severity_chip", "state_chip", "table",
]  # fmt: skip

UNAIDED: dict[str, Any] = {"autocomplete": "off", "spellcheck": "false"}
"""For what is written exactly."""

STATIC = Path(__file__).parents[1] / "static"
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


class Moment(Element, component=STATIC / "moment.js"):
    """A field of a form to choose a moment in, in the reader's zone; it is sent as epoch ms."""

    def __init__(self, name: str, time_ms: int, label: str) -> None:
        super().__init__()
        self._props["name"], self._props["ms"], self._props["label"] = name, time_ms, label


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
    meter(value, f"{certainty(value)}, {value:.2f}")


def meter(share: float, says: str, colour: str = "") -> None:
    """Show a share of a whole as a length, with its words."""
    with Node("span", classes="row", style="flex-wrap:nowrap"):
        with Node("span", classes="meter", aria_hidden="true"):
            style = f"width:{max(0.0, min(1.0, share)):.0%}"
            Node("i", style=f"{style};background:var(--{colour})" if colour else style)
        Node("span", says, "small muted", style="white-space:nowrap")


def number(value: float | None) -> str:
    """Write a number with three digits; what is missing is "unknown"."""
    if value is None or not math.isfinite(value):
        return "unknown"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def phrase(
    *parts: str | int, tag: str = "span", classes: str = "muted", absolute: bool = False
) -> Node:
    """Show a sentence in which moments stand: texts, and times in ms."""
    with Node(tag, classes=classes) as made:
        for part in parts:
            if isinstance(part, int):
                When(part, absolute=absolute)
            else:
                Node("span", part)
    return made


def facts(found: Mapping[str, Any], classes: str = "facts") -> None:
    """Show names and what they hold, which may build itself; what is empty falls away."""
    with Node("dl", classes=classes):
        for name, value in found.items():
            if value is None or value in ("", ()):
                continue
            Node("dt", name)
            if callable(value):
                with Node("dd"):
                    value()
            else:
                Node("dd", number(value) if isinstance(value, float) else str(value))


def points(rows: Iterable[str], sign: str = "·") -> None:
    """Show reasons, one a line."""
    with Node("ul", classes="evidence"):
        for text in rows:
            with Node("li"):
                Node("span", sign, "muted", aria_hidden="true")
                Node("span", text)


def crumbs(*way: tuple[str, str]) -> None:
    """Show where a page stands: (text, path) from the outermost; the last may have no path."""
    with Node("nav", classes="row", aria_label="Where this is"):
        for at, (text, href) in enumerate(way):
            if at:
                Node("span", "/", "muted", aria_hidden="true")
            linked(text, href, "" if href else "muted")


def road(steps: Iterable[tuple[str, str, str]]) -> None:
    """Show steps inside a list that is open: name, done or now or next, and a word on each."""
    for name, state, says in steps:
        with Node("li", classes=state, aria_current="step" if state == "now" else None):
            dot({"done": "green", "now": "blue"}.get(state, ""))
            Node("span", name)
            Node("span", says, "small muted")


@contextmanager
def card(title: str = "", link: str = "", href: str = "", classes: str = "card") -> Iterator[Node]:
    """Open a card, with its head where it has a title."""
    with Node("section", classes=classes) as made:
        if title:
            card_head(title, link, href)
        yield made


def card_head(title: str, link: str = "", href: str = "") -> Node:
    """Head a card, with a link to the whole where there is one."""
    with Node("div", classes="card-head") as made:
        Node("h2", title)
        if link:
            Node("a", link, "small", href=href)
    return made


def empty(lead: str, *says: str, good: bool = False, classes: str = "") -> Node:
    """Show what stands where there is nothing; ``good`` when that is as it should be."""
    with Node("div", classes=f"{classes} empty") as made:
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


def segments(name: str, choices: Iterable[tuple[str, str]], here: str) -> None:
    """Offer a few addresses, each with its text; ``here`` is the one that is shown."""
    with Node("nav", classes="segments", aria_label=name):
        for href, text in choices:
            Node("a", text, href=href, aria_current="true" if href == here else None)


def address(path: str, **asked: object) -> str:
    """Write a path with what it asks; what is empty falls away."""
    said = urlencode({name: value for name, value in asked.items() if value})
    return f"{path}?{said}" if said else path


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


def path_of(product: str, version: str = "") -> str:
    """Return where a product, or one version of it, has its page."""
    path = f"/products/{quote(product, safe='')}"
    return f"{path}/versions/{quote(version, safe='')}" if version else path


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
