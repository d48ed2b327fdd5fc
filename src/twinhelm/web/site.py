"""The whole of what is served, behind one guard: doors, query API, own API, sign-in, pages.

Doors, health and the query API stand at once. Our own API and the pages need frameworks that
take a second to import, so they are furnished in the background once the server listens;
requests for them wait until they stand. :meth:`Site.listed` names every route that any part
would answer, so that a test can hold the table of routes against it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Mount, Route, Router, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from twinhelm.core.errors import TwinhelmError, Unavailable
from twinhelm.web.body import Intray, TooSlow
from twinhelm.web.doors.door import Door, Protocol
from twinhelm.web.doors.happenings import ALERTS, CLOUDEVENTS, LINEAGE, WEBHOOK
from twinhelm.web.doors.loki import LOKI
from twinhelm.web.doors.otlp import OTLP_LOGS, OTLP_METRICS, OTLP_TRACES
from twinhelm.web.doors.remote_write import REMOTE_WRITE
from twinhelm.web.frame import refusal, send_answer
from twinhelm.web.guard import SAFE, Guard
from twinhelm.web.hosts import HostRule, listen_address
from twinhelm.web.prometheus.api import prometheus_routes
from twinhelm.web.routes import ROUTES, SOCKET, RouteTable
from twinhelm.web.signin import signin_routes
from twinhelm.web.who import Who

if TYPE_CHECKING:
    from fastapi import FastAPI

    from twinhelm.app import House

__all__ = ["DOORS", "Site"]

log = logging.getLogger(__name__)

DOORS: dict[str, Protocol] = {
    "/api/v1/write": REMOTE_WRITE,
    "/api/v1/push": REMOTE_WRITE,
    "/v1/metrics": OTLP_METRICS,
    "/v1/traces": OTLP_TRACES,
    "/v1/logs": OTLP_LOGS,
    "/api/v1/otlp/v1/metrics": OTLP_METRICS,
    "/otlp/v1/logs": OTLP_LOGS,
    "/loki/api/v1/push": LOKI,
    "/api/prom/push": LOKI,
    "/api/v2/alerts": ALERTS,
    "/api/webhooks/alertmanager": WEBHOOK,
    "/api/events": CLOUDEVENTS,
    "/api/v1/lineage": LINEAGE,
}

DECODING_THREADS = 2
"""Decoding releases the interpreter lock for most of its time; each thread may hold one
unpacked body of limits.max_decoded_bytes."""

FORM_BYTES = 1 << 20
"""The largest body of a form or an API call; telemetry has limits of its own."""

API_PREFIX = "/api/twinhelm/"


class Site:
    """The ASGI application."""

    def __init__(self, house: House, *, pages: bool = True) -> None:
        self._house = house
        self._make_pages = _make_pages if pages else _no_pages
        settings = house.settings
        self._workers = ThreadPoolExecutor(DECODING_THREADS, "twinhelm-door")
        tray = Intray(settings.limits)
        self._doors = {
            path: Door(house, protocol, tray, self._workers) for path, protocol in DOORS.items()
        }
        small = settings.limits.model_copy(update={"max_body_bytes": FORM_BYTES})
        self._forms = Intray(small)
        self._plain = Router(
            [*_health_routes(house), *signin_routes(house), *prometheus_routes(house)]
        )
        self._plain_paths = {route.path for route in self._plain.routes if isinstance(route, Route)}
        self._api = _Furniture()
        self._pages = _Furniture()
        self._over = asyncio.Event()
        self._furnishing: asyncio.Task[None] | None = None
        host, _ = listen_address(settings.server.listen)
        allowed = frozenset(name.lower() for name in settings.server.allowed_hosts)
        self._guard = Guard(
            self._dispatch,
            table=RouteTable(ROUTES),
            rule=HostRule(host, allowed),
            who=Who(house.identities, settings, house.clock),
            clock=house.clock,
            meters=house.meters,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's request, or the life of the server."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await self._guard(scope, receive, send)

    async def furnished(self) -> None:
        """Wait until our own API and the pages stand."""
        await self._api.wait()
        await self._pages.wait()

    def listed(self) -> set[tuple[str, str]]:
        """Name (method, path) of everything that would be answered, mounts as ``path/*``."""
        found = {("POST", path) for path in self._doors}
        found |= set(_listed(self._plain.routes))
        if self._api.app is not None:
            # Routers that were included show their routes in the document only.
            paths: dict[str, Any] = self._api.app.openapi()["paths"]
            found |= {(method.upper(), path) for path in paths for method in paths[path]}
            found |= set(_listed(self._api.app.routes))
        if self._pages.app is not None:
            found |= set(_listed(self._pages.app.routes))
        return found

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["state"]["route"].path
        if scope["type"] == "http" and scope["method"] == "POST":
            door = self._doors.get(path)
            if door is not None:
                await door(scope, receive, send)
                return
        try:
            if path in self._plain_paths:
                part: ASGIApp = self._plain
            elif path.startswith(API_PREFIX):
                part = await self._api.wait()
            else:
                part = await self._pages.wait()
        except Unavailable as error:
            await send_answer(send, refusal(error))
            return
        if scope["type"] == "http" and scope["method"] not in SAFE:
            await self._with_body(part, scope, receive, send)
        else:
            await part(scope, receive, send)

    async def _with_body(self, part: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body within bounds first, since frameworks read without any."""
        tray = self._forms
        try:
            place = tray.enter()
        except TwinhelmError as error:
            await send_answer(send, refusal(error))
            return
        try:
            await tray.fill(place, scope["state"]["headers"], receive)
            await part(scope, _replay(place.body, receive), send)
        except ClientDisconnect:
            return
        except TwinhelmError as error:
            close = isinstance(error, TooSlow) or error.status == 413
            await send_answer(send, refusal(error, close=close))
        finally:
            tray.leave(place)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._furnishing = asyncio.create_task(self._furnish())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._over.set()
        await self._furnishing
        self._workers.shutdown()
        await send({"type": "lifespan.shutdown.complete"})

    async def _furnish(self) -> None:
        """Import and build what is slow to import, then keep the pages alive until the end."""
        await self._api.build(lambda: _make_api(self._house))
        self._api.stands.set()
        await self._pages.build(lambda: self._make_pages(self._house))
        pages = self._pages.app
        if pages is None:
            await self._over.wait()
            return
        async with pages.router.lifespan_context(pages):
            self._pages.stands.set()
            await self._over.wait()


class _Furniture:
    """A part of the site that comes later."""

    def __init__(self) -> None:
        self.app: FastAPI | None = None
        self.stands = asyncio.Event()
        self._broken = ""

    async def build(self, make: Callable[[], FastAPI]) -> None:
        """Make it in a thread; where that fails, say so in the log and to whoever asks."""
        try:
            self.app = await asyncio.to_thread(make)
        except Exception as error:
            log.critical("a part of the site cannot be built", exc_info=error)
            self._broken = f"{type(error).__name__}: {error}"
            self.stands.set()

    async def wait(self) -> FastAPI:
        """Return it once it stands; :class:`Unavailable` where it never will."""
        if not self.stands.is_set():
            await self.stands.wait()
        if self.app is None:
            raise Unavailable(
                f"this part of the site could not be started: {self._broken}",
                hint="telemetry is taken all the same; see the server's log",
                retry_after_s=60.0,
            )
        return self.app


def _make_api(house: House) -> FastAPI:
    from twinhelm.web.api.app import api_app

    return api_app(house)


def _make_pages(house: House) -> FastAPI:
    from twinhelm.web.pages import pages_app

    return pages_app(house)


def _no_pages(_house: House) -> FastAPI:
    from fastapi import FastAPI

    return FastAPI(openapi_url=None)


def _health_routes(house: House) -> list[Route]:
    """Make the routes that watch over the server itself."""

    async def healthy(_request: Request) -> Response:
        return Response("twinhelm is healthy\n", media_type="text/plain")

    async def ready(_request: Request) -> Response:
        if house.ready:
            return Response("twinhelm is ready\n", media_type="text/plain")
        return Response(
            "twinhelm is starting\n", 503, {"retry-after": "1"}, media_type="text/plain"
        )

    async def metrics(_request: Request) -> Response:
        text = await asyncio.to_thread(house.meters.exposition)
        return Response(text, headers={"content-type": "text/plain; version=0.0.4; charset=utf-8"})

    return [
        Route("/-/healthy", healthy),
        Route("/-/ready", ready),
        Route("/metrics", metrics),
    ]


def _replay(body: bytes, receive: Receive) -> Receive:
    """Give a body that was read already, then what really comes."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _listed(routes: Iterable[Any]) -> Iterable[tuple[str, str]]:
    for route in routes:
        if isinstance(route, Mount):
            yield "*", f"{route.path}/*"
        elif isinstance(route, WebSocketRoute):
            yield SOCKET, route.path
        elif isinstance(route, Route):
            for method in (route.methods or set()) - {"HEAD"}:
                yield method, route.path
