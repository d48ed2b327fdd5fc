"""Who let what go live: the inbox of requests, what was live when, and the inventory."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Body, Query
from starlette.responses import Response

from twinhelm.mlops.types import Approval
from twinhelm.web.api.products import Note
from twinhelm.web.api.words import LATEST_MS, By, Of, Roles, Router
from twinhelm.web.frame import json_answer

__all__ = ["router"]

router = Router(tags=["approvals"])

ApprovalId = Annotated[str, Body(alias="id", min_length=1, max_length=400)]
At = Annotated[
    int | None, Query(ge=0, le=LATEST_MS, description="Epoch ms; now where it is left out.")
]


@dataclass(frozen=True, slots=True)
class Catalogued:
    """A catalogue of controls: a law, a standard, a rule of the house."""

    name: str
    title: str
    source: str
    notice: str


@router.get("/approvals")
def approvals(house: Of) -> list[Approval]:
    """List the requests that wait for an answer."""
    return house.models.promotions.inbox()


@router.post("/approvals")
def answer(
    house: Of,
    by: By,
    roles: Roles,
    approval_id: ApprovalId,
    agrees: Annotated[bool, Body()],
    note: Note = "",
) -> Approval:
    """Agree that a version go live, or refuse; never one's own request or version."""
    return house.models.promotions.answer(approval_id, agrees=agrees, note=note, by=by, roles=roles)


@router.get("/live")
def live(house: Of, at: At = None) -> Response:
    """Tell what was live at a time, who asked for it and who agreed, from the journal alone."""
    moment = house.clock.now_ms() if at is None else at
    return json_answer(house.models.promotions.live_at(moment)).response()


@router.get("/inventory")
def inventory(house: Of) -> Response:
    """List every model with its purpose, owner, tier, stage and evidence, for a register of AI."""
    return json_answer(house.models.evidence.inventory()).response()


@router.get("/catalogues")
def catalogues(house: Of) -> list[Catalogued]:
    """List the catalogues of controls that evidence can be packed for."""
    return [Catalogued(**one) for one in house.models.evidence.catalogues()]
