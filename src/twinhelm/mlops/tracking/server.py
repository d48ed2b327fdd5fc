"""MLflow's own server side, of mlflow-skinny, on a Unix socket: what the child process runs.

In: a folder. Out: MLflow's REST API over ``mlflow.sqlite`` (WAL) and ``artifacts/`` in it, tables
and files exactly as MLflow makes them. Calls go to MLflow's Flask application in a few threads;
files go to its streaming routes, never whole through memory. A database of an older MLflow is
copied beside itself, then brought up by MLflow's own migrations; a newer one ends the process
with MLflow's message. Nothing here sends a request anywhere.

mlflow-skinny has all of it but two packages: flask, which we depend on, and flask-cors, which it
imports for browsers of other sites and is told not to use. The guard before us does that work.

Source: ``mlflow/server/fastapi_app.py`` of MLflow 3.17, the arrangement; its gateway, assistant
and job parts need pandas and are left out.
"""

from __future__ import annotations

import io
import os
import sqlite3
import sys
from contextlib import closing
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
from starlette.types import ASGIApp

__all__ = ["ARTIFACTS", "DATABASE", "copy_database", "serve"]

DATABASE = "mlflow.sqlite"
ARTIFACTS = "artifacts"
READERS = 8
"""Calls at once that only read. Those that change something take turns: SQLite takes one writer
at a time anyway, and MLflow's own log-inputs fails where two runs log a new data set at once."""

CLIENTS_ONLY = ("pandas", "pyarrow", "scipy", "sklearn")
"""What MLflow imports where it finds it, for its clients: 80 MB that its server side lets lie."""

GRACE_S = 3
"""How long calls in flight may take once we are told to end."""


def serve(folder: Path, socket: Path) -> None:
    """Open the stores, then listen until SIGTERM: whoever can connect is answered."""
    import uvicorn

    app = _app(folder)
    config = uvicorn.Config(
        app,
        uds=str(socket),
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=60,
    )
    uvicorn.Server(config).run()


def _app(folder: Path) -> ASGIApp:
    url = f"sqlite:///{folder / DATABASE}"
    os.environ |= {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "GIT_PYTHON_REFRESH": "quiet",
        "_MLFLOW_SERVER_FILE_STORE": url,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": (folder / ARTIFACTS).as_uri(),
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
    }
    sys.modules["flask_cors"] = _NoCors("flask_cors")
    for name in CLIENTS_ONLY:
        sys.modules[name] = None  # type: ignore[assignment]  # which Python takes as "not there"

    from fastapi import FastAPI
    from sqlalchemy import Engine, event

    event.listen(Engine, "connect", _tune)
    # By name: MLflow's modules are not for the type checker to read through.
    flask_app = import_module("mlflow.server").app
    _bring_up(folder / DATABASE, url)
    handlers = import_module("mlflow.server.handlers")
    handlers._get_tracking_store()
    handlers._get_model_registry_store()
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(import_module("mlflow.server.artifact_router").artifact_router)
    app.mount("/", _Wsgi(flask_app))
    return app


class _NoCors(ModuleType):
    """Stands for flask-cors, which is imported and then not used."""

    CORS = None


def _tune(connection: Any, _record: object) -> None:
    """Have SQLite append to a log: an answered call survives our death, and readers go on."""
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL"):
        connection.execute(f"PRAGMA {pragma}").close()


def _bring_up(database: Path, url: str) -> None:
    """Bring a database of an older MLflow up to this one; its copy bears its revision."""
    if not database.exists():
        return
    tables = import_module("mlflow.store.db.utils")
    engine = tables.create_sqlalchemy_engine(url)
    try:
        found, wanted = tables._get_schema_version(engine), tables._get_latest_schema_revision()
        if found is None or found == wanted:
            return
        copy = database.with_name(f"{database.stem}-before-{wanted}.sqlite")
        if not copy.exists():  # else we died half-way, and the copy is the whole one
            part = copy.with_suffix(".part")
            copy_database(database, part)
            part.replace(copy)
        tables._upgrade_db(engine)
    finally:
        engine.dispose()


def copy_database(database: Path, copy: Path) -> None:
    """Copy an SQLite database as it is at one moment, while others write to it."""
    with closing(sqlite3.connect(database)) as old, closing(sqlite3.connect(copy)) as new:
        old.backup(new)


class _Wsgi:
    """MLflow's Flask application as ASGI: whole bodies, which the door before us bounds."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._readers = anyio.CapacityLimiter(READERS)
        self._writer = anyio.CapacityLimiter(1)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        from uvicorn.middleware.wsgi import build_environ
        from werkzeug.wrappers import Response

        parts, more = [], True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            parts.append(message.get("body", b""))
            more = message.get("more_body", False)
        environ = dict(build_environ(scope, message, io.BytesIO(b"".join(parts))))
        reads = scope["method"] == "GET" or scope["path"].endswith("/search")
        turn = self._readers if reads else self._writer
        ask = partial(Response.from_app, self._app, environ, buffered=True)
        answer = await anyio.to_thread.run_sync(ask, limiter=turn)
        headers = [(name.lower().encode(), text.encode("latin-1")) for name, text in answer.headers]
        start = {"type": "http.response.start", "status": answer.status_code, "headers": headers}
        await send(start)
        await send({"type": "http.response.body", "body": answer.get_data()})
