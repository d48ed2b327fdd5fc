"""What surrounds a service's own routes? Health, metrics, defects, and the watch on each request.

The outermost is the lab's and the operator's side (``/healthz``, ``/metrics``, ``/_lab``), which
telemetry does not see; then OpenTelemetry's middleware; then the watch, which counts, applies
defects, and logs requests that failed or were slow; then the service.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import orjson
from opentelemetry.trace import get_current_span
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from twinhelm.lab.plan import SECRET_HEADER
from twinhelm.lab.words import LabError

if TYPE_CHECKING:
    from twinhelm.lab.shop.runtime.service import Service

__all__ = ["Admin", "Front", "Watch", "answer"]

SLOW_S = 0.5
"""A request that takes longer gets a line in the log."""


def answer(value: Any, status: int = 200) -> Response:
    """Return a value as JSON."""
    return Response(orjson.dumps(value), status, media_type="application/json")


class Front:
    """The whole application of one process."""

    def __init__(
        self, service: Service, routes: Sequence[Route], shop: Starlette, waiting: Collection[str]
    ) -> None:
        self._routes = routes
        self._shop = shop
        self._admin = Admin(service)
        self._watched: ASGIApp = Watch(service, shop, waiting)
        if service.telemetry.traced:
            from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

            self._watched = OpenTelemetryMiddleware(
                self._watched, default_span_details=_span_details, exclude_spans=["receive", "send"]
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the process's life."""
        if scope["type"] != "http":
            await self._shop(scope, receive, send)
        elif scope["path"] in ("/healthz", "/metrics") or scope["path"].startswith("/_lab/"):
            response = await self._admin.answer(Request(scope, receive))
            await response(scope, receive, send)
        else:
            scope["shop.route"] = self._route(scope)
            await self._watched(scope, receive, send)

    def _route(self, scope: Scope) -> str:
        for route in self._routes:
            if route.matches(scope)[0] is Match.FULL:
                return route.path
        return "unknown"


def _span_details(scope: Scope) -> tuple[str, dict[str, str]]:
    route = scope["shop.route"]
    return f"{scope['method']} {route}", {"http.route": route}


class Admin:
    """The side of a service that its telemetry does not see."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def answer(self, request: Request) -> Response:
        """Answer, or say why not."""
        service, path = self._service, request.url.path
        if path == "/healthz":
            return answer({"service": service.name, "version": service.version})
        if path == "/metrics" and service.telemetry.scraped:
            from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

            return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
        if path != "/_lab/defects" or request.method != "POST":
            return answer({"detail": "not found"}, 404)
        secret = request.headers.get(SECRET_HEADER, "")
        if not hmac.compare_digest(secret.encode(), service.plan.secret.encode()):
            return answer({"detail": f"{SECRET_HEADER} is missing or wrong"}, 403)
        try:
            asked = orjson.loads(await request.body())
            name, on = asked.pop("name"), asked.pop("on")
        except (ValueError, KeyError, TypeError, AttributeError):
            return answer({"detail": "expected an object with name and on"}, 400)
        try:
            # Ending one waits for its threads; the service goes on meanwhile.
            if on:
                await anyio.to_thread.run_sync(lambda: service.defects.on(name, **asked))
            else:
                await anyio.to_thread.run_sync(service.defects.off, name)
        except LabError as error:
            return answer({"detail": str(error)}, 400)
        return answer({"active": service.defects.active})


class Watch:
    """Counts requests, applies defects to them, and logs what failed or was slow."""

    def __init__(self, service: Service, app: ASGIApp, waiting: Collection[str]) -> None:
        self._service = service
        self._app = app
        self._waiting = waiting
        self._log = logging.getLogger("shop.access")
        self._scraped = service.telemetry.scraped
        if self._scraped:
            made = service.telemetry.instruments
            self._count = made.counter(
                "http.requests", "Requests served", "method", "route", "code"
            )
            self._time = made.histogram(
                "http.request.duration.seconds", "Time to serve", "method", "route"
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request under watch."""
        method, route = scope["method"], scope["shop.route"]
        began_s = time.perf_counter()
        # Without an answer (the caller went away) the request counts as 499.
        status = 499

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            failure = await self._service.defects.meet(scope["path"])
            if failure:
                self._log.error("%s %s: internal error, request abandoned", method, scope["path"])
                await answer({"detail": "internal error"}, failure)(scope, receive, noting)
            else:
                await self._app(scope, receive, noting)
        except asyncio.CancelledError:
            # The process ends, and this request was not done in time.
            if status == 499:
                await answer({"detail": "shutting down"}, 503)(scope, receive, noting)
        except Exception as error:  # noqa: BLE001 - Starlette has answered 500 already
            status = 500
            get_current_span().record_exception(error)
            self._log.exception("%s %s raised %s", method, scope["path"], type(error).__name__)
        finally:
            waits = route in self._waiting
            seconds = 0.0 if waits else time.perf_counter() - began_s
            if self._scraped:
                self._count(method=method, route=route, code=str(status))
                if not waits:
                    self._time(seconds, method=method, route=route)
            if status >= 500 or seconds > SLOW_S:
                level = logging.ERROR if status >= 500 else logging.WARNING
                self._log.log(
                    level, "%s %s %d in %.0f ms", method, scope["path"], status, seconds * 1_000
                )
