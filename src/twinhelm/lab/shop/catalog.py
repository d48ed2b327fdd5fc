"""What can one buy? Products, categories and search, from the database through the cache.

``GET /home``, ``/categories/{name}``, ``/search?q=`` are kept in the cache for 5 s; so a dead cache
sends every page to the database, where bestsellers are counted anew each time. ``/products/{id}``
is one look by number. Category pages lean on an index.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, text
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from twinhelm.lab.plan import Plan
from twinhelm.lab.shop.database import Database
from twinhelm.lab.shop.runtime import Service, StoreDown, answer

__all__ = ["Catalog", "run"]

PAGE = 24
CACHED_S = 5.0
COLUMNS = "id, name, category, price_cents"


def run(plan: Plan, version: str) -> None:
    """Serve until told to end."""
    catalog = Catalog(Service("catalog", plan, version))
    catalog.service.serve(
        [
            Route("/home", catalog.home),
            Route("/categories/{name}", catalog.category),
            Route("/products/{product:int}", catalog.product),
            Route("/search", catalog.search),
        ]
    )


class Catalog:
    """The pages of products."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._database = Database(service)
        self._unkept = service.instruments.counter(
            "catalog.cache.bypassed", "Pages served without the cache"
        )

    async def home(self, _: Request) -> Response:
        """Show what sells best, and where to look."""
        return answer(await self._kept("home", _bestsellers))

    async def category(self, request: Request) -> Response:
        """Show the first page of a category, how much it holds, and its like."""
        name = request.path_params["name"]
        noun = name.partition("-")[0]

        def look(connection: Connection) -> dict[str, Any]:
            return {
                "products": _rows(connection, CATEGORY, name=name, page=PAGE),
                **_rows(connection, CATEGORY_FACTS, name=name)[0],
                "related": _rows(connection, RELATED, low=f"{noun}-", high=f"{noun}."),
            }

        page = await self._kept(f"category:{name}", look)
        return answer(page, 200 if page["total"] else 404)

    async def product(self, request: Request) -> Response:
        """Show one product."""
        found = await self._database.run(
            lambda connection: _rows(connection, PRODUCT, id=request.path_params["product"])
        )
        return answer(found[0]) if found else answer({"detail": "no such product"}, 404)

    async def search(self, request: Request) -> Response:
        """Show the products whose name begins so."""
        asked = request.query_params.get("q", "").strip().lower()
        if not asked:
            return answer({"detail": "q is missing"}, 400)
        after = asked[:-1] + chr(ord(asked[-1]) + 1)
        page = await self._kept(
            f"search:{asked}",
            lambda connection: {
                "products": _rows(connection, SEARCH, low=asked, high=after, page=PAGE)
            },
        )
        if not page["products"]:
            self.service.log.info("search for %r found nothing", asked)
        return answer(page)

    async def _kept(self, key: str, look: Callable[[Connection], Any]) -> Any:
        """Return a page from the cache, or else look in the database and keep it for the next."""
        store = self.service.store
        try:
            page = await store.get(key)
            if page is None:
                page = await self._database.run(look)
                await store.put(key, page, seconds=CACHED_S)
        except StoreDown as error:
            self._unkept()
            self.service.log.warning("page %s without cache: %s", key, error)
            return await self._database.run(look)
        return page


BESTSELLERS = (
    f"SELECT {COLUMNS} FROM products JOIN"  # noqa: S608 - constants
    " (SELECT product, sum(quantity) AS sold FROM order_lines GROUP BY product"
    " ORDER BY sold DESC, product LIMIT 12) AS best ON best.product = products.id"
    " ORDER BY sold DESC, id"
)
CATEGORY = (
    f"SELECT {COLUMNS} FROM products WHERE category = :name"  # noqa: S608 - constants
    " ORDER BY popularity, id LIMIT :page"
)
CATEGORY_FACTS = "SELECT count(*) AS total FROM products WHERE category = :name"
RELATED = (
    "SELECT category, count(*) AS total FROM products"
    " WHERE category >= :low AND category < :high GROUP BY category ORDER BY category"
)
PRODUCT = f"SELECT {COLUMNS}, description FROM products WHERE id = :id"  # noqa: S608 - constants
SEARCH = (
    f"SELECT {COLUMNS} FROM products WHERE name >= :low AND name < :high"  # noqa: S608 - constants
    " ORDER BY name LIMIT :page"
)


def _bestsellers(connection: Connection) -> dict[str, Any]:
    best = _rows(connection, BESTSELLERS)
    return {"products": best, "categories": sorted({product["category"] for product in best})}


def _rows(connection: Connection, statement: str, **given: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(text(statement), given).mappings()]
