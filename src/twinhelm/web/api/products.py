"""Model products: framed, versioned, validated, compared, promoted, explained and talked about."""

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from fastapi import Body, Path, Query
from starlette.responses import Response

from twinhelm.mlops import types
from twinhelm.mlops.flow.evidence import Kept
from twinhelm.mlops.govern import Lineage, Readiness
from twinhelm.web.api.jobs import Begun
from twinhelm.web.api.words import By, Of, Router
from twinhelm.web.frame import json_answer

__all__ = ["Named", "Note", "router"]

router = Router(prefix="/products", tags=["products"])

MAX_FILE = 256_000
Named = Annotated[str, Path(min_length=1, max_length=250)]
Version = Annotated[str, Path(min_length=1, max_length=60)]
Picked = Annotated[str, Query(min_length=1, max_length=60)]
Reason = Annotated[str, Body(embed=True, max_length=4000, description="Empty takes it back.")]
Note = Annotated[str, Body(max_length=4000)]
KINDS = {"html": "text/html; charset=utf-8", "pdf": "application/pdf", "json": "application/json"}


@dataclass(frozen=True, slots=True)
class ProductFile:
    """A product, who answers for it now, how that fares, and what was said of it."""

    product: types.Product
    deployment: types.Deployment | None
    health: types.Health | None
    remarks: list[types.Remark]


@dataclass(frozen=True, slots=True)
class VersionFile:
    """A version, what it was last found to be, and the requests that it go live."""

    version: types.ProductVersion
    validation: types.Validation | None
    approvals: list[types.Approval]


@dataclass(frozen=True, slots=True)
class Promotion:
    """What asking came to: a request that others must agree to, or (null) the rollout began."""

    approval: types.Approval | None


@router.get("")
def products(house: Of) -> list[types.Product]:
    """List every product, twinhelm's own algorithms too, by name."""
    return house.models.desk.all()


@router.post("", status_code=201)
def frame(
    house: Of,
    by: By,
    text: Annotated[str, Body(max_length=MAX_FILE, description="A product file, as TOML.")],
    folder: Annotated[str, Body(max_length=1000, description="Where it lies on the server.")] = "",
) -> types.Product:
    """Take a product file; an error in it is told with line and column."""
    return house.models.desk.frame(text, folder=folder, by=by)


@router.get("/{name}")
def product(house: Of, name: Named) -> ProductFile:
    """Open one product."""
    models = house.models
    found = models.desk.product(name)
    said = models.desk.remarks(name)
    return ProductFile(found, models.rollouts.deployment(name), models.health.report(name), said)


@router.post("/{name}/retire")
def retire(house: Of, by: By, name: Named, reason: Reason) -> types.Product:
    """Let a product answer no more, or take it up again."""
    house.models.desk.retire(name, reason, by=by)
    return house.models.desk.product(name)


@router.post("/{name}/hold")
def hold(house: Of, by: By, name: Named, reason: Reason) -> types.Product:
    """Begin a legal hold, under which nothing is deleted, or end it."""
    house.models.desk.hold(name, reason, by=by)
    return house.models.desk.product(name)


@router.post("/{name}/remarks", status_code=201)
def remark(
    house: Of,
    by: By,
    name: Named,
    text: Annotated[str, Body(min_length=1, max_length=4000, description="@name mentions.")],
    about: Annotated[str, Body(max_length=100, description="A version, a run, a section.")] = "",
) -> types.Remark:
    """Say something about a product."""
    return house.models.desk.remark(name, text, about=about, by=by)


@router.put("/{name}/watch", status_code=204)
def watch(house: Of, by: By, name: Named, on: Annotated[bool, Body(embed=True)]) -> None:
    """Be told of what happens to a product, or no longer."""
    house.models.desk.watch(name, by=by, on=on)


@router.get("/{name}/versions")
def versions(house: Of, name: Named) -> list[types.ProductVersion]:
    """List a product's versions, the newest first."""
    house.models.desk.product(name)
    return house.models.desk.versions(name)


@router.get("/{name}/versions/{version}")
def version(house: Of, name: Named, version: Version) -> VersionFile:
    """Open one version."""
    models = house.models
    found = models.desk.version(name, version)
    asked = [one for one in models.promotions.approvals(name) if one.version == version]
    return VersionFile(found, models.validations.latest(name, version), asked)


@router.post("/{name}/versions/{version}/validate", status_code=202)
def validate(house: Of, by: By, name: Named, version: Version) -> Begun:
    """Begin to measure a version on the hold-out data."""
    return Begun(id=house.models.validations.start(name, version, by=by))


@router.post("/{name}/versions/{version}/promote", status_code=202)
def promote(
    house: Of,
    by: By,
    name: Named,
    version: Version,
    note: Annotated[str, Body(embed=True, max_length=4000)] = "",
) -> Promotion:
    """Ask that a version go live; refused with the reason where a gate does not hold."""
    return Promotion(house.models.promotions.ask(name, version, by=by, door="api", note=note))


@router.get("/{name}/versions/{version}/card")
def card(house: Of, name: Named, version: Version) -> Response:
    """Return the model card: Markdown, with front matter as Hugging Face reads it."""
    made = house.models.evidence.card(name, version)
    return Response(made, media_type="text/markdown; charset=utf-8")


@router.get("/{name}/versions/{version}/bom")
def bom(house: Of, name: Named, version: Version) -> Response:
    """Return the bill of materials in CycloneDX 1.6."""
    return json_answer(house.models.evidence.bom(name, version)).response()


@router.get("/{name}/versions/{version}/evidence")
def packs(house: Of, name: Named, version: Version) -> list[Kept]:
    """List the evidence packs that were made of a version, the newest first."""
    house.models.desk.version(name, version)
    return house.models.evidence.packs(name, version)


@router.post("/{name}/versions/{version}/evidence", status_code=201)
def pack(
    house: Of,
    by: By,
    name: Named,
    version: Version,
    catalogue: Annotated[str, Body(embed=True, max_length=100)] = "eu-ai-act",
) -> Kept:
    """Make an evidence pack for a catalogue of controls, keep it, and journal that it was made."""
    return house.models.evidence.pack(name, version, catalogue, by=by)


@router.get("/{name}/versions/{version}/evidence/{file}")
def evidence(
    house: Of,
    name: Named,
    version: Version,
    file: Annotated[str, Path(max_length=100, description="DIGEST.json, .html or .pdf")],
) -> Response:
    """Return one form of an evidence pack as it was made, as a file to keep."""
    digest, _, form = file.rpartition(".")
    catalogue, content = house.models.evidence.file(name, version, digest, form)
    # A page among ours would have our rights in a browser; as a file it has none.
    called = quote(f"{name}-{version}-{catalogue}.{form}", safe="")
    headers = {"content-disposition": f"attachment; filename*=UTF-8''{called}"}
    return Response(content, media_type=KINDS[form], headers=headers)


@router.get("/{name}/compare")
def compare(house: Of, name: Named, a: Picked, b: Picked) -> Response:
    """Hold two versions side by side: each metric with intervals, and their difference."""
    return json_answer(house.models.validations.compare(name, a, b)).response()


@router.get("/{name}/readiness")
def readiness(house: Of, name: Named) -> Readiness:
    """Score how ready a product is for production, from 0 to 7, with the best next steps."""
    return house.models.evidence.readiness(name)


@router.get("/{name}/lineage")
def lineage(house: Of, name: Named, version: Annotated[str, Query(max_length=60)] = "") -> Lineage:
    """Tell what came of what, from raw data to deployment: edges, and a Mermaid picture."""
    return house.models.evidence.lineage(name, version)
