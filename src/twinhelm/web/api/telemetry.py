"""Telemetry as it rests: series with the range expected of them, logs, spans, changes."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from twinhelm.core import json
from twinhelm.core.arrays import F64
from twinhelm.core.errors import BadInput, NotFound
from twinhelm.web.api.asking import EndMs, Limit, Matching, Of, StartMs, TenantOf
from twinhelm.web.api.models import ChangeOut, LogOut, SamplesOut, SeriesOut, SpanOut
from twinhelm.web.thinning import thin

__all__ = ["router"]

router = APIRouter(tags=["telemetry"])

HOUR_MS = 3_600_000
MAX_SPAN_MS = 400 * 24 * HOUR_MS
NS = 1_000_000
LATEST_NS = (1 << 63) - 1

Points = Annotated[int, Query(ge=10, le=20_000, description="At most so many samples.")]
Text = Annotated[str, Query(max_length=1000)]
Hex = Annotated[str, Query(pattern="^([0-9a-f]{32})?$", description="32 lower-case hex digits.")]


@router.get("/series")
def series(house: Of, matching: Matching, tenant: TenantOf, limit: Limit = 100) -> list[SeriesOut]:
    """Find series by a selector."""
    found = house.telemetry.find_series(matching, tenant=tenant, limit=limit)
    return [SeriesOut.model_validate(each) for each in found]


@router.get("/series/{series_id}", response_model=SamplesOut)
def samples(
    house: Of,
    tenant: TenantOf,
    series_id: Annotated[int, Path(ge=0, lt=1 << 32)],
    start_ms: StartMs | None = None,
    end_ms: EndMs | None = None,
    max_points: Points = 1000,
) -> Response:
    """Read one series, the last hour unless told otherwise, with what was expected of it."""
    start, end = _range(start_ms, end_ms, house.clock.now_ms())
    info = house.telemetry.series(np.array([series_id], np.uint32))[0]
    if info.tenant != tenant:
        raise NotFound(f"tenant {tenant} has no series {series_id}")
    block = house.telemetry.read_samples(np.array([series_id], np.uint32), start, end)
    kept = thin(block.time_ms, block.value, max_points=max_points)
    band = house.desk.band(series_id, start, end)
    shown = thin(band.time_ms, band.signal, max_points=max_points)
    answer = {
        "series": SeriesOut.model_validate(info).model_dump(),
        "thinned": len(kept) < len(block),
        "time_ms": block.time_ms[kept],
        "value": _finite(block.value[kept]),
        "judged_ms": band.time_ms[shown],
        "signal": _finite(band.signal[shown]),
        "expected": _finite(band.expected[shown]),
        "low": _finite(band.low[shown]),
        "high": _finite(band.high[shown]),
        "flagged": band.flagged[shown],
    }
    return Response(json.dumps(answer), media_type="application/json")


@router.get("/logs")
def logs(
    house: Of,
    matching: Matching,
    tenant: TenantOf,
    start_ms: StartMs | None = None,
    end_ms: EndMs | None = None,
    contains: Text = "",
    limit: Limit = 100,
) -> list[LogOut]:
    """Read log records, the newest first."""
    start, end = _range(start_ms, end_ms, house.clock.now_ms())
    found = house.telemetry.read_logs(
        matching,
        _ns(start),
        _ns(end + 1) - 1,
        contains=contains,
        tenant=tenant,
        limit=limit,
    )
    return [LogOut.model_validate(each) for each in found]


@router.get("/spans")
def spans(
    house: Of,
    matching: Matching,
    tenant: TenantOf,
    start_ms: StartMs | None = None,
    end_ms: EndMs | None = None,
    trace_id: Hex = "",
    limit: Limit = 100,
) -> list[SpanOut]:
    """Read spans by start time, of one trace or of all."""
    start, end = _range(start_ms, end_ms, house.clock.now_ms())
    found = house.telemetry.read_spans(
        matching, _ns(start), _ns(end + 1) - 1, trace_id=trace_id, tenant=tenant, limit=limit
    )
    return [SpanOut.model_validate(each) for each in found]


@router.get("/changes")
def changes(
    house: Of,
    start_ms: StartMs | None = None,
    end_ms: EndMs | None = None,
    entity: Text = "",
    limit: Limit = 100,
) -> list[ChangeOut]:
    """List changes, the oldest first."""
    start, end = _range(start_ms, end_ms, house.clock.now_ms(), usual_ms=24 * HOUR_MS)
    found = house.telemetry.read_changes(start, end, entity=entity or None, limit=limit)
    return [ChangeOut.model_validate(each) for each in found]


def _range(
    start_ms: int | None, end_ms: int | None, now_ms: int, *, usual_ms: int = HOUR_MS
) -> tuple[int, int]:
    end = now_ms if end_ms is None else end_ms
    start = max(0, end - usual_ms) if start_ms is None else start_ms
    if start > end:
        raise BadInput(f"start_ms {start} is after end_ms {end}")
    if end - start > MAX_SPAN_MS:
        raise BadInput(
            f"from {start} to {end} is longer than {MAX_SPAN_MS} ms", hint="ask for less at a time"
        )
    return start, end


def _ns(time_ms: int) -> int:
    return min(time_ms * NS, LATEST_NS)


def _finite(values: F64) -> F64:
    """Turn infinities into missing values, which JSON can say."""
    return np.where(np.isfinite(values), values, np.nan)
