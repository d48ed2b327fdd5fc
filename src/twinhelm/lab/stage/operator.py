"""What may the shop's operators do? What operators of a real one may: restart, roll back, tidy.

Below ``/operator`` of the control address, for who shows the token (``Authorization: Bearer``).
They know nothing of faults: what they do repairs one, or does not. Each answers JSON.

| door | what |
| --- | --- |
| GET /services/NAME | its version, the one before, whether it is well |
| POST /services/NAME/restart | ends it and starts it again, in the same version |
| POST /services/NAME/rollback | goes back to the version before; once more goes forth again |
| GET /volume | the files of the label volume and their sizes |
| DELETE /volume/FILE | deletes one of them |

:func:`write_runbooks` puts the runbooks that come with the lab beside it, with its own address.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from twinhelm.lab.plan import LOOPBACK
from twinhelm.lab.words import DATABASE, PROCESSES, LabError

if TYPE_CHECKING:
    from pathlib import Path

    from twinhelm.lab.stage.stage import Stage

__all__ = ["operator", "write_runbooks"]

SHIPPED = f"http://{LOOPBACK}:9709/"
"""The address in the runbooks as they come."""
SERVED = [name for name in PROCESSES if name not in ("agent", "crowd", DATABASE)]


def operator(stage: Stage, token: str) -> Starlette:
    """Make the doors of a stage's operators."""

    def service(request: Request) -> str:
        name = request.path_params["name"]
        if name not in SERVED or not stage.ready:
            raise LabError(f"no service is called {name!r}", hint=f"they are {', '.join(SERVED)}")
        return str(name)

    async def look(request: Request) -> Any:
        process = stage.supervisor.named(service(request))
        well = await stage.supervisor.is_healthy(process.name)
        return {
            "name": process.name,
            "version": process.version,
            "previous": process.former,
            "well": well,
        }

    async def restart(request: Request) -> Any:
        name = service(request)
        await stage.restart(name)
        return await look(request)

    async def rollback(request: Request) -> Any:
        name = service(request)
        process = stage.supervisor.named(name)
        if not (former := process.former):
            raise LabError(f"{name} has run in {process.version} alone")
        title = f"{name} {process.version} rolled back to {former}"
        await stage.announce("deploy", name, title, version=former, previous=process.version)
        await stage.restart(name, former)
        return await look(request)

    async def listing(_request: Request) -> Any:
        return [
            {"name": file.name, "bytes": file.stat().st_size}
            for file in sorted(stage.plan.volume.iterdir())
        ]

    async def delete(request: Request) -> Any:
        name = request.path_params["name"]
        if name not in {file.name for file in stage.plan.volume.iterdir()}:
            raise LabError(f"there is no file {name!r} on the volume")
        (stage.plan.volume / name).unlink(missing_ok=True)
        return {"deleted": name}

    def route(path: str, method: str, door: Callable[[Request], Awaitable[Any]]) -> Route:
        async def answer(request: Request) -> Response:
            shown = request.headers.get("Authorization", "")
            if not secrets.compare_digest(shown.encode(), f"Bearer {token}".encode()):
                return _answer({"error": "the token is missing or wrong"}, 403)
            try:
                return _answer(await door(request))
            except LabError as error:
                return _answer({"error": error.message, "hint": error.hint}, 409)

        return Route(path, answer, methods=[method])

    return Starlette(
        routes=[
            route("/services/{name}", "GET", look),
            route("/services/{name}/restart", "POST", restart),
            route("/services/{name}/rollback", "POST", rollback),
            route("/volume", "GET", listing),
            route("/volume/{name}", "DELETE", delete),
        ]
    )


def write_runbooks(folder: Path, port: int) -> None:
    """Write the runbooks that come with the lab into a folder, with the operators' address."""
    folder.mkdir(exist_ok=True)
    for shipped in (files("twinhelm.lab") / "runbooks").iterdir():
        if shipped.name.endswith(".toml"):
            text = shipped.read_text("utf-8").replace(SHIPPED, f"http://{LOOPBACK}:{port}/")
            (folder / shipped.name).write_text(text, "utf-8")


def _answer(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")
