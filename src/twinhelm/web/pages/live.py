"""A part of a page that stays true by itself.

:class:`Live` asks a question in a worker thread, every few seconds while somebody looks, and
hands the answer to a function that shows it. It asks only once at a time, stops when the reader
leaves, and says in place when an answer could not be had.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from nicegui import ui

from twinhelm.core.errors import TwinhelmError, Unauthenticated
from twinhelm.web.pages.elements import Node, Region, say, sentences
from twinhelm.web.pages.sheet import Sheet

__all__ = ["Live", "follow"]

T = TypeVar("T")
PATIENCE_S = 0.3
"""A page waits this long for its first answer; then it shows that it is on its way."""


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
            self._tell("Your session has ended", "Reload the page to sign in again")
        except TwinhelmError as error:
            self._tell(error.message, error.hint)
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
        old = "What you see below may be out of date" if self._stood else ""
        again = "Asking again by itself" if self._every_s else ""
        told = sentences(what, hint, old, again)
        self._wait.show(told, lambda text: say(text, kind="failed"))


async def follow(
    sheet: Sheet,
    question: Callable[[], T],
    render: Callable[[T], object],
    *,
    every_s: float = 5.0,
    classes: str = "card flush",
) -> None:
    """Show one box that stays true: ``render`` builds the answer in it anew when that changed."""
    box = Region(classes)
    await Live(sheet, question, lambda now: box.show(now, render), every_s=every_s).start()


def _skeleton(_: object) -> None:
    with Node("div", classes="skeleton", role="status", aria_label="Loading"):
        for _row in range(3):
            Node("div")
