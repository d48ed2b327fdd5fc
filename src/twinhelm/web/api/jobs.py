"""Long work: start a back-fill or an import, take a backup, see how far it is, cancel it."""

import pathlib
from typing import Annotated

from fastapi import Body, Query
from fastapi import Path as InPath
from pydantic import AfterValidator, BaseModel, Field

from twinhelm.app.models import MODELS_IMPORT
from twinhelm.core.errors import BadInput, Conflict
from twinhelm.events.kinds.machines import JobCancelled
from twinhelm.events.workflows import WorkflowStatus
from twinhelm.mlops.tracking import check_address
from twinhelm.web.api.words import LATEST_MS, By, Limit, Of, Router, TenantOf
from twinhelm.web.prometheus.selector import parse_selector

__all__ = ["Begun", "absolute", "router"]

router = Router(tags=["jobs"])

MAX_PATH = 1000
DAY_MS = 86_400_000
RunId = Annotated[str, Query(alias="id", max_length=MAX_PATH)]
Time = Annotated[int, Field(ge=0, le=LATEST_MS)]


def absolute(text: str) -> str:
    """Return a path of this machine; raises ValueError for one that hangs on where one stands."""
    if "\0" in text or not pathlib.Path(text).is_absolute():
        raise ValueError(f"{text[:200]!r} is not an absolute path on the server")
    return text


Path = Annotated[
    str,
    Body(embed=True, min_length=1, max_length=MAX_PATH, description="On twinhelm's machine."),
    AfterValidator(absolute),
]


class Wish(BaseModel):
    """Where to read history from, and how much of it; the last 14 days unless told otherwise."""

    url: str = Field(pattern=r"^https?://[^\s/]+", max_length=2000)
    selector: str = Field('{__name__=~".+"}', max_length=4096)
    start_ms: Time | None = None
    end_ms: Time | None = None
    headers: dict[str, str] = Field(default_factory=dict, max_length=20)


class Begun(BaseModel):
    """Which run it is; ask ``jobs?id=...`` how far it is."""

    id: str


class Taken(BaseModel):
    """Where the backup lies."""

    target: str


@router.get("/jobs")
def jobs(house: Of, run_id: RunId = "", limit: Limit = 100) -> list[WorkflowStatus]:
    """List runs, the newest first, or the one that is asked for."""
    return [house.workflows.status(run_id)] if run_id else house.workflows.list(limit=limit)


@router.delete("/jobs/{run_id}", status_code=204)
def cancel(house: Of, by: By, run_id: Annotated[str, InPath(max_length=MAX_PATH)]) -> None:
    """End a back-fill or an import at its next step; what it has kept by then stays."""
    with house.journal.writing(by) as write:
        job = house.workflows.status(run_id)
        if job.state.over:
            raise Conflict(f"{run_id} is {job.state} already")
        house.workflows.cancel(run_id)
        write.event(JobCancelled(run_id, job.name))


@router.post("/backfills", status_code=202)
def backfill(house: Of, by: By, tenant: TenantOf, wish: Wish) -> Begun:
    """Start reading history from a Prometheus-compatible API."""
    parse_selector(wish.selector)
    end = house.clock.now_ms() if wish.end_ms is None else wish.end_ms
    start = max(0, end - 14 * DAY_MS) if wish.start_ms is None else wish.start_ms
    if start >= end:
        raise BadInput(f"start_ms {start} is not before end_ms {end}")
    more = wish.model_dump(include={"selector", "headers"})
    run_id = house.history.backfill(
        wish.url, start_ms=start, end_ms=end, tenant=tenant, by=by, **more
    )
    return Begun(id=run_id)


@router.post("/imports", status_code=202)
def import_file(house: Of, by: By, tenant: TenantOf, path: Path) -> Begun:
    """Start reading a CSV or Parquet file."""
    return Begun(id=house.history.import_file(pathlib.Path(path), tenant=tenant, by=by))


@router.post("/mlflow-imports", status_code=202)
def import_models(
    house: Of,
    by: By,
    url: Annotated[str, Body(max_length=2000, description="Such as http://mlflow:5000.")],
    headers: Annotated[dict[str, str] | None, Body(max_length=20)] = None,
) -> Begun:
    """Start copying what another MLflow server holds: runs and registered models."""
    check_address(url)
    wish = {"url": url, "headers": headers or {}, "by": by}
    return Begun(id=house.workflows.start(MODELS_IMPORT, wish))


@router.post("/backups", status_code=201)
def backup(house: Of, by: By, target: Path) -> Taken:
    """Write a complete copy into an empty directory while serving; answers once it is whole."""
    house.backup(pathlib.Path(target), by=by)
    return Taken(target=target)
