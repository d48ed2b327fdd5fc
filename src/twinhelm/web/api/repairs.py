"""Runbooks and repairs: what there is, what would be done, who lets it, how it went; the stop."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Body, Path, Query
from starlette.responses import Response

from twinhelm.aiops.automate.repair import Repair, RepairState
from twinhelm.aiops.automate.runbook import Level
from twinhelm.aiops.flow.repairs.desk import asked_for
from twinhelm.aiops.flow.repairs.judging import Judged, PastFit
from twinhelm.aiops.flow.repairs.kept import Book, Switch
from twinhelm.aiops.flow.repairs.standing import Shelved, shelf
from twinhelm.core.errors import BadInput
from twinhelm.core.ports import JournalRow
from twinhelm.web.api.words import By, Limit, Of, Roles, Router
from twinhelm.web.frame import json_answer

__all__ = ["router"]

router = Router(tags=["repairs"])

BOOK = ("name", "version", "digest", "source", "by", "time_ms", "level")
SHELVED = ("says", "owner", "dangerous", "autonomy", "fault")
Name = Annotated[str, Path(min_length=1, max_length=63)]
Key = Annotated[str, Path(min_length=3, max_length=40)]
Number = Annotated[int, Body(ge=1, le=(1 << 53) - 1)]
Values = Annotated[dict[str, str] | None, Body(max_length=50)]
Text = Annotated[str, Body(embed=True, min_length=1, max_length=64_000)]
Reason = Annotated[str, Body(embed=True, max_length=2000)]
States = Annotated[list[RepairState] | None, Query(alias="state", max_length=20)]
Incident = Annotated[int | None, Query(ge=1, le=(1 << 53) - 1)]


@dataclass(frozen=True, slots=True)
class RepairFile:
    """A repair, what may be answered to its open question, and its journal."""

    repair: Repair
    choices: Mapping[str, str]
    journal: tuple[JournalRow, ...]


@router.get("/runbooks")
def runbooks(house: Of) -> Response:
    """List the runbooks in use, and how far each goes by itself; ``fault``: it cannot be used."""
    return json_answer([_told(one) for one in shelf(house.repairs.books)]).response()


@router.get("/runbooks/{name}")
def runbook(house: Of, name: Name) -> Response:
    """Open one runbook: its text, what was read in it, its versions and what they did."""
    books = house.repairs.books
    (shelved,) = shelf(house.repairs.books, name)
    read = None if shelved.fault else books.runbook(shelved.book)
    told = {
        "shelved": _told(shelved), "text": shelved.book.text,
        "says": read.model_dump(mode="json", by_alias=True) if read else {},
        "versions": books.versions(name), "repairs": shelved.repairs,
    }  # fmt: skip
    return json_answer(told).response()


@router.post("/runbooks", status_code=201)
def add(house: Of, by: By, text: Text) -> Book:
    """Take a runbook, or a new version of one; what is wrong is told by line and column."""
    return house.repairs.books.add(text, source="api", by=by)


@router.post("/runbooks/check")
def check(house: Of, text: Text) -> Response:
    """Read a runbook and keep nothing of it; what is wrong is told by line and column."""
    read = house.repairs.books.check(text)
    return json_answer(read.model_dump(mode="json", by_alias=True)).response()


@router.post("/runbooks/backtest")
def backtest(
    house: Of,
    text: Annotated[str, Body(max_length=64_000)] = "",
    name: Annotated[str, Body(max_length=63)] = "",
    limit: Annotated[int, Body(ge=1, le=1000)] = 200,
) -> list[PastFit]:
    """Say on which past incidents a runbook, in use or by its text, would have run, and why."""
    books = house.repairs.books
    if bool(text) == bool(name):
        raise BadInput("say which runbook: its text or its name, one of them")
    read = books.check(text) if text else books.runbook(books.get(name))
    return house.repairs.judge.backtest(read, limit=limit)


@router.delete("/runbooks/{name}", status_code=204)
def remove(house: Of, by: By, name: Name) -> None:
    """Let a runbook that came from the API be used no more."""
    house.repairs.books.remove(name, source="api", by=by)


@router.post("/runbooks/{name}/level")
def level(house: Of, by: By, name: Name, level: Annotated[Level | None, Body(embed=True)]) -> Book:
    """Say how far a runbook may go by itself at most; null: as its author says."""
    return house.repairs.books.set_level(name, level, by=by)


@router.post("/runbooks/{name}/dry-run")
def dry_run(house: Of, by: By, name: Name, incident: Number, values: Values = None) -> Judged:
    """Say exactly what a run for an incident would do, and whether it may."""
    return house.repairs.judge.dry_run(name, incident, by=by, values=values)


@router.post("/runbooks/{name}/run", status_code=202)
def run(house: Of, by: By, name: Name, incident: Number, values: Values = None) -> Repair:
    """Ask for a repair: it begins, or waits for people to agree."""
    return house.repairs.desk.run(name, incident, by=by, values=values)


@router.get("/incidents/{incident_id}/runbooks")
def fitting(house: Of, incident_id: Annotated[int, Path(ge=1, le=(1 << 53) - 1)]) -> list[Judged]:
    """Say of every runbook whether it is for an incident, and why not."""
    return house.repairs.judge.fitting(incident_id)


@router.get("/repairs")
def repairs(
    house: Of, states: States = None, incident: Incident = None, limit: Limit = 100
) -> list[Repair]:
    """List repairs, the newest first."""
    return house.repairs.desk.list(states=states, incident=incident, limit=limit)


@router.get("/repairs/{repair_id}")
def repair(house: Of, repair_id: Key) -> RepairFile:
    """Open one repair: its plan, its answers, its steps, what was verified, what happened."""
    found = house.repairs.desk.get(repair_id)
    rows = house.journal.read(subject=f"repair/{repair_id}", limit=1000)
    return RepairFile(found, asked_for(found) if found.question else {}, tuple(rows))


@router.post("/repairs/{repair_id}/answer")
def answer(
    house: Of,
    by: By,
    roles: Roles,
    repair_id: Key,
    agrees: Annotated[bool, Body()],
    note: Annotated[str, Body(max_length=2000)] = "",
    choice: Annotated[str, Body(max_length=20)] = "",
) -> Repair:
    """Agree that a repair begin, or refuse; half-way, choose what to make of a step."""
    desk = house.repairs.desk
    return desk.answer(repair_id, agrees=agrees, note=note, by=by, roles=roles, choice=choice)


@router.post("/repairs/{repair_id}/stop")
def stop(house: Of, by: By, repair_id: Key, reason: Reason = "") -> Repair:
    """End a repair where it stands, or a request for one."""
    return house.repairs.desk.stop(repair_id, by=by, reason=reason)


@router.post("/repairs/{repair_id}/undo", status_code=202)
def undo(house: Of, by: By, repair_id: Key) -> Repair:
    """Take back what a stopped repair did."""
    return house.repairs.desk.undo(repair_id, by=by)


@router.get("/stop")
def switch(house: Of) -> Switch:
    """Say whether the stop switch is pulled."""
    return house.repairs.desk.switch


@router.post("/stop")
def pull(house: Of, by: By, reason: Reason = "") -> Switch:
    """Halt every repair now; none begins until the switch is released."""
    return house.repairs.desk.pull(by=by, reason=reason)


@router.post("/stop/release")
def release(house: Of, by: By, reason: Reason = "") -> Switch:
    """Let repairs begin again; those that were halted stay halted."""
    return house.repairs.desk.release(by=by, reason=reason)


@router.get("/automation")
def automation(house: Of) -> Response:
    """Tell the policy, the environment, the switch, repairs by state and files that are wrong."""
    books = house.repairs.books
    with house.records.reading() as unit:
        counts = {state.value: unit.count("repair", state=state) for state in RepairState}
    told = {
        "environment": house.settings.server.environment,
        "stop": house.repairs.desk.switch, "repairs": counts, "wrong": dict(books.wrong),
        "folder": str(books.folder or ""),
        "policy": books.policy.model_dump(mode="json", by_alias=True),
    }  # fmt: skip
    return json_answer(told).response()


def _told(one: Shelved) -> dict[str, Any]:
    told = {name: getattr(one.book, name) for name in BOOK}
    return told | {name: getattr(one, name) for name in SHELVED}
