"""Builds as OpenLineage run events, and OpenLineage data sets as data of ours.

``run_events`` turns one build into a START and, once it ended, one COMPLETE or FAIL, with its
data as inputs and the version as output; any OpenLineage server takes them. ``inputs_of`` is the
way in: it reads the identities of an event's data sets, so that a product can be built on what a
pipeline wrote. Passwords in addresses are left out. Pure: the same build gives the same events.

Source: OpenLineage specification 2-0-2, ``RunEvent``, facets ``version``, ``errorMessage``
and ``jobType``; its naming page for ``file`` and object stores.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from posixpath import join
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from twinhelm.core.errors import BadInput
from twinhelm.mlops.govern.facts import instant
from twinhelm.mlops.types import Run, Spec

__all__ = ["DataRef", "inputs_of", "run_events"]

PRODUCER = "urn:twinhelm:mlops"
SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACETS = "https://openlineage.io/spec/facets/"
_ENDS = {"done": "COMPLETE", "cached": "COMPLETE", "failed": "FAIL"}


@dataclass(frozen=True, slots=True)
class DataRef:
    """A data set as OpenLineage names it; ``version`` is its digest, empty where none is told."""

    namespace: str
    name: str
    version: str = ""

    @property
    def address(self) -> str:
        """Where it lies, as a product file says it; the bare name where it is no address."""
        return f"{self.namespace}/{self.name}" if "://" in self.namespace else self.name


def run_events(run: Run, spec: Spec | None = None, *, folder: str = "") -> list[dict[str, Any]]:
    """Return the events of one build: START, then COMPLETE or FAIL where it is over.

    ``folder`` is that of the product file, from which paths in it count.
    """
    inputs = []
    for role, digest in sorted(run.data.items()):
        place = getattr(spec.data, role, "") if spec else ""
        inputs.append(_dataset(_named(place, folder, f"{run.product}.{role}"), digest))
    outputs = []
    if run.version:
        name = f"models/{run.product}"
        outputs.append(_dataset(DataRef("twinhelm", name), f"{run.product}/{run.version}"))
    start = _event(run, "START", run.started_ms, {}) | {"inputs": inputs, "outputs": []}
    if run.state not in _ENDS:
        return [start]
    failed = {"errorMessage": _facet("1-0-1/ErrorMessageRunFacet.json", {
        "message": run.error or "unknown", "programmingLanguage": "python"})}  # fmt: skip
    end = _event(run, _ENDS[run.state], run.ended_ms, failed if run.state == "failed" else {})
    return [start, end | {"inputs": inputs, "outputs": outputs}]


def inputs_of(event: Mapping[str, Any], side: str = "inputs") -> list[DataRef]:
    """Return the data sets on one side of a run event; raises :class:`BadInput` on no event."""
    try:
        return [
            DataRef(
                str(each["namespace"]),
                str(each["name"]),
                str(each.get("facets", {}).get("version", {}).get("datasetVersion", "")),
            )
            for each in event.get(side, ())
        ]
    except (AttributeError, KeyError, TypeError) as error:
        raise BadInput(
            f"a data set among the {side} of this OpenLineage event has no namespace and name",
            hint="each is an object with namespace, name and facets",
        ) from error


def _event(run: Run, kind: str, time_ms: int, facets: Mapping[str, Any]) -> dict[str, Any]:
    job = {"processingType": "BATCH", "integration": "TWINHELM", "jobType": "BUILD"}
    return {
        "eventTime": instant(time_ms),
        "eventType": kind,
        "producer": PRODUCER,
        "schemaURL": SCHEMA,
        "run": {"runId": _run_id(run), "facets": dict(facets)},
        "job": {"namespace": "twinhelm", "name": f"{run.product}.build",
                "facets": {"jobType": _facet("2-0-4/JobTypeJobFacet.json", job)}},
    }  # fmt: skip


def _facet(schema: str, says: Mapping[str, Any]) -> dict[str, Any]:
    place = f"{_FACETS}{schema}#/$defs/{schema.partition('/')[2].removesuffix('.json')}"
    return {"_producer": PRODUCER, "_schemaURL": place, **says}


def _dataset(ref: DataRef, version: str) -> dict[str, Any]:
    facet = _facet("1-0-1/DatasetVersionDatasetFacet.json", {"datasetVersion": version})
    return {"namespace": ref.namespace, "name": ref.name, "facets": {"version": facet}}


def _named(place: str, folder: str, otherwise: str) -> DataRef:
    """Name data by where it lies; a query and what has no place are named by product and role."""
    if not place or place.startswith("sql:"):
        return DataRef("twinhelm", otherwise)
    parts = urlsplit(place)
    if "://" not in place:
        return DataRef("file", join(folder, place))
    host = parts.netloc.rpartition("@")[2]
    return DataRef(f"{parts.scheme}://{host}", parts.path.lstrip("/"))


def _run_id(run: Run) -> str:
    """Make a UUIDv7 of the start and the name, so that telling again gives the same run."""
    random = int.from_bytes(sha256(f"{run.product}/{run.number}".encode()).digest()[:10])
    bits = (run.started_ms & (2**48 - 1)) << 80 | random
    bits = bits & ~(0xF << 76) | 7 << 76
    return str(UUID(int=bits & ~(3 << 62) | 2 << 62))
