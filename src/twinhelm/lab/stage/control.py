"""The lab's control address: what is up, break this, repair that, stop.

On loopback, for who knows the secret (header ``X-Lab-Secret``); both stand in
``folder/control.json`` (mode 0600): ``{"url", "secret", "pid", "operator"}``. The last is the token
that the shop's operators show at the doors of :mod:`.operator`, below ``/operator``: the one in
``TWINHELM_LAB_OPERATOR``, else one made for this lab. Errors are JSON: ``{"error", "hint"}``. While
the lab starts, ``GET /status`` says ``"ready": false`` and faults answer 503.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from twinhelm.lab.plan import LOOPBACK, SECRET_HEADER
from twinhelm.lab.stage.operator import operator
from twinhelm.lab.stage.stage import Stage
from twinhelm.lab.words import Fault, LabError, now_s, write_json

__all__ = ["Control"]

CASE_S = 300.0
Handler = Callable[[Request], Awaitable[Response]]


class Control:
    """The control API of one stage; ``stopping`` is set when someone asked it to stop."""

    def __init__(self, stage: Stage) -> None:
        self.stopping = asyncio.Event()
        self._stage = stage
        self._token = os.environ.get("TWINHELM_LAB_OPERATOR") or secrets.token_urlsafe(24)
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen, and say where in ``control.json``."""
        plan = self._stage.plan
        self._server = _Server(
            uvicorn.Config(
                self._app(), host=LOOPBACK, port=plan.ports["control"], ws="none",
                lifespan="off", log_config=None, access_log=False, server_header=False,
                timeout_graceful_shutdown=1,
            )
        )  # fmt: skip
        self._serving = asyncio.create_task(self._server.serve())
        while not self._server.started:
            if self._serving.done():
                raise LabError(f"the control port {plan.ports['control']} cannot be served")
            await asyncio.sleep(0.01)
        said = {"url": plan.own_url("control"), "secret": plan.secret, "pid": os.getpid()}
        said["operator"] = self._token
        write_json(plan.folder / "control.json", said, mode=0o600)

    async def stop(self) -> None:
        """Close the port and remove ``control.json``; idempotent."""
        server, self._server = self._server, None
        if server is None or self._serving is None:
            return
        with suppress(FileNotFoundError):
            (self._stage.plan.folder / "control.json").unlink()
        server.should_exit = True
        await self._serving

    def _app(self) -> Starlette:
        stage = self._stage

        async def status(_request: Request) -> Response:
            return _json(await _status(stage))

        async def faults(_request: Request) -> Response:
            return _json([_described(fault) for fault in stage.faults.values()])

        async def fault(request: Request) -> Response:
            name = request.path_params["name"]
            if name not in stage.faults:
                return _error(404, f"no fault is called {name!r}", "GET /faults lists them")
            if not stage.ready:
                return _error(503, "the lab is starting", "ask again in a moment")
            begin = request.method == "POST"
            if begin == (name in stage.active):
                return _error(409, f"{name} is {'' if begin else 'not '}active", "see GET /status")
            await (stage.break_ if begin else stage.repair)(name)
            return _json({"fault": name, "active": begin, "time_s": now_s()})

        async def cases(request: Request) -> Response:
            asked = orjson.loads(await request.body())
            # A case of half an hour takes many seconds on a busy machine.
            said = await stage.call("agent", "POST", "/_lab/cases", asked, patience_s=CASE_S)
            return _json(said)

        async def stop(_request: Request) -> Response:
            self.stopping.set()
            return _json({"stopping": True})

        def route(path: str, method: str, handler: Handler) -> Route:
            return Route(path, self._guarded(handler), methods=[method])

        return Starlette(
            routes=[
                route("/status", "GET", status),
                route("/faults", "GET", faults),
                route("/faults/{name}", "POST", fault),
                route("/faults/{name}", "DELETE", fault),
                route("/cases", "POST", cases),
                route("/stop", "POST", stop),
                Mount("/operator", app=operator(stage, self._token)),
            ]
        )

    def _guarded(self, handler: Handler) -> Handler:
        secret = self._stage.plan.secret

        async def answer(request: Request) -> Response:
            if not secrets.compare_digest(request.headers.get(SECRET_HEADER, ""), secret):
                return _error(403, "the secret is missing or wrong", "see control.json")
            try:
                return await handler(request)
            except LabError as error:
                return _error(502, error.message, error.hint)
            except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
                return _error(400, f"the request cannot be read: {error}", "")

        return answer


class _Server(uvicorn.Server):
    """A server that leaves signals to the stage."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _status(stage: Stage) -> dict[str, Any]:
    now = now_s()
    carried: dict[str, Any] = {}
    if stage.ready:
        with suppress(LabError):
            carried = await stage.call("agent", "GET", "/_lab/status")
    backend = asdict(stage.plan.backend)
    del backend["token"]
    return {
        "ready": stage.ready,
        "since_s": now - stage.since_s if stage.ready else 0.0,
        "processes": [
            {
                "name": process.name,
                "pid": process.pid,
                "alive": process.alive,
                "paused": process.paused,
                "version": process.version,
                "port": process.port,
            }
            for process in stage.processes.values()
        ],
        "active": [{"fault": name, "since_s": now - at} for name, at in stage.active.items()],
        "backend": backend,
        "sent": carried.get("sent", {}),
        "troubles": carried.get("troubles", {}),
        "database": stage.database.kind,
        "gateway": stage.plan.own_url("gateway"),
    }


def _described(fault: Fault) -> dict[str, Any]:
    return {
        "name": fault.name,
        "title": fault.title,
        "repair": fault.repair,
        "truth": asdict(fault.truth),
    }


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")


def _error(status: int, message: str, hint: str) -> Response:
    return _json({"error": message, "hint": hint}, status)
