"""The door at ``/mlflow``: MLflow's REST API for any client; the house decides what goes live.

Requests stream to MLflow's own server side (:class:`~twinhelm.mlops.tracking.Tracking`) and its
answers stream back; files in either direction are never held whole. What
:mod:`~twinhelm.mlops.tracking.rules` calls a wish is put to the gate first. Said no, a client
reads 403 ``PERMISSION_DENIED`` with the reason and what to do. Where a promotion is on its way
but the version does not answer yet, it reads 409 ``RESOURCE_CONFLICT``: to say yes would be a
lie, and the alias follows by itself when it is true. A new version is taken into the register
before the client hears of it, where that takes no longer than ``REGISTER_S``.

MLflow's client prints addresses of MLflow's own pages (``/mlflow/#/experiments/...``), of which
only ``/mlflow/`` reaches a server: a browser is led to the portfolio from there.

Wrong where MLflow ends in the middle of a call: the client is told 503 and may not know whether
the call was done, as with any server. Everything we say ourselves is in MLflow's error form.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from twinhelm.core import json
from twinhelm.core.errors import (
    BadInput,
    Conflict,
    Overloaded,
    TooLarge,
    TwinhelmError,
    Unavailable,
)
from twinhelm.core.settings import Settings
from twinhelm.mlops.tracking import Gate, Tracking
from twinhelm.mlops.tracking.rules import (
    ARTIFACTS,
    CREATE_VERSION,
    JUDGED,
    Kind,
    Wish,
    artifact_path,
    endpoint_of,
    judged,
    wish_of,
)
from twinhelm.web.body import Intray, TooSlow
from twinhelm.web.frame import MOUNT, Answer, Headers, mlflow_refusal, send_answer

__all__ = ["MlflowDoor", "Pending", "mlflow_routes"]

log = logging.getLogger(__name__)

CALLS, TRANSFERS = 16, 8
"""Calls, and files on their way, that MLflow is handed at once; others wait for their turn."""

WARM_S = 30.0
LOOK_S = 0.1
TURN_S = 30.0
ANSWER_S = 120.0
REGISTER_S = 60.0
"""MLflow's client gives up after 120 s, and would then register a second version."""

PASSED = frozenset({b"accept", b"accept-encoding", b"content-type", b"range", b"user-agent"})
"""Request headers that MLflow is handed: no cookie, no token, no address."""

OURS = frozenset({b"connection", b"date", b"keep-alive", b"server", b"transfer-encoding"})
PROMPT_TAG = "mlflow.prompt.is_prompt"
"""A version that is a text for a language model: no model, and nothing for the register."""

Registered = Callable[[str, str, str], object]
"""Hears, in a thread, of a new product, version and by whom."""


class Pending(Conflict):
    """What was asked for is on its way, and is not so yet."""


