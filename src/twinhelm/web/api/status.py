"""How twinhelm is, what it decided, expects and refused, what was done, and how it is set."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Body, Query, Request
from pydantic import BaseModel

from twinhelm.aiops.correlate import Decision
from twinhelm.aiops.types import Forecast, Rejection
from twinhelm.app import Moved
from twinhelm.core.errors import Conflict
from twinhelm.core.logs import strike_secrets
from twinhelm.core.ports import JournalRow, StoreStats
from twinhelm.core.settings import Settings
from twinhelm.events.chain import Verification
from twinhelm.web import VERSION
from twinhelm.web.api.words import LATEST_MS, Limit, Of, Router
from twinhelm.web.who import Asker

__all__ = ["listed", "router"]

router = Router(tags=["status"])

Word = Annotated[str, Query(max_length=300)]


@dataclass(frozen=True, slots=True)
class Status:
    """How twinhelm is, and who asks."""

    version: str
    environment: str
    ready: bool
    now_ms: int
    last_tick_ms: int
    store: StoreStats
    incidents: dict[str, int]
    asker: str
    roles: list[str]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its value and its default, from which secrets are struck out.

    ``source`` says what set it: flag, environment, file, or default.
    """

    name: str
    value: Any
    default: Any
    description: str
    source: str


@router.get("/status")
def status(request: Request, house: Of) -> Status:
    """Say how twinhelm is, and who asks."""
    asker: Asker = request.state.asker
    who, place = asker.identity, house.settings.server.environment
    now, last, store = house.clock.now_ms(), house.watch.last_tick_ms, house.telemetry.stats()
    known = (VERSION, place, house.ready, now, last, store, house.desk.counts())
    return Status(*known, who.name, sorted(who.roles))


@router.post("/clock")
def clock(house: Of, now_ms: Annotated[int, Body(embed=True, ge=0, le=LATEST_MS)]) -> Moved:
    """Move the clock of a driven server forward and judge all that falls between."""
    if house.drive is None:
        said = "this server goes by its machine's clock"
        raise Conflict(said, hint="`twinhelm up --driven` starts one whose clock can be moved")
    return house.drive.move_to(now_ms)


@router.get("/forecasts")
def forecasts(house: Of) -> list[Forecast]:
    """List what will run out, the likeliest soonest first."""
    return house.desk.forecasts()


@router.get("/decisions")
def decisions(house: Of, limit: Limit = 100) -> list[Decision]:
    """Say what became of recent signs, and why, the newest first."""
    return house.desk.decisions(limit)


@router.get("/rejections")
def rejections(house: Of, limit: Limit = 200) -> list[Rejection]:
    """List what was not kept, by door, tenant and reason, the newest first."""
    return house.intake.rejections.snapshot()[:limit]


@router.get("/journal", tags=["journal"])
def journal(
    house: Of,
    after_seq: Annotated[int, Query(ge=0, le=(1 << 53) - 1)] = 0,
    subject: Word = "",
    kind: Word = "",
    newest_first: bool = False,
    limit: Limit = 100,
) -> list[JournalRow]:
    """Read rows, of one subject such as ``incident/3`` or of one kind, or all."""
    return house.journal.read(
        after_seq=after_seq,
        subject=subject or None,
        kind=kind or None,
        newest_first=newest_first,
        limit=limit,
    )


@router.get("/journal/verification", tags=["journal"])
def verification(house: Of) -> Verification:
    """Walk the whole chain; takes some 10 s per million rows."""
    return house.journal.verify()


@router.get("/config")
def config(house: Of) -> list[Setting]:
    """List every setting."""
    return list(listed(house.settings))


def listed(settings: Settings, part: str = "") -> Iterator[Setting]:
    """Walk all settings, or those of one section; secrets are struck out."""
    section: BaseModel = getattr(settings, part) if part else settings
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from listed(settings, name)
            continue
        full = f"{part}.{name}" if part else name
        default = _shown(field.get_default(call_default_factory=True))
        source = settings.source_of(full)
        yield Setting(full, _shown(value), default, field.description or "", source)


def _shown(value: Any) -> Any:
    """Show a setting's value; addresses may carry passwords, which are struck out."""
    if isinstance(value, bool | int | float | list) or value is None:
        return value
    return strike_secrets(str(value))
