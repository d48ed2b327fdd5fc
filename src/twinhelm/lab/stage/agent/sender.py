"""Carries bodies to one address of the backend, whatever the backend does.

In: bodies with a count of what is in them. Out: HTTP posts, in order. A backend that is down or
busy (no answer, 429, 5xx) is asked again, after half a second and twice as long each time up to
eight, while bodies queue; past ``QUEUE_BYTES`` the oldest are dropped, and counted. A body that
is refused (any other answer) is dropped, since it would be refused again, and the next one sent:
a backend need not take every signal. Nothing here ever waits for the queue, so the shop never
waits for the backend.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import httpx
from prometheus_client import REGISTRY, CollectorRegistry, Gauge
from prometheus_client import Counter as Metric

__all__ = ["Item", "Sender", "Tally", "Trouble"]

QUEUE_BYTES = 16 << 20
JOINED_BYTES = 1 << 20
BACKOFF_S = (0.5, 8.0)
TIMEOUT_S = 10.0
SAID_CHARACTERS = 200
UNKNOWN = frozenset((404, 405, 415, 501))
"""Answers that say that this is not taken here, whatever the body."""


@dataclass(frozen=True, slots=True)
class Item:
    """One body; ``counts`` says how many metrics, logs, spans or changes it carries."""

    body: bytes
    headers: Mapping[str, str]
    counts: Mapping[str, int]


@dataclass(slots=True)
class Trouble:
    """What went wrong with one address."""

    requests: int = 0
    """So many failed since the start."""
    refused: int = 0
    """So many of them were refused: not to be sent again."""
    last: str = ""
    """Why the last one failed."""
    lasts: bool = False
    """Whether nothing was taken since."""


class Tally:
    """What was sent, for people, and for the agent's own ``/metrics``."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.sent: Counter[str] = Counter(metrics=0, logs=0, spans=0, changes=0, errors=0)
        self._troubles: dict[str, Trouble] = {}

        def counter(name: str, text: str, label: str) -> Metric:
            return Metric(name, text, [label], registry=registry)

        self._sent = counter("agent_sent", "Records that the backend took.", "signal")
        self._failed = counter("agent_failed_requests", "Requests that failed.", "address")
        self._dropped = counter("agent_dropped", "Records given up.", "signal")
        self.queued = Gauge(
            "agent_queue_bytes", "Bytes that wait to be sent.", ["address"], registry=registry
        )

    @property
    def troubles(self) -> dict[str, dict[str, Any]]:
        """What went wrong, by address, as :class:`Trouble` has it."""
        return {name: asdict(trouble) for name, trouble in self._troubles.items()}

    def took(self, address: str, counts: Mapping[str, int]) -> None:
        """Count what the backend took."""
        if address in self._troubles:
            self._troubles[address].lasts = False
        self.sent.update(counts)
        for signal, count in counts.items():
            self._sent.labels(signal).inc(count)

    def failed(self, address: str, why: str, *, refused: bool = False) -> None:
        """Count a request that failed."""
        trouble = self._troubles.setdefault(address, Trouble())
        trouble.requests += 1
        trouble.refused += refused
        trouble.last, trouble.lasts = why, True
        self.sent["errors"] += 1
        self._failed.labels(address).inc()

    def dropped(self, counts: Mapping[str, int]) -> None:
        """Count what was given up."""
        for signal, count in counts.items():
            self._dropped.labels(signal).inc(count)


class Sender:
    """A queue to one address, ``name`` for people; with an empty ``url`` nothing is kept.

    ``every_s`` gathers bodies for so long and joins them: for protobuf, whose messages may simply
    be put one after the other. ``otherwise`` gets what has no address, or one that does not take
    such a thing at all; it must not raise.
    """

    def __init__(
        self,
        name: str,
        url: str,
        client: httpx.AsyncClient,
        tally: Tally,
        *,
        every_s: float = 0.0,
        otherwise: Callable[[Item], None] | None = None,
    ) -> None:
        self._name = name
        self._url = url
        self._client = client
        self._tally = tally
        self._every_s = every_s
        self._otherwise = otherwise
        self._queue: deque[Item] = deque()
        self._bytes = 0
        self._some = asyncio.Event()

    def put(self, item: Item) -> None:
        """Queue a body; returns at once."""
        if not self._url:
            if self._otherwise is not None:
                self._otherwise(item)
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
        except httpx.HTTPError as error:
            self._tally.failed(self._name, f"no answer: {error or type(error).__name__}")
            return False
        if answer.is_success:
            self._tally.took(self._name, item.counts)
            return True
        status = answer.status_code
        unknown = status in UNKNOWN
        busy = not unknown and (status == 429 or status >= 500)
        said = " ".join(answer.text[:SAID_CHARACTERS].split())
        why = f"{status} {answer.reason_phrase}" + (f": {said}" if said else "")
        self._tally.failed(self._name, why, refused=not busy)
        if busy:
            return False
        if unknown and self._otherwise is not None:
            self._otherwise(item)
        else:
            self._tally.dropped(item.counts)
        return True
