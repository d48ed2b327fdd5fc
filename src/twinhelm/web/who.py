"""Who is asking, at which address, and whether a page that asks may.

A token comes as ``Authorization: Bearer th_...`` or as the password of Basic authentication, a
session as a cookie; an unknown token is refused even where nobody would have been let in. Nobody
is *trusted* (may send telemetry and read) on a loopback address unless settings say otherwise,
and never through a proxy. Looking a secret up may wait for the SQL database, so it happens in a
thread; for the few seconds in which :class:`~twinhelm.events.identities.Identities` remembers
the answer itself, it is asked directly, which keeps a revocation immediate.

Against DNS rebinding and forms of other sites, a request's ``Host`` must be one that we know: on
a loopback address only loopback names and ``server.allowed_hosts``; on a wider one also the
listen address and any literal IP address, since a literal cannot be rebound. An ``Origin``, where
there is one, must be the very address that was asked, or an allowed host.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from twinhelm.core.errors import BadInput, Unauthenticated
from twinhelm.core.roles import ANONYMOUS, Identity
from twinhelm.core.settings import ServerSettings, Settings
from twinhelm.web.frame import Headers

if TYPE_CHECKING:
    from twinhelm.core.clock import Clock

__all__ = [
    "COOKIE", "Asker", "HostRule", "Secrets", "Who", "is_loopback", "listen_address", "split_host",
]  # fmt: skip

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
COOKIE = "twinhelm_session"
WARM_S = 4.0
"""Less than the five seconds for which identities are remembered."""

MOST_WARM = 4096
FORWARDED = (b"x-forwarded-for", b"forwarded", b"x-real-ip", b"x-forwarded-host")


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks; ``csrf`` is the token that a session's own pages send back; see the module."""

    identity: Identity
    trusted: bool = False
    csrf: str = ""
    session: str = ""


NOBODY, NEIGHBOUR = Asker(ANONYMOUS), Asker(ANONYMOUS, trusted=True)
Found = TypeVar("Found", bound=Identity | None)


class Secrets(Protocol):
    """Whoever knows whose a secret is: :class:`~twinhelm.events.identities.Identities` does."""

    def resolve_token(self, secret: str, /) -> Identity:
        """Return whose token it is; raises :class:`Unauthenticated`."""
        ...

    def resolve_session(self, secret: str, /) -> Identity | None:
        """Return who is signed in with it, or None."""
        ...

    def csrf_token(self, secret: str, /) -> str:
        """Return what the forms of this session carry."""
        ...


class Who:
    """Finds out; lives on one event loop."""

    def __init__(self, identities: Secrets, settings: Settings, clock: Clock) -> None:
        self._identities = identities
        self._clock = clock
        host, _ = listen_address(settings.server.listen)
        auth = settings.auth
        self._trusting = is_loopback(host) and auth.trust_loopback_reads and not auth.required
        self._warm: dict[str, float] = {}

    async def asks(self, headers: Headers, cookies: dict[str, str]) -> Asker:
        """Return who asks; raises :class:`Unauthenticated` for a token that opens nothing."""
        said = headers.get(b"authorization")
        if said is not None:
            return Asker(await self._resolved(self._identities.resolve_token, _secret(said)))
        session = cookies.get(COOKIE)
        identity = session and await self._resolved(self._identities.resolve_session, session)
        if session and identity:
            return Asker(identity, csrf=self._identities.csrf_token(session), session=session)
        trusted = self._trusting and not any(name in headers for name in FORWARDED)
        return NEIGHBOUR if trusted else NOBODY

    async def _resolved(self, ask: Callable[[str], Found], secret: str) -> Found:
        now_s = self._clock.monotonic_s()
        if self._warm.get(secret, 0.0) > now_s:
            return ask(secret)
        found = await asyncio.to_thread(ask, secret)
        if found is not None:
            if len(self._warm) >= MOST_WARM:
                self._warm.clear()
            self._warm[secret] = now_s + WARM_S
        return found


def _secret(header: bytes) -> str:
    scheme, _, rest = header.decode("latin-1").partition(" ")
    if scheme.lower() == "bearer" and rest.strip():
        return rest.strip()
    if scheme.lower() == "basic":
        try:
            pair = base64.b64decode(rest.strip(), validate=True).decode()
        except (binascii.Error, ValueError):
            pair = ""
        _, colon, password = pair.partition(":")
        if colon and password:
            return password
    hint = "send `Authorization: Bearer th_...`, or Basic with the token as password"
    raise Unauthenticated("the Authorization header holds no token", hint=hint)


def listen_address(listen: str) -> tuple[str, int]:
    """Split ``HOST:PORT``; raises :class:`BadInput` that says what is wrong with it.

    >>> listen_address("[::1]:9700")
    ('::1', 9700)
    """
    host, colon, port = listen.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or not bare or (":" in bare and bare == host):
        said = f"server.listen is {listen!r}, which is not HOST:PORT"
        raise BadInput(said, hint="write 127.0.0.1:9700, or [::1]:9700 for IPv6")
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        said = f"the port in server.listen {listen!r} is {port!r}"
        raise BadInput(said, hint="0 to 65535 is possible")
    return bare, int(port)


def is_loopback(host: str) -> bool:
    """Tell whether a listen host can only be reached from this machine."""
    address = _literal(host)
    return host == "localhost" or (address is not None and address.is_loopback)


@dataclass(frozen=True, slots=True)
class HostRule:
    """The rule for one listen address; ``allowed`` are names or ``name:port``."""

    host: str
    allowed: frozenset[str]

    @staticmethod
    def of(server: ServerSettings) -> HostRule:
        """Read the rule from settings."""
        host, _ = listen_address(server.listen)
        return HostRule(host, frozenset(name.lower() for name in server.allowed_hosts))

    def answers_to(self, header: str) -> bool:
        """Tell whether a ``Host`` header names us; the port is free (tunnels change it)."""
        name, _ = split_host(header)
        if name in LOOPBACK_NAMES or name in self.allowed or header.lower() in self.allowed:
            return True
        if is_loopback(self.host):
            return False
        return name == self.host.lower() or _literal(name) is not None

    def may_come_from(self, origin: str, host_header: str) -> bool:
        """Tell whether a page of ``origin`` may change things at the asked ``Host``."""
        scheme, mark, rest = origin.lower().partition("://")
        if not mark or scheme not in {"http", "https"}:
            return False
        usual = {"http": 80, "https": 443}[scheme]
        name, port = split_host(rest)
        asked, asked_port = split_host(host_header)
        # A TLS proxy in front keeps the host and drops the port that its scheme implies.
        if name == asked and (port or usual) == (asked_port or usual):
            return True
        return rest in self.allowed or (name in self.allowed and port in {None, usual})


def split_host(header: str) -> tuple[str, int | None]:
    """Split a ``Host`` header into lower-case name and port; an unreadable one gives ``""``."""
    header = header.strip().lower()
    if header.startswith("["):
        name, bracket, rest = header[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            return "", None
        port = rest[1:]
    else:
        name, _, port = header.partition(":")
    if port and not (port.isascii() and port.isdigit() and len(port) <= 5):
        return "", None
    return name.removesuffix("."), int(port) if port else None


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
