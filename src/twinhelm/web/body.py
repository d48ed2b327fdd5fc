"""How a request body is taken in: bounded in size, in time, and together with its neighbours.

A sender may declare a length and lie, send without end, or dribble a byte a minute; many may
send at once. :class:`Intray` bounds all of it before a byte is decoded: one body by
``limits.max_body_bytes`` (checked against Content-Length first, then while it streams) and
``limits.body_timeout_s``, all bodies together by ``limits.max_requests_in_flight`` and by a
budget of bytes, so that the memory of the process stays bounded whatever comes in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from twinhelm.core.errors import BadInput, Overloaded, Refused, TooLarge
from twinhelm.core.settings import LimitSettings
from twinhelm.web.frame import Headers

__all__ = ["Intray", "Place", "TooSlow"]

BODIES_AT_ONCE = 3
"""The byte budget, in bodies of the largest size: 96 MB with the default limit."""


class TooSlow(Refused):
    """The client did not send its body in time; its connection is closed."""

    status = 408


@dataclass(slots=True)
class Place:
    """One request's place in the tray: the body, once read, and the bytes it holds."""

    body: bytes = b""
    held: int = 0


class Intray:
    """Counts what is on its way in; lives on one event loop."""

    def __init__(self, limits: LimitSettings) -> None:
        self._limits = limits
        self._requests = 0
        self._bytes = 0
        self._budget = BODIES_AT_ONCE * limits.max_body_bytes

    @contextmanager
    def place(self) -> Iterator[Place]:
        """Hold a place for a while; :class:`Overloaded` if none is free."""
        if self._requests >= self._limits.max_requests_in_flight:
            raise Overloaded(
                f"{self._requests} requests are being decoded, which is all that limits."
                "max_requests_in_flight allows",
                hint="send again after Retry-After, or send larger batches less often",
                retry_after_s=1.0,
            )
        self._requests += 1
        place = Place()
        try:
            yield place
        finally:
            self._requests -= 1
            self._bytes -= place.held

    async def fill(self, place: Place, headers: Headers, receive: Receive) -> None:
        """Read the body into ``place``.

        Raises :class:`TooLarge` past the size limit, :class:`TooSlow` past the time limit,
        :class:`Overloaded` when the common budget is spent, :class:`BadInput` for a length that
        is no number, and Starlette's ``ClientDisconnect`` when the client went away.
        """
        self._hold(place, self._declared(headers))
        try:
            async with asyncio.timeout(self._limits.body_timeout_s):
                place.body = await self._read(place, receive)
        except TimeoutError as error:
            raise TooSlow(
                f"the body did not arrive within {self._limits.body_timeout_s:g} s",
                hint="send smaller batches, or raise limits.body_timeout_s",
            ) from error

    def _declared(self, headers: Headers) -> int:
        said = headers.get(b"content-length")
        if said is None:
            return 0
        if not said.isdigit() or len(said) > 18:
            raise BadInput(f"Content-Length {said[:40]!r} is not a number of bytes")
        self._check(int(said))
        return int(said)

    def _check(self, size: int) -> None:
        limit = self._limits.max_body_bytes
        if size > limit:
            raise TooLarge(
                f"the body has {size} bytes or more, the limit is {limit}",
                hint="send smaller batches, or raise limits.max_body_bytes",
            )

    def _hold(self, place: Place, size: int) -> None:
        more = size - place.held
        if more <= 0:
            return
        if self._bytes + more > self._budget:
            raise Overloaded(
                f"bodies of {self._bytes} bytes are being taken in; {size} more would pass the "
                f"{self._budget} that memory is kept for",
                hint="send again after Retry-After",
                retry_after_s=1.0,
            )
        self._bytes += more
        place.held = size

    async def _read(self, place: Place, receive: Receive) -> bytes:
        parts: list[bytes] = []
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            part: bytes = message.get("body", b"")
            more = message.get("more_body", False)
            size += len(part)
            self._check(size)
            self._hold(place, size)
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)
