"""How does a cart become an order? The one service that asks nearly all others.

``POST /orders`` with a user: cart, stock, shipping quote, payment, the order in the database, and a
message on the queue ``orders``. What was reserved is released when a later step fails. Payments
are asked over HTTPS with the lab's own authority, and signed.
"""

from __future__ import annotations

from typing import Any

import httpx
import orjson
from opentelemetry.propagate import inject
from opentelemetry.trace import SpanKind, get_tracer
from sqlalchemy import Connection, text
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from twinhelm.lab.plan import Plan
from twinhelm.lab.shop.database import Database
from twinhelm.lab.shop.runtime import Failed, Refusal, Service, answer
from twinhelm.lab.shop.runtime.signing import HEADER, sign
from twinhelm.lab.words import now_s

__all__ = ["Checkout", "run"]

GRAMS = 800
"""What one thing weighs, near enough."""
CITIES = ("Lyon", "Porto", "Gent", "Graz", "Turku", "Brno", "Cork", "Bergen")
TIERS = ("basic",) * 5 + ("silver",) * 2 + ("gold",) * 3
DISCOUNT_PERCENT = {"basic": 0, "silver": 2}
QUEUE_TIMEOUT_S = 2.0
ORDER = text(
    "INSERT INTO orders (customer, placed_s, total_cents, status)"
    " VALUES (:customer, :placed_s, :total_cents, 'placed') RETURNING id"
)
LINE = text("INSERT INTO order_lines VALUES (:order_id, :product, :quantity, :price_cents)")


def run(plan: Plan, version: str) -> None:
    """Serve until told to end."""
    checkout = Checkout(Service("checkout", plan, version))
    checkout.service.serve([Route("/orders", checkout.order, methods=["POST"])])


class Checkout:
    """Places orders."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._database = Database(service)
        self._tracer = get_tracer("shop.queue")
        made = service.instruments
        self._orders = made.counter("orders.placed", "Orders by outcome", "outcome")
        self._value = made.counter("orders.value_cents", "Value of the orders placed")

    async def order(self, request: Request) -> Response:
        """Place what is in a user's cart."""
        user = orjson.loads(await request.body())["user"]
        outcome = "failed"
        try:
            placed = await self._place(user)
            outcome = "placed"
        except Refusal:
            outcome = "refused"
            raise
        finally:
            self._orders(outcome=outcome)
        self._value(placed["cents"])
        self.service.log.info(
            "order %d placed by user %d, %.2f", placed["order"], user, placed["cents"] / 100
        )
        return answer(placed, 201)

    async def _place(self, user: int) -> dict[str, Any]:
        ask = self.service.calls.ask
        lines = (await ask("cart", "GET", f"/carts/{user}"))["lines"]
        if not lines:
            raise Refusal(409, "the cart is empty")
        things = sum(line["quantity"] for line in lines)
        goods = sum(line["quantity"] * line["price_cents"] for line in lines)
        goods -= goods * self._discount_percent(user) // 100
        await ask("inventory", "POST", "/reservations", value={"lines": lines})
        try:
            quote = await ask("shipping", "GET", f"/quotes?grams={things * GRAMS}")
            cents = goods + quote["cents"]
            await self._charge(user, cents)
            order = await self._database.run(lambda at: _write(at, user, cents, lines))
        except HTTPException:
            await self._release(lines)
            raise
        await self._publish(order, user)
        try:
            await ask("cart", "DELETE", f"/carts/{user}")
        except Failed:
            self.service.log.warning("cart of user %d not emptied after order %d", user, order)
        return {"order": order, "cents": cents, "days": quote["days"]}

    def _discount_percent(self, user: int) -> int:
        tier = TIERS[user % len(TIERS)]
        if self.service.defects.has("gold_discount"):
            return DISCOUNT_PERCENT[tier]
        return DISCOUNT_PERCENT.get(tier, 0)

    async def _charge(self, user: int, cents: int) -> None:
        body = orjson.dumps({"user": user, "cents": cents, "reference": f"user-{user}"})
        signature = sign(self.service.plan.secret, body, now_s=self.service.now_s())
        try:
            await self.service.calls.ask(
                "payments", "POST", "/charges", body=body, headers={HEADER: signature}
            )
        except Refusal as error:
            if error.status_code == 401:
                # The customer is not to blame when the two services mistrust each other.
                self.service.log.error("payments refused our signature: %s", error.detail)
                raise Failed(502, "payment not possible") from error
            self.service.log.warning("payment of user %d declined", user)
            raise

    async def _release(self, lines: list[dict[str, Any]]) -> None:
        try:
            await self.service.calls.ask("inventory", "POST", "/releases", value={"lines": lines})
        except HTTPException as error:
            self.service.log.error("stock not released: %s", error.detail)

    async def _publish(self, order: int, user: int) -> None:
        """Hand the order to the worker; the span's context travels in the message."""
        message: dict[str, Any] = {
            "order": order,
            "address": {"city": CITIES[user % len(CITIES)], "postcode": f"{10_000 + user}"},
        }
        attributes = {
            "messaging.system": "lab",
            "messaging.operation.type": "send",
            "messaging.destination.name": "orders",
        }
        with self._tracer.start_as_current_span(
            "send orders", kind=SpanKind.PRODUCER, attributes=attributes
        ):
            headers: dict[str, str] = {}
            inject(headers)
            try:
                reply = await self.service.calls.plain.post(
                    f"{self.service.plan.url('queue')}/queues/orders",
                    content=orjson.dumps(message | {"headers": headers}),
                    timeout=QUEUE_TIMEOUT_S,
                )
                reply.raise_for_status()
            except httpx.HTTPError as error:
                self.service.log.error("order %d not handed on: queue: %s", order, error)
                raise Failed(502, "queue is not reachable") from error


def _write(connection: Connection, user: int, cents: int, lines: list[dict[str, Any]]) -> int:
    values = {"customer": user, "placed_s": now_s(), "total_cents": cents}
    order = int(connection.execute(ORDER, values).scalar_one())
    connection.execute(LINE, [line | {"order_id": order} for line in lines])
    return order
