"""What the API's routes ask of a request: the house, who asks, and parameters with bounds."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Query, Request

from twinhelm.app import House
from twinhelm.core.labels import Matcher
from twinhelm.web.prometheus.selector import parse_selector
from twinhelm.web.tenants import tenant_of
from twinhelm.web.who import Asker

__all__ = ["LATEST_MS", "By", "EndMs", "Limit", "Matching", "Name", "Of", "StartMs", "TenantOf"]

LATEST_MS = 253_402_300_799_000
"""The end of the year 9999; nanoseconds of it no longer fit 64 bits, ms do."""

MAX_SELECTOR = 4096


def _house(request: Request) -> Any:
    return request.app.state.house


def _by(request: Request) -> str:
    asker: Asker = request.state.asker
    return asker.identity.name


def _tenant(request: Request) -> str:
    return tenant_of(request.headers.get("x-scope-orgid"))


def _matching(
    match: Annotated[
        str,
        Query(
            max_length=MAX_SELECTOR,
            description='A selector such as node_load1{host="a"}; empty matches everything.',
        ),
    ] = "",
) -> tuple[Matcher, ...]:
    return parse_selector(match).matchers if match else ()


Of = Annotated[House, Depends(_house)]
By = Annotated[str, Depends(_by)]
TenantOf = Annotated[str, Depends(_tenant)]
Matching = Annotated[tuple[Matcher, ...], Depends(_matching)]
StartMs = Annotated[int, Query(ge=0, le=LATEST_MS, description="From here, epoch ms, included.")]
EndMs = Annotated[int, Query(ge=0, le=LATEST_MS, description="Up to here, epoch ms, included.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="At most so many.")]
Name = Annotated[str, Query(max_length=200)]
