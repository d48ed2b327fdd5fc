"""Who may pass: the one check that every request and every websocket goes through first.

In order: method and path must stand in the table of routes; ``Host`` and
``Origin`` must be ours (:class:`~twinhelm.web.who.HostRule`); whoever asks must hold the route's
right, where on a loopback address doors and read-only routes may be open to this machine; and a
browser session that changes something must prove by a token that its own page asked. Answers
leave with the headers that keep browsers strict, our errors among them. ``asker``, ``route`` and
``headers`` are handed on in ``scope["state"]``.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import replace
from functools import cache, lru_cache
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import quote

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from twinhelm.core.clock import SystemClock
from twinhelm.core.errors import BadInput, Denied, NotFound, Refused, TwinhelmError, Unauthenticated
from twinhelm.core.meters import WebMeters
from twinhelm.core.roles import GRANTS, Right, allows
from twinhelm.core.settings import Settings
from twinhelm.web.entry.signin import refusal_page
from twinhelm.web.frame import MOUNT, Answer, Headers, mlflow_refusal, refusal, send_answer
from twinhelm.web.routes import SOCKET, Route, RouteTable
from twinhelm.web.who import Asker, HostRule, Secrets, Who

__all__ = ["SAFE", "Guard", "Misdirected", "NotAllowed"]

SAFE = frozenset({"GET", "HEAD"})
OPEN_DOORS = (Right.INGEST, Right.PREDICT, Right.BUILD)
"""What programs on this machine may do without a token, at doors alone."""
MAX_PATH_BYTES = 4096
MOST_HOSTS = 1000
"""So many ``Host`` headers are remembered, which spares parsing them each time."""

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'none'"
)
"""No outside address at all. Inline and evaluated script is what the page framework's templates
need; they are written by us, and every text from telemetry is escaped."""

STRICT_HEADERS: list[tuple[bytes, bytes]] = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", POLICY.encode()),
]


class NotAllowed(Refused):
    """The path is known, the method is not."""

    status = 405


class Misdirected(Refused):
    """The request was meant for another host (RFC 9110, 15.5.20)."""

    status = 421


class Guard:
    """The middleware; see the module."""

    def __init__(
        self,
        app: ASGIApp,
        routes: Iterable[Route],
        settings: Settings,
        identities: Secrets,
        meters: WebMeters,
    ) -> None:
        self._app = app
        self._table = RouteTable(routes)
        self._rule = HostRule.of(settings.server)
        self._answers_to = lru_cache(MOST_HOSTS)(self._rule.answers_to)
        # How long a request takes is real, also where the house's clock is driven.
        self._clock = SystemClock()
        self._who = Who(identities, settings, self._clock)
        self._tally = _Tally(meters)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or answer it with a refusal."""
        started = self._clock.monotonic_s()
        headers: Headers = dict(scope["headers"])  # of a repeated one the last
        state: dict[str, Any] = scope.setdefault("state", {})
        state["headers"] = headers
        method = SOCKET if scope["type"] == "websocket" else scope["method"]
        reply = _Reply(send)
        route: Route | None = None
        try:
            route = self._route(method, scope["path"])
            self._check_place(method, headers)
            asker = await self._who.asks(headers, _cookies(headers))
            _check_right(route, asker)
            _check_token(route, asker, headers)
            reply.to_program = bool(route.door)
            state["asker"], state["route"] = asker, route
            await self._app(scope, receive, reply)
        except TwinhelmError as error:
            if reply.status:
                raise
            await _refuse(scope, receive, reply, error, form=bool(route and route.form))
        except ClientDisconnect:
            pass
        took = self._clock.monotonic_s() - started
        self._tally(route.path if route else "(none)", reply.status, took)

    def _route(self, method: str, path: str) -> Route:
        if len(path) > MAX_PATH_BYTES:
            raise BadInput(f"the path has {len(path)} characters, the limit is {MAX_PATH_BYTES}")
        route = self._table.find(method, path)
        if route is not None:
            return route
        others = " and ".join(self._table.methods(path))
        if others:
            raise NotAllowed(f"{path} does not take {method}", hint=f"it takes {others}")
        raise NotFound(f"there is nothing at {path}", hint="docs/routes.md lists every route")

    def _check_place(self, method: str, headers: Headers) -> None:
        host = headers.get(b"host", b"").decode("latin-1")
        if not self._answers_to(host):
            hint = "use its listen address, or add the name to server.allowed_hosts"
            said = f"this server does not answer to the host {host[:200]!r}"
            raise Misdirected(said, hint=hint)
        if b"origin" not in headers or method in SAFE:
            return
        origin = headers[b"origin"].decode("latin-1")
        if not self._rule.may_come_from(origin, host):
            hint = "open twinhelm by its own address, or add the name to server.allowed_hosts"
            said = f"a page of {origin[:200]!r} may not ask this of {host[:200]!r}"
            raise Denied(said, hint=hint)


