"""Serve a house over HTTP: one process, one event loop, until somebody asks it to end.

:func:`serve` binds the address, answers health checks at once, starts the house, and on SIGTERM
or SIGINT lets requests in flight finish before the house is stopped. An address that others can
reach is refused unless ``auth.required`` is set and somebody could sign in.
"""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn

from twinhelm.core.errors import Conflict, Refused
from twinhelm.core.tracing import start_tracing
from twinhelm.web import VERSION
from twinhelm.web.site import Site
from twinhelm.web.who import is_loopback, listen_address

if TYPE_CHECKING:
    from twinhelm.app import House

__all__ = ["bind", "build_app", "check_exposure", "serve"]

GRACE_S = 10
"""How long requests in flight may take to finish once the server is asked to end."""

KEEP_ALIVE_S = 75
"""Longer than the minute after which most senders' connections are used again."""

MAX_SOCKET_MESSAGE = 1 << 20
ADD = "add a person with `twinhelm user add NAME --role admin`"


def build_app(house: House, *, pages: bool = True) -> Site:
    """Make the ASGI application; only one of a process can have pages, as their framework is."""
    return Site(house, pages=pages)


def serve(house: House, *, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then stop the house.

    ``on_ready`` is called with the base URL once health checks are answered; until it returns
    the house is not ready, so that whoever waited for readiness finds what it writes. Raises
    :class:`Refused` (and stops the house) when the address is not allowed or cannot be bound.
    """
    try:
        check_exposure(house)
        with bind(house.settings.server.listen) as listener:
            end_tracing = start_tracing(house.settings.tracing, version=VERSION)
            try:
                _run(house, listener, on_ready)
            finally:
                end_tracing()
    finally:
        house.stop()


def check_exposure(house: House) -> None:
    """Refuse an address that others can reach while anybody could do anything there."""
    host, _ = listen_address(house.settings.server.listen)
    if is_loopback(host):
        return
    exposed = f"{host} can be reached from other machines, and"
    if not house.settings.auth.required:
        hint = f"set auth.required = true and {ADD}, or listen on 127.0.0.1"
        raise Refused(f"{exposed} auth.required is not set", hint=hint)
    if not house.identities.people() and not house.identities.tokens():
        hint = f"{ADD}, or a token with `twinhelm token create NAME --role ROLE`"
        raise Refused(f"{exposed} nobody can sign in yet", hint=hint)


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


def _run(house: House, listener: socket.socket, on_ready: Callable[[str], None] | None) -> None:
    host, port = listener.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def begin() -> None:
        house.announced = False
        house.models.url = url.replace("//0.0.0.0", "//127.0.0.1").replace("//[::]", "//[::1]")
        house.start()
        if on_ready is not None:
            on_ready(url)
        house.announced = True

    config = uvicorn.Config(
        build_app(house),
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_max_size=MAX_SOCKET_MESSAGE,
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    _Server(config, begin).run([listener])


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
