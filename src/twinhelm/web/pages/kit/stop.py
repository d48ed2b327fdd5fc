"""The stop switch of every page: one press, and a second that confirms, halt every repair.

The first press opens a dialog that says what is halted and takes a reason; its second button is
focused, so that two presses of a key do it. While the switch is pulled every page says who did it,
when, why, and how it is released.
"""

from __future__ import annotations

from typing import NamedTuple

from nicegui import ui

from twinhelm.aiops.automate.repair import OPEN, UNDER_WAY
from twinhelm.aiops.flow.repairs.kept import Switch
from twinhelm.core.roles import Right
from twinhelm.web.pages.kit.deeds import Deeds
from twinhelm.web.pages.kit.html import Node, Region, When, plural
from twinhelm.web.pages.kit.sheet import Sheet, holders

__all__ = ["DIALOG", "Halt", "Repairing", "repairing"]

DIALOG = "dialog-stop"
SAYS = (
    "What is being done ends at once, within a second, and no repair begins until the switch is "
    "released. What was done so far stands until somebody takes it back."
)


class Repairing(NamedTuple):
    """How repairs stand: the switch, how many are under way, how many wait for an answer."""

    switch: Switch
    going: int
    waiting: int


def repairing(sheet: Sheet) -> Repairing:
    """Ask how repairs stand."""
    house = sheet.house
    with house.records.reading() as unit:
        going = unit.count("repair", state=list(UNDER_WAY))
        return Repairing(house.repairs.desk.switch, going, unit.count("repair", state=list(OPEN)))


class Halt:
    """The button, built where it is made, its dialog and the banner; :meth:`show` keeps them true.

    :meth:`banner` and :meth:`dialog` are called where these shall stand.
    """

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet
        self._barred = sheet.visitor.why_not(Right.REMARK)
        self._button = Node("button", "Stop repairs", "small" if self._barred else "small danger")
        self._button.set(type="button", data_opens=DIALOG, aria_haspopup="dialog")
        self._button.set(disabled=bool(self._barred), title=self._barred or "Halt every repair")

    def banner(self) -> None:
        """Make room for what every page says while it is pulled."""
        self._pulled = Region("wait")
        self._deeds = Deeds(self._sheet)

    def dialog(self) -> None:
        """Make the dialog of the first press."""
        desk = self._sheet.house.repairs.desk
        with Node("dialog", id=DIALOG, aria_labelledby="title-stop"):
            Node("h2", "Halt every repair?", id="title-stop")
            with Node("div", classes="stack"):
                self._says = Region()
                Node("p", SAYS, "muted")
                with Node("label", classes="field"):
                    Node("span", "Why (it stands on every page and in the journal)")
                    Node("input", id="stop-reason", maxlength="400", autocomplete="off")
                deeds = Deeds(self._sheet)
                with Node("div", classes="row end"):
                    Node("button", "Cancel", type="button", data_closes=True)
                    go = Node("button", "Halt every repair", "danger", type="button")
                    go.set(autofocus=True)
        deeds.on(
            go,
            Right.REMARK,
            lambda who, text: desk.pull(by=who, reason=text),
            box="stop-reason",
            done=lambda _: ui.run_javascript(f"document.getElementById('{DIALOG}').close()"),
        )

    def show(self, now: Repairing) -> None:
        """Show how repairs stand."""
        on = now.switch.on
        why = self._barred or ("It is pulled already." if on else "")
        self._button.set(disabled=bool(why), title=why or "Halt every repair")
        self._pulled.show(now.switch, self._told)
        going = f"{plural(now.going, 'repair')} under way." if now.going else "None is under way."
        self._says.show(going, lambda text: Node("p", text, "lead"))

    def _told(self, switch: Switch) -> None:
        if not switch.on:
            return
        desk = self._sheet.house.repairs.desk
        with Node("div", classes="notice failed halted row", role="alert"):
            with Node("p", classes="grow"):
                Node("b", "Every repair is halted.")
                Node("span", f" {switch.by} pulled the stop switch ")
                When(switch.time_ms)
                Node("span", f": {switch.reason}. " if switch.reason else ", and gave no reason. ")
                Node("span", f"None begins until it is released, by {holders(Right.APPROVE)}.")
            self._deeds.button(
                "Let repairs begin again",
                Right.APPROVE,
                lambda who, _: desk.release(by=who, reason="released on the page"),
            )
