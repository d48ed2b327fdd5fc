"""What the pages of the models' wing share: chips, numbers with intervals, checks, buttons.

In: the wing's own words. A number that is not known is written "unknown", never left out. A
button acts with the identity and rights that its visitor has at that moment.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from nicegui import ui
from nicegui.events import GenericEventArguments

from twinhelm.core import json
from twinhelm.core.errors import BadInput, TwinhelmError
from twinhelm.core.roles import Right
from twinhelm.mlops.types import Check, Verdict
from twinhelm.web.pages.elements import Column, Node, Region, chip, empty, say, sentences, table
from twinhelm.web.pages.sheet import Sheet

if TYPE_CHECKING:
    from twinhelm.app.models import Models

__all__ = [
    "Deeds", "bar", "check_table", "facts", "health_chip", "interval", "listed", "models_of",
    "number", "path_of", "stage_chip", "verdict_chip",
]  # fmt: skip

STAGES = {"live": "green", "approved": "blue", "refused": "red"}
VERDICTS = {Verdict.PASS: "green", Verdict.FAIL: "red", Verdict.UNKNOWN: "amber"}
HEALTH = {"good": "green", "drifted": "amber", "failing": "red"}
WORST_FIRST = [Verdict.FAIL, Verdict.UNKNOWN, Verdict.PASS]
MAX_TEXT = 4000
TWICE = """(e) => {{ const b = e.currentTarget, text = {text};
if (!b.dataset.sure) {{ b.dataset.sure = '1'; b.textContent = 'Sure? ' + text;
  setTimeout(() => {{ delete b.dataset.sure; b.textContent = text; }}, 4000); return; }}
delete b.dataset.sure; b.textContent = text;
emit(document.getElementById({box})?.value || ''); }}"""
"""A second press within four seconds confirms."""


def models_of(sheet: Sheet) -> Models:
    """Return the wing's flows."""
    return sheet.house.models


def path_of(product: str, version: str = "") -> str:
    """Return where a product, or one version of it, has its page."""
    path = f"/products/{quote(product, safe='')}"
    return f"{path}/versions/{quote(version, safe='')}" if version else path


def number(value: float | None) -> str:
    """Write a number with three digits; what is missing is "unknown"."""
    if value is None or not math.isfinite(value):
        return "unknown"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def interval(value: float | None, low: float | None, high: float | None) -> str:
    """Write a value with its 95 % interval."""
    known = all(each is not None and math.isfinite(each) for each in (low, high))
    return f"{number(value)} ({number(low)} to {number(high)})" if known else number(value)


def listed(values: Mapping[str, float], most: int = 3) -> str:
    """Write a few named numbers in a line."""
    return ", ".join(f"{name} {number(value)}" for name, value in list(values.items())[:most])


def facts(found: Mapping[str, object]) -> None:
    """Show names and what they hold; what is empty falls away."""
    with Node("dl", classes="facts"):
        for name, value in found.items():
            if value is not None and value not in ("", ()):
                Node("dt", name)
                Node("dd", number(value) if isinstance(value, float) else str(value))


def bar(share: float, says: str, colour: str = "") -> None:
    """Show a share of a whole as a length, with its words."""
    with Node("span", classes="row", style="flex-wrap:nowrap"):
        with Node("span", classes="meter", aria_hidden="true"):
            style = f"width:{max(0.0, min(1.0, share)):.0%}"
            Node("i", style=f"{style};background:var(--{colour})" if colour else style)
        Node("span", says, "small muted", style="white-space:nowrap")


def stage_chip(stage: str) -> Node:
    """Show how far a version, or a product, has come."""
    return chip(stage, STAGES.get(stage, ""))


def verdict_chip(verdict: str) -> Node:
    """Show what a check came to."""
    return chip(verdict, VERDICTS.get(Verdict(verdict), ""))


def health_chip(state: str) -> Node:
    """Show how a product fares."""
    return chip(f"health {state}" if state == "unknown" else state, HEALTH.get(state, ""))


def check_table(found: Sequence[Check]) -> None:
    """Show checks: what failed, what is unknown, gates, and what every version must keep."""
    table(
        sorted(found, key=lambda one: (WORST_FIRST.index(one.verdict), not one.wanted)),
        Column("Verdict", "tightcol", lambda one: verdict_chip(one.verdict)),
        Column("Check", "", _check_words),
        Column("Found", "num tightcol", lambda one: "" if one.value is None else number(one.value)),
        Column("Wanted", "", lambda one: one.wanted),
        nothing=lambda: empty("Nothing was checked yet."),
    )


def _check_words(one: Check) -> None:
    Node("b", one.name)
    Node("div", one.says, "muted wrapany")


class Deeds:
    """Buttons that do something in the visitor's name; a refusal is told where this was made."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        self._said = Region("wait")

    def button(
        self,
        text: str,
        right: Right,
        change: Callable[[str, str], object],
        *,
        box: str = "",
        needs: str = "",
        wrong: str = "",
        done: str = "",
        style: str = "small",
    ) -> None:
        """Offer what ``change`` does with a name and what stands in the field ``box``.

        ``needs`` names what must be written there, ``wrong`` says why it cannot be done now,
        ``done`` what is told when it was.
        """
        wrong = wrong or self.sheet.visitor.why_not(right)
        button = Node("button", text, style.replace("primary", "") if wrong else style)
        button.set(type="button", disabled=bool(wrong), title=wrong or None)

        async def act(event: GenericEventArguments) -> None:
            written = str(event.args or "")[:MAX_TEXT].strip()
            try:
                if needs and not written:
                    raise BadInput(f"nothing says {needs}", hint="write it beside the button")
                await self.sheet.visitor.act(right, lambda who: change(who, written))
            except TwinhelmError as error:
                told = sentences(error.message, error.hint)
                self._said.show(told, lambda said: say(said, kind="failed"))
                return
            self._said.show(done, lambda told: say(told) if told else None)
            if box:
                name = json.dumps(box).decode()
                ui.run_javascript(f"const t = document.getElementById({name}); if (t) t.value = ''")
            for live in self.sheet.lives:
                await live.ask()

        script = TWICE.format(text=json.dumps(text).decode(), box=json.dumps(box).decode())
        button.on("click", act, js_handler=script)

    def barred(self, right: Right) -> None:
        """Say why the visitor may not, where they may not."""
        if why := self.sheet.visitor.why_not(right):
            Node("span", why, "muted small")
