"""Prometheus's query API for plain selectors: what Grafana, scripts and people already speak.

Out go Prometheus's own envelopes, error types and number texts, so that raw samples can be read
back exactly. Answers of any size are streamed in batches; at most :data:`QUERIES_AT_ONCE` are
worked on at a time. Source: Prometheus documentation, "HTTP API".
"""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from twinhelm.aiops.types import LIVE
from twinhelm.core import json
from twinhelm.core.arrays import I64
from twinhelm.core.errors import BadInput, TwinhelmError, Unavailable
from twinhelm.web.frame import json_answer, retry_after
from twinhelm.web.prometheus.asking import Asking
from twinhelm.web.prometheus.numbers import points, scalar_text, time_text
from twinhelm.web.prometheus.reading import Line, QueryLimit, Reader
from twinhelm.web.prometheus.selector import Selector, parse, parse_selector
from twinhelm.web.routes import ROUTES, RouteTable

if TYPE_CHECKING:
    from twinhelm.app import House

__all__ = ["prometheus_routes"]

QUERIES_AT_ONCE = 4
HEAD_BYTES = 1 << 20
"""So much of an answer is made before the first byte leaves: errors until then are said
properly, later ones cut the answer off."""

LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
VERSION = dict.fromkeys(("branch", "buildUser", "buildDate", "goVersion"), "")
VERSION |= {"version": "2.42.0", "revision": "twinhelm"}
"""The Prometheus whose query rules hold here; clients choose their dialect by it."""

Handler = Callable[[Asking], Awaitable[Response]]


def prometheus_routes(house: House) -> list[Route]:
    """Make the routes under ``/api/v1``, with the methods of the table of routes."""
    api = _Api(house)
    table: dict[str, Handler] = {"query": api.query, "query_range": api.query_range}
    table |= {"series": api.series, "labels": api.labels, "query_exemplars": api.exemplars}
    table |= {"label/{name}/values": api.label_values, "metadata": api.metadata}
    table |= {"status/buildinfo": api.buildinfo, "rules": api.rules, "alerts": api.alerts}
    known = RouteTable(ROUTES)
    return [
        Route(f"/api/v1/{path}", _enveloped(handler), methods=known.methods(f"/api/v1/{path}"))
        for path, handler in table.items()
    ]


