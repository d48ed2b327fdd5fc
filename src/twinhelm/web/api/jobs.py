"""Long work: start a back-fill or an import, take a backup, see how far all of it is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from twinhelm.core.errors import BadInput
from twinhelm.web.api.asking import LATEST_MS, By, Limit, Of, TenantOf
from twinhelm.web.prometheus.selector import parse_selector

__all__ = ["router"]

router = APIRouter(tags=["jobs"])

MAX_PATH = 1000
DAY_MS = 86_400_000
Time = Annotated[int, Field(ge=0, le=LATEST_MS)]


class BackfillIn(BaseModel):
    """Where to read history from, and how much of it; the last 14 days unless told otherwise."""

    url: str = Field(pattern=r"^https?://[^\s/]+", max_length=2000)
    selector: str = Field('{__name__=~".+"}', max_length=4096)
    start_ms: Time | None = None
    end_ms: Time | None = None
    headers: dict[str, str] = Field(default_factory=dict, max_length=20)


class ImportIn(BaseModel):
    """A file that lies on the machine that twinhelm runs on."""

    path: str = Field(min_length=1, max_length=MAX_PATH)


class BackupIn(BaseModel):
    """An empty or absent directory on the machine that twinhelm runs on."""

    target: str = Field(min_length=1, max_length=MAX_PATH)


class Begun(BaseModel):
    """Which run it is; ask ``jobs?id=...`` how far it is."""

    id: str


class Taken(BaseModel):
    """Where the backup lies."""

    target: str


class JobOut(BaseModel):
    """How one run stands."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str
    state: str
    started_ms: int
    step: str
    done: int
    total: int
    message: str
    error: str
    result: Any


@router.get("/jobs")
def jobs(
    house: Of,
    run_id: Annotated[str, Query(alias="id", max_length=MAX_PATH)] = "",
    limit: Limit = 100,
) -> list[JobOut]:
    """List runs, the newest first, or the one that is asked for."""
    found = [house.workflows.status(run_id)] if run_id else house.workflows.list(limit=limit)
    return [JobOut.model_validate(each) for each in found]


@router.post("/backfills", status_code=202)
def backfill(house: Of, by: By, tenant: TenantOf, wish: BackfillIn) -> Begun:
    """Start reading history from a Prometheus-compatible API."""
    parse_selector(wish.selector)
    end = house.clock.now_ms() if wish.end_ms is None else wish.end_ms
    start = max(0, end - 14 * DAY_MS) if wish.start_ms is None else wish.start_ms
    if start >= end:
        raise BadInput(f"start_ms {start} is not before end_ms {end}")
    run_id = house.history.backfill(
        wish.url,
        selector=wish.selector,
        start_ms=start,
        end_ms=end,
        headers=wish.headers,
        tenant=tenant,
        by=by,
    )
    return Begun(id=run_id)


@router.post("/imports", status_code=202)
def import_file(house: Of, by: By, tenant: TenantOf, wish: ImportIn) -> Begun:
    """Start reading a CSV or Parquet file."""
    return Begun(id=house.history.import_file(_absolute(wish.path), tenant=tenant, by=by))


@router.post("/backups", status_code=201)
def backup(house: Of, by: By, wish: BackupIn) -> Taken:
    """Write a complete copy while serving goes on; answers once it is whole."""
    target = _absolute(wish.target)
    house.backup(target, by=by)
    return Taken(target=str(target))


def _absolute(text: str) -> Path:
    path = Path(text)
    if "\0" in text or not path.is_absolute():
        raise BadInput(f"{text[:200]!r} is not an absolute path on the server")
    return path
