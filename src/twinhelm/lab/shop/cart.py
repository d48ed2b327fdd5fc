"""What does each customer want to buy? Carts, kept in the cache for an hour and nowhere else.

``GET /carts/{user}``; ``POST /carts/{user}`` with a line (product, quantity, price_cents) adds it;
``DELETE`` empties. Where the cache is (``cache_url``) and how long to wait for it
(``cache_timeout_s``) may be configured live; without the cache there is no cart: 503, after one
second try.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from twinhelm.lab.plan import Plan
from twinhelm.lab.shop.runtime import Service, StoreDown, answer

__all__ = ["run"]

KEPT_S = 3_600.0
MOST_LINES = 20


def run(plan: Plan, version: str) -> None:
    """Serve until told to end."""
    service = Service("cart", plan, version)
    store = service.store
    added = service.instruments.counter("cart.lines.added", "Lines put into carts")
    retried = service.instruments.counter("cart.store.retries", "Second tries at the cache")

    async def twice(act: Callable[[], Awaitable[Any]]) -> Any:
        try:
            return await act()
        except StoreDown as error:
            retried()
            service.log.warning("cart store does not answer, trying again: %s", error)
        try:
            return await act()
        except StoreDown as error:
            service.log.error("cart store is down: %s", error)
            raise HTTPException(503, "cart store is down") from error

    async def lines_of(user: int) -> list[dict[str, Any]]:
        return await twice(lambda: store.get(f"cart:{user}")) or []

    async def show(request: Request) -> Response:
        return answer({"lines": await lines_of(request.path_params["user"])})

    async def add(request: Request) -> Response:
        user = request.path_params["user"]
        line = orjson.loads(await request.body())
        lines = [*await lines_of(user), line][-MOST_LINES:]
        await twice(lambda: store.put(f"cart:{user}", lines, seconds=KEPT_S))
        added()
        service.log.info("user %d added %d of product %d", user, line["quantity"], line["product"])
        return answer({"lines": lines})

    async def empty(request: Request) -> Response:
        await twice(lambda: store.delete(f"cart:{request.path_params['user']}"))
        return Response(status_code=204)

    service.serve(
        [
            Route("/carts/{user:int}", show),
            Route("/carts/{user:int}", add, methods=["POST"]),
            Route("/carts/{user:int}", empty, methods=["DELETE"]),
        ]
    )
