"""Messages to people: who is on call, what was sent, a try of a channel; and maintenance."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Body, Path, Query
from pydantic import Field

from twinhelm.aiops.flow.notices.desk import Duty
from twinhelm.aiops.flow.notices.kept import Standing
from twinhelm.aiops.flow.notices.maintenance import Maintenance, Weekly
from twinhelm.aiops.notify.messages import Delivery, DeliveryState
from twinhelm.aiops.notify.quality import Quality
from twinhelm.web.api.words import LATEST_MS, By, Limit, Of, Router

__all__ = ["router"]

router = Router(tags=["notices"])

Name = Annotated[str, Body(min_length=1, max_length=100)]
Moment = Annotated[int, Body(ge=0, le=LATEST_MS)]
Glob = Annotated[str, Field(max_length=200)]
Entities = Annotated[list[Glob], Body(min_length=1, max_length=50)]


@dataclass(frozen=True, slots=True)
class OnCall:
    """Who is on call, how each receiver fares, and what is wrong with the plan's file, if so."""

    duties: list[Duty]
    receivers: list[Standing]
    wrong: str


@dataclass(frozen=True, slots=True)
class Answers:
    """What a receiver said to a test message."""

    answers: list[str]


@router.get("/on-call")
def on_call(house: Of) -> OnCall:
    """Say who is on call now and next."""
    desk = house.notices.desk
    return OnCall(desk.duties(), desk.standings(), desk.wrong)


@router.get("/notices")
def notices(house: Of, state: DeliveryState | None = None, limit: Limit = 100) -> list[Delivery]:
    """List messages and each try to send them, the newest first."""
    return house.notices.desk.deliveries(state=state, limit=limit)


@router.post("/notices/test")
def try_channel(
    house: Of, by: By, channel: Name, person: Annotated[str, Body(max_length=100)] = ""
) -> Answers:
    """Send a test message by a channel now."""
    return Answers(house.notices.desk.test(channel, person, by=by))


@router.get("/alert-quality")
def alert_quality(
    house: Of,
    start_ms: Annotated[int, Query(ge=0, le=LATEST_MS)],
    end_ms: Annotated[int, Query(ge=0, le=LATEST_MS)],
) -> Quality:
    """Say how good the incidents of a range were: volume, actionable share, noise and its fix."""
    return house.notices.quality.over(start_ms, end_ms)


@router.get("/maintenance")
def maintenance(house: Of, limit: Limit = 200) -> list[Maintenance]:
    """List windows in which trouble is expected, the one that starts last first."""
    return house.notices.maintenance.all(limit=limit)


@router.post("/maintenance", status_code=201)
def plan(
    house: Of,
    by: By,
    start_ms: Moment,
    end_ms: Moment,
    entities: Entities,
    reason: Annotated[str, Body(min_length=1, max_length=400)],
    weekly: Annotated[Weekly | None, Body()] = None,
) -> Maintenance:
    """Plan a window for entities, written as patterns such as service:shop/*."""
    desk = house.notices.maintenance
    return desk.plan(start_ms, end_ms, entities, reason, by=by, weekly=weekly)


@router.delete("/maintenance/{window}", status_code=204)
def end(house: Of, by: By, window: Annotated[str, Path(max_length=40)]) -> None:
    """End a window now, or take it back before it begins."""
    house.notices.maintenance.end(window, by=by)
