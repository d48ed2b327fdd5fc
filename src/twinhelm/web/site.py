"""The whole of what a house serves, behind one guard: doors, query API, own API, sign-in, pages.

Doors, health and the query API stand at once. Our own API and the pages take a second to import,
so they are furnished in the background; requests for them wait until they stand. :func:`serve`
starts the house behind its site, and stops it when the server has ended.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from starlette.routing import Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from twinhelm.aiops.collect.development.hooks import MAX_BYTES
from twinhelm.core.errors import Unavailable
from twinhelm.core.own.tracing import start_tracing
from twinhelm.web import VERSION
from twinhelm.web.body import Intray
from twinhelm.web.doors.development import DEVELOPMENT, HOOKS
from twinhelm.web.doors.door import Door
from twinhelm.web.doors.otlp import OTLP
from twinhelm.web.doors.predict import PredictDoor
from twinhelm.web.doors.remote_write import REMOTE_WRITE
from twinhelm.web.doors.simple import SIMPLE
from twinhelm.web.entry.acknowledge import notice_routes
from twinhelm.web.entry.signin import signin_routes
from twinhelm.web.guard import SAFE, Guard
from twinhelm.web.mlflow import MlflowDoor, mlflow_routes
from twinhelm.web.prometheus.api import prometheus_routes
from twinhelm.web.routes import ROUTES
from twinhelm.web.server import bind, check_exposure, health_routes, run

if TYPE_CHECKING:
    from fastapi import FastAPI

    from twinhelm.app import House

__all__ = ["Site", "serve"]

log = logging.getLogger(__name__)

PROTOCOLS = {protocol.name: protocol for protocol in (REMOTE_WRITE, *OTLP, *SIMPLE, *DEVELOPMENT)}

DECODING_THREADS = 2
"""Decoding releases the interpreter lock for most of its time; each thread may hold one
unpacked body of limits.max_decoded_bytes."""

FORM_BYTES = 1 << 20
"""The largest body of a form or an API call; telemetry has limits of its own."""

API_PREFIX = "/api/twinhelm/"
ADD = "add a person with `twinhelm user add NAME --role admin`"


def serve(house: House, *, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve a house until SIGTERM or SIGINT, then stop it.

    ``on_ready`` is called with the base URL once health checks are answered; until it returns
    the house is not ready, so that whoever waited for readiness finds what it writes. Raises
    :class:`Refused` (and stops the house) when the address is not allowed or cannot be bound.
    """

    def begin(url: str) -> None:
        house.announced = False
        here = url.replace("//0.0.0.0", "//127.0.0.1").replace("//[::]", "//[::1]")
        house.models.url = house.notices.url = here
        house.start()
        if on_ready is not None:
            on_ready(url)
        house.announced = True

    settings = house.settings
    try:
        _check_exposure(house)
        with bind(settings.server.listen) as listener:
            end_tracing = start_tracing(settings.tracing, version=VERSION)
            try:
                run(Site(house), listener, begin)
            finally:
                end_tracing()
    finally:
        house.stop()


def _check_exposure(house: House) -> None:
    """Refuse an address that others can reach while anybody could do anything there."""
    lacks = hint = ""
    if not house.settings.auth.required:
        lacks = "auth.required is not set"
        hint = f"set auth.required = true and {ADD}, or listen on 127.0.0.1"
    elif not house.identities.people() and not house.identities.tokens():
        lacks = "nobody can sign in yet"
        hint = f"{ADD}, or a token with `twinhelm token create NAME --role ROLE`"
    check_exposure(house.settings.server.listen, lacks=lacks, hint=hint)


class Site:
    """The ASGI application."""

    def __init__(self, house: House, *, pages: bool = True) -> None:
        self._house = house
        self._make_pages = _make_pages if pages else _no_pages
        settings, limits = house.settings, house.settings.limits
        self._workers = ThreadPoolExecutor(DECODING_THREADS, "twinhelm-door")
        tray = Intray(limits)
        hooks = Intray(limits.model_copy(update={"max_body_bytes": MAX_BYTES}))
        models = house.models
        self._mlflow = MlflowDoor(models.tracking, models.gate, models.arrivals.hear, settings)
        whole: dict[str, ASGIApp] = {
            "predict": PredictDoor(models.serving, settings),
            "mlflow": self._mlflow,
        }
        self._doors: dict[str, ASGIApp] = {
            row.path: whole.get(row.door)
            or Door(house, PROTOCOLS[row.door], hooks if row.door in HOOKS else tray, self._workers)
            for row in ROUTES
            if row.door and (row.door != "mlflow" or settings.models.mlflow)
        }
        self._forms = Intray(limits.model_copy(update={"max_body_bytes": FORM_BYTES}))
        health = health_routes("twinhelm", lambda: house.ready, house.meters)
        routes = [*health, *signin_routes(house), *notice_routes(house), *prometheus_routes(house)]
        routes += mlflow_routes()
        self._plain = Router(routes)
        self._plain_paths = {route.path for route in routes}
        self._api = _Furniture()
        self._pages = _Furniture()
        self._over = asyncio.Event()
        self._furnishing: asyncio.Task[None] | None = None
        self._guard = Guard(self._dispatch, ROUTES, settings, house.identities, house.meters)

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

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["state"]["route"].path
        part: ASGIApp
        if path in self._doors:
            part = self._doors[path]
        elif path in self._plain_paths:
            part = self._plain
        else:
            part = await (self._api if path.startswith(API_PREFIX) else self._pages).wait()
        if path in self._doors or scope["type"] != "http" or scope["method"] in SAFE:
            await part(scope, receive, send)
            return
        # The body is read within bounds first, since frameworks read without any.
        async with self._forms.taken(scope["state"]["headers"], receive) as body:
            await part(scope, _replay(body, receive), send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._furnishing = asyncio.create_task(self._furnish())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._over.set()
        await self._furnishing
        await self._mlflow.close()
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
        await self.stands.wait()
        if self.app is None:
            said = f"this part of the site could not be started: {self._broken}"
            hint = "telemetry is taken all the same; see the server's log"
            raise Unavailable(said, hint=hint, retry_after_s=60.0)
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


def _replay(body: bytes, receive: Receive) -> Receive:
    """Give a body that was read already, then what really comes."""
    given: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return given.pop() if given else await receive()

    return again
