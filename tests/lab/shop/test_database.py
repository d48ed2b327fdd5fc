"""The shop's tables: filled once, the same on both databases, and quick."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from twinhelm.lab.shop import CATEGORIES, PRODUCTS, baskets, price_cents
from twinhelm.lab.shop.catalog import CATEGORY
from twinhelm.lab.shop.database import ADD_INDEX, DROP_INDEX, connect, prepare


def counts(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {
            table: int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())  # noqa: S608
            for table in ("products", "stock", "orders", "order_lines", "seeded")
        }


def check_filled(url: str) -> None:
    prepare(url)
    prepare(url)
    engine = connect(url, name="test")
    try:
        orders = list(baskets())
        assert counts(engine) == {
            "products": PRODUCTS,
            "stock": PRODUCTS,
            "orders": len(orders),
            "order_lines": sum(map(len, orders)),
            "seeded": 1,
        }
        with engine.begin() as connection:
            row = (
                connection.execute(text("SELECT * FROM products WHERE id = 1051")).mappings().one()
            )
            assert (row["name"], row["category"]) == ("pine chair 2", "chair-1")
            assert row["price_cents"] == price_cents(1051)
            kinds = connection.execute(
                text("SELECT category, count(*) FROM products GROUP BY category")
            ).all()
            assert dict(kinds) == dict.fromkeys(CATEGORIES, PRODUCTS // len(CATEGORIES))
            fresh = connection.execute(
                text(
                    "INSERT INTO orders (customer, placed_s, total_cents, status)"
                    " VALUES (1, 0, 1, 'placed') RETURNING id"
                )
            ).scalar_one()
            assert fresh == len(orders) + 1
    finally:
        engine.dispose()


def test_sqlite_is_filled_once(tmp_path: Path) -> None:
    check_filled(f"sqlite:///{tmp_path / 'shopdb.sqlite'}")


@pytest.mark.peer("postgresql")
def test_postgresql_is_filled_once(postgresql: str) -> None:
    check_filled(postgresql)


def test_category_pages_need_their_index(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shopdb.sqlite'}"
    prepare(url)
    engine = connect(url, name="test")

    def fastest_s() -> float:
        times = []
        for _ in range(5):
            began_s = time.perf_counter()
            connection.execute(text(CATEGORY), {"name": "chair-1", "page": 24}).all()
            times.append(time.perf_counter() - began_s)
        return min(times)

    with engine.connect() as connection:
        indexed_s = fastest_s()
        connection.execute(text(DROP_INDEX))
        connection.execute(text(DROP_INDEX))
        assert fastest_s() > 10 * indexed_s
        connection.execute(text(ADD_INDEX))
        connection.execute(text(ADD_INDEX))
        assert fastest_s() < 3 * indexed_s
    engine.dispose()


def test_seeded_prices_are_those_of_the_words() -> None:
    assert {price_cents(product) for product in range(1, 201)} == {
        399 + 100 * n for n in range(200)
    }
    assert price_cents(1) == 12_299
