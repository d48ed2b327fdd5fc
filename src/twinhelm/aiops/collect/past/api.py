"""Ask a Prometheus-compatible HTTP API one question, patiently and within bounds.

In: a path below ``/api/v1`` and its form; out: the ``data`` of the answer. Answers 429 and 5xx
and broken connections are tried again with pauses that double, or as long as ``Retry-After``
says; answers are read no further than ``max_response_bytes``. May be used by several threads.

Source: Prometheus "HTTP API", section Format overview.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from twinhelm.core.errors import BadInput, TooLarge, Unavailable
from twinhelm.core.json import loads

__all__ = ["AnswerTooLarge", "PrometheusApi"]

TIMEOUT_S = 60.0
RETRIES = 5
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
TOO_MUCH = ("too many samples", "too large", "exceeds the limit", "cannot select more than")
"""What servers say, with status 400 or 422, when a smaller question would do."""


class AnswerTooLarge(TooLarge):
    """The answer passes our bound or the server's own; half of the question may do."""


class PrometheusApi:
    """One server; see the module, and :class:`PrometheusSource` for the arguments."""

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        max_response_bytes: int = 32 << 20,
        pause: Callable[[float], None] = time.sleep,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise BadInput(f"{url[:80]!r} is no address: {error}") from error
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise BadInput(f"{url[:80]!r} is no address", hint="write http://HOST:PORT")
        self.url = url.rstrip("/")
        self.max_response_bytes = max_response_bytes
        self._pause = pause
        self._client = httpx.Client(
            headers=dict(headers or {}), timeout=TIMEOUT_S, transport=transport
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def ask(self, path: str, form: Mapping[str, str]) -> Any:
        """Ask one question; GET where the API has nothing else, POST for long queries.

        Raises :class:`AnswerTooLarge`, :class:`BadInput` where the server refuses or answers
        something else, and :class:`Unavailable` where it kept failing.
        """
        wait_s = FIRST_PAUSE_S
        for _ in range(RETRIES):
            try:
                return self._once(path, form)
            except Unavailable as error:
                self._pause(min(max(wait_s, error.retry_after_s), LONGEST_PAUSE_S))
                wait_s *= 2
        return self._once(path, form)

    def _once(self, path: str, form: Mapping[str, str]) -> Any:
        """Ask without patience."""
        address = f"{self.url}/api/v1/{path}"
        way: dict[str, Any] = {"method": "POST", "data": form}
        if path.startswith("label/"):
            way = {"method": "GET", "params": form}
        try:
            with self._client.stream(url=address, **way) as response:
                status, retry_after = response.status_code, response.headers.get("retry-after", "")
                body = self._body(response)
        except httpx.RequestError as error:
            raise Unavailable(
                f"{address} does not answer: {error or type(error).__name__}",
                hint="check the address and that the server runs",
                retry_after_s=0.0,
            ) from error
        if status == 200:
            answer = loads(body, max_bytes=self.max_response_bytes, what=f"answer of {address}")
            if isinstance(answer, dict) and answer.get("status") == "success":
                return answer.get("data")
        said = body[:200].decode(errors="replace")
        if status == 429 or status >= 500:
            pause_s = float(retry_after) if re.fullmatch(r"[0-9]{1,4}", retry_after) else 0.0
            raise Unavailable(f"{address} answered {status}: {said}", retry_after_s=pause_s)
        if status in (400, 422) and any(words in said.lower() for words in TOO_MUCH):
            raise AnswerTooLarge(f"{address} answered {status}: {said}")
        raise BadInput(
            f"{address} answered {status}: {said}",
            hint="give the headers that the server asks for"
            if status in (401, 403)
            else "check the selector, and that the address is a Prometheus API",
        )

    def _body(self, response: httpx.Response) -> bytes:
        """Read an answer up to the bound."""
        parts, size = [], 0
        for part in response.iter_bytes():
            size += len(part)
            if size > self.max_response_bytes:
                raise AnswerTooLarge(
                    f"an answer of {self.url} has more than {self.max_response_bytes} bytes"
                )
            parts.append(part)
        return b"".join(parts)
