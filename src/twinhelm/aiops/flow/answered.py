"""What an answer is about: found in the records, with what it looked like then.

In: a reference such as ``anomaly/KEY``. Out: its kind and the facts that lessons are made of. The
facts are kept with the answer, so that they stay when what is answered moves on or is forgotten.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from twinhelm.aiops.clean import entity_of
from twinhelm.aiops.indicators import weigh
from twinhelm.aiops.records import find_incidents, load_incident
from twinhelm.aiops.types import Anomaly, Deviation, Forecast
from twinhelm.core.claims import Claim
from twinhelm.core.errors import BadInput, NotFound
from twinhelm.core.labels import Labels, metric_name
from twinhelm.core.telemetry import Alert
from twinhelm.events.values import Reading, load

__all__ = ["TAKEN", "deviation", "facts_of", "named", "pair_of", "suspect_facts", "taken"]

TAKEN = "anomaly"
"""The kind of what counts as right where somebody took the incident."""
MOST_INCIDENTS = 500
HALF_HOUR_MS, WEEK = 1_800_000, 336
THURSDAY = 144
"""The half hour of the week at which the epoch began."""


def deviation(one: Anomaly, sensitivity: float) -> Deviation:
    """Describe an anomaly as answers speak of it; its size is in bars of its indicator."""
    weight = weigh(one, sensitivity=sensitivity)
    size = weight.amount if weight.indicator else one.peak_score
    name = metric_name(one.labels)
    lasted_s = (one.last_ms - one.start_ms) / 1000
    hour = (one.start_ms // HALF_HOUR_MS + THURSDAY) % WEEK
    series = str(one.series)
    return Deviation(series, name, one.direction.value, size, one.peak_score, lasted_s, hour)


def suspect_facts(kind: str, indicator: str, entity: str) -> dict[str, Any]:
    """Say what suspects are alike by: of a change not its id, which is of one time only."""
    return {"kind": kind, "indicator": "" if kind == "change" else indicator, "entity": entity}


def pair_of(one: tuple[str, str], other: tuple[str, str]) -> dict[str, Any]:
    """Say what two signs are alike by, given as metric and entity, whichever comes first."""
    (a, on_a), (b, on_b) = sorted((one, other))
    return {"one": f"{a} of {on_a}", "other": f"{b} of {on_b}", "metric": a, "other_metric": b}


def named(labels: Labels) -> str:
    """Name a metric, or an alert, by its labels."""
    return metric_name(labels) or dict(labels).get("alertname", "")


def facts_of(unit: Reading, about: str, sensitivity: float) -> tuple[str, Mapping[str, Any]]:
    """Find what is answered; raises :class:`NotFound`, or :class:`BadInput` for no reference."""
    for shape, of, read in _SHAPES:
        if hit := shape.fullmatch(about):
            return of, read(unit, sensitivity, **hit.groupdict())
    raise BadInput(
        f"{about[:80]!r} refers to nothing that can be answered",
        hint="such as anomaly/KEY, incident/N/member/KEY, incident/N/cause/RANK, repair/KEY, "
        "forecast/SERIES",
    )


def taken(unit: Reading, sensitivity: float) -> dict[str, Mapping[str, Any]]:
    """Return the facts of anomalies whose incident somebody took: they mattered to them."""
    found = [one for one in find_incidents(unit, limit=MOST_INCIDENTS) if one.owner]
    leads = [unit.get("anomaly", one.attributes.get("lead", "")) for one in found]
    known = [load(Anomaly, record) for record in leads if record is not None]
    return {f"anomaly/{one.key}": _fields(deviation(one, sensitivity)) for one in known}


def _fields(one: Deviation) -> dict[str, Any]:
    return {name: getattr(one, name) for name in Deviation.__slots__}


def _must(unit: Reading, kind: str, key: str, where: str) -> Any:
    record = unit.get(kind, key)
    if record is None:
        raise NotFound(f"there is no {kind} {key}", hint=where)
    return record


def _anomaly(unit: Reading, sensitivity: float, key: str) -> dict[str, Any]:
    one = load(Anomaly, _must(unit, "anomaly", key, "`twinhelm incident N` names its signs"))
    return _fields(deviation(one, sensitivity))


def _member(unit: Reading, _: float, number: str, key: str) -> dict[str, Any]:
    incident = load_incident(unit, int(number))
    if incident is None or key not in incident.members:
        said = f"incident {number} has no sign {key}"
        raise NotFound(said, hint=f"`twinhelm incident {number}` names its signs")
    lead = incident.attributes.get("lead", "")
    if lead == key:
        hint = f"call the sign itself wrong: anomaly/{key}"
        raise BadInput(f"{key} is what incident {number} is about", hint=hint)
    return pair_of(_sign(unit, key), _sign(unit, lead))


def _sign(unit: Reading, key: str) -> tuple[str, str]:
    """Name a sign, an anomaly or an alert, by metric and entity."""
    if record := unit.get("anomaly", key):
        one = load(Anomaly, record)
        return named(one.labels), one.entity
    alert = load(Alert, _must(unit, "alert", key, "it is too old to be known"))
    return named(alert.labels), entity_of(alert.labels) or f"other:{named(alert.labels)}"


def _suspect(unit: Reading, _: float, key: str) -> dict[str, Any]:
    claim = load(Claim, _must(unit, "claim", key, "`twinhelm incident N` ranks its suspects"))
    said = claim.facts
    return suspect_facts(str(said.get("kind", "")), str(said.get("indicator", "")), claim.subject)


def _repair(unit: Reading, _: float, key: str) -> dict[str, Any]:
    body = _must(unit, "repair", key, "`twinhelm repairs` lists them").body
    return {"runbook": str(body.get("runbook", ""))}


def _forecast(unit: Reading, _: float, key: str) -> dict[str, Any]:
    one = load(Forecast, _must(unit, "forecast", key, "the capacity page lists them"))
    return {"series": key, "metric": metric_name(one.labels), "confidence": one.confidence}


_Read = Callable[..., dict[str, Any]]
_SHAPES: tuple[tuple[re.Pattern[str], str, _Read], ...] = tuple(
    (re.compile(shape), of, read)
    for shape, of, read in (
        (r"anomaly/(?P<key>[0-9]{1,10}:[0-9]{1,15})", "anomaly", _anomaly),
        (r"incident/(?P<number>[0-9]{1,10})/member/(?P<key>.{1,200})", "grouping", _member),
        (r"(?P<key>incident/[0-9]{1,10}/cause/[0-9]{1,6})", "suspect", _suspect),
        (r"repair/(?P<key>.{1,200})", "action", _repair),
        (r"forecast/(?P<key>[0-9]{1,10})", "forecast", _forecast),
    )
)
