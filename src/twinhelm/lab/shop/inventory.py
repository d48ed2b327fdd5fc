"""Is it there? Stock in the database, taken when an order is placed and given back when it fails.

``POST /reservations`` with lines takes all or nothing: 201, or 409 naming the product that ran
short. ``POST /releases`` gives the same lines back. The pool holds five connections, and nobody
waits longer than 2 s for one.
"""

from __future__ import annotations

from typing import Any

import orjson
from sqlalchemy import Connection, text
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from twinhelm.lab.plan import Plan
from twinhelm.lab.shop.database import Database
from twinhelm.lab.shop.runtime import Service, answer

__all__ = ["run"]

LOW = 100
DELIVERY = 10_000
"""When less than ``LOW`` is left the supplier brings so many."""
TAKE = text(
    "UPDATE stock SET quantity = quantity - :quantity"
    " WHERE product = :product AND quantity >= :quantity RETURNING quantity"
)
ADD = text("UPDATE stock SET quantity = quantity + :quantity WHERE product = :product")


class _Short(Exception):
    """A product ran short; carries its number. Leaving by it undoes what was taken before."""


def run(plan: Plan, version: str) -> None:
    """Serve until told to end."""
    service = Service("inventory", plan, version)
    database = Database(service, size=5, timeout_s=2.0)
    reserved = service.instruments.counter("inventory.reservations", "By outcome", "outcome")

    async def lines_of(request: Request) -> list[dict[str, Any]]:
        # In one order, so that two orders never wait for each other's rows in a circle.
        lines = orjson.loads(await request.body())["lines"]
        return sorted(lines, key=lambda line: int(line["product"]))

    async def reserve(request: Request) -> Response:
        lines = await lines_of(request)

        def take(connection: Connection) -> list[int]:
            low = []
            for line in lines:
                left = connection.execute(TAKE, line).scalar()
                if left is None:
                    raise _Short(line["product"])
                if left < LOW:
                    connection.execute(ADD, line | {"quantity": DELIVERY})
                    low.append(line["product"])
            return low

        try:
            low = await database.run(take)
        except _Short as error:
            reserved(outcome="short")
            service.log.warning("product %s ran short", error)
            return answer({"detail": f"product {error} ran short"}, 409)
        for product in low:
            service.log.info("product %d restocked with %d", product, DELIVERY)
        reserved(outcome="reserved")
        service.log.info("reserved %d lines", len(lines))
        return answer({"reserved": len(lines)}, 201)

    async def release(request: Request) -> Response:
        lines = await lines_of(request)
        await database.run(lambda connection: connection.execute(ADD, lines).rowcount)
        reserved(outcome="released")
        service.log.info("released %d lines", len(lines))
        return Response(status_code=204)

    service.serve(
        [
            Route("/reservations", reserve, methods=["POST"]),
            Route("/releases", release, methods=["POST"]),
        ]
    )
