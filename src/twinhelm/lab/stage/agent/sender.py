"""Carries bodies to one address of the backend, whatever the backend does.

In: bodies with a count of what is in them. Out: HTTP posts, in order. A backend that is down or
busy (no answer, 429, 5xx) is asked again, after half a second and twice as long each time up to
eight, while bodies queue; past ``QUEUE_BYTES`` the oldest are dropped, and counted. A body that
is refused (other 4xx) is dropped, since it would be refused again. Nothing here ever waits for
the queue, so the shop never waits for the backend.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass

import httpx
from prometheus_client import REGISTRY, CollectorRegistry, Gauge
from prometheus_client import Counter as Metric

__all__ = ["Item", "Sender", "Tally"]

QUEUE_BYTES = 16 << 20
JOINED_BYTES = 1 << 20
BACKOFF_S = (0.5, 8.0)
TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Item:
    """One body; ``counts`` says how many metrics, logs, spans or changes it carries."""

    body: bytes
    headers: Mapping[str, str]
    counts: Mapping[str, int]


class Tally:
    """What was sent, for people, and for the agent's own ``/metrics``."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.sent: Counter[str] = Counter(metrics=0, logs=0, spans=0, changes=0, errors=0)

        def counter(name: str, text: str, label: str) -> Metric:
            return Metric(name, text, [label], registry=registry)

        self._sent = counter("agent_sent", "Records that the backend took.", "signal")
        self._failed = counter("agent_failed_requests", "Requests that failed.", "address")
        self._dropped = counter("agent_dropped", "Records given up.", "signal")
        self.queued = Gauge(
            "agent_queue_bytes", "Bytes that wait to be sent.", ["address"], registry=registry
        )

    def took(self, counts: Mapping[str, int]) -> None:
        """Count what the backend took."""
        self.sent.update(counts)
        for signal, count in counts.items():
            self._sent.labels(signal).inc(count)

    def failed(self, address: str) -> None:
        """Count a request that failed."""
        self.sent["errors"] += 1
        self._failed.labels(address).inc()

    def dropped(self, counts: Mapping[str, int]) -> None:
        """Count what was given up."""
        for signal, count in counts.items():
            self._dropped.labels(signal).inc(count)


class Sender:
    """A queue to one address, ``name`` for people; with an empty ``url`` nothing is kept.

    ``every_s`` gathers bodies for so long and joins them: for protobuf, whose messages may simply
    be put one after the other.
    """

    def __init__(
        self, name: str, url: str, client: httpx.AsyncClient, tally: Tally, *, every_s: float = 0.0
    ) -> None:
        self._name = name
        self._url = url
        self._client = client
        self._tally = tally
        self._every_s = every_s
        self._queue: deque[Item] = deque()
        self._bytes = 0
        self._some = asyncio.Event()

    def put(self, item: Item) -> None:
        """Queue a body; returns at once."""
        if not self._url:
            return
        self._queue.append(item)
        self._bytes += len(item.body)
        while self._bytes > QUEUE_BYTES and len(self._queue) > 1:
            oldest = self._queue.popleft()
            self._bytes -= len(oldest.body)
            self._tally.dropped(oldest.counts)
        self._some.set()

    async def run(self) -> None:
        """Send for ever."""
        while True:
            await self._some.wait()
            await asyncio.sleep(self._every_s)
            self._some.clear()
            while self._queue:
                await self._deliver(self._next())
            self._tally.queued.labels(self._name).set(self._bytes)

    async def flush(self) -> None:
        """Send what waits, once, without asking again."""
        while self._queue:
            if not await self._post(self._next()):
                return

    def _next(self) -> Item:
        """Take the oldest body, with what may be joined to it."""
        first = self._queue.popleft()
        parts, counts = [first.body], Counter(first.counts)
        size = len(first.body)
        while self._every_s and self._queue and size < JOINED_BYTES:
            more = self._queue.popleft()
            parts.append(more.body)
            counts.update(more.counts)
            size += len(more.body)
        self._bytes -= size
        return Item(b"".join(parts), first.headers, counts)

    async def _deliver(self, item: Item) -> None:
        wait_s, longest_s = BACKOFF_S
        while not await self._post(item):
            self._tally.queued.labels(self._name).set(self._bytes + len(item.body))
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, longest_s)

    async def _post(self, item: Item) -> bool:
        """Send once; returns False where it may help to ask again."""
        try:
            answer = await self._client.post(
                self._url, content=item.body, headers=dict(item.headers), timeout=TIMEOUT_S
            )
        except httpx.HTTPError:
            self._tally.failed(self._name)
            return False
        if answer.is_success:
            self._tally.took(item.counts)
            return True
        self._tally.failed(self._name)
        if answer.status_code == 429 or answer.status_code >= 500:
            return False
        self._tally.dropped(item.counts)
        return True
