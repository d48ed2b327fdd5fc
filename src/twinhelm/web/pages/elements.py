"""What pages are made of: plain HTML elements, moments in time, and charts.

Everything here puts text into the page as text and attributes as attributes: nothing that comes
from telemetry or people is ever read as markup. Links lead only to this server's own paths, or
are checked by :func:`outside`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from nicegui.element import Element
from nicegui.elements import echart
from nicegui.elements.mixins.text_element import TextElement

__all__ = ["Chart", "Node", "When", "copier", "outside"]

STATIC = Path(__file__).parent / "static"
ECHARTS = {"nicegui-echart": str(Path(echart.__file__).parent / "dist")}


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


class Chart(Element, component=STATIC / "chart.js", esm=ECHARTS):
    """A chart of data as :mod:`twinhelm.web.pages.drawing` makes it.

    Charts of one ``group`` on a page share cursor and zoom. ``label`` tells in words what is to
    be seen. Emits ``zoom`` with ``from`` and ``to`` in ms, and ``unzoom``.
    """

    def __init__(self, model: Mapping[str, Any], *, label: str, group: str = "page") -> None:
        super().__init__()
        self._props["model"] = dict(model)
        self._props["label"] = label
        self._props["group"] = group

    def show(self, model: Mapping[str, Any], label: str) -> None:
        """Draw other data in place; the reader's zoom stays."""
        self._props["model"] = dict(model)
        self._props["label"] = label
        self.update()


def copier(text: str, *, says: str = "Copy") -> Node:
    """Make a button that puts ``text`` on the clipboard."""
    return Node("button", says, "quiet small", type="button", data_copy=text)


def outside(url: str) -> str:
    """Return an address from outside if a link may lead there (http or https), else ``""``."""
    try:
        return url if urlsplit(url).scheme in {"http", "https"} else ""
    except ValueError:
        return ""
