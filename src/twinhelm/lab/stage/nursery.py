"""Where the lab's processes come from: one process that has loaded what all need, and forks.

Loading the libraries takes each process two thirds of a second of a core; fifteen at once would
keep two cores busy for five. The nursery loads them once, then becomes a fork of itself for each
process asked for, which also share that memory.

It reads lines of JSON on a socket: ``{"name", "arguments", "output"}``; it answers ``{"pid"}`` to
each in order, and says ``{"gone", "status"}`` of each that ended (minus the signal's number where
one killed it). When the socket closes it ends what is left, and itself once all of them are gone.
It dies with the stage, and its children with it.

Wrong where a library starts threads or connections when it is imported: forks lack them.
"""

from __future__ import annotations

import ctypes
import gc
import os
import selectors
import signal
import socket
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import orjson

from twinhelm.lab.stage.guard import tie_to_parent

__all__ = ["main"]

PRELOADED = (
    "httpx",
    "numpy",
    "opentelemetry.exporter.otlp.proto.http._log_exporter",
    "opentelemetry.exporter.otlp.proto.http.metric_exporter",
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.instrumentation.asgi",
    "opentelemetry.instrumentation.httpx",
    "opentelemetry.instrumentation.sqlalchemy",
    "opentelemetry.sdk._logs.export",
    "opentelemetry.sdk.metrics.export",
    "opentelemetry.sdk.trace.export",
    "prometheus_client",
    "psycopg",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite",
    "starlette.applications",
    "starlette.routing",
    "uvicorn.lifespan.on",
    "uvicorn.protocols.http.httptools_impl",
    "uvloop",
)
PR_SET_NAME = 15


def main(argv: list[str]) -> None:
    """Serve the socket whose file descriptor is given until it closes."""
    channel = socket.socket(fileno=int(argv[0]))
    tie_to_parent(signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in PRELOADED:
        with suppress(ImportError):  # whoever needs it says so itself
            import_module(name)
    gc.collect()
    gc.freeze()
    asked = _serve(channel)
    if asked is not None:
        _become(asked)


def _serve(channel: socket.socket) -> dict[str, Any] | None:
    """Fork for each request; returns in the fork, with its request, or at the end with none."""
    bell, ring = socket.socketpair()
    ring.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(ring.fileno())
    with selectors.DefaultSelector() as both:
        both.register(channel, selectors.EVENT_READ)
        both.register(bell, selectors.EVENT_READ)
        unread = b""
        living: set[int] = set()
        while True:
            ready = {key.fileobj for key, _ in both.select()}
            if bell in ready:
                bell.recv(4096)
                _reap(channel, living)
            if channel not in ready:
                continue
            got = b""
            with suppress(ConnectionResetError):  # it closed without hearing us out
                got = channel.recv(65536)
            if not got:
                _end(living)
                return None
            *lines, unread = (unread + got).split(b"\n")
            for line in lines:
                child = os.fork()
                if child == 0:
                    signal.set_wakeup_fd(-1)
                    for mine in (channel, bell, ring):
                        mine.close()
                    return dict(orjson.loads(line))
                living.add(child)
                _tell(channel, {"pid": child})


def _reap(channel: socket.socket, living: set[int]) -> None:
    with suppress(ChildProcessError):
        while True:
            child, status = os.waitpid(-1, os.WNOHANG)
            if child == 0:
                return
            living.remove(child)
            _tell(channel, {"gone": child, "status": os.waitstatus_to_exitcode(status)})


def _tell(channel: socket.socket, said: dict[str, int]) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):  # the next look at the socket shows it
        channel.sendall(orjson.dumps(said) + b"\n")


def _end(living: set[int]) -> None:
    """End them and see them gone, so that whoever awaits our end has awaited theirs."""
    for child in living:
        os.kill(child, signal.SIGKILL)
    for child in living:
        os.waitpid(child, 0)


def _become(asked: dict[str, Any]) -> None:
    """Be the process asked for, from its standard streams to its name."""
    for number in (signal.SIGCHLD, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    output = Path(asked["output"])
    handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_NAME, f"lab-{asked['name']}".encode()[:15])
    from twinhelm.lab.__main__ import main as run

    run(asked["arguments"])


if __name__ == "__main__":
    main(sys.argv[1:])
