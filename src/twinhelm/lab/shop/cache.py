"""What was kept, and for how long? The shop's cache: keys and values in memory, nothing else.

``GET``, ``PUT ?seconds=`` and ``DELETE /keys/{key}``. It carries no tracing, like memcached, but
publishes Prometheus metrics. Above ``LIMIT`` keys the least recently used goes; a restart forgets
everything.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from twinhelm.lab.plan import Plan
from twinhelm.lab.shop.runtime import Service, answer

__all__ = ["Kept", "run"]

LIMIT = 20_000


class Kept:
    """Values by key until they expire; ``clock`` tells monotonic seconds."""

    def __init__(self, *, limit: int = LIMIT, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._values: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self.bytes = 0
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: str) -> bytes | None:
        """Return what is kept, or None."""
        value, until_s = self._values.get(key, (None, 0.0))
        if value is not None and until_s <= self._clock():
            self.delete(key)
            return None
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: str, value: bytes, *, seconds: float) -> None:
        """Keep a value, in place of an older one."""
        self.delete(key)
        self._values[key] = (value, self._clock() + seconds)
        self.bytes += len(value)
        while len(self._values) > self._limit:
            self.delete(next(iter(self._values)))
            self.evicted += 1

    def delete(self, key: str) -> None:
        """Forget a value, where there is one."""
        value, _ = self._values.pop(key, (b"", 0.0))
        self.bytes -= len(value)

    def sweep(self) -> None:
        """Forget everything that has expired."""
        now_s = self._clock()
        for key in [key for key, (_, until_s) in self._values.items() if until_s <= now_s]:
            self.delete(key)


def run(plan: Plan, version: str) -> None:
    """Serve until told to end."""
    service = Service("cache", plan, version)
    kept = Kept()
    made = service.instruments
    hits = made.counter("cache.hits", "Values found")
    misses = made.counter("cache.misses", "Values not found")
    sets = made.counter("cache.sets", "Values put")

    def items() -> float:
        kept.sweep()
        return len(kept)

    made.gauge("cache.items", "Values kept", items)
    made.gauge("cache.bytes", "Size of the values kept", lambda: kept.bytes)
    made.gauge("cache.evicted.items", "Values given up for room", lambda: kept.evicted)

    async def get(request: Request) -> Response:
        value = kept.get(request.path_params["key"])
        if value is None:
            misses()
            return answer({"detail": "not kept"}, 404)
        hits()
        return Response(value)

    async def put(request: Request) -> Response:
        seconds = float(request.query_params.get("seconds", "60"))
        kept.put(request.path_params["key"], await request.body(), seconds=seconds)
        sets()
        return Response(status_code=204)

    async def delete(request: Request) -> Response:
        kept.delete(request.path_params["key"])
        return Response(status_code=204)

    service.serve(
        [
            Route("/keys/{key}", get),
            Route("/keys/{key}", put, methods=["PUT"]),
            Route("/keys/{key}", delete, methods=["DELETE"]),
        ]
    )