def _check_right(route: Route, asker: Asker) -> None:
    """Raise :class:`Unauthenticated` or :class:`Denied` unless the asker may use the route."""
    right = route.right
    if right is None or allows(asker.identity, right):
        return
    if asker.trusted and (right is Right.READ or (right in OPEN_DOORS and route.door)):
        return
    if asker.identity.proof in {"session", "token"}:
        roles = sorted(role.value for role, rights in GRANTS.items() if right in rights)
        said = f"{asker.identity.name} may not do this: it needs the right {right.value!r}"
        raise Denied(said, hint=f"the role {' or '.join(roles)} has it; an admin can grant it")
    said = f"this needs somebody with the right {right.value!r}"
    hint = "send `Authorization: Bearer TOKEN`"
    hint = hint if route.door else f"sign in at /sign-in, or {hint}"
    raise Unauthenticated(said, hint=hint)


def _check_token(route: Route, asker: Asker, headers: Headers) -> None:
    """Raise :class:`Denied` where a session changes something without its page's token."""
    if asker.identity.proof != "session" or not route.changes:
        return
    said = headers.get(b"x-csrf-token", b"")
    if not hmac.compare_digest(said, asker.csrf.encode()):
        wrong = "the request does not carry this session's form token"
        raise Denied(wrong, hint="send it as X-CSRF-Token; reload the page if it is old")


def _cookies(headers: Headers) -> dict[str, str]:
    """Read the cookies; unreadable ones count as none."""
    raw = headers.get(b"cookie", b"").decode("latin-1")
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(raw).items()} if raw else {}
    except CookieError:
        return {}


async def _refuse(
    scope: Scope, receive: Receive, reply: _Reply, error: TwinhelmError, *, form: bool
) -> None:
    if scope["type"] == "websocket":
        await receive()
        reply.status = error.status
        await reply.send({"type": "websocket.close", "code": 1008, "reason": error.message[:100]})
        return
    safe, unknown = scope["method"] in SAFE, isinstance(error, Unauthenticated)
    accepted = scope["state"]["headers"].get(b"accept", b"")
    if scope["path"].startswith(f"{MOUNT}/"):
        answer = mlflow_refusal(error)
    elif not (safe or form) or b"text/html" not in accepted:
        answer = refusal(error)
    elif safe and unknown:
        asked = scope["path"] + ("?" + scope["query_string"].decode("latin-1")).rstrip("?")
        where = f"/sign-in?next={quote(asked, safe='/')}".encode()
        answer = Answer(303, headers=((b"location", where),))
    else:
        answer = Answer(error.status, refusal_page(error), b"text/html; charset=utf-8")
    if unknown and answer.status == error.status:
        challenge = (b"www-authenticate", b'Bearer realm="twinhelm"')
        answer = replace(answer, headers=(*answer.headers, challenge))
    # The body of what changes something was perhaps not read, and nobody will.
    await send_answer(reply, replace(answer, close=not safe))


class _Reply:
    """Passes messages on, adds the strict headers, and remembers the status."""

    __slots__ = ("send", "status", "to_program")

    def __init__(self, send: Send) -> None:
        self.send = send
        self.status = 0
        self.to_program = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            # What telemetry doors answer is read by programs, and often.
            strict = STRICT_HEADERS[:1] if self.to_program else STRICT_HEADERS
            message["headers"] = [*message.get("headers", ()), *strict]
        elif message["type"] == "websocket.accept":
            self.status = 101
        await self.send(message)


class _Tally:
    """Counts answers by route and status; keeps the labelled children, which cost to look up."""

    def __init__(self, meters: WebMeters) -> None:
        self._count = cache(lambda route, status: meters.requests.labels(route, str(status)))
        self._time = cache(lambda route: meters.request_seconds.labels(route))

    def __call__(self, route: str, status: int, seconds: float) -> None:
        self._count(route, status).inc()
        if status != 101:
            self._time(route).observe(seconds)
