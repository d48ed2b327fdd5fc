"""The words of raw ASGI that the doors, the guard and the routes share.

A :class:`Answer` is a whole response; :func:`refusal` makes one of any of our errors. No framework
stands between, because at 500 samples a request it would cost more than the decoding. Source of
the rules for ``X-Scope-OrgID``: Mimir documentation, "About tenant IDs".

    >>> from twinhelm.core.errors import BadInput
    >>> refusal(BadInput("no such unit", hint="use s, m, h")).status
    400
    >>> tenant_of(None), tenant_of("shop")
    ('default', 'shop')
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Send

from twinhelm.core import json
from twinhelm.core.errors import BadInput, TwinhelmError, Unavailable, Unsupported
from twinhelm.core.labels import DEFAULT_TENANT

__all__ = [
    "FORM", "JSON", "MOUNT", "Answer", "Headers", "fields_of", "json_answer", "media_type",
    "mlflow_refusal", "refusal", "retry_after", "send_answer", "tenant_of", "unsupported",
]  # fmt: skip

Headers = dict[bytes, bytes]
JSON = b"application/json"
FORM = "application/x-www-form-urlencoded"
MOUNT = "/mlflow"
CODES = {
    400: "INVALID_PARAMETER_VALUE", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST", 409: "RESOURCE_CONFLICT", 413: "INVALID_PARAMETER_VALUE",
    429: "REQUEST_LIMIT_EXCEEDED", 503: "TEMPORARILY_UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip
TENANT = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9!\-_.*'()]{1,150}")


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: status, body, its content type, and further headers; ``close`` hangs up."""

    status: int
    body: bytes = b""
    kind: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    close: bool = False

    def response(self) -> Response:
        """Make the framework's response of it."""
        made = Response(self.body, self.status, media_type=self.kind.decode() or None)
        made.raw_headers += self.headers
        return made


def json_answer(
    value: object, status: int = 200, headers: Iterable[tuple[bytes, bytes]] = ()
) -> Answer:
    """Make an answer of a value that JSON can say."""
    return Answer(status, json.dumps(value), JSON, tuple(headers))


def refusal(error: TwinhelmError) -> Answer:
    """Make the answer that tells somebody no, why, and what to try."""
    said = {"error": error.message, "hint": error.hint}
    return json_answer(said, error.status, retry_after(error))


def mlflow_refusal(error: TwinhelmError, *, close: bool = False) -> Answer:
    """Make the answer that tells an MLflow client no, why, and what to try."""
    code = CODES.get(error.status, "BAD_REQUEST" if error.status < 500 else "INTERNAL_ERROR")
    said = {"error_code": code, "message": str(error)}
    return replace(json_answer(said, error.status, retry_after(error)), close=close)


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


def media_type(headers: Headers) -> str:
    """Return the content type without parameters, in lower case; empty where there is none."""
    raw = headers.get(b"content-type", b"").decode("latin-1")
    return raw.partition(";")[0].strip().lower()


def unsupported(said: str, wanted: str, *, what: str = "type") -> Unsupported:
    """Say that a content type, or encoding, is not taken, and which one is."""
    return Unsupported(f"content {what} {said[:100]!r} is not taken here", hint=f"send {wanted}")


def tenant_of(header: str | None) -> str:
    """Return the tenant that ``X-Scope-OrgID`` names; :class:`BadInput` where it cannot be one."""
    if header and not TENANT.fullmatch(header):
        said = f"X-Scope-OrgID {header[:160]!r} cannot be a tenant"
        raise BadInput(said, hint="use up to 150 letters, digits and !-_.*'()")
    return header or DEFAULT_TENANT


async def fields_of(request: Request, *, most: int, query: str = "") -> dict[str, list[str]]:
    """Read a form of at most ``most`` fields, and ``query`` after it."""
    body = await request.body() if request.method == "POST" else b""
    kind = media_type(dict(request.scope["headers"]))
    if body and kind != FORM:
        raise unsupported(kind, FORM)
    try:
        text = "&".join(part for part in (body.decode(), query) if part)
        return parse_qs(text, keep_blank_values=True, max_num_fields=most)
    except ValueError as error:
        raise BadInput(f"the form or address cannot be read: {error}") from error
