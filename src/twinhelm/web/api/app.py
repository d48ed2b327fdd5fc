"""Put the API together: routers, one form for errors, and the document that describes it all.

The document stands at ``/api/twinhelm/openapi.json``. There are no interactive pages: those of
the framework load scripts from elsewhere, and nothing of ours does.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response

from twinhelm.core.errors import TwinhelmError
from twinhelm.web import VERSION
from twinhelm.web.api import (
    advice,
    approvals,
    feedback,
    incidents,
    jobs,
    notices,
    people,
    products,
    repairs,
    serving,
    status,
    telemetry,
)
from twinhelm.web.frame import json_answer, refusal

if TYPE_CHECKING:
    from twinhelm.app import House

__all__ = ["Problem", "api_app"]

PREFIX = "/api/twinhelm/v1"
DOCUMENT = "/api/twinhelm/openapi.json"


class Problem(BaseModel):
    """Why something was refused, and what to try."""

    error: str
    hint: str = ""


def api_app(house: House) -> FastAPI:
    """Make the API for a house."""
    refused = {"model": Problem, "description": "Refused: why, and what to try."}
    app = FastAPI(
        title="twinhelm",
        version=VERSION,
        openapi_url=DOCUMENT,
        docs_url=None,
        redoc_url=None,
        responses={"default": refused},
    )
    app.state.house = house
    parts = (status, incidents, feedback, telemetry, people, jobs, products, serving, approvals)
    for part in (*parts, repairs, notices, advice):
        app.include_router(part.router, prefix=PREFIX)
    for kind in (TwinhelmError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, _refused)
    app.openapi = cache(lambda: _document(app))  # type: ignore[method-assign] # as is documented
    return app


def _document(app: FastAPI) -> dict[str, Any]:
    """Describe the routes; what is invalid is answered 400 in our form, not the framework's."""
    made = get_openapi(title=app.title, version=app.version, routes=app.routes)
    for path in made["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
    for unused in ("HTTPValidationError", "ValidationError"):
        made["components"]["schemas"].pop(unused, None)
    return made


async def _refused(request: Request, error: Exception) -> Response:
    if isinstance(error, TwinhelmError):
        return refusal(error).response()
    status, said = 400, str(error)
    if isinstance(error, RequestValidationError):
        places = (".".join(map(str, item["loc"])) + f": {item['msg']}" for item in error.errors())
        said = "; ".join(places)[:2000]
    elif isinstance(error, HTTPException):
        status, said = error.status_code, f"{request.url.path[:200]}: {error.detail}"
    hint = f"the API is described at {DOCUMENT}"
    return json_answer({"error": said, "hint": hint}, status).response()
