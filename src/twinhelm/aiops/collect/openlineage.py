"""Answer which pipeline runs happened, and which data they read and wrote.

In comes the body of ``POST /api/v1/lineage`` (an OpenLineage 2-0-2 run event, or an array of
them); out goes a :class:`~twinhelm.aiops.types.Received` with one change of kind ``pipeline``
per run and edges from the pipeline to what it reads and from what it writes to the pipeline. The
change's attributes keep which data sets it wrote (``outputs``, a name a line) and what facets count
and describe, by data set: ``output_rows:NAME`` and ``input_rows:NAME`` (rows), ``schema:NAME``
(``name type, name type, ...``).

All events of a run give the same change id (``run/RUNID``) and are merged, here within one
request and by whoever keeps changes through :func:`merge_runs`: an event that ends a run does
not know when it began. Job and dataset events (without a run) change nothing.

Pure. Source: OpenLineage specification 2-0-2, ``RunEvent``; ``nominalTime``, ``errorMessage``,
``parent``, ``outputStatistics``, ``inputStatistics``, ``dataQualityMetrics`` and ``schema`` facets.

>>> received = decode_openlineage(b'''{
...     "eventTime": "2023-11-14T22:13:20Z", "eventType": "START", "run": {"runId": "r1"},
...     "job": {"namespace": "shop", "name": "load"},
...     "inputs": [{"namespace": "db", "name": "t"}]}''')
>>> received.changes[0].entity, received.edges[0].target
('pipeline:shop/load', 'dataset:db/t')
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from twinhelm.aiops.collect.words import given, instant_ms
from twinhelm.aiops.types import Received
from twinhelm.core.entities import Edge
from twinhelm.core.errors import BadInput, TooLarge
from twinhelm.core.json import loads
from twinhelm.core.telemetry import Change

__all__ = ["decode_openlineage", "merge_runs"]

OUTCOMES = {
    "START": "running",
    "RUNNING": "running",
    "OTHER": "",
    "COMPLETE": "success",
    "FAIL": "failure",
    "ABORT": "aborted",
}
TERMINAL = ("success", "failure", "aborted")
MAX_EVENTS = 10_000
EDGE_LIFE_MS = 30 * 86_400_000
"""A pipeline runs daily or monthly; an edge outlives the pause."""
LONGEST_NAME = 1024
MOST_DATASETS = 50
"""So many data sets of a run are described by its change; edges are made for all."""
LONGEST_SCHEMA = 4000
MOST_ROWS = 1e15
ROWS = {
    "inputs": ("input_rows", "inputFacets", ("inputStatistics", "dataQualityMetrics")),
    "outputs": ("output_rows", "outputFacets", ("outputStatistics",)),
}


def decode_openlineage(body: bytes) -> Received:
    """Decode one event or an array; raises :class:`BadInput` for what is no run event."""
    said = loads(body, what="OpenLineage event")
    events = said if isinstance(said, list) else [said]
    if len(events) > MAX_EVENTS:
        raise TooLarge(f"the body has {len(events)} events, the limit is {MAX_EVENTS}")
    runs: dict[str, Change] = {}
    edges: dict[tuple[str, str], Edge] = {}
    for item in events:
        event = given(item, dict, "an event")
        if "run" not in event and ("dataset" in event or "job" in event):
            continue
        change = _change(event)
        known = runs.get(change.id)
        runs[change.id] = change if known is None else merge_runs(known, change)
        for edge in _edges(event, change):
            edges[edge.source, edge.target] = edge
    return Received(changes=tuple(runs.values()), edges=tuple(edges.values()))


def merge_runs(first: Change, second: Change) -> Change:
    """Join what two events said of one run, whichever came first.

    The run begins at the earlier time; a terminal outcome wins over a running one, and the
    later of two terminal ones stands.
    """
    newest = second
    if first.end_ms is not None and (second.end_ms is None or second.end_ms < first.end_ms):
        newest = first
    return replace(
        newest,
        time_ms=min(first.time_ms, second.time_ms),
        outcome=newest.outcome or first.outcome or second.outcome,
        attributes={**first.attributes, **second.attributes, **newest.attributes},
    )


def _change(event: Mapping[str, Any]) -> Change:
    """Turn one run event into a change."""
    run, job = given(event.get("run"), dict, "run"), given(event.get("job"), dict, "job")
    run_id, name = _name(run, "runId"), f"{_name(job, 'namespace')}/{_name(job, 'name')}"
    moment = instant_ms(event.get("eventTime"), what="eventTime")
    kind = event.get("eventType", "OTHER")
    if not isinstance(kind, str) or kind.upper() not in OUTCOMES:
        raise BadInput(f"eventType is {str(kind)[:40]!r}", hint=f"one of {', '.join(OUTCOMES)}")
    outcome = OUTCOMES[kind.upper()]
    facets = run.get("facets")
    facets = facets if isinstance(facets, dict) else {}
    error = _facet(facets, "errorMessage", "message")
    parent = facets.get("parent")
    parent_job = parent.get("job") if isinstance(parent, dict) else None
    attributes = {
        "job": name,
        "run_id": run_id,
        "producer": str(event.get("producer", ""))[:LONGEST_NAME],
        "error": error[:LONGEST_NAME],
        "nominal_start": _facet(facets, "nominalTime", "nominalStartTime")[:64],
        "parent_job": _facet({"job": parent_job}, "job", "name")[:LONGEST_NAME],
        "outputs": "\n".join(
            name for name, _ in islice(_datasets(event, "outputs"), MOST_DATASETS)
        ),
        **_described(event),
    }
    verb = {"success": "finished", "failure": "failed", "aborted": "was stopped"}.get(outcome)
    return Change(
        id=f"run/{run_id}",
        time_ms=moment,
        kind="pipeline",
        entity=f"pipeline:{name}",
        title=f"pipeline {name} {verb or 'started'}",
        source="openlineage",
        end_ms=moment if outcome in TERMINAL else None,
        outcome=outcome,
        attributes={key: value for key, value in attributes.items() if value},
    )


def _edges(event: Mapping[str, Any], change: Change) -> Iterable[Edge]:
    for field in ROWS:
        for name, _ in _datasets(event, field):
            dataset = f"dataset:{name}"
            read = field == "inputs"
            yield Edge(
                source=change.entity if read else dataset,
                target=dataset if read else change.entity,
                kind="reads" if read else "written_by",
                told_by="openlineage",
                confidence=1.0,
                last_seen_ms=change.end_ms or change.time_ms,
                ttl_ms=EDGE_LIFE_MS,
            )


def _datasets(event: Mapping[str, Any], field: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the name and all else that is told of each input or output."""
    sets = [] if event.get(field) is None else given(event[field], list, field)
    for item in (given(one, dict, f"one of {field}") for one in sets):
        yield f"{_name(item, 'namespace')}/{_name(item, 'name')}", item


