"""Incidents: list them, open one's file, take it, close it, remark on it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from twinhelm.aiops.types import IncidentState
from twinhelm.web.api.asking import By, Limit, Of
from twinhelm.web.api.models import IncidentFileOut, IncidentOut, IncidentsOut

__all__ = ["router"]

router = APIRouter(prefix="/incidents", tags=["incidents"])

Number = Annotated[int, Path(ge=1, le=(1 << 53) - 1)]


class Note(BaseModel):
    """A word that goes with closing."""

    note: str = Field("", max_length=4000)


class Comment(BaseModel):
    """A remark."""

    text: str = Field(min_length=1, max_length=4000)


@router.get("")
def incidents(
    house: Of,
    state: Annotated[list[IncidentState] | None, Query(max_length=4)] = None,
    limit: Limit = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> IncidentsOut:
    """List incidents, the newest first, of some states or of all."""
    found = house.desk.incidents(states=state, limit=limit, offset=offset)
    return IncidentsOut(
        incidents=[IncidentOut.model_validate(each) for each in found], counts=house.desk.counts()
    )


@router.get("/{incident_id}")
def incident(house: Of, incident_id: Number) -> IncidentFileOut:
    """Open the file of one incident."""
    return IncidentFileOut.model_validate(house.desk.file(incident_id))


@router.post("/{incident_id}/acknowledge")
def acknowledge(house: Of, by: By, incident_id: Number) -> IncidentOut:
    """Take an incident in the asker's name."""
    return IncidentOut.model_validate(house.desk.acknowledge(incident_id, by=by))


@router.post("/{incident_id}/resolve")
def resolve(house: Of, by: By, incident_id: Number, note: Note | None = None) -> IncidentOut:
    """Close an incident."""
    said = note.note if note else ""
    return IncidentOut.model_validate(house.desk.resolve(incident_id, by=by, note=said))


@router.post("/{incident_id}/comments", status_code=204)
def comment(house: Of, by: By, incident_id: Number, remark: Comment) -> None:
    """Add a remark to the timeline."""
    house.desk.comment(incident_id, by=by, text=remark.text)
