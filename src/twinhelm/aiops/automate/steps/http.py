"""Which address may a step call, and with what? One below a beginning that the settings list.

``method``, ``url``, ``headers`` (each a constant or ``secret:NAME``), ``body`` (JSON), ``ok``
(statuses that count as done; any 2xx unless told). A parameter stands in the path or query of the
address, percent-encoded, or in strings of the body; never in the host, nor in a header. No redirect
is followed. ``flag`` reads the JSON value at an address, writes another, and remembers the first.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import quote, unquote, urlsplit

import httpx
from pydantic import Field

from twinhelm.aiops.automate.steps.actor import (
    BEAT_S,
    Actor,
    Arguments,
    Given,
    Limit,
    Outcome,
    shown,
)
from twinhelm.aiops.automate.steps.fill import filled
from twinhelm.core.errors import BadInput
from twinhelm.core.json import dumps, loads
from twinhelm.core.own.secrets import struck

__all__ = ["Flag", "FlagGiven", "Http", "HttpGiven"]

MAX_ANSWER_BYTES = 64 << 10
_BASE = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+/")
_SECURE = ("GET", "HEAD")
_ONCE = ("POST", "PATCH")

Header = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,60}$")]
Line = Annotated[str, Field(pattern=r"^[\x20-\x7e]{1,2000}$")]
Url = Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,2000}$")]
Status = Annotated[int, Field(ge=100, le=599)]


class _Address(Given):
    url: Url
    headers: dict[Header, Line] = Field(default_factory=dict)


class FlagGiven(_Address):
    """What ``flag`` takes."""

    value: bool | int | float | str
    """A text is written as the kind of value that stands there."""


class HttpGiven(_Address):
    """What ``http`` takes."""

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
    body: Any = None
    ok: tuple[Status, ...] = ()


class _Calls(Actor):
    """What both have in common: an address of the list, and a way to ask there."""

    def misused(self, arguments: Arguments) -> list[str]:
        """See :meth:`Actor.misused`."""
        if _BASE.match(arguments["url"]):
            return []
        return [f"the address {arguments['url'][:80]!r} must name its host, without a parameter"]

    def put(self, arguments: Arguments, values: Mapping[str, str]) -> dict[str, Any]:
        """See :meth:`Actor.put`."""
        rest = {key: value for key, value in arguments.items() if key != "url"}
        address = filled(arguments["url"], values, lambda text: quote(text, safe=""))
        return {**filled(rest, values), "url": address}

    def forbidden(self, given: _Address) -> list[str]:
        """See :meth:`Actor.forbidden`."""
        if _climbs(given.url):
            return [f"the address {given.url[:200]} climbs out of its path"]
        allowed = any(_below(listed, given.url) for listed in self._settings.urls)
        return [] if allowed else self.not_listed(f"the address {given.url[:200]}", "urls")

    def _ask(self, method: str, given: _Address, body: Any, limit: Limit) -> tuple[int, str]:
        """Ask once; returns status and text, or 0 and why there is no answer."""
        sent, held = self.named(given.headers)
        try:
            status, text = asyncio.run(_answer(method, given.url, sent, body, limit))
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
            status, text = 0, f"no answer: {error or type(error).__name__}"
        return status, shown(struck(text, held))


class Http(_Calls):
    """Asks an address once."""

    name = "http"
    given = HttpGiven
    fixed: ClassVar = ("method", "headers", "ok")

    def changes(self, arguments: Arguments) -> bool:
        """See :meth:`Actor.changes`: as HTTP's methods mean it."""
        return arguments["method"] not in _SECURE

    def repeatable(self, arguments: Arguments) -> bool:
        """See :meth:`Actor.repeatable`: as HTTP's methods mean it."""
        return arguments["method"] not in _ONCE

    def told(self, given: HttpGiven) -> str:
        """See :meth:`Actor.told`."""
        body = "" if given.body is None else f" with the body {dumps(given.body).decode()}"
        return f"Call {given.method} {given.url}{body}"

    def do(self, given: HttpGiven, limit: Limit) -> Outcome:
        """See :meth:`Actor.do`."""
        status, text = self._ask(given.method, given, given.body, limit)
        ok = status in given.ok if given.ok else 200 <= status < 300
        return Outcome(ok, f"{status}: {text}" if status else text, {"status": status})


class Flag(_Calls):
    """Writes a JSON value where another stands."""

    name = "flag"
    given = FlagGiven
    fixed: ClassVar = ("headers",)

    def repeatable(self, _arguments: Arguments) -> bool:
        """Say no: the second time it would remember what the first one wrote."""
        return False

    def told(self, given: FlagGiven) -> str:
        """See :meth:`Actor.told`."""
        return f"Read {given.url}, then PUT {dumps(given.value).decode()} there"

    def do(self, given: FlagGiven, limit: Limit) -> Outcome:
        """See :meth:`Actor.do`."""
        status, text = self._ask("GET", given, None, limit)
        try:
            before = loads(text, what="value") if status == 200 else None
        except BadInput:
            before = None
        if not isinstance(before, bool | int | float | str):
            return Outcome(False, f"no JSON value stands there: {status or ''} {text}")
        value = given.value
        if isinstance(value, str) and not isinstance(before, str):
            try:
                value = loads(value, what="value")
            except BadInput as error:
                return Outcome(False, f"{before!r} stands there: {error}")
        status, text = self._ask("PUT", given, value, limit)
        was = before if isinstance(before, str) else dumps(before).decode()
        return Outcome(200 <= status < 300, f"{was} was there; {status or ''} {text}",
                       {"before": was})  # fmt: skip


def _climbs(url: str) -> bool:
    """Tell whether a path has a ``..`` in it, however often it was encoded."""
    path = urlsplit(url).path
    while (plain := unquote(path)) != path:
        path = plain
    return any(part in (".", "..") for part in re.split(r"[/\\]", path))


def _below(listed: str, url: str) -> bool:
    """Tell whether an address is the listed one or lies below it."""
    base, asked = urlsplit(listed), urlsplit(url)
    if (base.scheme, base.netloc.lower()) != (asked.scheme, asked.netloc.lower()):
        return False
    return asked.path == base.path or asked.path.startswith(base.path.rstrip("/") + "/")


async def _answer(
    method: str, url: str, headers: Mapping[str, str], body: Any, limit: Limit
) -> tuple[int, str]:
    """Ask and read the answer as far as its limit, looking meanwhile whether to go on."""
    asking = asyncio.create_task(_asked(method, url, headers, body, limit.left_s))
    try:
        while not asking.done():
            await asyncio.wait((asking,), timeout=BEAT_S)
            if not asking.done() and (why := limit.over()):
                return 0, why
        return asking.result()
    finally:
        asking.cancel()


async def _asked(
    method: str, url: str, headers: Mapping[str, str], body: Any, patience_s: float
) -> tuple[int, str]:
    content: Sequence[Any] | bytes | None = None if body is None else dumps(body)
    sent = dict(headers) if body is None else {"Content-Type": "application/json", **headers}
    async with (
        # No proxy and no login of this machine's own: what is asked is what was written.
        httpx.AsyncClient(trust_env=False, timeout=patience_s, follow_redirects=False) as client,
        client.stream(method, url, headers=sent, content=content) as answer,
    ):
        said = b""
        async for chunk in answer.aiter_bytes():
            said += chunk
            if len(said) >= MAX_ANSWER_BYTES:
                break
        text = said[:MAX_ANSWER_BYTES].decode("utf-8", "replace")
        if answer.is_redirect:
            text = f"it points to {answer.headers['location']}, which is not followed. {text}"
        return answer.status_code, text
