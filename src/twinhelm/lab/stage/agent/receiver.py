"""The agent's own address: takes telemetry from the shop, and answers questions of the lab.

In: OTLP, CloudEvents, OpenLineage. Out: to the given functions, at once; the sender gets 200
whatever the backend does. ``/metrics`` and ``/healthz`` as everywhere; what begins with
``/_lab/`` needs the secret. Plain ASGI, since some twenty requests a second pass here.
"""

from __future__ import annotations

import gzip
import secrets
import zlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, get_args

import orjson
from google.protobuf.message import DecodeError
from prometheus_client import generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from twinhelm.lab.plan import SECRET_HEADER
from twinhelm.lab.words import LabError

__all__ = ["Signal", "receiver"]

Signal = Literal["metrics", "logs", "traces"]
PROTOBUF = "application/x-protobuf"
MAX_BYTES = 16 << 20
Question = Callable[[Any], Awaitable[Any]]


def receiver(
    secret: str,
    *,
    otlp: Callable[[Signal, bytes], None],
    events: Mapping[str, Callable[[bytes, str], None]],
    questions: Mapping[str, Question],
) -> ASGIApp:
    """Make the application.

    ``otlp`` gets a signal and its plain protobuf; ``events``, by path, get a body and its content
    type; ``questions``, by path, get the JSON of the request and return that of the answer.
    """
    signals: dict[str, Signal] = {f"/v1/{signal}": signal for signal in get_args(Signal)}

    async def answer(request: Request) -> Response:
        path = request.url.path
        if path == "/healthz":
            return Response("ok")
        if path == "/metrics":
            return Response(generate_latest(), media_type="text/plain; version=0.0.4")
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BYTES:
                return Response("the body is too large", 413)
        kind = request.headers.get("content-type", "")
        if path in signals and kind == PROTOBUF:
            packed = request.headers.get("content-encoding") == "gzip"
            otlp(signals[path], gzip.decompress(body) if packed else body)
            return Response(b"", media_type=PROTOBUF)
        if path in signals:
            return Response(f"only {PROTOBUF} is taken here", 415)
        if path in events:
            events[path](body, kind)
            return Response(b"", 202)
        if path not in questions:
            return Response("no such address", 404)
        if not secrets.compare_digest(request.headers.get(SECRET_HEADER, ""), secret):
            return Response("the secret is missing or wrong", 403)
        said = await questions[path](orjson.loads(body) if body else None)
        return Response(orjson.dumps(said), media_type="application/json")

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await answer(Request(scope, receive))
        except (DecodeError, orjson.JSONDecodeError, OSError, EOFError, zlib.error) as error:
            response = Response(f"the body cannot be read: {error}", 400)
        except (LabError, KeyError, TypeError) as error:
            response = Response(f"{type(error).__name__}: {error}", 400)
        await response(scope, receive, send)

    return serve
