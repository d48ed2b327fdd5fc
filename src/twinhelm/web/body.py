"""How a request body is taken in: bounded in size, in time, and together with its neighbours.

Before a byte is decoded, :class:`Intray` bounds one body by ``limits.max_body_bytes`` (checked
against Content-Length first, then while it streams) and ``limits.body_timeout_s``, and all
together by ``limits.max_requests_in_flight`` and a budget of bytes. :func:`answered` sends what a
door made of one, or its no.
"""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from dataclasses import replace
from types import coroutine
from typing import Any, cast

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Send

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
        self.limits = limits
        self._requests = 0
        self._bytes = 0
        self._budget = BODIES_AT_ONCE * limits.max_body_bytes

    def taken(self, headers: Headers, receive: Receive, *, unpack: bool = False) -> "_Taken":
        """Read a body, and count it while it is worked on: ``async with`` gives its bytes.

        ``unpack`` undoes its ``Content-Encoding``, in a thread; what comes of it is bounded and
        counted like a body that came as it is. Raises :class:`TooLarge` past the size limit,
        :class:`TooSlow` past the time limit, :class:`Overloaded` when too much is under way,
        :class:`BadInput` for a length that is no number, and Starlette's ``ClientDisconnect`` when
        the client went away; unpacking, what :func:`~twinhelm.aiops.collect.wire.deflate.inflate`
        raises.
        """
        return _Taken(self, headers, receive, unpack)

    def begin(self) -> None:
        """Count one request more, or raise :class:`Overloaded`."""
        if self._requests >= self.limits.max_requests_in_flight:
            said = (
                "requests are being decoded, which is all that limits.max_requests_in_flight allows"
            )
            hint = "send again after Retry-After, or send larger batches less often"
            raise Overloaded(f"{self._requests} {said}", hint=hint, retry_after_s=1.0)
        self._requests += 1

    def hold(self, size: int, more: int) -> None:
        """Count ``more`` bytes of a body that has ``size`` by now, or raise."""
        limit = self.limits.max_body_bytes
        if size > limit:
            said = f"the body has {size} bytes or more, the limit is {limit}"
            raise TooLarge(said, hint="send smaller batches, or raise limits.max_body_bytes")
        if self._bytes + more > self._budget:
            said = f"bodies of {self._bytes} bytes are being taken in; {size} more would pass the "
            said += f"{self._budget} that memory is kept for"
            raise Overloaded(said, hint="send again after Retry-After", retry_after_s=1.0)
        self._bytes += more

    def end(self, held: int) -> None:
        """Count one request, and the bytes it held, no more."""
        self._requests -= 1
        self._bytes -= held


class _Taken:
    """One body on its way in; a plain class, since every request makes one."""

    __slots__ = ("_headers", "_held", "_receive", "_tray", "_unpack")

    def __init__(self, tray: Intray, headers: Headers, receive: Receive, unpack: bool) -> None:
        self._tray, self._headers, self._receive, self._unpack = tray, headers, receive, unpack
        self._held = 0

    async def __aenter__(self) -> bytes:
        self._tray.begin()
        try:
            self._hold(_declared(self._headers))
            body = await self._read()
            coding = self._headers.get(b"content-encoding", b"identity")
            if self._unpack and coding != b"identity":
                most, said = self._tray.limits.max_body_bytes, coding.decode("latin-1")
                body = await asyncio.to_thread(inflate, body, said, max_bytes=most)
                self._hold(len(body))
        except BaseException:
            self._tray.end(self._held)
            raise
        return body

    async def __aexit__(self, *_: object) -> None:
        self._tray.end(self._held)

    def _hold(self, size: int) -> None:
        if size > self._held:
            self._tray.hold(size, size - self._held)
            self._held = size

    async def _read(self) -> bytes:
        timeout_s, parts, size, more = self._tray.limits.body_timeout_s, list[bytes](), 0, True
        until_s = asyncio.get_running_loop().time() + timeout_s
        try:
            while more:
                message = await _next(self._receive, until_s)
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                parts.append(message.get("body", b""))
                more = message.get("more_body", False)
                size += len(parts[-1])
                self._hold(size)
        except TimeoutError as error:
            said = f"the body did not arrive within {timeout_s:g} s"
            hint = "send smaller batches, or raise limits.body_timeout_s"
            raise TooSlow(said, hint=hint) from error
        return parts[0] if len(parts) == 1 else b"".join(parts)


async def _next(receive: Receive, until_s: float) -> Message:
    """Receive one message; what is here already, as most is, comes without a timer."""
    steps = receive().__await__()
    try:
        waited_for = next(steps)
    except StopIteration as here:
        return cast(Message, here.value)

    @coroutine
    def rest() -> Generator[Any, Any, Message]:
        try:
            yield waited_for
            return (yield from steps)
        finally:
            steps.close()

    async with asyncio.timeout_at(until_s):
        return await rest()


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
