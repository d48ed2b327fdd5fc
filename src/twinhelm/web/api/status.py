"""How twinhelm is, what it decided, what it expects, what it refused, how it is set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel

from twinhelm.core.logs import strike_secrets
from twinhelm.web import VERSION
from twinhelm.web.api.asking import Limit, Of
from twinhelm.web.api.models import (
    DecisionOut,
    ForecastOut,
    RejectionOut,
    SettingOut,
    StatusOut,
    StoreOut,
)
from twinhelm.web.who import Asker

__all__ = ["router"]

router = APIRouter(tags=["status"])


@router.get("/status")
def status(request: Request, house: Of) -> StatusOut:
    """Say how twinhelm is, and who asks."""
    asker: Asker = request.state.asker
    return StatusOut(
        version=VERSION,
        environment=house.settings.server.environment,
        ready=house.ready,
        now_ms=house.clock.now_ms(),
        last_tick_ms=house.watch.last_tick_ms,
        store=StoreOut.model_validate(house.telemetry.stats()),
        incidents=house.desk.counts(),
        asker=asker.identity.name,
        roles=sorted(role.value for role in asker.identity.roles),
    )


@router.get("/forecasts")
def forecasts(house: Of) -> list[ForecastOut]:
    """List what will run out, the likeliest soonest first."""
    return [ForecastOut.model_validate(each) for each in house.desk.forecasts()]


@router.get("/decisions")
def decisions(house: Of, limit: Limit = 100) -> list[DecisionOut]:
    """Say what became of recent signs, and why, the newest first."""
    return [DecisionOut.model_validate(each) for each in house.desk.decisions(limit)]


@router.get("/rejections")
def rejections(house: Of, limit: Limit = 200) -> list[RejectionOut]:
    """List what was not kept, by door, tenant and reason, the newest first."""
    found = house.intake.rejections.snapshot()
    return [RejectionOut.model_validate(each) for each in found[:limit]]


@router.get("/config")
def config(house: Of) -> list[SettingOut]:
    """List every setting."""
    return list(_settings(house.settings, ""))


def _settings(section: BaseModel, prefix: str) -> Iterator[SettingOut]:
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _settings(value, f"{name}.")
            continue
        default = field.get_default(call_default_factory=True)
        yield SettingOut(
            name=prefix + name,
            value=_shown(value),
            default=_shown(default),
            description=field.description or "",
        )


def _shown(value: Any) -> Any:
    """Show a setting's value; addresses may carry passwords, which are struck out."""
    if isinstance(value, bool | int | float | list) or value is None:
        return value
    return strike_secrets(str(value))
