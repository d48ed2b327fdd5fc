"""How is one process of the shop put together? Telemetry, configuration, clients, server.

Comes in: the plan, a name and a version. A service makes a :class:`Service`, then its own parts,
then calls :meth:`Service.serve`, which blocks until the process is told to end.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from twinhelm.lab.plan import LOOPBACK, Plan
from twinhelm.lab.shop.releases import RELEASES
from twinhelm.lab.shop.runtime.calls import Calls
from twinhelm.lab.shop.runtime.defects import Defects
from twinhelm.lab.shop.runtime.live import Live
from twinhelm.lab.shop.runtime.store import Store
from twinhelm.lab.shop.runtime.telemetry import Telemetry
from twinhelm.lab.shop.runtime.web import Front, answer
from twinhelm.lab.words import now_s

if TYPE_CHECKING:
    from twinhelm.lab.shop.database import Database

__all__ = ["Service", "Volume"]

DESCRIPTORS = 512
"""A service's limit of open files, low enough to be reached by a leak."""
FLUSH_S = 1.5
GRACE_S = 1


class Volume(Protocol):
    """A quota-limited folder, as defects see it."""

    folder: Path
    limit_bytes: int

    def used_bytes(self) -> int:
        """Return what its files take up."""


class Service:
    """The common parts of one process."""

    def __init__(self, name: str, plan: Plan, version: str) -> None:
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, hard))
        self.name = name
        self.plan = plan
        self.version = version
        self.telemetry = Telemetry(plan, name, version)
        self.instruments = self.telemetry.instruments
        self.log = self.telemetry.log
        self.config = Live(plan.config(name))
        self.flags = Live(plan.flags)
        self.calls = Calls(plan, self.config)
        self.store = Store(self.calls.plain, plan, self.config)
        self.database: Database | None = None
        self.volume: Volume | None = None
        self.defects = Defects(self)

    def flag(self, name: str) -> bool:
        """Tell whether the flag ``SERVICE.NAME`` is on."""
        return bool(self.flags.get(f"{self.name}.{name}", False))

    def now_s(self) -> float:
        """Tell the time as this process's clock has it, which may be off."""
        return now_s() + self.defects.clock_offset_s

    def serve(
        self,
        routes: Sequence[Route],
        work: Callable[[], Awaitable[None]] | None = None,
        *,
        waiting: Collection[str] = (),
    ) -> None:
        """Serve until told to end.

        ``work`` runs beside the server from its start. Routes named in ``waiting`` may take long
        because nothing happens; how long they take is neither measured nor logged.
        """

        @contextlib.asynccontextmanager
        async def life(_: Starlette) -> AsyncIterator[None]:
            for defect, given in RELEASES.get((self.name, self.version), {}).items():
                self.defects.on(defect, **given)
            task = asyncio.ensure_future(work()) if work else None
            self.log.info("%s %s listens on port %d", self.name, self.version, self._port)
            yield
            self.log.info("%s ends", self.name)
            if task:
                task.cancel()
            await self.calls.aclose()
            self._flush()

        shop = Starlette(
            routes=list(routes), lifespan=life, exception_handlers={HTTPException: _refused}
        )
        https = self.plan.own_url(self.name).startswith("https:")
        certificate = self.plan.certificate(self.name)
        config = uvicorn.Config(
            Front(self, routes, shop, waiting),
            host=LOOPBACK,
            port=self._port,
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=GRACE_S,
            ssl_certfile=certificate if https else None,
            ssl_keyfile=certificate.with_suffix(".key") if https else None,
        )
        uvicorn.Server(config).run()

    @property
    def _port(self) -> int:
        return self.plan.ports[self.name]

    def _flush(self) -> None:
        """Send the last telemetry, but do not wait for an agent that is gone."""
        flushing = threading.Thread(target=self.telemetry.flush, daemon=True)
        flushing.start()
        flushing.join(FLUSH_S)


async def _refused(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return answer({"detail": error.detail}, error.status_code)
