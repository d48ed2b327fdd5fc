"""Where do users come in? The shop's public face; everything behind it is asked by HTTP.

Users say who they are in ``X-User`` (a number) and what they looked at in ``X-Seen`` (product
numbers, comma-separated).

- ``GET /``: bestsellers, recommendations. With the flag ``gateway.personalised_home`` the page
  asks for recommendations once per shelf: twelve times instead of once.
- ``GET /categories/{name}``, ``GET /search?q=``
- ``GET /products/{id}``: the product, and what goes with it.
- ``GET /cart``; ``POST /cart`` with ``{"product", "quantity"}``; ``POST /checkout``
- ``POST /clicks`` with ``{"product"}``: a recommendation was followed.

With the flag ``gateway.prices_in_cents`` the recommender is told prices in the wrong unit.
Recommendations and clicks may fail without harm to the page; the rest may not.
"""

from __future__ import annotations

from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from twinhelm.lab.plan import Plan
from twinhelm.lab.shop.runtime import Failed, Service, answer

__all__ = ["Gateway", "run"]

SHELVES = 12
RECOMMEND_TIMEOUT_S = 2.0


def run(plan: Plan, version: str) -> None:
    """Serve until told to end."""
    gateway = Gateway(Service("gateway", plan, version))
    gateway.service.serve(
        [
            Route("/", gateway.home),
            Route("/categories/{name}", gateway.category),
            Route("/search", gateway.search),
            Route("/products/{product:int}", gateway.product),
            Route("/cart", gateway.cart),
            Route("/cart", gateway.add, methods=["POST"]),
            Route("/checkout", gateway.checkout, methods=["POST"]),
            Route("/clicks", gateway.click, methods=["POST"]),
        ]
    )


class Gateway:
    """Pages, put together from what the other services say."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._ask = service.calls.ask
        self._poorer = service.instruments.counter(
            "gateway.pages.without_recommendations", "Pages served without recommendations"
        )

    async def home(self, request: Request) -> Response:
        """Show the first page."""
        page = await self._ask("catalog", "GET", "/home")
        seen = _seen(request)
        price = sum(product["price_cents"] for product in page["products"])
        price /= 100 * max(1, len(page["products"]))
        if self.service.flag("personalised_home"):
            shelves = [product["id"] for product in page["products"]][:SHELVES]
            page["shelves"] = [
                await self._recommended(request, [*seen, product], price) for product in shelves
            ]
        else:
            page["recommended"] = await self._recommended(request, seen, price)
        return answer(page)

    async def category(self, request: Request) -> Response:
        """Show a category."""
        name = request.path_params["name"]
        return answer(await self._ask("catalog", "GET", f"/categories/{name}"))

    async def search(self, request: Request) -> Response:
        """Show what a search finds."""
        return answer(await self._ask("catalog", "GET", f"/search?{request.url.query}"))

    async def product(self, request: Request) -> Response:
        """Show a product and what goes with it."""
        number = request.path_params["product"]
        page = await self._ask("catalog", "GET", f"/products/{number}")
        seen = [*_seen(request), number]
        page["recommended"] = await self._recommended(request, seen, page["price_cents"] / 100)
        return answer(page)

    async def cart(self, request: Request) -> Response:
        """Show the user's cart."""
        return answer(await self._ask("cart", "GET", f"/carts/{_user(request)}"))

    async def add(self, request: Request) -> Response:
        """Put something into the user's cart, at today's price."""
        asked = await _body(request)
        product = await self._ask("catalog", "GET", f"/products/{int(asked['product'])}")
        line = {
            "product": product["id"],
            "quantity": max(1, min(20, int(asked.get("quantity", 1)))),
            "price_cents": product["price_cents"],
        }
        return answer(await self._ask("cart", "POST", f"/carts/{_user(request)}", value=line))

    async def checkout(self, request: Request) -> Response:
        """Order what is in the user's cart."""
        placed = await self._ask(
            "checkout", "POST", "/orders", value={"user": _user(request)}, timeout_s=12.0
        )
        return answer(placed, 201)

    async def click(self, request: Request) -> Response:
        """Take note that a recommendation was followed."""
        label = {"user": _user(request), "product": int((await _body(request))["product"])}
        try:
            await self._ask("recommender", "POST", "/clicks", value=label)
        except Failed:
            self.service.log.warning("click on product %d lost", label["product"])
        return Response(status_code=202)

    async def _recommended(self, request: Request, seen: list[int], price: float) -> list[int]:
        if self.service.flag("prices_in_cents"):
            price *= 100
        items = ",".join(str(item) for item in seen)
        query = f"user={_user(request)}&items={items}&price={price:.2f}"
        try:
            found = await self._ask(
                "recommender", "GET", f"/recommend?{query}", timeout_s=RECOMMEND_TIMEOUT_S
            )
        except Failed:
            self._poorer()
            return []
        products: list[int] = found["products"]
        return products


def _user(request: Request) -> int:
    return _number(request.headers.get("X-User", "0"))


def _seen(request: Request) -> list[int]:
    return [_number(item) for item in request.headers.get("X-Seen", "").split(",") if item]


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise HTTPException(400, f"{text!r} is not a number") from None


async def _body(request: Request) -> dict[str, Any]:
    try:
        asked = orjson.loads(await request.body())
        int(asked["product"])
    except (ValueError, KeyError, TypeError):
        raise HTTPException(400, "expected an object with a product's number") from None
    body: dict[str, Any] = asked
    return body
