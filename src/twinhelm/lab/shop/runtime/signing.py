"""Was this request made by who holds the secret, and just now? A signature that carries its time.

The header ``X-Signature`` reads ``t=SECONDS,v1=HEX``: HMAC-SHA256 over time and body, as payment
providers do. A signature further than 30 s from the receiver's clock is refused, so clocks that
disagree break payments. Pure; both sides bring their clock.

>>> header = sign("secret", b"{}", now_s=1000.0)
>>> check("secret", b"{}", header, now_s=1029.0)
"""

from __future__ import annotations

import hashlib
import hmac

__all__ = ["HEADER", "TOLERANCE_S", "BadSignature", "check", "sign"]

HEADER = "X-Signature"
TOLERANCE_S = 30.0


class BadSignature(Exception):
    """The request is not to be trusted; the message says why."""


def sign(secret: str, body: bytes, *, now_s: float) -> str:
    """Return the header's value for a body sent at ``now_s`` (epoch seconds)."""
    return f"t={now_s:.3f},v1={_digest(secret, f'{now_s:.3f}', body)}"


def check(secret: str, body: bytes, header: str, *, now_s: float) -> None:
    """Accept a request, or raise :class:`BadSignature`."""
    parts = dict(part.partition("=")[::2] for part in header.split(","))
    try:
        signed_s = float(parts["t"])
        digest = parts["v1"]
    except (KeyError, ValueError):
        raise BadSignature("signature missing or malformed") from None
    if not hmac.compare_digest(digest, _digest(secret, parts["t"], body)):
        raise BadSignature("signature does not match the body")
    age_s = now_s - signed_s
    if not abs(age_s) <= TOLERANCE_S:
        raise BadSignature(f"signature is {age_s:.0f} s old, {TOLERANCE_S:.0f} s are allowed")


def _digest(secret: str, time_s: str, body: bytes) -> str:
    return hmac.new(secret.encode(), time_s.encode() + b"." + body, hashlib.sha256).hexdigest()
