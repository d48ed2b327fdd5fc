"""An outpost: a machine that answers for versions which a house approved, and does nothing else.

In: exported versions (:mod:`twinhelm.mlops.register.exported`) and the house's public key. Out:
the house's own doors for models, health checks, and ``/metrics``, by which the house can watch
this machine like any other. All parts are made here, by hand, for there are few: no store, no
journal, no identities, and so nothing heavy to install or import (decision 022). It asks the house
nothing: what is withdrawn there goes on here until it is replaced. It keeps no predictions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from prometheus_client import ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from twinhelm.core.clock import Clock, SystemClock
from twinhelm.core.errors import BadInput, Unauthenticated
from twinhelm.core.meters import WebMeters
from twinhelm.core.roles import Identity, Role
from twinhelm.core.settings import Settings
from twinhelm.mlops.deploy.serving import Serving
from twinhelm.mlops.register.exported import Exported, read
from twinhelm.mlops.register.seal import Verifier
from twinhelm.mlops.register.shelf import MODEL
from twinhelm.mlops.types import Deployment, Part
from twinhelm.web.doors.predict import PredictDoor
from twinhelm.web.guard import Guard
from twinhelm.web.routes import ROUTES
from twinhelm.web.server import bind, check_exposure, health_routes, run

__all__ = ["Tokens", "serve_outpost"]

MIN_SECRET = 20
"""Characters: as many random letters are 100 bits."""


class Tokens:
    """The secrets in a file, a line each: who knows one may ask models and look at metrics.

    Raises :class:`BadInput` where the file holds none, or one that is too short to rely on.
    """

    def __init__(self, file: Path | None) -> None:
        try:
            lines = file.read_text("ascii").split() if file else []
        except (OSError, UnicodeError) as error:
            raise BadInput(f"{file} cannot be read: {error}") from error
        if file and min(map(len, lines), default=0) < MIN_SECRET:
            said = f"{file} must hold secrets of at least {MIN_SECRET} characters, a line each"
            raise BadInput(said, hint="openssl rand -hex 32")
        self._known = {_digest(each) for each in lines}

    def resolve_token(self, secret: str, /) -> Identity:
        """Return who may ask; raises :class:`Unauthenticated`."""
        if _digest(secret) not in self._known:
            raise Unauthenticated("the token is not known here", hint="see serve --tokens")
        return Identity("outpost", frozenset({Role.OPERATOR}), "token")

    def resolve_session(self, _secret: str, /) -> Identity | None:
        """Nobody signs in here."""
        return None

    def csrf_token(self, _secret: str, /) -> str:
        """Nobody signs in here."""
        return ""


def serve_outpost(
    folders: Collection[Path],
    verifier: Verifier,
    settings: Settings,
    *,
    tokens: Tokens,
    python: str = "",
    on_ready: Callable[[str, Iterable[Exported]], None],
) -> None:
    """Answer for the versions in these folders until SIGTERM or SIGINT, then drain.

    ``python`` is the interpreter that has the models' libraries, empty for this one. ``on_ready``
    is called with the base URL once all models are warm. Raises what
    :func:`~twinhelm.mlops.register.exported.read` and
    :meth:`~twinhelm.mlops.deploy.serving.Serving.hold` raise.
    """
    listen, clock = settings.server.listen, SystemClock()
    lacks = "" if settings.auth.required else "no token is asked for"
    check_exposure(listen, lacks=lacks, hint="name a file of secrets with --tokens")
    found = {folder: read(folder, verifier) for folder in folders}
    names = [exported.product.name for exported in found.values()]
    if len(set(names)) < len(folders):
        raise BadInput(f"these are {', '.join(names)}", hint="name each product once")
    serving = Serving(None, clock, max_rows=settings.models.max_predict_rows)
    serving.waits = True

    def begin(url: str) -> None:
        for folder, exported in found.items():
            product, version = exported.product.name, exported.version.version
            limits = serving.limits(exported.spec, python)
            serving.hold(product, version, folder.absolute() / MODEL, limits)
            parts = (Part(version, "champion", 1.0),)
            serving.turn(Deployment(product, parts, clock.now_ms()), exported.spec)
            serving.measures(product, version)  # counted from 0 on, before anybody asks
        serving.waits = False
        on_ready(url, found.values())

    try:
        with bind(listen) as listener:
            site = _site(serving, settings, tokens, clock)
            run(site, listener, begin, websockets=False)
    finally:
        serving.close()


def _site(serving: Serving, settings: Settings, tokens: Tokens, clock: Clock) -> ASGIApp:
    """Put the doors of models behind the guard, with what watches over the server."""
    meters = WebMeters()
    meters.registry.register(_Measures(serving, clock))
    ProcessCollector(registry=meters.registry)
    plain = Router(health_routes("twinhelm's outpost", serving.ready, meters))
    door = PredictDoor(serving, settings)
    own = {route.path for route in plain.routes}  # type: ignore[attr-defined]
    rows = [row for row in ROUTES if row.door == "predict" or row.path in own]

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        await (door if scope["state"]["route"].door else plain)(scope, receive, send)

    guard = Guard(dispatch, rows, settings, tokens, meters)

    async def site(scope: Scope, receive: Receive, send: Send) -> None:
        await (plain if scope["type"] == "lifespan" else guard)(scope, receive, send)

    return site


class _Measures(Collector):
    """What :meth:`Serving.series` counts, as Prometheus reads it."""

    def __init__(self, serving: Serving, clock: Clock) -> None:
        self._serving, self._clock = serving, clock

    def collect(self) -> Iterable[Metric]:
        """Give a family for each name; a collector's one method."""
        families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
        for name, labels, _, value in self._serving.series(self._clock.now_ms()):
            kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            told = "Of a version, since this process began."
            family = families.setdefault(name, kind(name, told, labels=list(labels)))
            family.add_metric(list(labels.values()), value)
        return families.values()


def _digest(secret: str) -> bytes:
    """Make of a secret what can be compared without telling by its time how much was right."""
    return hashlib.sha256(secret.encode()).digest()
