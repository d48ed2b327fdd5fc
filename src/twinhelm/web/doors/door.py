"""What every door has in common: take a body in, hand it over, answer, and stay standing.

A :class:`Protocol` says how to ``take`` a :class:`Parcel` (blocking; decode, keep, answer) and how
to say no. :class:`Door` makes an ASGI application of it: it bounds what is in flight, runs small
bodies on the event loop, where handing over to a thread would cost more than the work, and large
ones in a worker thread, and counts what was refused as a whole beside what was sample by sample.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING

from starlette.types import Receive, Scope, Send

from twinhelm.aiops.clean import Reason
from twinhelm.aiops.collect.wire.compression import decompress
from twinhelm.aiops.types import Received, Rejected
from twinhelm.core.errors import Refused, TooLarge, TwinhelmError, Unsupported
from twinhelm.core.labels import DEFAULT_TENANT
from twinhelm.core.own.tracing import span
from twinhelm.web.body import Intray, answered
from twinhelm.web.frame import Answer, Headers, json_answer, refusal, tenant_of

if TYPE_CHECKING:
    from twinhelm.aiops.flow.intake import Receipt
    from twinhelm.app import House

__all__ = ["HARMLESS", "Door", "Parcel", "Protocol", "faults", "heard"]

HARMLESS = frozenset({Reason.DUPLICATE, Reason.LATE, Reason.EXEMPLAR})
"""Not kept, and no fault of the sender's request: what it sent stands in the store already, or
is an extra that no protocol promises to keep."""

REASONS = {TooLarge: Reason.TOO_LARGE, Unsupported: Reason.UNSUPPORTED}


@dataclass(frozen=True, slots=True)
class Parcel:
    """One request: its headers, its body as it came over the wire, and whose it is."""

    house: House
    headers: Headers
    wire: bytes
    tenant: str

    def header(self, name: bytes) -> str:
        """Return a header's value, empty where it is absent."""
        return self.headers.get(name, b"").decode("latin-1")

    def unpacked(self, encoding: str | None = None) -> bytes:
        """Unpack the body, as ``Content-Encoding`` says or as the protocol fixes."""
        said = self.header(b"content-encoding") if encoding is None else encoding
        return decompress(self.wire, said, max_bytes=self.house.settings.limits.max_decoded_bytes)

    def keep(self, received: Received, door: str, *, once: bool = False) -> Receipt:
        """Hand it to the intake; ``once`` has the store ignore a body that it took just now."""
        digest = blake2b(self.wire, digest_size=16).digest() if once else b""
        return self.house.intake.take(received, door=door, tenant=self.tenant, digest=digest)


@dataclass(frozen=True, slots=True)
class Protocol:
    """One protocol: bodies of at most ``inline_bytes`` are taken on the event loop."""

    name: str
    take: Callable[[Parcel], Answer]
    inline_bytes: int
    no: Callable[[Headers, TwinhelmError], Answer] = lambda _headers, error: refusal(error)


class Door:
    """An ASGI application for one protocol."""

    def __init__(self, house: House, protocol: Protocol, tray: Intray, workers: Executor) -> None:
        self._house = house
        self._protocol = protocol
        self._tray = tray
        self._workers = workers
        # Forcing every answer to disk takes milliseconds, which others must not wait for.
        slow_disk = house.settings.store.sync_interval_s == 0
        self._inline = 0 if slow_disk else protocol.inline_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers: Headers = scope["state"]["headers"]
        await answered(send, self._answer(headers, receive), partial(self._no, headers))

    def _no(self, headers: Headers, error: TwinhelmError) -> Answer:
        if isinstance(error, Refused):
            self._count(headers, error)
        return self._protocol.no(headers, error)

    async def _answer(self, headers: Headers, receive: Receive) -> Answer:
        async with self._tray.taken(headers, receive) as body:
            parcel = Parcel(self._house, headers, body, _tenant(headers))
            if len(body) <= self._inline:
                return self._take(parcel)
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._workers, self._take, parcel)

    def _take(self, parcel: Parcel) -> Answer:
        with span(self._protocol.name, bytes=len(parcel.wire)):
            return self._protocol.take(parcel)

    def _count(self, headers: Headers, error: Refused) -> None:
        """Count a request that was refused whole, under its tenant where it has a valid one."""
        reason = REASONS.get(type(error), Reason.MALFORMED)
        name = self._protocol.name
        try:
            tenant = _tenant(headers)
        except Refused:
            tenant = DEFAULT_TENANT
        self._house.meters.rejected.labels(name, reason.value).inc()
        self._house.intake.rejections.add(name, tenant, [Rejected(reason, 1, error.message)])


def _tenant(headers: Headers) -> str:
    return tenant_of(headers.get(b"x-scope-orgid", b"").decode("latin-1"))


def faults(receipt: Receipt) -> list[Rejected]:
    """Return what the sender must hear of: everything rejected that is not harmless."""
    return [part for part in receipt.rejected if part.reason not in HARMLESS]


def heard(receipt: Receipt, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Answer | None:
    """Make the answer 400 of what the sender must hear; None where there is nothing."""
    wrong = faults(receipt)
    if not wrong:
        return None
    said = "; ".join(f"{part.count} {part.reason}: {part.example}" for part in wrong)
    hint = "everything else of the request is kept; do not send it again"
    return json_answer({"error": said, "hint": hint}, 400, headers)
