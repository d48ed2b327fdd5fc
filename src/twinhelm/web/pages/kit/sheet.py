"""What the builder of one page is given: the house, who looks, what the address asks.

A page lives on over a websocket that carries no headers. So whoever asked is bound when it is
built, and asked after each time: an ended session or a lost role counts within seconds.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from nicegui import ui
from starlette.requests import Request

from twinhelm.core.errors import Denied, TwinhelmError, Unauthenticated
from twinhelm.core.roles import GRANTS, Identity, Right, allows
from twinhelm.web.pages.kit.drawing import Drawer
from twinhelm.web.pages.kit.html import Node, Region, say, sentences
from twinhelm.web.who import Asker

if TYPE_CHECKING:
    from twinhelm.app import House

__all__ = ["RANGES", "Live", "Sheet", "Visitor", "follow", "holders", "work"]

T = TypeVar("T")
WORKERS = ThreadPoolExecutor(8, "twinhelm-page")
"""Pages wait here for stores, apart from the doors and the API."""
HOUR_MS = 3_600_000
RANGES = {"15m": HOUR_MS // 4, "1h": HOUR_MS, "6h": 6 * HOUR_MS, "24h": 24 * HOUR_MS}
RANGES |= {"7d": 7 * 24 * HOUR_MS, "30d": 30 * 24 * HOUR_MS}
"""The lengths of time that the header offers."""

MAX_TEXT = 4096
LATEST_MS = 253_402_300_799_000
PATIENCE_S = 0.3
"""A page waits this long for its first answer; then it shows that it is on its way."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """One reader of one page."""

    house: House
    asker: Asker

    @property
    def name(self) -> str:
        """Name them as the journal does."""
        return self.asker.identity.name

    @property
    def signed_in(self) -> bool:
        """Tell whether somebody signed in."""
        return self.asker.identity.proof == "session"

    def may(self, right: Right) -> bool:
        """Tell whether they might do something, for what the page offers; see :meth:`act`."""
        return allows(self.asker.identity, right)

    def why_not(self, right: Right) -> str:
        """Say what somebody needs who may not do something; empty where they may."""
        if self.may(right):
            return ""
        if self.asker.identity.proof == "loopback":
            return f"Sign in first: this needs the role {holders(right)}."
        return f"{self.name} may not do this: it needs the role {holders(right)}."

    async def act(self, right: Right, change: Callable[[str], T]) -> T:
        """Do ``change`` in a worker thread, in their name.

        Raises :class:`Unauthenticated` or :class:`Denied` unless they may do so now.
        """

        def checked() -> T:
            identity = self._now()
            if identity is None:
                said = "nobody is signed in, or the session has ended"
                raise Unauthenticated(said, hint="sign in and try again")
            if not allows(identity, right):
                hint = f"it needs the role {holders(right)}"
                raise Denied(f"{identity.name} may not do this", hint=hint)
            return change(identity.name)

        return await work(checked)

    async def read(self, question: Callable[[], T]) -> T:
        """Answer in a worker thread; raises :class:`Unauthenticated` if they no longer may."""

        def checked() -> T:
            if not self.asker.trusted:
                identity = self._now()
                if identity is None or not allows(identity, Right.READ):
                    raise Unauthenticated("the session has ended", hint="sign in again")
            return question()

        return await work(checked)

    def _now(self) -> Identity | None:
        proof, identities = self.asker.identity.proof, self.house.identities
        if proof == "session":
            return identities.resolve_session(self.asker.session)
        if proof == "token":
            # Its secret is not kept here, so it is asked after by name: pages opened with one
            # end with it, and only show.
            shown = self.asker.identity.token
            known = next((one for one in identities.tokens() if one.name == shown), None)
            return Identity(self.name, known.roles, "token", shown) if known else None
        return None


async def work(question: Callable[[], T]) -> T:
    """Call ``question`` in a worker thread, so that what waits there holds up no other page."""
    return await asyncio.get_running_loop().run_in_executor(WORKERS, question)


def holders(right: Right) -> str:
    """Name the roles that grant a right: "admin or operator"."""
    return " or ".join(sorted(role.value for role, rights in GRANTS.items() if right in rights))


@dataclass(frozen=True, slots=True)
class Sheet:
    """See the module."""

    house: House
    visitor: Visitor
    drawer: Drawer
    request: Request
    lives: list[Live[Any]] = field(default_factory=list)

    def asked(self, name: str, usual: str = "") -> str:
        """Return a parameter of the address, cut to a sane length."""
        return self.request.query_params.get(name, usual)[:MAX_TEXT]

    @property
    def range_name(self) -> str:
        """Name the length of time that the page shows."""
        said = self.asked("range")
        return said if said in RANGES else "1h"

    @property
    def fixed(self) -> tuple[int, int] | None:
        """Return the range ``from``..``to`` that the address pins, in ms; None where it moves."""
        start, end = self.asked("from"), self.asked("to")
        if not (re.fullmatch(r"\d{1,15}", start) and re.fullmatch(r"\d{1,15}", end)):
            return None
        low, high = int(start), min(int(end), LATEST_MS)
        return (low, high) if 0 < high - low <= 400 * 86_400_000 else None

    def range(self) -> tuple[int, int]:
        """Return the range to show now, in ms."""
        if self.fixed is not None:
            return self.fixed
        now = self.house.clock.now_ms()
        return now - RANGES[self.range_name], now


class Live(Generic[T]):
    """A part of a page that stays true by itself; made inside the box where it shows.

    It asks a question every ``every_s`` while somebody looks (0: once), one at a time, and hands
    the answer to what shows it; where an answer cannot be had, it says so in place.
    """

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
        self._busy = self._stood = self._asked = False
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
