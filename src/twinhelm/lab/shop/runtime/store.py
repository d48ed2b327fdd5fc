"""What does the cache hold? Its client, with the spans that a Redis client would make.

Comes in: keys and JSON values. When the cache is gone or hangs, :class:`StoreDown` follows within
the timeout (0.5 s, or the live configuration's ``cache_timeout_s``; its ``cache_url`` overrides
the plan's address); what to do without the cache is the service's affair.
"""

from __future__ import annotations

from typing import Any

import httpx
import orjson
from opentelemetry.trace import SpanKind, Status, StatusCode, get_tracer

from twinhelm.lab.plan import Plan
from twinhelm.lab.shop.runtime.live import Live

__all__ = ["Store", "StoreDown"]

TIMEOUT_S = 0.5


class StoreDown(Exception):
    """The cache did not answer; the message says how."""


class Store:
    """The cache, as one service sees it."""

    def __init__(self, client: httpx.AsyncClient, plan: Plan, config: Live) -> None:
        self._client = client
        self._plan = plan
        self._config = config
        self._tracer = get_tracer("shop.cache")

    async def get(self, key: str) -> Any:
        """Return a value, or None where the cache has none."""
        answer = await self._ask("GET", key)
        return orjson.loads(answer.content) if answer.status_code == 200 else None

    async def put(self, key: str, value: Any, *, seconds: float) -> None:
        """Keep a value for so long."""
        await self._ask("PUT", key, content=orjson.dumps(value), params={"seconds": seconds})

    async def delete(self, key: str) -> None:
        """Forget a value."""
        await self._ask("DELETE", key)

    async def _ask(self, method: str, key: str, **more: Any) -> httpx.Response:
        base = self._config.get("cache_url", self._plan.url("cache"))
        url = httpx.URL(base)
        attributes: dict[str, str | int] = {
            "db.system.name": "redis-like",
            "db.namespace": "cache",
            "db.operation.name": method,
            "server.address": url.host,
            "server.port": url.port or 80,
        }
        with self._tracer.start_as_current_span(
            f"{method} cache", kind=SpanKind.CLIENT, attributes=attributes
        ) as span:
            try:
                answer = await self._client.request(
                    method,
                    f"{base}/keys/{key}",
                    timeout=self._config.get("cache_timeout_s", TIMEOUT_S),
                    **more,
                )
            except httpx.HTTPError as error:
                why = str(error) or type(error).__name__
                span.set_status(Status(StatusCode.ERROR, why))
                raise StoreDown(f"cache at {base}: {why}") from error
            if answer.status_code >= 500:
                span.set_status(Status(StatusCode.ERROR, str(answer.status_code)))
                raise StoreDown(f"cache at {base} answered {answer.status_code}")
            return answer
