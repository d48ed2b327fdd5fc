"""Put the API together: routers, one form for errors, and the document that describes it all.

The document stands at ``/api/twinhelm/openapi.json``. There are no interactive pages: those of
the framework load scripts from elsewhere, and nothing of ours does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.responses import Response

from twinhelm.core import json
from twinhelm.core.errors import TwinhelmError
from twinhelm.web import VERSION
from twinhelm.web.api import incidents, jobs, journal, people, status, telemetry
from twinhelm.web.api.models import Problem
from twinhelm.web.frame import retry_after

if TYPE_CHECKING:
    from twinhelm.app import House

__all__ = ["api_app"]

PREFIX = "/api/twinhelm/v1"
REFUSED: dict[int | str, dict[str, Any]] = {
    "default": {"model": Problem, "description": "Refused: why, and what to try."}
}


def api_app(house: House) -> FastAPI:
    """Make the API for a house."""
    app = FastAPI(
        title="twinhelm",
        version=VERSION,
        openapi_url="/api/twinhelm/openapi.json",
        docs_url=None,
        redoc_url=None,
        responses=REFUSED,
    )
    app.state.house = house
    for part in (status, incidents, telemetry, journal, people, jobs):
        app.include_router(part.router, prefix=PREFIX)
    app.add_exception_handler(TwinhelmError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _missing)

    def document() -> dict[str, Any]:
        if not app.openapi_schema:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign] # the framework's documented way
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


def _problem(status_code: int, error: str, hint: str = "", **headers: str) -> Response:
    body = json.dumps({"error": error, "hint": hint})
    return Response(body, status_code, headers, "application/json")


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, TwinhelmError)  # noqa: S101 - registered for it alone
    headers = {name.decode(): value.decode() for name, value in retry_after(error)}
    return _problem(error.status, error.message, error.hint, **headers)


async def _invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it alone
    wrong = "; ".join(
        f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()
    )
    return _problem(400, wrong[:2000], "the API is described at /api/twinhelm/openapi.json")


async def _missing(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it alone
    said = f"{request.url.path[:200]}: {error.detail}"
    return _problem(error.status_code, said, "the API is described at /api/twinhelm/openapi.json")
