"""Links in messages: by which whoever reads one acknowledges, once, until it expires.

A token names a delivery and an end and carries their HMAC-SHA256, so that nothing secret has to be
kept beside the message and every try of a delivery holds the same one. That it works once is the
record's to say. Opening a link changes nothing, since mail scanners open them; its button does.
"""

import hashlib
import hmac

from twinhelm.core.errors import Unauthenticated

__all__ = ["LINK_MS", "opened", "token"]

LINK_MS = 24 * 3_600_000
"""How long a link works."""


def token(key: bytes, delivery: str, expires_ms: int) -> str:
    """Make the token of a link."""
    said = f"{delivery}.{expires_ms}"
    return f"{said}.{_sign(key, said)}"


def opened(key: bytes, text: str, now_ms: int) -> str:
    """Return the delivery that a token names; raises :class:`Unauthenticated`."""
    said, _, signature = text[:500].rpartition(".")
    delivery, _, expires = said.rpartition(".")
    if not hmac.compare_digest(_sign(key, said).encode(), signature.encode()):
        raise Unauthenticated("the link is not valid", hint="copy the whole of it")
    if int(expires) <= now_ms:
        raise Unauthenticated("the link has expired", hint="sign in and acknowledge on the page")
    return delivery


def _sign(key: bytes, said: str) -> str:
    return hmac.new(key, f"acknowledge {said}".encode(), hashlib.sha256).hexdigest()
