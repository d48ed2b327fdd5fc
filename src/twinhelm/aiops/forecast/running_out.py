"""Says what will run out next, in words with times, surest and soonest first.

In: :class:`Past` of candidate series (disk, memory, descriptors). Out: a list of
:class:`Forecast`, at most one per thing that can run out: where a ratio and a count of bytes
tell the same story, the ratio is told. Silence means that nothing is foretold, for the reasons
in :mod:`twinhelm.aiops.forecast.trend`. Pure.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from twinhelm.aiops.forecast.trend import Projection, time_to_threshold
from twinhelm.aiops.types import Forecast, Resource
from twinhelm.aiops.words import place
from twinhelm.core.arrays import F64, I64
from twinhelm.core.labels import Labels, metric_name

__all__ = ["FORECASTER", "Past", "forecasts", "is_candidate", "limit_of"]

FORECASTER = "trend/1"
"""The name and version of what foretells, as the register of products gives it."""
HORIZON_MS = 14 * 86_400_000
_DAY_MS = 86_400_000
_USED = re.compile(
    r"(used|usage|utili[sz]ation|allocated|open).*((?<!du)ratio|percent)|utili[sz]ation$"
)
_FREE = re.compile(r"(avail|free|remaining)")
_BYTES_LEFT = re.compile(r"(filesystem|disk|volume).*(avail|free).*bytes|memavailable_bytes")
_PROCESS = frozenset({"process", "comm", "groupname", "process_name", "pid"})
_NOUNS = {
    Resource.DISK: ("disk", "full"),
    Resource.MEMORY: ("memory", "used up"),
    Resource.DESCRIPTORS: ("file descriptors", "used up"),
}


@dataclass(frozen=True, slots=True)
class Past:
    """One series and its past: ``times_ms`` and ``values`` (n,), NaN where missing."""

    series: int
    labels: Labels
    entity: str
    resource: Resource
    times_ms: I64
    values: F64


def is_candidate(labels: Labels, resource: Resource) -> bool:
    """Tell, before reading its past, whether a series can be foretold to run out."""
    if resource not in _NOUNS or any(name in _PROCESS for name, _ in labels):
        return False
    return limit_of(metric_name(labels)) is not None


def limit_of(name: str) -> float | None:
    """Return the value at which a metric's thing has run out; None where the name does not tell.

    >>> limit_of("host_disk_used_ratio"), limit_of("node_filesystem_avail_bytes")
    (1.0, 0.0)
    """
    low = name.lower()
    if _USED.search(low):
        return 100.0 if "percent" in low else 1.0
    if (_FREE.search(low) and ("ratio" in low or "percent" in low)) or _BYTES_LEFT.search(low):
        return 0.0
    return None


def forecasts(series: Iterable[Past], *, now_ms: int) -> list[Forecast]:
    """Foretell what runs out within a fortnight, the soonest first."""
    told: dict[tuple[str, Resource, str], tuple[bool, Forecast]] = {}
    for one in series:
        limit = limit_of(metric_name(one.labels))
        if limit is None or one.resource not in _NOUNS:
            continue
        found = time_to_threshold(
            one.times_ms, one.values, threshold=limit, horizon_ms=HORIZON_MS, now_ms=now_ms
        )
        if found is None:
            continue
        key = (one.entity, one.resource, _detail(one.labels))
        ratio = "ratio" in metric_name(one.labels).lower()
        if key not in told or (ratio and not told[key][0]):
            told[key] = (ratio, _forecast(one, limit, found, now_ms))
    ordered = [forecast for _, forecast in told.values()]
    return sorted(ordered, key=lambda one: (one.likely_ms, one.entity, one.series))


def _forecast(one: Past, limit: float, found: Projection, now_ms: int) -> Forecast:
    noun, end = _NOUNS[one.resource]
    detail = _detail(one.labels)
    what = f"{noun} {detail}" if detail else noun
    verb = "are" if noun.endswith("s") else "is"
    first = _when(found.earliest_ms, now_ms)
    if found.latest_ms is None:
        when = f"{first} UTC at the earliest, likely {_when(found.likely_ms, now_ms)}, or never"
    else:
        when = f"between {first} and {_when(found.latest_ms, now_ms)} UTC"
    return Forecast(
        series=one.series,
        labels=one.labels,
        entity=one.entity,
        resource=one.resource,
        threshold=limit,
        now=found.level,
        earliest_ms=found.earliest_ms,
        likely_ms=found.likely_ms,
        latest_ms=found.latest_ms,
        confidence=found.confidence,
        skill=found.skill,
        text=f"{what} of {place(one.entity)} {verb} {end} {when}",
    )


def _detail(labels: Labels) -> str:
    by_name = dict(labels)
    return next((by_name[k] for k in ("mountpoint", "volume", "device") if k in by_name), "")


def _when(time_ms: int, now_ms: int) -> str:
    """Write a time: weekday and hour within six days, with the date beyond."""
    at = datetime.fromtimestamp(time_ms / 1000, UTC)
    if time_ms - now_ms < 6 * _DAY_MS:
        return at.strftime("%a %H:%M")
    return at.strftime(f"%a {at.day} %b %H:%M")
