"""Which faults lie in what keeps things? Database, pools, cache, queue and its worker."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from twinhelm.lab.faults.causes import Cause, defect, freeze, outage, session
from twinhelm.lab.shop.database import ADD_INDEX, DROP_INDEX
from twinhelm.lab.shop.worker import POISON
from twinhelm.lab.words import DATABASE, Fault, LabError, Symptom, Truth

if TYPE_CHECKING:
    from twinhelm.lab.stage import Stage

__all__ = ["STORES"]

QUEUE = "/queues/orders"
BATCH = 120
"""Old orders sent to the queue once more; the worker then needs minutes for them."""


def _index() -> Cause:
    """Drop the index of category pages, as a migration that went wrong."""

    async def start(stage: Stage) -> None:
        await stage.announce("migration", DATABASE, "products_by_category is dropped as unused")
        await stage.sql(DROP_INDEX)

    async def stop(stage: Stage) -> None:
        await stage.sql(ADD_INDEX)
        await stage.announce("migration", DATABASE, "products_by_category is there again")

    return Cause(start, stop)


def _poison() -> Cause:
    """Publish a message that no try can deal with; remove that one alone."""
    numbers: WeakKeyDictionary[Stage, int] = WeakKeyDictionary()

    async def start(stage: Stage) -> None:
        numbers[stage] = (await stage.call("queue", "POST", QUEUE, POISON))["id"]

    async def stop(stage: Stage) -> None:
        if number := numbers.pop(stage, 0):
            try:
                await stage.call("queue", "DELETE", f"{QUEUE}/{number}")
            except LabError as error:
                if "404" not in error.message:  # the queue itself gave it up
                    numbers[stage] = number
                    raise

    return Cause(start, stop)


def _backlog() -> Cause:
    """Slow the worker down, and give it much to do."""
    slow = defect("worker", "slow", ms=1000.0, route="orders")
    address = {"city": "Gent", "postcode": "10000"}

    async def start(stage: Stage) -> None:
        await slow.start(stage)
        for order in range(1, BATCH + 1):
            message = {"order": order, "address": address, "headers": {}}
            await stage.call("queue", "POST", QUEUE, message)

    return Cause(start, slow.stop)


STORES = (
    Fault(
        "database_lock",
        "A forgotten session holds a lock on the table stock",
        "End the session",
        Truth(DATABASE, also=("inventory",), indicator="saturation"),
        Symptom(
            "http_request_duration_seconds",
            {"job": "inventory", "route": "/reservations"},
            "mean",
            above=1.0,
        ),
        *session("stocktaking", "LOCK TABLE stock IN EXCLUSIVE MODE"),
    ),
    Fault(
        "dropped_index",
        "A migration drops the index that category pages need",
        "Create the index again",
        Truth(DATABASE, also=("catalog",), indicator="latency", change="migration"),
        Symptom(
            "http_request_duration_seconds",
            {"job": "catalog", "route": "/categories/{name}"},
            "mean",
            above=0.02,
        ),
        *_index(),
    ),
    Fault(
        "pool_exhaustion",
        "inventory does not give its database connections back",
        "Take the connections back from inventory",
        Truth("inventory", indicator="saturation"),
        Symptom("db_pool_connections_in_use", {"job": "inventory"}, "value", above=4.5),
        *defect("inventory", "hold_connections", count=5),
    ),
    Fault(
        "cache_down",
        "The cache dies, and every page asks the database",
        "Start the cache again",
        Truth("cache", indicator="errors"),
        Symptom("catalog_cache_bypassed_total", {"job": "catalog"}, "rate", above=0.2),
        *outage("cache"),
    ),
    Fault(
        "queue_backlog",
        "The worker needs a second for each order just as 120 are sent once more",
        "Make the worker quick again",
        Truth("worker", also=("orders", "queue"), indicator="saturation"),
        Symptom("queue_messages_ready", {"queue": "orders"}, "value", above=40.0),
        *_backlog(),
    ),
    Fault(
        "poisoned_message",
        "A message without an address fails in the worker again and again",
        "Take the message out of the queue",
        Truth("orders", also=("worker", "queue"), indicator="errors"),
        Symptom("log", {"service": "worker"}, "lines", above=0.0, text="order 0 not shipped"),
        *_poison(),
    ),
    Fault(
        "stuck_worker",
        "The worker hangs and takes no more orders",
        "Wake the worker",
        Truth("worker", also=("orders",), indicator="saturation"),
        Symptom("up", {"job": "worker"}, "value", below=0.5),
        *freeze("worker"),
    ),
)
