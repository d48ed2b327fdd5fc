"""Where do products, stock and orders rest? The schema, and a service's pool of connections.

The same SQL runs on PostgreSQL and SQLite. :func:`prepare` makes and fills the tables once, before
the services start. A service works through :class:`Database`: a small pool whose use, size and
waits are published, so that an exhausted pool shows.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

import anyio.to_thread
from opentelemetry.instrumentation.sqlalchemy.engine import EngineTracer
from opentelemetry.metrics import get_meter
from opentelemetry.trace import get_tracer
from sqlalchemy import Connection, Engine, QueuePool, create_engine, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from twinhelm.lab.shop import KINDS, MATERIALS, NOUNS, PRODUCTS, baskets, price_cents
from twinhelm.lab.words import DATABASE, now_s

if TYPE_CHECKING:
    from twinhelm.lab.shop.runtime import Service

__all__ = ["ADD_INDEX", "DROP_INDEX", "Database", "DatabaseDown", "connect", "prepare"]

ADD_INDEX = "CREATE INDEX IF NOT EXISTS products_by_category ON products (category, popularity, id)"
"""Category pages need this index ..."""
DROP_INDEX = "DROP INDEX IF EXISTS products_by_category"
"""... and read every product without it."""

LOCK_WAIT_S = 5
"""How long a statement waits for another's lock before it fails."""
STOCK = 10_000
HISTORY_S = 4_200.0
"""The seeded orders were placed within this time before the seeding: a week of the lab."""
log = logging.getLogger("shop.database")
T = TypeVar("T")


class DatabaseDown(HTTPException):
    """No connection came free in time, or the database refused; status 503."""

    def __init__(self, why: str) -> None:
        super().__init__(503, f"database: {why}")


class Database:
    """A service's pool of ``size`` connections; who waits longer than ``timeout_s`` fails."""

    def __init__(self, service: Service, *, size: int = 5, timeout_s: float = 2.0) -> None:
        self.engine = connect(
            service.plan.database_url, name=service.name, size=size, timeout_s=timeout_s
        )
        # What the instrumentor does to one engine. All of it would refuse SQLAlchemy 2.1, load the
        # asyncio half, and add a span for each connection taken.
        usage = get_meter("shop").create_up_down_counter("db.client.connections.usage")
        EngineTracer(get_tracer("shop.database"), self.engine, usage)  # type: ignore[no-untyped-call]
        pool = cast(QueuePool, self.engine.pool)
        made = service.instruments
        made.gauge("db.pool.connections.in_use", "Connections taken from the pool", pool.checkedout)
        made.gauge("db.pool.connections.max", "Most connections the pool gives", lambda: size)
        self._waited = made.histogram("db.pool.wait_seconds", "Time until a connection was free")
        service.database = self

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Do ``work`` in one transaction, in a thread; raises :class:`DatabaseDown`."""
        return await anyio.to_thread.run_sync(self._run, work)

    def _run(self, work: Callable[[Connection], T]) -> T:
        began_s = time.perf_counter()
        try:
            try:
                connection = self.engine.connect()
            finally:
                self._waited(time.perf_counter() - began_s)
            with connection, connection.begin():
                return work(connection)
        except PoolTimeout as error:
            reason = str(error).partition(" (Background")[0]
            log.error("no database connection came free: %s", reason)
            raise DatabaseDown("no connection came free") from error
        except DBAPIError as error:
            log.error("database refused: %s", str(error.orig).strip())
            raise DatabaseDown(str(error.orig).strip()) from error


def connect(url: str, *, name: str, size: int = 1, timeout_s: float = 10.0) -> Engine:
    """Return an engine on the lab's database, named to it as ``name``."""
    options: dict[str, Any] = {
        "poolclass": QueuePool,
        "pool_size": size,
        "max_overflow": 0,
        "pool_timeout": timeout_s,
    }
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        path = parsed.database or ""

        def opened() -> sqlite3.Connection:
            made = sqlite3.connect(path, timeout=LOCK_WAIT_S, check_same_thread=False)
            made.execute("PRAGMA synchronous = NORMAL")
            return made

        # The name in the URL is what instrumentation tells; the file is the creator's affair.
        return create_engine(URL.create("sqlite", database=DATABASE), creator=opened, **options)
    return create_engine(
        parsed,
        connect_args={
            "connect_timeout": 3,
            "application_name": name,
            "options": f"-c lock_timeout={LOCK_WAIT_S}s -c statement_timeout=20s",
        },
        **options,
    )


