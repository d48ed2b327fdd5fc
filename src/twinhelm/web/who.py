"""Who is asking: a token, a browser session, or nobody, which this machine may trust a little.

A token comes as ``Authorization: Bearer th_...``, or as the password of Basic authentication,
which is all that some senders can do; a session comes as a cookie. A token that is not known is
refused even where nobody would have been let in. Nobody is *trusted* (may send telemetry and
read) on a loopback address unless settings say otherwise, and never through a proxy: what it
passes on comes from elsewhere.

Looking a secret up may wait for the SQL database, so it happens in a thread; for the few
seconds in which :class:`~twinhelm.events.identities.Identities` remembers the answer itself, it
is asked directly, which keeps a revocation immediate and the doors quick.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twinhelm.core.errors import Unauthenticated
from twinhelm.core.roles import ANONYMOUS, Identity
from twinhelm.core.settings import Settings
from twinhelm.web.frame import Headers
from twinhelm.web.hosts import is_loopback, listen_address

if TYPE_CHECKING:
    from twinhelm.core.clock import Clock
    from twinhelm.events.identities import Identities

__all__ = ["COOKIE", "Asker", "Who"]

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


class Who:
    """Finds out; lives on one event loop."""

    def __init__(self, identities: Identities, settings: Settings, clock: Clock) -> None:
        self._identities = identities
        self._clock = clock
        host, _ = listen_address(settings.server.listen)
        auth = settings.auth
        self._trusting = is_loopback(host) and auth.trust_loopback_reads and not auth.required
        self._warm: dict[str, float] = {}
        self._nobody = Asker(ANONYMOUS)
        self._neighbour = Asker(ANONYMOUS, trusted=True)

    async def asks(self, headers: Headers, cookies: dict[str, str]) -> Asker:
        """Return who asks; raises :class:`Unauthenticated` for a token that opens nothing."""
        said = headers.get(b"authorization")
        if said is not None:
            return Asker(await self._token(_secret(said)))
        session = cookies.get(COOKIE)
        if session:
            identity = await self._session(session)
            if identity is not None:
                token = self._identities.csrf_token(session)
                return Asker(identity, csrf=token, session=session)
        if self._trusting and not any(name in headers for name in FORWARDED):
            return self._neighbour
        return self._nobody

    async def _token(self, secret: str) -> Identity:
        if self._is_warm(secret):
            return self._identities.resolve_token(secret)
        found = await asyncio.to_thread(self._identities.resolve_token, secret)
        self._keep_warm(secret)
        return found

    async def _session(self, secret: str) -> Identity | None:
        if self._is_warm(secret):
            return self._identities.resolve_session(secret)
        found = await asyncio.to_thread(self._identities.resolve_session, secret)
        if found is not None:
            self._keep_warm(secret)
        return found

    def _is_warm(self, secret: str) -> bool:
        return self._warm.get(secret, 0.0) > self._clock.monotonic_s()

    def _keep_warm(self, secret: str) -> None:
        if len(self._warm) >= MOST_WARM:
            self._warm.clear()
        self._warm[secret] = self._clock.monotonic_s() + WARM_S


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
    raise Unauthenticated(
        "the Authorization header holds no token",
        hint="send `Authorization: Bearer th_...`, or Basic with the token as password",
    )
