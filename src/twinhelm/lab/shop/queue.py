"""What waits to be done? The shop's broker: messages in order, taken, acknowledged, or redelivered.

``POST /queues/{name}`` publishes; ``POST /queues/{name}/take?wait_s=&visible_s=`` hands out the
oldest message, waiting for one, or answers 204; ``DELETE /queues/{name}/{id}`` acknowledges. Who
does not acknowledge within the visibility timeout loses the message: it returns to its old place,
before all younger ones. After ``TRIES`` deliveries it is dead and set aside. Messages live in
memory. ``GET /queues/{name}`` tells the counts; ``DELETE /queues/{name}`` empties the queue.
"""

from __future__ import annotations

import asyncio
import bisect
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from twinhelm.lab.plan import Plan
from twinhelm.lab.shop.runtime import Service, answer
from twinhelm.lab.words import now_s

__all__ = ["TRIES", "Message", "Queue", "run"]

TRIES = 50
VISIBLE_S = 5.0
LONGEST_WAIT_S = 20.0


@dataclass(order=True)
class Message:
    """One message; ordered by its number, which is its age."""

    number: int
    value: Any = field(compare=False)
    since_s: float = field(compare=False)
    tries: int = field(default=0, compare=False)


class Queue:
    """One queue; lives in one event loop."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self.ready: list[Message] = []
        self.taken: dict[int, tuple[Message, asyncio.TimerHandle]] = {}
        self.dead: list[Message] = []
        self.redelivered = 0
        self._change = asyncio.Condition()

    async def publish(self, value: Any) -> int:
        """Append a message; returns its number."""
        message = Message(next(self._numbers), value, now_s())
        self.ready.append(message)
        async with self._change:
            self._change.notify()
        return message.number

    async def take(self, *, wait_s: float, visible_s: float = VISIBLE_S) -> Message | None:
        """Hand out the oldest message, or None where none comes in time."""
        async with self._change:
            try:
                async with asyncio.timeout(wait_s):
                    await self._change.wait_for(lambda: self.ready)
            except TimeoutError:
                return None
            message = self.ready.pop(0)
        message.tries += 1
        timer = asyncio.get_running_loop().call_later(visible_s, self._expire, message.number)
        self.taken[message.number] = (message, timer)
        return message

    def delete(self, number: int) -> bool:
        """Acknowledge or drop a message; tells whether it was there."""
        if number in self.taken:
            self.taken.pop(number)[1].cancel()
            return True
        kept = [message for message in self.ready if message.number != number]
        gone = len(kept) < len(self.ready)
        self.ready[:] = kept
        return gone

    def clear(self) -> None:
        """Drop every message, the dead ones too."""
        for number in tuple(self.taken):
            self.delete(number)
        self.ready.clear()
        self.dead.clear()

    def oldest_s(self) -> float:
        """Return the age of the oldest message that is not done, 0 without one."""
        waiting = [message.since_s for message in self.ready[:1]]
        waiting += [message.since_s for message, _ in self.taken.values()]
        return max(0.0, now_s() - min(waiting)) if waiting else 0.0

    def _expire(self, number: int) -> None:
        message, _ = self.taken.pop(number)
        if message.tries >= TRIES:
            self.dead.append(message)
            return
        self.redelivered += 1
        bisect.insort(self.ready, message)
        self._notifying = asyncio.ensure_future(self._notify())

    async def _notify(self) -> None:
        async with self._change:
            self._change.notify()


def run(plan: Plan, version: str) -> None:
    """Serve until told to end."""
    service = Service("queue", plan, version)
    queues: dict[str, Queue] = {"orders": Queue()}
    made = service.instruments
    published = made.counter("queue.published", "Messages published", "queue")
    delivered = made.counter("queue.delivered", "Messages handed out, again too", "queue")
    done = made.counter("queue.acknowledged", "Messages acknowledged", "queue")

    def tell(name: str, text: str, read: Callable[[Queue], float]) -> None:
        made.gauge(name, text, lambda: {key: read(of) for key, of in queues.items()}, "queue")

    tell("queue.messages.ready", "Messages waiting", lambda queue: len(queue.ready))
    tell("queue.messages.taken", "Messages handed out", lambda queue: len(queue.taken))
    tell("queue.messages.dead", "Messages given up", lambda queue: len(queue.dead))
    tell("queue.oldest_message.seconds", "Age of the oldest message", Queue.oldest_s)
    tell("queue.redelivered.messages", "Messages handed back", lambda queue: queue.redelivered)

    async def publish(request: Request) -> Response:
        name = request.path_params["name"]
        number = await queues.setdefault(name, Queue()).publish(orjson.loads(await request.body()))
        published(queue=name)
        return answer({"id": number}, 201)

    async def take(request: Request) -> Response:
        name = request.path_params["name"]
        asked = request.query_params
        message = await queues.setdefault(name, Queue()).take(
            wait_s=min(LONGEST_WAIT_S, float(asked.get("wait_s", "0"))),
            visible_s=float(asked.get("visible_s", VISIBLE_S)),
        )
        if message is None:
            return Response(status_code=204)
        delivered(queue=name)
        return answer(
            {
                "id": message.number,
                "value": message.value,
                "tries": message.tries,
                "waited_s": max(0.0, now_s() - message.since_s),
            }
        )

    async def acknowledge(request: Request) -> Response:
        name, number = request.path_params["name"], request.path_params["number"]
        if name not in queues or not queues[name].delete(number):
            return answer({"detail": "no such message, or its time is over"}, 404)
        done(queue=name)
        return Response(status_code=204)

    async def show(request: Request) -> Response:
        queue = queues.get(request.path_params["name"])
        if queue is None:
            return answer({"detail": "no such queue"}, 404)
        if request.method == "DELETE":
            queue.clear()
            service.log.warning("queue %s emptied", request.path_params["name"])
        counts = {name: len(getattr(queue, name)) for name in ("ready", "taken", "dead")}
        return answer(counts | {"oldest_s": queue.oldest_s()})

    service.serve(
        [
            Route("/queues/{name}", publish, methods=["POST"]),
            Route("/queues/{name}", show, methods=["GET", "DELETE"]),
            Route("/queues/{name}/take", take, methods=["POST"]),
            Route("/queues/{name}/{number:int}", acknowledge, methods=["DELETE"]),
        ],
        waiting=["/queues/{name}/take"],
    )