class MlflowDoor:
    """The ASGI application below ``/mlflow``; lives on one event loop.

    ``transport`` stands for MLflow's server side in tests.
    """

    def __init__(
        self,
        tracking: Tracking,
        gate: Gate,
        registered: Registered,
        settings: Settings,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._tracking = tracking
        self._gate = gate
        self._registered = registered
        self._max_file = settings.models.max_artifact_bytes
        self._patience_s = settings.limits.body_timeout_s
        self._tray = Intray(settings.limits)
        self._calls, self._files = (
            _client(transport, tracking.socket, most) for most in (CALLS, TRANSFERS)
        )
        self._registering: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        reply = _Reply(send, self._patience_s)
        try:
            await self._serve(scope, receive, reply)
        except ClientDisconnect:
            return
        except TwinhelmError as error:
            if reply.started:  # half an answer cannot be taken back; hanging up says so
                raise
            hang_up = isinstance(error, TooLarge | TooSlow)
            await send_answer(send, mlflow_refusal(error, close=hang_up))

    async def close(self) -> None:
        """Finish what is being registered, and let go of the connections."""
        await asyncio.gather(*self._registering)
        await self._calls.aclose()
        await self._files.aclose()

    async def _serve(self, scope: Scope, receive: Receive, reply: _Reply) -> None:
        method, path = scope["method"], scope["path"].removeprefix(MOUNT)
        raw = scope["raw_path"].decode("latin-1").removeprefix(MOUNT)
        query = scope["query_string"].decode("latin-1")
        headers: Headers = scope["state"]["headers"]
        by: str = scope["state"]["asker"].identity.name
        url = _url(raw, query)
        if ARTIFACTS.fullmatch(path):
            artifact_path(raw, query)
            await self._warm()
            content = self._file(headers, receive) if method in {"PUT", "POST"} else None
            await self._pass(self._files, method, url, headers, content, reply)
            return
        endpoint = endpoint_of(path)
        async with self._tray.taken(headers, receive) as body:
            if (method, endpoint) in JUDGED:
                body = await self._judge(method, endpoint, body, by)
            await self._warm()
            if (method, endpoint) == CREATE_VERSION:
                await self._create(url, headers, body, by, reply)
            else:
                await self._pass(self._calls, method, url, headers, body, reply)

    async def _judge(self, method: str, endpoint: str, body: bytes, by: str) -> bytes:
        """Put a wish to the gate; returns the body that MLflow may have."""
        fields = json.loads(body)
        if not isinstance(fields, dict):
            raise BadInput("the body is not a JSON object")
        fields = judged(method, endpoint, fields, by=by)
        wish = wish_of(method, endpoint, fields)
        if wish is not None:
            await asyncio.to_thread(_put, self._gate, wish, by)
        return json.dumps(fields)

    async def _create(
        self, url: httpx.URL, headers: Headers, body: bytes, by: str, reply: _Reply
    ) -> None:
        """Have MLflow make a version, have the house take it in, and then tell the client."""
        async with _asking(self._calls, "POST", url, headers, body) as answer:
            said = await answer.aread()
        if answer.status_code == 200:
            made = json.loads(said)["model_version"]
            tags = {tag["key"] for tag in made.get("tags", ())}
            if PROMPT_TAG not in tags:
                work = asyncio.to_thread(self._take, made["name"], str(made["version"]), by)
                task = asyncio.create_task(work)
                self._registering.add(task)
                task.add_done_callback(self._registering.discard)
                await asyncio.wait({task}, timeout=REGISTER_S)
        kind = answer.headers.get("content-type", "").encode()
        await send_answer(reply, Answer(answer.status_code, said, kind))

    def _take(self, product: str, version: str, by: str) -> None:
        try:
            self._registered(product, version, by)
        except TwinhelmError as error:
            told = {"version": f"{product}/{version}", "reason": str(error)}
            log.warning("a version of MLflow's is not in the register", extra=told)
        except Exception:
            # MLflow has made the version; the client must hear so whatever went wrong here.
            log.exception("a version of MLflow's is not in the register")

    async def _pass(
        self,
        client: httpx.AsyncClient,
        method: str,
        url: httpx.URL,
        headers: Headers,
        content: bytes | AsyncIterator[bytes] | None,
        reply: _Reply,
    ) -> None:
        async with _asking(client, method, url, headers, content) as answer:
            told = [pair for pair in answer.headers.raw if pair[0].lower() not in OURS]
            start = {"type": "http.response.start", "status": answer.status_code, "headers": told}
            await reply(start)
            async for part in answer.aiter_raw():
                await reply({"type": "http.response.body", "body": part, "more_body": True})
        await reply({"type": "http.response.body", "body": b""})

    async def _file(self, headers: Headers, receive: Receive) -> AsyncIterator[bytes]:
        """Read a file as it comes, within bounds of size and of time between its parts."""
        declared = headers.get(b"content-length", b"0")
        self._check_size(int(declared) if declared.isdigit() else 0)
        size, more = 0, True
        while more:
            try:
                async with asyncio.timeout(self._patience_s):
                    message = await receive()
            except TimeoutError as error:
                said = f"no part of the file came for {self._patience_s:g} s"
                raise TooSlow(said, hint="raise limits.body_timeout_s") from error
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            part = message.get("body", b"")
            more = message.get("more_body", False)
            size += len(part)
            self._check_size(size)
            if part:
                yield part

    def _check_size(self, size: int) -> None:
        if size > self._max_file:
            said = f"the file has {size} bytes or more, the limit is {self._max_file}"
            raise TooLarge(said, hint="raise models.max_artifact_bytes")

    async def _warm(self) -> None:
        """Wait until MLflow's server side is there, started by whoever asks first."""
        if self._tracking.ready:
            return
        self._tracking.start()
        loop = asyncio.get_running_loop()
        end = loop.time() + WARM_S
        while not self._tracking.ready:
            if loop.time() > end:
                raise self._tracking.trouble()
            # Its supervisor lives in a thread, and tells threads alone; warming up is rare.
            await asyncio.sleep(LOOK_S)


class _Reply:
    """Passes an answer on, and gives up on a client that takes none of it."""

    def __init__(self, send: Send, patience_s: float) -> None:
        self.started = False
        self._send = send
        self._patience_s = patience_s

    async def __call__(self, message: Message) -> None:
        self.started = True
        try:
            async with asyncio.timeout(self._patience_s):
                await self._send(message)
        except TimeoutError as error:
            raise ClientDisconnect from error


def mlflow_routes() -> list[Route]:
    """Make the routes that lead a browser from MLflow's address to our pages."""

    async def lead(_request: Request) -> Response:
        return RedirectResponse("/products", 303)

    return [Route(MOUNT, lead), Route(f"{MOUNT}/", lead)]


def _put(gate: Gate, wish: Wish, by: str) -> None:
    """Ask the gate; raises what it raises, and :class:`Pending` for what is not so yet."""
    match wish.kind:
        case Kind.PROMOTE:
            said = gate.promote(wish.product, wish.version, by=by)
            if said:
                told = f"{wish.product}/{wish.version} is not live yet: {said}"
                raise Pending(
                    told, hint=f"the alias follows by itself; see /products/{wish.product}"
                )
        case Kind.UNSET:
            gate.may_unset(wish.product, wish.version, by=by)
        case Kind.DELETE:
            gate.may_delete(wish.product, wish.version, by=by)


def _url(raw_path: str, query: str) -> httpx.URL:
    """Make MLflow's address of a request, every letter as it came over the wire."""
    try:
        target = f"{raw_path}?{query}".rstrip("?").encode("ascii")
        return httpx.URL("http://mlflow").copy_with(raw_path=target)
    except (httpx.InvalidURL, UnicodeEncodeError) as error:
        raise BadInput(f"the address cannot be read: {error}") from error


def _client(
    transport: httpx.AsyncBaseTransport | None, socket: Path, most: int
) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=most, max_keepalive_connections=most)
    if transport is None:
        transport = httpx.AsyncHTTPTransport(uds=str(socket), limits=limits)
    timeout = httpx.Timeout(ANSWER_S, pool=TURN_S)
    return httpx.AsyncClient(transport=transport, timeout=timeout, follow_redirects=False)


@asynccontextmanager
async def _asking(
    client: httpx.AsyncClient,
    method: str,
    url: httpx.URL,
    headers: Headers,
    content: bytes | AsyncIterator[bytes] | None,
) -> AsyncIterator[httpx.Response]:
    """Send a request on and yield the answer, its body not yet read."""
    told = [(name, text) for name, text in headers.items() if name in PASSED]
    request = client.build_request(method, url, headers=told, content=content)
    try:
        answer = await client.send(request, stream=True)
        try:
            yield answer
        finally:
            await answer.aclose()
    except httpx.PoolTimeout as error:
        said = "MLflow's server side has more to do than it can"
        raise Overloaded(said, hint="log in batches, or try again") from error
    except httpx.HTTPError as error:
        said = f"MLflow's server side broke off: {str(error) or type(error).__name__}"
        raise Unavailable(said, hint="it is started again; try again", retry_after_s=2.0) from error
