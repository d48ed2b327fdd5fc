"""The words of raw ASGI that the doors, the guard and the health checks share.

A :class:`Answer` is a whole response; :func:`send_answer` writes it, :func:`refusal` makes one
of any of our errors: JSON ``{"error": ..., "hint": ...}`` with the error's own status, and
``Retry-After`` where trying again may help. No framework stands between, because at 500 samples
a request the framework would cost more than the decoding (see :mod:`twinhelm.web.doors`).

    >>> from twinhelm.core.errors import BadInput
    >>> refusal(BadInput("no such unit", hint="use s, m, h")).status
    400
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from starlette.types import Scope, Send

from twinhelm.core import json
from twinhelm.core.errors import TwinhelmError, Unavailable

__all__ = [
    "JSON",
    "Answer",
    "Headers",
    "headers_of",
    "json_answer",
    "refusal",
    "retry_after",
    "send_answer",
]

Headers = dict[bytes, bytes]
JSON = b"application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: status, body, its content type, and further headers; ``close`` hangs up."""

    status: int
    body: bytes = b""
    kind: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    close: bool = False


def headers_of(scope: Scope) -> Headers:
    """Return the request's headers by lower-case name; of a repeated one the last."""
    return dict(scope["headers"])


def json_answer(
    value: object, status: int = 200, headers: Iterable[tuple[bytes, bytes]] = ()
) -> Answer:
    """Make an answer of a value that JSON can say."""
    return Answer(status, json.dumps(value), JSON, tuple(headers))


def refusal(error: TwinhelmError, *, close: bool = False) -> Answer:
    """Make the answer that tells somebody no, why, and what to try."""
    said = {"error": error.message, "hint": error.hint}
    return Answer(error.status, json.dumps(said), JSON, retry_after(error), close)


def retry_after(error: TwinhelmError) -> tuple[tuple[bytes, bytes], ...]:
    """Say when trying again may help: whole seconds, at least one; nothing for a refusal."""
    if not isinstance(error, Unavailable):
        return ()
    return ((b"retry-after", b"%d" % max(1, round(error.retry_after_s))),)


async def send_answer(send: Send, answer: Answer) -> None:
    """Write the whole response."""
    headers = [(b"content-length", b"%d" % len(answer.body)), *answer.headers]
    if answer.kind:
        headers.append((b"content-type", answer.kind))
    if answer.close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
