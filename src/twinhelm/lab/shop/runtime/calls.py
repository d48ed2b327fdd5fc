"""How does one service ask another? One pooled client, instrumented, that says what went wrong.

Comes in: the name of a process and a path. Goes out: the decoded answer. An answer of 4xx passes
through as :class:`Refusal` with its status; everything else that goes wrong becomes
:class:`Failed`, 504 for a timeout and 502 for the rest, and is logged once, here.
"""

from __future__ import annotations

import logging
import ssl
from typing import Any

import httpx
import orjson
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from starlette.exceptions import HTTPException

from twinhelm.lab.plan import Plan
from twinhelm.lab.shop.runtime.live import Live

__all__ = ["Calls", "Failed", "Refusal"]

TIMEOUT_S = 4.0
log = logging.getLogger("shop.calls")


class Failed(HTTPException):
    """The other service did not answer, or not well; the caller's own status is 502 or 504."""


class Refusal(HTTPException):
    """The other service said no (4xx), and so does this one."""


class Calls:
    """The client of one process; ``plain`` is left without spans of its own."""

    def __init__(self, plan: Plan, config: Live) -> None:
        self._plan = plan
        self._config = config
        trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if plan.ca.exists():
            trust.load_verify_locations(plan.ca)
        self._client = self._made(trust)
        HTTPXClientInstrumentor.instrument_client(self._client)
        self.plain = self._made(trust)

    @staticmethod
    def _made(trust: ssl.SSLContext) -> httpx.AsyncClient:
        transport = httpx.AsyncHTTPTransport(
            verify=trust, retries=1, limits=httpx.Limits(keepalive_expiry=30.0)
        )
        return httpx.AsyncClient(transport=transport, trust_env=False)

    async def ask(
        self,
        target: str,
        method: str,
        path: str,
        *,
        value: Any = None,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        timeout_s: float = 0.0,
    ) -> Any:
        """Return what a process answers, decoded; None for an empty answer.

        ``value`` is sent as JSON, or else ``body`` as it is. Without a timeout of its own the call
        takes the live configuration's ``timeout_s``, or 4 s. The live configuration's
        ``TARGET_url`` overrides the plan's address. Raises :class:`Refusal`, :class:`Failed`.
        """
        base = self._config.get(f"{target}_url", self._plan.url(target))
        limit_s = timeout_s or self._config.get("timeout_s", TIMEOUT_S)
        try:
            answer = await self._client.request(
                method,
                f"{base}{path}",
                content=body if value is None else orjson.dumps(value),
                headers=headers,
                timeout=limit_s,
            )
        except httpx.TimeoutException as error:
            log.error("%s %s: %s did not answer within %.1f s", method, path, target, limit_s)
            raise Failed(504, f"{target} did not answer") from error
        except httpx.HTTPError as error:
            log.error("%s %s: %s is not reachable: %s", method, path, target, error)
            raise Failed(502, f"{target} is not reachable") from error
        if answer.status_code >= 500:
            log.error("%s %s: %s answered %d", method, path, target, answer.status_code)
            raise Failed(502, f"{target} failed")
        if answer.status_code >= 400:
            raise Refusal(answer.status_code, answer.text)
        return orjson.loads(answer.content) if answer.content else None

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()
        await self.plain.aclose()
