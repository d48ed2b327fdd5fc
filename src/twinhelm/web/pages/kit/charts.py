"""Charts on a page: one with its words, several that follow their data, and links to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nicegui.element import Element
from nicegui.elements import echart

from twinhelm.web.pages.kit.drawing import Drawing
from twinhelm.web.pages.kit.html import STATIC, Node, Region, address, copier, linked
from twinhelm.web.pages.kit.sheet import Live, Sheet

__all__ = ["Chart", "ChartCard", "Charts", "Drawn", "charted", "range_link"]

Drawn = Sequence[tuple[str, str, Drawing]]
"""Of each chart its title, where that leads, and what it shows."""

ECHARTS = {"nicegui-echart": str(Path(echart.__file__).parent / "dist")}


class Chart(Element, component=STATIC / "chart.js", esm=ECHARTS):
    """A chart of data as :mod:`twinhelm.web.pages.kit.drawing` makes it.

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
        drawn: Drawn,
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


async def charted(
    sheet: Sheet, question: Callable[[], Drawn], nothing: Callable[[], object], **options: Any
) -> None:
    """Show charts that stay true; ``options`` as in :meth:`Charts.follow`."""
    box = Charts()
    await Live(sheet, question, lambda drawn: box.follow(drawn, nothing, **options)).start()


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


def range_link(query: str, start_ms: int, end_ms: int) -> str:
    """Return where a selector is charted over a range."""
    return address("/series", q=query, **{"from": start_ms, "to": end_ms})
