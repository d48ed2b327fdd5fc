"""What a reader may do on a page: buttons that act in their name, and dialogs before them.

Each deed is checked against the identity and rights that its visitor has at that moment. A
refusal is told where the :class:`Deeds` was made; afterwards all that lives on the page is asked
anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui.events import GenericEventArguments

from twinhelm.core import json
from twinhelm.core.errors import BadInput, TwinhelmError
from twinhelm.core.roles import Right
from twinhelm.web.pages.kit.html import Node, Region, say, sentences
from twinhelm.web.pages.kit.sheet import Sheet

__all__ = ["Deeds"]

Done = str | Callable[[Any], object]
"""What is told of a deed that was done, or what shows what it returned."""

MAX_TEXT = 4000


class Deeds:
    """Buttons that do something in the visitor's name; see the module."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        self._said = Region("wait")

    def button(
        self,
        text: str,
        right: Right,
        change: Callable[[str, str], Any],
        *,
        box: str = "",
        needs: str = "",
        wrong: str = "",
        done: Done = "",
        style: str = "small",
        sure: bool = True,
        longest: int = MAX_TEXT,
    ) -> Node:
        """Offer what ``change`` does with a name and what stands in the field ``box``.

        ``needs`` names what must be written there, ``wrong`` says why it cannot be done now.
        ``done`` is told when it was, or shows what ``change`` returned. With ``sure`` a second
        press within four seconds confirms. What is written past ``longest`` characters is cut.
        """
        wrong = wrong or self.sheet.visitor.why_not(right)
        button = Node("button", text, style.replace("primary", "") if wrong else style)
        button.set(type="button", disabled=bool(wrong), title=wrong or None)
        more: dict[str, Any] = {"done": done, "sure": sure, "longest": longest}
        self.on(button, right, change, box=box, needs=needs, **more)
        return button

    def on(
        self,
        button: Node,
        right: Right,
        change: Callable[[str, str], Any],
        *,
        box: str = "",
        needs: str = "",
        done: Done = "",
        sure: bool = False,
        longest: int = MAX_TEXT,
    ) -> None:
        """Let a button do it, whether or not the visitor may: who may not is told so."""
        empties = bool(box) and longest == MAX_TEXT  # a long text is kept, it is somebody's work

        async def press(event: GenericEventArguments) -> None:
            written = str(event.args or "")[:longest].strip()
            if needs and not written:
                self.refuse(BadInput(f"nothing says {needs}", hint="write it beside the button"))
            elif await self.act(right, lambda who: change(who, written), done) and empties:
                # The button itself may be gone by now; what tells of it is not.
                self._said.box.client.run_javascript(f"helmEmpty({_quoted(box)})")

        go = f"() => emit(document.getElementById({_quoted(box)})?.value || '')"
        button.on("click", press, js_handler=f"(e) => helmSure(e, {go})" if sure else go)

    async def act(self, right: Right, change: Callable[[str], Any], done: Done = "") -> bool:
        """Do it in their name and tell what came of it; False where it was refused."""
        try:
            made = await self.sheet.visitor.act(right, change)
        except TwinhelmError as error:
            self.refuse(error)
            return False
        self.still()
        if done:
            self._said.show((made,), lambda _: done(made) if callable(done) else say(done))
        for live in self.sheet.lives:
            await live.ask()
        return True

    def refuse(self, error: TwinhelmError) -> None:
        """Tell why it was not done."""
        told = sentences(error.message, error.hint)
        self._said.show(told, lambda said: say(said, kind="failed"))

    def still(self) -> None:
        """Take back what was told."""
        self._said.show("", lambda _: None)

    def barred(self, right: Right) -> None:
        """Say why the visitor may not, where they may not."""
        if why := self.sheet.visitor.why_not(right):
            Node("span", why, "muted small")


def _quoted(text: str) -> str:
    return json.dumps(text).decode()