def prepare(url: str) -> None:
    """Make and fill the tables where they are not there yet.

    All of it happens in one transaction: a crash on the way leaves nothing, and the next start
    begins anew. Raises SQLAlchemy's errors where the database is not reachable.
    """
    engine = connect(url, name="seed")
    try:
        sqlite = engine.dialect.name == "sqlite"
        if sqlite:
            with engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        with engine.begin() as connection:
            if sqlite:
                # Otherwise the driver would begin no transaction before tables are made.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            number = "INTEGER" if sqlite else "BIGINT GENERATED BY DEFAULT AS IDENTITY"
            connection.execute(text(f"CREATE TABLE IF NOT EXISTS seeded (at_s {REAL})"))
            if connection.execute(text("SELECT count(*) FROM seeded")).scalar():
                return
            for statement in (*SCHEMA, f"CREATE TABLE orders (id {number} PRIMARY KEY, {ORDER})"):
                connection.execute(text(statement))
            for statement in (*_filling(now_s()), ADD_INDEX, *INDEXES):
                connection.execute(text(statement))
            if not sqlite:
                # Numbers given outright do not move the sequence.
                connection.execute(text(MOVE_SEQUENCE))
            connection.execute(text("ANALYZE"))
            connection.execute(text("INSERT INTO seeded VALUES (:now)"), {"now": now_s()})
    finally:
        engine.dispose()


REAL = "DOUBLE PRECISION"
SCHEMA = (
    "CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL,"
    " category TEXT NOT NULL, price_cents INTEGER NOT NULL, popularity INTEGER NOT NULL,"
    " description TEXT NOT NULL)",
    "CREATE TABLE stock (product INTEGER PRIMARY KEY, quantity INTEGER NOT NULL)",
    "CREATE TABLE order_lines (order_id INTEGER NOT NULL, product INTEGER NOT NULL,"
    " quantity INTEGER NOT NULL, price_cents INTEGER NOT NULL)",
)
ORDER = (
    f"customer INTEGER NOT NULL, placed_s {REAL} NOT NULL, total_cents INTEGER NOT NULL,"
    " status TEXT NOT NULL"
)
INDEXES = (
    "CREATE INDEX products_by_name ON products (name)",
    "CREATE INDEX order_lines_by_order ON order_lines (order_id)",
    "CREATE INDEX orders_by_time ON orders (placed_s)",
)
MOVE_SEQUENCE = (
    "SELECT setval(pg_get_serial_sequence('orders', 'id'), (SELECT max(id) FROM orders))"
)
DESCRIPTION = (
    "Made to last and easy to keep clean. Comes with a five year promise, spare parts by post, and"
    " a card that says who made it, where, and of what. Return it within thirty days, no questions."
)


def _filling(at_s: float) -> tuple[str, ...]:
    """Return statements that fill the tables; the database makes the products up by itself."""
    numbers = (
        "WITH RECURSIVE numbers (i) AS"  # noqa: S608 - constants of this package, as below
        f" (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < {PRODUCTS})"
    )
    orders: list[str] = []
    lines: list[str] = []
    history = list(baskets())
    for order, basket in enumerate(history, start=1):
        placed_s = at_s - HISTORY_S * (1 - order / len(history))
        total = sum(price_cents(product) for product in basket)
        orders.append(f"({order}, {order * 37 % 1000}, {placed_s:.3f}, {total}, 'shipped')")
        lines.extend(f"({order}, {product}, 1, {price_cents(product)})" for product in basket)
    return (
        f"""INSERT INTO products {numbers},
            nouns (k, noun) AS (VALUES {_numbered(NOUNS)}),
            materials (k, material) AS (VALUES {_numbered(MATERIALS)}),
            named (i, name, category) AS (
                SELECT i, material || ' ' || noun || ' ' || CAST((i - 1) / 1000 + 1 AS TEXT),
                    noun || '-' || CAST((i - 1) / 50 % {KINDS} AS TEXT)
                FROM numbers
                JOIN nouns ON nouns.k = (i - 1) % {len(NOUNS)}
                JOIN materials ON materials.k = (i - 1) / {len(NOUNS)} % {len(MATERIALS)}
            )
            SELECT i, name, category, 399 + (i * 7919) % 200 * 100, i, '{DESCRIPTION}'
            FROM named ORDER BY i""",  # noqa: S608
        f"INSERT INTO stock {numbers} SELECT i, {STOCK} FROM numbers",  # noqa: S608
        f"INSERT INTO orders VALUES {', '.join(orders)}",  # noqa: S608
        f"INSERT INTO order_lines VALUES {', '.join(lines)}",  # noqa: S608
    )


def _numbered(words: tuple[str, ...]) -> str:
    return ", ".join(f"({number}, '{word}')" for number, word in enumerate(words))
