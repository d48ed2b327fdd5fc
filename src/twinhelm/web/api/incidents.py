"""Incidents: list them, open one's file, take it, close it, remark on it."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Body, Path, Query

from twinhelm.aiops.flow.incidents import IncidentFile
from twinhelm.aiops.records import find_incidents, load_incident
from twinhelm.aiops.types import Incident, IncidentState
from twinhelm.core.errors import NotFound
from twinhelm.web.api.words import By, Limit, Of, Router

__all__ = ["router"]

router = Router(prefix="/incidents", tags=["incidents"])

Number = Annotated[int, Path(ge=1, le=(1 << 53) - 1)]
Before = Annotated[
    int | None, Query(ge=1, le=(1 << 53) - 1, description="Only what follows this incident.")
]
States = Annotated[list[IncidentState] | None, Query(max_length=4)]
Offset = Annotated[int, Query(ge=0, le=1_000_000)]
Note = Annotated[str, Body(embed=True, max_length=4000)]
Remark = Annotated[str, Body(embed=True, min_length=1, max_length=4000)]


@dataclass(frozen=True, slots=True)
class Incidents:
    """A page of incidents, whether older ones follow, and how many there are in each state."""

    incidents: list[Incident]
    older: bool
    counts: dict[str, int]


@router.get("")
def incidents(
    house: Of, state: States = None, before: Before = None, limit: Limit = 100, offset: Offset = 0
) -> Incidents:
    """List incidents, the newest first, of some states or of all."""
    with house.records.reading() as unit:
        last = None if before is None else load_incident(unit, before)
        if before is not None and last is None:
            raise NotFound(f"there is no incident {before}")
        one_more = {"limit": limit + 1, "offset": offset}
        found = find_incidents(unit, states=state, before=last, **one_more)
    return Incidents(found[:limit], len(found) > limit, house.desk.counts())


@router.get("/{incident_id}")
def incident(house: Of, incident_id: Number) -> IncidentFile:
    """Open the file of one incident; ``claims`` are its suspects, ranked."""
    return house.desk.file(incident_id)


@router.post("/{incident_id}/acknowledge")
def acknowledge(house: Of, by: By, incident_id: Number) -> Incident:
    """Take an incident in the asker's name."""
    return house.desk.acknowledge(incident_id, by=by)


@router.post("/{incident_id}/resolve")
def resolve(house: Of, by: By, incident_id: Number, note: Note = "") -> Incident:
    """Close an incident."""
    return house.desk.resolve(incident_id, by=by, note=note)


@router.post("/{incident_id}/comments", status_code=204)
def comment(house: Of, by: By, incident_id: Number, text: Remark) -> None:
    """Add a remark to the timeline."""
    house.desk.comment(incident_id, by=by, text=text)
