"""How runbooks and repairs rest in the records: one kind of record per noun.

| kind | key | state | parent | time_ms |
| --- | --- | --- | --- | --- |
| runbook | name | used, removed | | taken |
| runbook_past | name/version | | name | taken |
| repair | id: incident-n | proposed, asked, ... | incident/id | asked |
| switch | stop | on, off | | turned |
| cursor | repairs | | | |

A version of a runbook is written once and never changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from twinhelm.aiops.automate.repair import Repair, RepairState
from twinhelm.aiops.automate.runbook import Level
from twinhelm.aiops.records import incident_ref
from twinhelm.core.errors import NotFound
from twinhelm.core.ports import Record
from twinhelm.events.journal import JournalWriter
from twinhelm.events.kinds.repairs import RepairEnded
from twinhelm.events.values import Reading, Shelf, load

__all__ = [
    "ACTOR", "SHELF", "Book", "Cursor", "Switch", "ended", "find_repairs", "get_book", "get_repair",
    "put_book", "put_repair", "switch_of",
]  # fmt: skip


ACTOR = "twinhelm"
"""In whose name is written what nobody asked for."""


@dataclass(frozen=True, slots=True)
class Book:
    """A version of a runbook as it was taken; ``level`` is what a person set, empty for nothing.

    ``source`` is library, folder or api; ``commit`` that of the folder, where it has one.
    """

    name: str
    version: int
    digest: str
    text: str
    source: str
    by: str
    time_ms: int
    level: Level | None = None
    removed: bool = False
    commit: str | None = None


@dataclass(frozen=True, slots=True)
class Switch:
    """The stop switch: whether it is pulled, by whom, since when and why."""

    on: bool = False
    by: str = ""
    reason: str = ""
    time_ms: int = 0


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far the journal was followed; ``held`` are incidents to be looked at again."""

    seq: int
    held: Mapping[int, int] = field(default_factory=dict)


SHELF = Shelf({
    Book: ("runbook", lambda one: (
        one.name, "removed" if one.removed else "used", "", one.time_ms
    )),
    Repair: ("repair", lambda one: (
        one.id, one.state, incident_ref(one.incident), one.asked_ms
    )),
    Switch: ("switch", lambda one: ("stop", "on" if one.on else "off", "", one.time_ms)),
    Cursor: ("cursor", lambda _: ("repairs", "", "", 0)),
})  # fmt: skip


def put_book(write: JournalWriter, book: Book, *, new: bool) -> None:
    """Write the runbook as it is used now, and, if it is new, its version for good."""
    SHELF.put(write, book)
    if new:
        key = f"{book.name}/{book.version:04d}"
        write.put(Record("runbook_past", key, asdict(book), "", book.name, book.time_ms))


def get_book(unit: Reading, name: str, version: int | None = None) -> Book:
    """Read a runbook as it is used now, or one version of it; raises :class:`NotFound`."""
    if version is None:
        record = unit.get("runbook", name)
    else:
        record = unit.get("runbook_past", f"{name}/{version:04d}")
    if record is None:
        of = f" with a version {version}" if version is not None else ""
        said = f"there is no runbook {name[:80]!r}{of}"
        raise NotFound(said, hint="`twinhelm runbook list` tells what there is")
    return load(Book, record)


def put_repair(write: JournalWriter, repair: Repair) -> None:
    """Write a repair over whatever stood there."""
    SHELF.put(write, repair)


def ended(
    write: JournalWriter, repair: Repair, state: RepairState, reason: str, now_ms: int
) -> Repair:
    """Write that a repair is over, and tell of it; people must go on unless it helped."""
    repair = replace(repair, state=state, reason=reason, ended_ms=now_ms, question="")
    put_repair(write, repair)
    escalated = state not in (RepairState.VERIFIED, RepairState.REFUSED)
    told = repair.id, repair.incident, repair.runbook, state, reason
    write.event(RepairEnded(*told, escalated, repair.repair_s or 0.0))
    return repair


def get_repair(unit: Reading, repair_id: str) -> Repair:
    """Read a repair; raises :class:`NotFound`."""
    found = SHELF.get(unit, Repair, repair_id)
    if found is None:
        said = f"there is no repair {repair_id[:80]!r}"
        raise NotFound(said, hint="`twinhelm repair list` tells what there is")
    return found


def find_repairs(
    unit: Reading,
    *,
    states: Sequence[str] | None = None,
    incident: int | None = None,
    since_ms: int | None = None,
    limit: int = 1000,
) -> list[Repair]:
    """Read repairs, the newest first."""
    parent = None if incident is None else incident_ref(incident)
    return SHELF.find(unit, Repair, state=states, parent=parent, since_ms=since_ms,
                      newest_first=True, limit=limit)  # fmt: skip


def switch_of(unit: Reading) -> Switch:
    """Read the stop switch."""
    return SHELF.get(unit, Switch, "stop") or Switch()
