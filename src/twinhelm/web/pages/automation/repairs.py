"""All repairs, what waits for people first; one of them, with its plan, steps and journal."""

from __future__ import annotations

import re

from twinhelm.aiops.automate.repair import OPEN, UNDER_WAY, Repair, RepairState
from twinhelm.aiops.flow.repairs.kept import find_repairs, get_repair
from twinhelm.aiops.records import load_incident
from twinhelm.aiops.words import place
from twinhelm.core.errors import NotFound
from twinhelm.core.ports import JournalRow
from twinhelm.web.pages.automation.mending import Mending, Repaired, barred_of, repaired
from twinhelm.web.pages.automation.parts import repair_chip, repair_path, runbook_link, span
from twinhelm.web.pages.kit import html
from twinhelm.web.pages.kit.frame import framed, title_row
from twinhelm.web.pages.kit.html import Column, Node, Region, When
from twinhelm.web.pages.kit.sheet import Live, Sheet, work
from twinhelm.web.pages.kit.stop import repairing
from twinhelm.web.pages.ledgers import journal_rows

__all__ = ["repair", "repairs", "waiting_note"]

CHOICES: dict[str, tuple[str, tuple[RepairState, ...]]] = {
    "": ("All", tuple(RepairState)),
    "waiting": ("Waiting for people", OPEN),
    "going": ("Under way", UNDER_WAY),
    "over": ("Over", tuple(state for state in RepairState if state.over)),
}
MOST = 200
EVERY_S = 2.0

Listed = tuple[list[tuple[Repair, bool]], dict[str, int]]
"""Repairs, each with whether it waits for this visitor; how many there are of each choice."""


async def repairs(sheet: Sheet) -> None:
    """Show the list."""
    chosen = sheet.asked("state")
    chosen = chosen if chosen in CHOICES else ""

    def ask() -> Listed:
        with sheet.house.records.reading() as unit:
            found = find_repairs(unit, states=CHOICES[chosen][1], limit=MOST)
            mine = [
                one.state in OPEN and not barred_of(sheet, one, load_incident(unit, one.incident))
                for one in found
            ]
            counts = {key: unit.count("repair", state=list(states))
                      for key, (_, states) in CHOICES.items()}  # fmt: skip
        rows = list(zip(found, mine, strict=True))
        rows.sort(key=lambda row: (not row[1], row[0].state not in OPEN,
                                   row[0].state not in UNDER_WAY))  # fmt: skip
        return rows, counts

    def show(now: Listed) -> None:
        rows, counts = now
        choices.show(counts, lambda _: _choices(chosen, counts))
        listed.show(rows, lambda _: _table(rows, chosen))

    with framed(sheet, "Repairs", "What runbooks do about incidents, and who let them",
                wing="machines"):  # fmt: skip
        choices, listed = Region(), Region("card flush")
        await Live(sheet, ask, show, every_s=EVERY_S).start()


def _choices(chosen: str, counts: dict[str, int]) -> None:
    offered = (
        (html.address("/repairs", state=key), f"{text} {counts[key]}")
        for key, (text, _) in CHOICES.items()
    )
    html.segments("State", offered, html.address("/repairs", state=chosen))


def _table(rows: list[tuple[Repair, bool]], chosen: str) -> None:
    html.table(
        rows,
        Column("", "tightcol", lambda row: Node("a", row[0].id, href=repair_path(row[0]))),
        Column("State", "tightcol", _state),
        Column("Runbook", "", lambda row: runbook_link(row[0].runbook)),
        Column("On", "wrapany", lambda row: place(row[0].plan.target)),
        Column("Incident", "tightcol", _incident),
        Column("Asked", "tightcol", lambda row: When(row[0].asked_ms)),
        Column("By", "namecol", lambda row: row[0].asked_by),
        Column("Time to repair", "num tightcol", _took),
        Column("What came of it", "cutoff", lambda row: html.sentence(row[0].reason)),
        nothing=lambda: _quiet(chosen),
        href=lambda row: repair_path(row[0]),
    )


def _state(row: tuple[Repair, bool]) -> None:
    repair_chip(row[0].state)
    if row[1]:
        Node("div", "waits for you", "small")
    elif row[0].state in OPEN and row[0].needs > 1:
        agreed = sum(one.agrees for one in row[0].answers)
        Node("div", f"{agreed} of {row[0].needs} agreed", "small muted")


def _incident(row: tuple[Repair, bool]) -> None:
    Node("a", f"#{row[0].incident}", href=f"/incidents/{row[0].incident}")


def _took(row: tuple[Repair, bool]) -> str:
    return span(row[0].repair_s) if row[0].repair_s is not None else ""


def _quiet(chosen: str) -> None:
    if chosen == "waiting":
        html.empty("Nothing waits for an answer.", good=True)
    elif chosen:
        html.empty("None.", good=chosen == "going")
    else:
        says = "A runbook that fits an incident is suggested on its page, asks, or acts, as far as "
        lead, says = "No repair was needed yet.", f"{says}it has earned."
        with html.empty(lead, says, good=True), Node("p"):
            Node("a", "See the runbooks", href="/runbooks")


async def repair(sheet: Sheet) -> None:
    """Show one; raises :class:`NotFound`."""
    key, house = str(sheet.request.path_params["repair_id"]), sheet.house
    if not re.fullmatch(r"[0-9]{1,15}-[0-9]{1,6}", key):
        raise NotFound(f"there is no repair {key[:40]}", hint="/repairs lists them")

    def ask() -> tuple[Repaired, list[JournalRow]]:
        with house.records.reading() as unit:
            found = repaired(sheet, unit, get_repair(unit, key))
        return found, house.journal.read(subject=f"repair/{key}", limit=MOST)

    await work(ask)  # so that what is not there is answered with 404
    with framed(sheet, wing="machines"):
        html.crumbs(("Repairs", "/repairs"), (key, ""))
        title_row(f"Repair {key}")
        with Node("section", classes="card stack"):
            one = Mending(sheet, alone=True)
        with Node("section", classes="card flush"):
            rows = Region()

        def show(now: tuple[Repaired, list[JournalRow]]) -> None:
            one.show(now[0])
            rows.show(now[1], journal_rows)

        await Live(sheet, ask, show, every_s=EVERY_S).start()


def waiting_note(sheet: Sheet) -> None:
    """Say that repairs wait for an answer too, where they do; of a page with other requests."""
    count = repairing(sheet).waiting
    if count:
        with html.say("", kind="amber"):
            says = html.plural(count, "repair waits" if count == 1 else "repair")
            Node("a", f"{says}{'' if count == 1 else ' wait'} for an answer too",
                 href="/repairs?state=waiting")  # fmt: skip
