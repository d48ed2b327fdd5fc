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
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

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


NOBODY, NEIGHBOUR = Asker(ANONYMOUS), Asker(ANONYMOUS, trusted=True)
Found = TypeVar("Found", bound=Identity | None)


class Who:
    """Finds out; lives on one event loop."""

    def __init__(self, identities: Identities, settings: Settings, clock: Clock) -> None:
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
    raise Unauthenticated(
        "the Authorization header holds no token",
        hint="send `Authorization: Bearer th_...`, or Basic with the token as password",
    )
