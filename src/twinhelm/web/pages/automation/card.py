"""The repairs of an incident, on its page: the one under way, or which runbooks fit and why.

While an incident lasts and nothing is under way, each runbook that fits is shown with its exact
plan and whether it may run; those that do not fit say why not.
"""

from __future__ import annotations

from twinhelm.aiops.flow.repairs.judging import Judged
from twinhelm.aiops.flow.repairs.kept import find_repairs
from twinhelm.aiops.records import load_incident
from twinhelm.aiops.types import LIVE
from twinhelm.core.roles import Right
from twinhelm.web.pages.automation.mending import Mending, Repaired, repaired
from twinhelm.web.pages.automation.parts import plan_view, repair_chip, repair_path, runbook_link
from twinhelm.web.pages.kit import html
from twinhelm.web.pages.kit.deeds import Deeds
from twinhelm.web.pages.kit.html import Column, Node, Region, When
from twinhelm.web.pages.kit.sheet import Live, Sheet

__all__ = ["mending_card"]

VERDICTS = {
    "allow": ("would act by itself", "green"), "ask": ("asks first", "blue"),
    "deny": ("is held back", "amber"),
}  # fmt: skip
EVERY_S = 2.0
FIT_S = 10.0

Repairs = tuple[list[Repaired], bool]
"""The incident's repairs, the newest first, and whether a new one could be asked for."""


async def mending_card(sheet: Sheet, number: int) -> None:
    """Build the card."""
    house = sheet.house

    def ask() -> Repairs:
        with house.records.reading() as unit:
            found = find_repairs(unit, incident=number, limit=20)
            incident = load_incident(unit, number)
            free = incident is not None and incident.state in LIVE
            free = free and all(one.state.over for one in found)
            return [repaired(sheet, unit, one) for one in found], free

    def show(now: Repairs) -> None:
        found, free = now
        if found:
            newest.show(found[0])
        earlier.show([(one.repair.id, one.repair.state) for one in found[1:]],
                     lambda _: _earlier(found[1:]))  # fmt: skip
        nothing.show((not found, free), lambda _: _none(number) if not (found or free) else None)
        fitting.box.set_visibility(free)

    def judge() -> list[Judged]:
        with house.records.reading() as unit:
            incident = load_incident(unit, number)
        live = incident is not None and incident.state in LIVE
        return house.repairs.judge.fitting(number) if live else []

    with Node("section", classes="card stack", id="repairs"):
        html.card_head("Repairs", "All repairs", "/repairs")
        newest = Mending(sheet)
        earlier, nothing = Region("wait"), Region("wait")
        deeds = Deeds(sheet)
        fitting = Region("stack tight")
        await Live(sheet, ask, show, every_s=EVERY_S).start()
        await Live(
            sheet,
            judge,
            lambda found: fitting.show(found, lambda _: _fitting(number, found, deeds)),
            every_s=FIT_S,
        ).start()


def _none(number: int) -> None:
    with Node("p", classes="muted"):
        Node("span", "Nothing was repaired here by a runbook. ")
        Node("a", "Write one for the next time", href=f"/runbooks/_new?incident={number}")


def _earlier(found: list[Repaired]) -> None:
    if not found:
        return
    with Node("details"):
        Node("summary", html.plural(len(found), "earlier repair"))
        html.table(
            [one.repair for one in found],
            Column("Repair", "tightcol", lambda one: Node("a", one.id, href=repair_path(one))),
            Column("Runbook", "", lambda one: runbook_link(one.runbook)),
            Column("State", "tightcol", lambda one: repair_chip(one.state)),
            Column("When", "tightcol", lambda one: When(one.asked_ms)),
        )


def _fitting(number: int, found: list[Judged], deeds: Deeds) -> None:
    fits = [one for one in found if one.fit.fits]
    others = [one for one in found if not one.fit.fits]
    if not fits:
        Node("p", "No runbook is for this incident." if found else "There is no runbook yet.",
             "lead")  # fmt: skip
    for one in fits:
        _offer(number, one, deeds)
    if others:
        with Node("details"):
            Node("summary", f"Why not? {html.plural(len(others), 'runbook')} not for this")
            html.table(
                others,
                Column("Runbook", "namecol", lambda one: runbook_link(one.fit.runbook)),
                Column("Why not", "wrapany", lambda one: html.sentence("; ".join(one.fit.why))),
            )
    with Node("p", classes="row"):
        says = (
            "Write another runbook for it" if fits else "Write a runbook with its facts filled in"
        )
        Node("a", says, href=f"/runbooks/_new?incident={number}")


def _offer(number: int, one: Judged, deeds: Deeds) -> None:
    name, repairs = one.fit.runbook, deeds.sheet.house.repairs
    with Node("div", classes="row"):
        runbook_link(name)
        html.chip(*VERDICTS.get(one.verdict, (one.verdict, "")))
        Node("span", html.sentence(one.reason), "muted wrapany")
    html.points(one.fit.why)
    if one.plan is not None:
        with Node("details"):
            Node("summary", "What it would do exactly")
            plan_view(one.plan)
    with Node("div", classes="row"):
        deeds.button(
            f"Ask for {name}",
            Right.OPERATE,
            lambda who, _: repairs.desk.run(name, number, by=who),
            wrong=html.sentence(one.reason) if one.verdict == "deny" else "",
            style="",
        )
        deeds.barred(Right.OPERATE)
