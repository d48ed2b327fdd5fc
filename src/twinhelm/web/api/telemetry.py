"""Telemetry as it rests: series with the range expected of them, logs, spans, changes."""

import dataclasses
from typing import Annotated, Any

import numpy as np
from fastapi import Depends, Path, Query
from starlette.responses import Response

from twinhelm.core.arrays import F64
from twinhelm.core.errors import BadInput, NotFound
from twinhelm.core.telemetry import Change, LogRecord, SeriesInfo, Span
from twinhelm.web.api.words import EndMs, Limit, Matching, Of, Router, StartMs, TenantOf, shape
from twinhelm.web.frame import json_answer
from twinhelm.web.thinning import thin

__all__ = ["Samples", "router"]

router = Router(tags=["telemetry"])

HOUR_MS = 3_600_000
MAX_SPAN_MS = 400 * 24 * HOUR_MS
NS = 1_000_000
LATEST_NS = (1 << 63) - 1

Points = Annotated[int, Query(ge=10, le=20_000, description="At most so many samples.")]
Text = Annotated[str, Query(max_length=1000)]
Hex = Annotated[str, Query(pattern="^([0-9a-f]{32})?$", description="32 lower-case hex digits.")]


@dataclasses.dataclass(frozen=True, slots=True)
class Samples:
    """Samples as columns of one length, and the expected range as columns of another.

    ``thinned`` tells that only the lowest and highest of each stretch are here. ``signal`` is
    what was judged: the value, or a counter's rate per second.
    """

    series: SeriesInfo
    thinned: bool
    time_ms: list[int]
    value: list[float]
    judged_ms: list[int]
    signal: list[float]
    expected: list[float]
    low: list[float]
    high: list[float]
    flagged: list[bool]


def _range(usual_ms: int) -> Any:
    def read(
        house: Of, start_ms: StartMs | None = None, end_ms: EndMs | None = None
    ) -> tuple[int, int]:
        end = house.clock.now_ms() if end_ms is None else end_ms
        start = max(0, end - usual_ms) if start_ms is None else start_ms
        if start > end:
            raise BadInput(f"start_ms {start} is after end_ms {end}")
        if end - start > MAX_SPAN_MS:
            said = f"from {start} to {end} is longer than {MAX_SPAN_MS} ms"
            raise BadInput(said, hint="ask for less at a time")
        return start, end

    return Depends(read)


LastHour = Annotated[tuple[int, int], _range(HOUR_MS)]
LastDay = Annotated[tuple[int, int], _range(24 * HOUR_MS)]
"""From where to where, ms, both included; the last hour or day unless told otherwise."""


@router.get("/series")
def series(house: Of, matching: Matching, tenant: TenantOf, limit: Limit = 100) -> list[SeriesInfo]:
    """Find series by a selector."""
    return house.telemetry.find_series(matching, tenant=tenant, limit=limit)


@router.get("/series/{series_id}", response_model=shape(Samples))
def samples(
    house: Of,
    tenant: TenantOf,
    series_id: Annotated[int, Path(ge=0, lt=1 << 32)],
    during: LastHour,
    max_points: Points = 1000,
) -> Response:
    """Read one series, the last hour unless told otherwise, with what was expected of it."""
    ids = np.array([series_id], np.uint32)
    (info,) = house.telemetry.series(ids)
    if info.tenant != tenant:
        raise NotFound(f"tenant {tenant} has no series {series_id}")
    block = house.telemetry.read_samples(ids, *during)
    kept = thin(block.time_ms, block.value, max_points=max_points)
    band = house.desk.band(series_id, *during)
    shown = thin(band.time_ms, band.signal, max_points=max_points)
    judged = ("signal", "expected", "low", "high")
    return json_answer(
        {
            "series": dataclasses.asdict(info) | {"labels": dict(info.labels)},
            "thinned": len(kept) < len(block),
            "time_ms": block.time_ms[kept],
            "value": _finite(block.value[kept]),
            "judged_ms": band.time_ms[shown],
            **{name: _finite(getattr(band, name)[shown]) for name in judged},
            "flagged": band.flagged[shown],
        }
    ).response()


@router.get("/logs")
def logs(
    house: Of,
    matching: Matching,
    tenant: TenantOf,
    during: LastHour,
    contains: Text = "",
    limit: Limit = 100,
) -> list[LogRecord]:
    """Read log records, the newest first."""
    return house.telemetry.read_logs(
        matching, *_ns(*during), contains=contains, tenant=tenant, limit=limit
    )


@router.get("/spans")
def spans(
    house: Of,
    matching: Matching,
    tenant: TenantOf,
    during: LastHour,
    trace_id: Hex = "",
    limit: Limit = 100,
) -> list[Span]:
    """Read spans by start time, of one trace or of all."""
    return house.telemetry.read_spans(
        matching, *_ns(*during), trace_id=trace_id, tenant=tenant, limit=limit
    )


@router.get("/changes")
def changes(house: Of, during: LastDay, entity: Text = "", limit: Limit = 100) -> list[Change]:
    """List changes, the oldest first."""
    return house.telemetry.read_changes(*during, entity=entity or None, limit=limit)


def _ns(start_ms: int, end_ms: int) -> tuple[int, int]:
    """Say a range in nanoseconds, as far as they fit 64 bits."""
    return min(start_ms * NS, LATEST_NS), min((end_ms + 1) * NS, LATEST_NS) - 1


def _finite(values: F64) -> F64:
    """Turn infinities into missing values, which JSON can say."""
    return np.where(np.isfinite(values), values, np.nan)
