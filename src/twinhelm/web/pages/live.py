"""A part of a page that stays true by itself.

:class:`Live` asks a question in a worker thread, every few seconds while somebody looks, and
hands the answer to a function that shows it. It asks only once at a time, stops when the reader
leaves, and says in place when an answer could not be had. :class:`Region` is rendered anew only
when what it shows has changed, so that nothing jumps and nobody loses their place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from nicegui import ui

from twinhelm.core.errors import TwinhelmError, Unauthenticated
from twinhelm.web.pages.elements import Node
from twinhelm.web.pages.sheet import Sheet

__all__ = ["Live", "Region", "say"]

T = TypeVar("T")
PATIENCE_S = 0.3
"""A page waits this long for its first answer; then it shows that it is on its way."""


class Region:
    """A box whose content follows a value."""

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


class Live(Generic[T]):
    """See the module; ``every_s`` 0 asks once. Made inside the box where it shows."""

    def __init__(
        self,
        sheet: Sheet,
        question: Callable[[], T],
        show: Callable[[T], None],
        *,
        every_s: float = 5.0,
    ) -> None:
        self._visitor = sheet.visitor
        self._every_s = every_s
        self._question = question
        self._show = show
        self._busy = False
        self._stood = False
        self._asked = False
        self._wait = Region("wait")
        self._timer: ui.timer | None = None
        sheet.lives.append(self)

    async def start(self) -> None:
        """Have the first answer, or show that it is coming."""
        first = asyncio.ensure_future(self.ask())
        done, _ = await asyncio.wait({first}, timeout=PATIENCE_S)
        if not done:
            self._wait.show("loading", _skeleton)

    def keep(self) -> None:
        """Ask again and again from now on; called when the whole page is built.

        The framework sends a page off as soon as its first timer stands.
        """
        if self._every_s and not self._wait.box.is_deleted:
            with self._wait.box.parent_slot or self._wait.box:
                self._timer = ui.timer(self._every_s, self.ask, immediate=not self._asked)

    async def ask(self) -> None:
        """Ask once more and show the answer; while an answer is on its way this does nothing."""
        if self._busy:
            return
        self._busy = self._asked = True
        try:
            answer = await self._visitor.read(self._question)
        except Unauthenticated:
            if self._timer is not None:
                self._timer.cancel()
            self._tell("Your session has ended.", "Reload the page to sign in again.")
        except TwinhelmError as error:
            self._tell(_sentence(error.message), _sentence(error.hint))
        else:
            if not self._wait.box.is_deleted:
                self._wait.show("", lambda _: None)
                self._show(answer)
                self._stood = True
        finally:
            self._busy = False

    def _tell(self, what: str, hint: str) -> None:
        if self._wait.box.is_deleted:
            return
        old = "What you see below may be out of date." if self._stood else ""
        again = "Asking again by itself." if self._every_s else ""
        said = " ".join(part for part in (what, hint, old, again) if part)
        self._wait.show(said, lambda text: say(text, kind="failed"))


def say(text: str, *, kind: str = "") -> Node:
    """Show a notice in place; ``kind`` failed is read out at once by a screen reader."""
    role = "alert" if kind == "failed" else "status"
    return Node("p", text, f"notice {kind}", role=role)


def _skeleton(_: object) -> None:
    with Node("div", classes="skeleton", role="status", aria_label="Loading"):
        for _row in range(3):
            Node("div")


def _sentence(text: str) -> str:
    text = text.strip()
    if not text:
        return ""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")