def _described(event: Mapping[str, Any]) -> dict[str, str]:
    """Say how many rows were read and written, and in which columns, by data set."""
    said: dict[str, str] = {}
    for field, (rows, owner, facets) in ROWS.items():
        for name, item in islice(_datasets(event, field), MOST_DATASETS):
            held = item.get(owner)
            for count in (_of(held, facet, "rowCount") for facet in facets):
                if isinstance(count, int | float) and 0 <= count < MOST_ROWS:
                    said.setdefault(f"{rows}:{name}", str(int(count)))
            columns = _of(item.get("facets"), "schema", "fields")
            if isinstance(columns, list):
                text = ", ".join(_column(one) for one in columns if isinstance(one, dict))
                said[f"schema:{name}"] = text[:LONGEST_SCHEMA]
    return said


def _column(said: Mapping[str, Any]) -> str:
    """Write a column as ``name type``; the name without what would part it from others."""
    name = str(said.get("name", "")).replace(", ", "_")
    return f"{name} {str(said.get('type', '')).replace(' ', '_').replace(',', ';')}"


def _of(owner: object, facet: str, field: str) -> object:
    found = owner.get(facet) if isinstance(owner, dict) else None
    return found.get(field) if isinstance(found, dict) else None


def _name(owner: Mapping[str, Any], field: str) -> str:
    found = owner.get(field)
    if not isinstance(found, str) or not found or len(found) > LONGEST_NAME:
        raise BadInput(
            f"{field} is {str(found)[:60]!r}, text of 1 to {LONGEST_NAME} characters is needed"
        )
    return found


def _facet(facets: Mapping[str, Any], facet: str, field: str) -> str:
    value = _of(facets, facet, field)
    return value if isinstance(value, str) else ""
