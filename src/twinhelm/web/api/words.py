"""What the API's routes ask of a request, with bounds, and how what they return becomes JSON.

A route returns the wings' own values; :class:`Router` has :func:`shape` describe its return type.
Labels become objects, a number that is missing (NaN) or infinite null, also inside mappings,
roles a sorted list.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model
from starlette.responses import Response

from twinhelm.app import House
from twinhelm.core import json
from twinhelm.core.labels import Labels, Matcher
from twinhelm.core.roles import Role
from twinhelm.web.frame import tenant_of
from twinhelm.web.prometheus.selector import parse_selector
from twinhelm.web.who import Asker

__all__ = [
    "LATEST_MS", "By", "EndMs", "Limit", "Matching", "Of", "Roles", "Router", "StartMs", "TenantOf",
    "shape",
]  # fmt: skip

LATEST_MS = 253_402_300_799_000
"""The end of the year 9999; nanoseconds of it no longer fit 64 bits, ms do."""

MAX_SELECTOR = 4096


def _house(request: Request) -> Any:
    return request.app.state.house


def _by(request: Request) -> str:
    asker: Asker = request.state.asker
    return asker.identity.name


def _roles(request: Request) -> Any:
    asker: Asker = request.state.asker
    return asker.identity.roles


def _tenant(request: Request) -> str:
    return tenant_of(request.headers.get("x-scope-orgid"))


SAID = 'A selector such as node_load1{host="a"}; empty matches everything.'
Selector = Annotated[str, Query(max_length=MAX_SELECTOR, description=SAID)]


def _matching(match: Selector = "") -> tuple[Matcher, ...]:
    return parse_selector(match).matchers if match else ()


Of = Annotated[House, Depends(_house)]
By = Annotated[str, Depends(_by)]
Roles = Annotated[frozenset[Role], Depends(_roles)]
TenantOf = Annotated[str, Depends(_tenant)]
Matching = Annotated[tuple[Matcher, ...], Depends(_matching)]
StartMs = Annotated[int, Query(ge=0, le=LATEST_MS, description="From here, epoch ms, included.")]
EndMs = Annotated[int, Query(ge=0, le=LATEST_MS, description="Up to here, epoch ms, included.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="At most so many.")]


class Router(APIRouter):
    """Routes whose answers have the shape of what they return; a Response is on its own."""

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """Add a route; see the class."""
        returned = get_type_hints(endpoint)["return"]
        if returned is not Response:
            options["response_model"] = None if returned is type(None) else shape(returned)
        super().add_api_route(path, endpoint, **options)


def shape(hint: Any) -> Any:
    """Return the type that says in JSON what ``hint`` says here; see the module."""
    if hint == Labels:
        return Annotated[dict[str, str], BeforeValidator(dict)]
    if hint is float:
        finite = BeforeValidator(
            lambda value: None if value is None or not math.isfinite(value) else value
        )
        return Annotated[float | None, finite]
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _model(hint)
    if get_origin(hint) is frozenset:
        return Annotated[list[str], BeforeValidator(sorted)]
    if get_origin(hint) in {list, tuple}:
        return list[shape(get_args(hint)[0])]  # type: ignore[misc] # a type made at run time
    if get_origin(hint) in {Union, UnionType}:
        return Union[tuple(map(shape, get_args(hint)))]  # noqa: UP007 - made at run time
    if get_origin(hint) is Mapping:
        of = get_args(hint)[1]
        plain = Annotated[Any, BeforeValidator(lambda value: json.loads(json.dumps(value)))]
        return dict[str, plain if of is Any else shape(of)]  # type: ignore[misc] # likewise
    return hint


@cache
def _model(value: Any) -> type[BaseModel]:
    """Repeat a dataclass, with its properties, as a model that reads it by its attributes."""
    hints = get_type_hints(value)
    fields: dict[str, Any] = {}
    for each in dataclasses.fields(value):
        taken = hasattr(BaseModel, each.name)  # such as "schema", which models have of their own
        alias = Field(alias=each.name) if taken else Field()
        fields[each.name + "_" * taken] = (shape(hints[each.name]), alias)
    for name, made in vars(value).items():
        if isinstance(made, property):
            fields[name] = (shape(get_type_hints(made.fget)["return"]), ...)
    said, _, _ = value.__doc__.partition("\n\n")
    config = ConfigDict(from_attributes=True)
    return create_model(value.__name__, __config__=config, __doc__=said, **fields)
