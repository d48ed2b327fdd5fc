"""What makes versions, what answers for a product, and how that fares: builds, traffic, health."""

import pathlib
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Body, Path
from pydantic import AfterValidator, BaseModel, Field

from twinhelm.core.errors import Conflict
from twinhelm.core.ports import Labelling
from twinhelm.mlops.types import Deployment, Health, Part, Rollout, Run, Stage
from twinhelm.web.api.jobs import Begun, absolute
from twinhelm.web.api.products import Named, Version
from twinhelm.web.api.words import By, Of, Router

__all__ = ["router"]

router = Router(prefix="/products/{name}", tags=["serving"])

Number = Annotated[int, Path(ge=1, le=(1 << 53) - 1)]
Why = Annotated[str, Body(max_length=4000)]
OnlyWhy = Annotated[str, Body(embed=True, max_length=4000)]


class Share(BaseModel):
    """A version's part of the traffic."""

    version: str = Field(min_length=1, max_length=60)
    role: str = Field("champion", pattern="^(champion|canary|shadow)$")
    share: float = Field(ge=0, le=1)


class Truth(BaseModel):
    """What an answered row turned out to be: row i of a request of many is ``id:i``."""

    id: str = Field(min_length=1, max_length=300)
    value: float | Annotated[str, Field(max_length=1000)]


@dataclass(frozen=True, slots=True)
class Log:
    """What a build wrote."""

    log: str


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a version was written, its digest, and the public key that verifies it, as PEM."""

    folder: str
    digest: str
    key: str


@dataclass(frozen=True, slots=True)
class Traffic:
    """Who answers, and the rollouts there were, the newest first."""

    deployment: Deployment | None
    rollouts: list[Rollout]


@dataclass(frozen=True, slots=True)
class HealthFile:
    """The newest look at the live version, and earlier ones, the newest first."""

    latest: Health | None
    history: list[Health]


@router.get("/builds")
def builds(house: Of, name: Named) -> list[Run]:
    """List the builds, the newest first."""
    house.models.desk.product(name)
    return house.models.builds.runs(name)


@router.post("/builds", status_code=202)
def build(
    house: Of,
    by: By,
    name: Named,
    params: Annotated[dict[str, Any] | None, Body(embed=True)] = None,
) -> Run:
    """Begin a build by the product's recipe; ``params`` replace those of its file."""
    return house.models.builds.start(name, by=by, params=params)


@router.post("/builds/{number}/again", status_code=202)
def again(house: Of, by: By, name: Named, number: Number) -> Run:
    """Begin a build with the data, code and seed of an earlier one."""
    return house.models.builds.again(name, number, by=by)


@router.post("/builds/{number}/cancel")
def cancel(house: Of, by: By, name: Named, number: Number) -> Run:
    """End a build that is under way; its processes end at once."""
    house.models.builds.cancel(name, number, by=by)
    return next(one for one in house.models.builds.runs(name) if one.number == number)


@router.get("/builds/{number}/log")
def log(house: Of, name: Named, number: Number) -> Log:
    """Return what a build wrote so far."""
    return Log(house.models.builds.log(name, number))


@router.get("/deployment")
def deployment(house: Of, name: Named) -> Traffic:
    """Tell who answers a product's requests, and how its rollouts went."""
    house.models.desk.product(name)
    models = house.models
    return Traffic(models.rollouts.deployment(name), models.rollouts.rollouts(name))


@router.post("/deployment/rollback")
def rollback(house: Of, by: By, name: Named, reason: OnlyWhy = "") -> Deployment:
    """Move all traffic to the champion before, at once."""
    return house.models.rollouts.rollback(name, by=by, reason=reason)


@router.post("/deployment/stop")
def stop(house: Of, by: By, name: Named, reason: OnlyWhy = "") -> Deployment:
    """End the rollout under way; the champion has all traffic again."""
    return house.models.rollouts.stop(name, by=by, reason=reason)


@router.post("/deployment/route")
def route(
    house: Of,
    by: By,
    name: Named,
    parts: Annotated[list[Share], Body(min_length=1, max_length=16)],
    reason: Why = "",
) -> Deployment:
    """Split the traffic by hand among versions that are approved."""
    wanted = [Part(one.version, one.role, one.share) for one in parts]
    return house.models.rollouts.route(name, wanted, by=by, reason=reason)


@router.post("/score", status_code=202)
def score(
    house: Of,
    by: By,
    name: Named,
    source: Annotated[str, Body(min_length=1, max_length=4000)],
    target: Annotated[str, Body(max_length=1000), AfterValidator(absolute)],
    version: Annotated[str, Body(max_length=60)] = "",
) -> Begun:
    """Start answering a Parquet file, glob or ``sql:`` query into a Parquet file on the server."""
    chosen = version or house.models.desk.product(name).live
    if house.models.desk.version(name, chosen).stage not in (Stage.APPROVED, Stage.LIVE):
        raise Conflict(f"{name}/{chosen} was not let in", hint="score with an approved version")
    start = house.models.batch.start
    return Begun(id=start(name, chosen, source, pathlib.Path(target), by=by))


@router.post("/versions/{version}/export", status_code=201)
def export(
    house: Of,
    by: By,
    name: Named,
    version: Version,
    target: Annotated[str, Body(embed=True, max_length=1000), AfterValidator(absolute)],
) -> Placed:
    """Write an approved version into a new folder on the server, to be served elsewhere."""
    registrar = house.models.registrar
    made = registrar.export(name, version, pathlib.Path(target), by=by)
    return Placed(target, made.version.digest, registrar.seal.public.decode())


@router.post("/labels")
def labels(
    house: Of,
    by: By,
    name: Named,
    labels: Annotated[list[Truth], Body(embed=True, min_length=1, max_length=50_000)],
) -> list[Labelling]:
    """Tell what answered rows turned out to be; says, in order, what became of each label."""
    told = [(one.id, one.value) for one in labels]
    return house.models.health.labels(name, told, by=by)


@router.get("/health")
def health(house: Of, name: Named) -> HealthFile:
    """Tell how the live version fares: drift, performance with intervals, quality, fairness."""
    house.models.desk.product(name)
    return HealthFile(house.models.health.report(name), house.models.health.history(name))
