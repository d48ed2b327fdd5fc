"""Serve an application over HTTP: one process, one event loop, until somebody asks it to end.

:func:`bind` opens the address, :func:`run` answers health checks at once, begins the work behind
them, and on SIGTERM or SIGINT lets requests in flight finish before it returns. An address that
others can reach is refused by :func:`check_exposure` unless something stands in their way.
:class:`Protocol` is the server's HTTP.
"""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from twinhelm.core.errors import Conflict, Refused
from twinhelm.core.meters import WebMeters
from twinhelm.web.who import is_loopback, listen_address

__all__ = ["Protocol", "bind", "check_exposure", "health_routes", "run"]

GRACE_S = 10
"""How long requests in flight may take to finish once the server is asked to end."""

KEEP_ALIVE_S = 75
"""Longer than the minute after which most senders' connections are used again."""

MAX_SOCKET_MESSAGE = 1 << 20
END = b"\r\n\r\n"


def check_exposure(listen: str, *, lacks: str, hint: str) -> None:
    """Raise :class:`Refused` for an address that others can reach while something is lacking.

    ``lacks`` says what; empty for nothing. ``hint`` says how to mend it.
    """
    host, _ = listen_address(listen)
    if lacks and not is_loopback(host):
        raise Refused(f"{host} can be reached from other machines, and {lacks}", hint=hint)


def bind(listen: str) -> socket.socket:
    """Open the listening socket; raises :class:`Refused` that says why it cannot be opened."""
    host, port = listen_address(listen)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        said = f"the host in server.listen {listen!r} is not known here: {error.strerror}"
        raise Refused(said, hint="give an address of this machine, such as 127.0.0.1") from error
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise _why_not(listen, error) from error
    listener.setblocking(False)
    return listener


def _why_not(listen: str, error: OSError) -> Refused:
    if error.errno == errno.EADDRINUSE:
        told = f"{listen} is in use by another program, perhaps by another twinhelm"
        return Conflict(told, hint="end that one, or choose another address with --listen")
    said, hint = {
        errno.EADDRNOTAVAIL: ("it is no address of this machine", "0.0.0.0 means all of them"),
        errno.EACCES: ("this user may not", "choose a port from 1024 on"),
        errno.EPERM: ("this user may not", "choose a port from 1024 on"),
    }.get(error.errno or 0, (str(error.strerror or error), ""))
    return Refused(f"cannot listen on {listen}: {said}", hint=hint)


def health_routes(what: str, ready: Callable[[], bool], meters: WebMeters) -> list[Route]:
    """Make the routes that watch over the server itself, which calls itself ``what``."""

    async def healthy(_request: Request) -> Response:
        return PlainTextResponse(f"{what} is healthy\n")

    async def readiness(_request: Request) -> Response:
        if ready():
            return PlainTextResponse(f"{what} is ready\n")
        return PlainTextResponse(f"{what} is starting\n", 503, {"retry-after": "1"})

    async def metrics(_request: Request) -> Response:
        text = await asyncio.to_thread(meters.exposition)
        return Response(text, headers={"content-type": "text/plain; version=0.0.4; charset=utf-8"})

    return [Route("/-/healthy", healthy), Route("/-/ready", readiness), Route("/metrics", metrics)]


def run(
    app: ASGIApp, listener: socket.socket, begin: Callable[[str], None], *, websockets: bool = True
) -> None:
    """Serve until SIGTERM or SIGINT; without ``websockets`` their library need not be there.

    ``begin`` is called in a thread with the base URL once health checks are answered; what it
    raises ends the server and goes through.
    """
    host, port = listener.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=Protocol,
        ws="websockets-sansio" if websockets else "none",
        ws_max_size=MAX_SOCKET_MESSAGE,
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    _Server(config, lambda: begin(url)).run([listener])


class Protocol(HttpToolsProtocol):
    """uvicorn's, where a head leaves with its body: a packet less, and the reader wakes once."""

    def connection_made(self, transport: Any) -> None:
        """Stand between answers and their transport."""
        super().connection_made(transport)
        self.transport = self._joined = _Joined(transport)  # type: ignore[assignment]

    def on_body(self, body: bytes) -> None:
        """Hand on what comes in one piece as it is; uvicorn copies it twice."""
        cycle: Any = self.cycle
        if cycle and not cycle.body:
            cycle.body, body = body, b""
        elif cycle and isinstance(cycle.body, bytes):
            cycle.body = bytearray(cycle.body)  # which grows by many pieces without a copy each
        super().on_body(body)

    def on_response_complete(self) -> None:
        """Let go of a head that has no body, as HEAD is answered."""
        self._joined.flush()
        super().on_response_complete()


class _Joined:
    """A transport that keeps a head of known length back until its body, or the end, comes."""

    def __init__(self, transport: Any) -> None:
        self._to, self._head = transport, b""

    def write(self, data: bytes) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._to.writelines((head, data))
        elif data.startswith(b"HTTP/") and data.endswith(END) and b"\r\ncontent-length: " in data:
            self._head = data
        else:
            self._to.write(data)

    def flush(self) -> None:
        head, self._head = self._head, b""
        if head:
            self._to.write(head)

    def close(self) -> None:
        self.flush()
        self._to.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._to, name)


class _Server(uvicorn.Server):
    """uvicorn's server, with a word when it stands, and with the caller living on after it."""

    def __init__(self, config: uvicorn.Config, begin: Callable[[], None]) -> None:
        super().__init__(config)
        self._begin = begin

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            await asyncio.to_thread(self._begin)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # The original sends itself the signal again at the end: death before the house stops.
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        caught = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in caught}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
