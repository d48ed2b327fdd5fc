"""How a request body is taken in: bounded in size, in time, and together with its neighbours.

Before a byte is decoded, :class:`Intray` bounds one body by ``limits.max_body_bytes`` (checked
against Content-Length first, then while it streams) and ``limits.body_timeout_s``, and all
together by ``limits.max_requests_in_flight`` and a budget of bytes. :func:`answered` sends what a
door made of one, or its no.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Send

from twinhelm.aiops.collect.wire.deflate import inflate
from twinhelm.core.errors import BadInput, Overloaded, Refused, TooLarge, TwinhelmError
from twinhelm.core.settings import LimitSettings
from twinhelm.web.frame import Answer, Headers, send_answer

__all__ = ["Intray", "TooSlow", "answered"]

BODIES_AT_ONCE = 3
"""The byte budget, in bodies of the largest size: 96 MB with the default limit."""


class TooSlow(Refused):
    """The client did not send its body in time; its connection is closed."""

    status = 408


class Intray:
    """Counts what is on its way in; lives on one event loop."""

    def __init__(self, limits: LimitSettings) -> None:
        self._limits = limits
        self._requests = 0
        self._bytes = 0
        self._budget = BODIES_AT_ONCE * limits.max_body_bytes

    @asynccontextmanager
    async def taken(
        self, headers: Headers, receive: Receive, *, unpack: bool = False
    ) -> AsyncIterator[bytes]:
        """Read a body, and count it while it is worked on.

        ``unpack`` undoes its ``Content-Encoding``, in a thread; what comes of it is bounded and
        counted like a body that came as it is. Raises :class:`TooLarge` past the size limit,
        :class:`TooSlow` past the time limit, :class:`Overloaded` when too much is under way,
        :class:`BadInput` for a length that is no number, and Starlette's ``ClientDisconnect`` when
        the client went away; unpacking, what :func:`~twinhelm.aiops.collect.wire.deflate.inflate`
        raises.
        """
        if self._requests >= self._limits.max_requests_in_flight:
            said = (
                "requests are being decoded, which is all that limits.max_requests_in_flight allows"
            )
            hint = "send again after Retry-After, or send larger batches less often"
            raise Overloaded(f"{self._requests} {said}", hint=hint, retry_after_s=1.0)
        self._requests += 1
        held = 0

        def hold(size: int) -> None:
            nonlocal held
            self._check(size, max(0, size - held))
            self._bytes += max(0, size - held)
            held = max(held, size)

        try:
            hold(_declared(headers))
            body = await self._read(receive, hold)
            coding = headers.get(b"content-encoding", b"identity") if unpack else b"identity"
            if coding != b"identity":
                most = self._limits.max_body_bytes
                said = coding.decode("latin-1")
                body = await asyncio.to_thread(inflate, body, said, max_bytes=most)
                hold(len(body))
            yield body
        finally:
            self._requests -= 1
            self._bytes -= held

    def _check(self, size: int, more: int) -> None:
        limit = self._limits.max_body_bytes
        if size > limit:
            said = f"the body has {size} bytes or more, the limit is {limit}"
            raise TooLarge(said, hint="send smaller batches, or raise limits.max_body_bytes")
        if self._bytes + more > self._budget:
            said = f"bodies of {self._bytes} bytes are being taken in; {size} more would pass the "
            said += f"{self._budget} that memory is kept for"
            raise Overloaded(said, hint="send again after Retry-After", retry_after_s=1.0)

    async def _read(self, receive: Receive, hold: Callable[[int], None]) -> bytes:
        parts: list[bytes] = []
        size, more = 0, True
        try:
            async with asyncio.timeout(self._limits.body_timeout_s):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise ClientDisconnect
                    parts.append(message.get("body", b""))
                    more = message.get("more_body", False)
                    size += len(parts[-1])
                    hold(size)
        except TimeoutError as error:
            said = f"the body did not arrive within {self._limits.body_timeout_s:g} s"
            hint = "send smaller batches, or raise limits.body_timeout_s"
            raise TooSlow(said, hint=hint) from error
        return parts[0] if len(parts) == 1 else b"".join(parts)


def _declared(headers: Headers) -> int:
    said = headers.get(b"content-length", b"0")
    if not said.isdigit() or len(said) > 18:
        raise BadInput(f"Content-Length {said[:40]!r} is not a number of bytes")
    return int(said)


async def answered(
    send: Send, making: Awaitable[Answer], no: Callable[[TwinhelmError], Answer]
) -> None:
    """Send an answer, or the one that says no; nothing to a client that went away.

    Where the rest of a body is still on its way, which nobody will read, it hangs up.
    """
    try:
        answer = await making
    except ClientDisconnect:
        return
    except TwinhelmError as error:
        answer = replace(no(error), close=isinstance(error, TooSlow | TooLarge))
    await send_answer(send, answer)
