"""Who sends the parcels? Takes orders from the queue, gets a label each, marks them shipped.

One at a time, oldest first. A message that fails is tried three times with growing pauses, then
left to the queue, which delivers it again, before all younger ones: so one message that can never
succeed (such as :data:`POISON`) holds up all others, again and again, until the queue gives it up.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import orjson
from opentelemetry.propagate import extract
from opentelemetry.trace import SpanKind, get_tracer
from sqlalchemy import text

from twinhelm.lab.plan import Plan
from twinhelm.lab.shop.database import Database
from twinhelm.lab.shop.runtime import Service

__all__ = ["POISON", "Worker", "run"]

POISON: dict[str, Any] = {"order": 0, "address": None, "headers": {}}
"""A message whose order was saved without an address; no try can succeed."""
WAIT_S = 10.0
VISIBLE_S = 5.0
PAUSES_S = (1.0, 2.0)
"""Before the second and the third try."""
SHIPPED = text("UPDATE orders SET status = 'shipped' WHERE id = :order")


def run(plan: Plan, version: str) -> None:
    """Serve until told to end."""
    worker = Worker(Service("worker", plan, version))
    worker.service.serve([], worker.work)


class Worker:
    """Works the queue ``orders`` off."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._database = Database(service)
        self._queue = f"{service.plan.url('queue')}/queues/orders"
        self._tracer = get_tracer("shop.queue")
        made = service.instruments
        self._messages = made.counter("worker.messages", "Messages by outcome", "outcome")
        self._seconds = made.histogram("worker.message.seconds", "Time spent on a message")
        self._waited = made.histogram("worker.wait.seconds", "Time messages waited in the queue")

    async def work(self) -> None:
        """Take messages for as long as the process lives."""
        while True:
            try:
                await self._next()
            except (httpx.HTTPError, orjson.JSONDecodeError) as error:
                self.service.log.error("queue is not reachable: %s", error or type(error).__name__)
                await asyncio.sleep(1.0)

    async def _next(self) -> None:
        client = self.service.calls.plain
        taken = await client.post(
            f"{self._queue}/take",
            params={"wait_s": WAIT_S, "visible_s": VISIBLE_S},
            timeout=WAIT_S + 2.0,
        )
        taken.raise_for_status()
        if taken.status_code == 204:
            return
        given = orjson.loads(taken.content)
        self._waited(given["waited_s"])
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        done = await self._handle(given["value"], given["tries"])
        self._seconds(loop.time() - began_s)
        self._messages(outcome="done" if done else "failed")
        if done:
            await client.delete(f"{self._queue}/{given['id']}", timeout=2.0)

    async def _handle(self, message: dict[str, Any], tries: int) -> bool:
        attributes = {
            "messaging.system": "lab",
            "messaging.operation.type": "process",
            "messaging.destination.name": "orders",
        }
        order = message.get("order")
        for pause_s in (*PAUSES_S, None):
            try:
                with self._tracer.start_as_current_span(
                    "process orders",
                    context=extract(message.get("headers", {})),
                    kind=SpanKind.CONSUMER,
                    attributes=attributes,
                ):
                    await self._ship(message)
            except Exception:  # Whatever is wrong, the message goes back.
                self.service.log.exception("order %s not shipped, delivery %d", order, tries)
            else:
                self.service.log.info("order %s shipped", order)
                return True
            if pause_s is not None:
                await asyncio.sleep(pause_s)
        self.service.log.error("order %s goes back to the queue", order)
        return False

    async def _ship(self, message: dict[str, Any]) -> None:
        if await self.service.defects.meet("orders"):
            raise RuntimeError("internal error, message abandoned")
        label = {
            "order": message["order"],
            "city": message["address"]["city"],
            "postcode": message["address"]["postcode"],
        }
        await self.service.calls.ask("shipping", "POST", "/labels", value=label)
        await self._database.run(
            lambda connection: connection.execute(SHIPPED, {"order": message["order"]}).rowcount
        )