class _Api:
    """The handlers."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._turns = asyncio.Semaphore(QUERIES_AT_ONCE)

    async def query(self, asking: Asking) -> Response:
        now = asking.time_ms("time", self._house.clock.now_ms())
        found = _parsed(asking)
        if not isinstance(found, Selector):
            pair = f'[{time_text(now)},"{scalar_text(found)}"]'
            return _success([f'{{"resultType":"scalar","result":{pair}}}'.encode()])
        reader = self._reader(asking)
        if found.range_ms is not None:
            return await self._stream("matrix", map(_matrix_line, reader.samples(found, now)))
        lines = reader.steps(found, np.array([now], np.int64))
        return await self._stream("vector", map(_vector_line, lines))

    async def query_range(self, asking: Asking) -> Response:
        grid = _grid(asking, self._house.settings.limits.max_query_points)
        found = _parsed(asking)
        if not isinstance(found, Selector):
            line = Line((), grid, np.full(len(grid), found))
            return await self._stream("matrix", iter([_matrix_line(line)]))
        if found.range_ms is not None:
            said = 'invalid expression type "range vector" for range query, must be'
            raise BadInput(f"{said} Scalar or instant Vector")
        lines = self._reader(asking).steps(found, grid)
        return await self._stream("matrix", map(_matrix_line, lines))

    async def series(self, asking: Asking) -> Response:
        selectors = _selectors(asking)
        if not selectors:
            raise BadInput("no match[] parameter provided")
        start, end = asking.time_ms("start", 0), asking.time_ms("end", 1 << 52)
        limit = min(asking.limit() or 1 << 30, self._house.settings.limits.max_query_series)
        bounds = {"start_ms": start, "end_ms": end, "limit": limit + 1}
        store = self._house.telemetry

        def find() -> dict[int, dict[str, str]]:
            return {
                info.id: dict(info.labels)
                for each in selectors
                for info in store.find_series(each.matchers, tenant=asking.tenant, **bounds)
            }

        found = sorted((await run_in_threadpool(find)).values(), key=lambda each: [*each.items()])
        return _listed(found, limit)

    async def labels(self, asking: Asking) -> Response:
        return await self._names(asking, self._house.telemetry.label_names)

    async def label_values(self, asking: Asking) -> Response:
        if not LABEL_NAME.fullmatch(asking.label):
            raise BadInput(f'invalid label name: "{asking.label[:100]}"')
        read = functools.partial(self._house.telemetry.label_values, asking.label)
        return await self._names(asking, read)

    async def _names(self, asking: Asking, read: Callable[..., list[str]]) -> Response:
        asking.time_ms("start", 0)
        asking.time_ms("end", 0)
        matchers = [selector.matchers for selector in _selectors(asking)] or [()]

        def gather() -> list[str]:
            return sorted({name for each in matchers for name in read(each, tenant=asking.tenant)})

        return _listed(await run_in_threadpool(gather), asking.limit() or 1 << 30)

    async def metadata(self, asking: Asking) -> Response:
        wanted = asking.text("metric")
        known = await run_in_threadpool(self._house.telemetry.metric_meta)
        metas = [meta for name, meta in sorted(known.items()) if wanted in {"", name}]
        told = {
            meta.name: [{"type": meta.type.value, "help": meta.help, "unit": meta.unit}]
            for meta in metas[: asking.limit()]
        }
        return _data(told)

    async def buildinfo(self, _asking: Asking) -> Response:
        return _data(VERSION)

    async def exemplars(self, asking: Asking) -> Response:
        _parsed(asking)
        return _data([])

    async def rules(self, _asking: Asking) -> Response:
        return _data({"groups": []})

    async def alerts(self, _asking: Asking) -> Response:
        ask = functools.partial(self._house.desk.incidents, states=LIVE, limit=1000)
        named = {"alertname": "TwinhelmIncident"}
        alerts = [
            {
                "labels": {**named, "incident": str(one.id), "severity": one.severity},
                "annotations": {"summary": one.title, "description": one.verdict},
                "state": "firing",
                "activeAt": f"{np.datetime64(one.started_ms, 'ms')}Z",
                "value": "1e+00",
            }
            for one in await run_in_threadpool(ask)
        ]
        return _data({"alerts": alerts})

    def _reader(self, asking: Asking) -> Reader:
        return Reader(self._house.telemetry, self._house.settings.limits, asking.tenant)

    async def _stream(self, kind: str, lines: Iterator[bytes]) -> Response:
        """Answer at once when it is small, in pieces when not; hold a turn until it is made."""
        await self._turns.acquire()
        try:
            head, over = await run_in_threadpool(_head, lines)
        except BaseException:
            self._turns.release()
            raise
        opening = f'{{"resultType":"{kind}","result":['.encode()
        if over:
            self._turns.release()
            return _success([opening, b",".join(head), b"]}"])

        async def pieces() -> AsyncIterator[bytes]:
            yield b'{"status":"success","data":' + opening + b",".join(head)
            async for line in iterate_in_threadpool(lines):
                yield b"," + line
            yield b"]}}"

        return _Stream(pieces(), self._turns.release)


class _Stream(StreamingResponse):
    """An answer in pieces that calls ``done`` however its sending ends."""

    def __init__(self, pieces: AsyncIterator[bytes], done: Callable[[], None]) -> None:
        super().__init__(pieces, media_type="application/json")
        self._done = done

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._done()


def _enveloped(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Read the parameters, and answer our errors as Prometheus would."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(await Asking.of(request))
        except TwinhelmError as error:
            status, kind = 400, "bad_data"
            if isinstance(error, QueryLimit):
                status, kind = 422, "execution"
            elif isinstance(error, Unavailable):
                status, kind = 503, "unavailable"
            said = {"status": "error", "errorType": kind, "error": str(error)}
            return json_answer(said, status, retry_after(error)).response()

    return answer


@contextmanager
def _naming(parameter: str) -> Iterator[None]:
    try:
        yield
    except BadInput as error:
        said = f'invalid parameter "{parameter}": {error.message}'
        raise BadInput(said, hint=error.hint) from error


def _parsed(asking: Asking) -> Selector | float:
    text = asking.needed("query")
    with _naming("query"):
        return parse(text)


def _selectors(asking: Asking) -> list[Selector]:
    with _naming("match[]"):
        return [parse_selector(text) for text in asking.fields.get("match[]", [])]


def _grid(asking: Asking, max_points: int) -> I64:
    start, end = asking.time_ms("start"), asking.time_ms("end")
    if end < start:
        raise BadInput('invalid parameter "end": end timestamp must not be before start time')
    step = asking.duration_ms("step")
    if step <= 0:
        said = 'invalid parameter "step": zero or negative query resolution step widths are not'
        raise BadInput(f"{said} accepted. Try a positive integer")
    if (end - start) // step + 1 > max_points:
        said = f"exceeded maximum resolution of {max_points} points per timeseries. Try decreasing"
        raise BadInput(f"{said} the query resolution (?step=XX)")
    return np.arange(start, end + 1, step, dtype=np.int64)


def _head(lines: Iterator[bytes]) -> tuple[list[bytes], bool]:
    head: list[bytes] = []
    size = 0
    for line in lines:
        head.append(line)
        size += len(line)
        if size >= HEAD_BYTES:
            return head, False
    return head, True


def _matrix_line(line: Line) -> bytes:
    return b'{"metric":%b,"values":[%b]}' % _parts(line)


def _vector_line(line: Line) -> bytes:
    return b'{"metric":%b,"value":%b}' % _parts(line)


def _parts(line: Line) -> tuple[bytes, bytes]:
    return json.dumps(dict(line.labels)), points(line.time_ms, line.value).encode()


def _data(value: object) -> Response:
    return _success([json.dumps(value)])


def _listed(found: list[Any], limit: int) -> Response:
    """Answer a list; what passes the limit is left out, and a warning says so."""
    if len(found) <= limit:
        return _data(found)
    warnings = ["results truncated due to limit"]
    cut = {"status": "success", "data": found[:limit], "warnings": warnings}
    return json_answer(cut).response()


def _success(parts: list[bytes]) -> Response:
    body = b'{"status":"success","data":' + b"".join(parts) + b"}"
    return Response(body, media_type="application/json")
