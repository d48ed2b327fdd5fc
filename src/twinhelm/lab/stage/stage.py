"""The lab: brings a shop up and down, and breaks and repairs it.

In: :class:`Options`. Out: a running shop, and the levers of :mod:`.levers` on it. ``start``
leaves nothing behind when it fails, and ``stop`` no process and no port; where it cannot run any
more (``kill -9``), the guards see to that.

All methods belong to one event loop, in a thread that stays (see :mod:`.guard`).
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import httpx

from twinhelm.lab.plan import SECRET_HEADER, Backend, Plan
from twinhelm.lab.stage.certificates import Authority
from twinhelm.lab.stage.database import Database
from twinhelm.lab.stage.edge import Edge
from twinhelm.lab.stage.levers import Levers
from twinhelm.lab.stage.operator import write_runbooks
from twinhelm.lab.stage.place import claim, free_ports
from twinhelm.lab.stage.supervisor import Supervisor
from twinhelm.lab.words import PROCESSES, Fault, LabError, now_s

__all__ = ["Options", "Stage"]

FIRST = ("agent", "cache", "queue", "gateway", "cart", "payments", "shipping")
"""Started while the database is made, which they do not need."""
LAST = ("crowd",)
"""Started when all else is well, so that no user meets a closed shop."""
WITHOUT_PORT = ("pipeline",)
REPAIR_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Options:
    """What may be chosen about a lab."""

    folder: Path
    backend: Backend = field(default_factory=Backend)
    interval_s: float = 2.0
    day_s: float = 600.0
    rate: float = 10.0
    database: str = "auto"
    """``auto``, ``postgresql`` or ``sqlite``."""
    port: int = 0
    """Of the gateway; 0 finds one."""
    control: int = 0
    """Port of the control address and of the operators' doors; 0 finds one."""
    record: str = ""
    """Folder to write cases to, or empty."""


class Stage(Levers):
    """One lab, for one start and stop.

    ``say`` is told in a line what happens; ``faults`` is the catalogue, the lab's own by default.
    """

    def __init__(
        self,
        options: Options,
        *,
        say: Callable[[str], None] = lambda _line: None,
        faults: Mapping[str, Fault] | None = None,
    ) -> None:
        self.options = options
        self.say = say
        self.ready = False
        self.since_s = 0.0
        self.active: dict[str, float] = {}
        """Faults that are on, and since when."""
        self._faults = faults
        self._turn = asyncio.Lock()
        self._lock: IO[bytes] | None = None
        super().__init__()

    @property
    def faults(self) -> Mapping[str, Fault]:
        """The catalogue of faults by name."""
        if self._faults is None:
            from twinhelm.lab.faults import FAULTS

            self._faults = FAULTS
        return self._faults

    def prepare(self) -> None:
        """Take the folder and make the plan; starts nothing yet.

        Raises :class:`LabError` where a lab is up in the folder, a port is taken, or what was
        asked for is not installed.
        """
        folder = self.options.folder.expanduser().absolute()
        lock = claim(folder)
        try:
            self._prepare(folder)
        except BaseException:
            lock.close()
            raise
        self._lock = lock

    async def start(self) -> None:
        """Start everything and wait until it is well.

        Raises :class:`LabError`, and leaves nothing, where it cannot.
        """
        if self._lock is None:
            self.prepare()
        try:
            await self._start()
        except BaseException as error:
            await self.stop()
            if isinstance(error, BaseExceptionGroup):
                raise error.exceptions[0] from None
            raise

    async def stop(self) -> None:
        """Repair what is broken and end everything; idempotent."""
        lock, self._lock = self._lock, None
        if lock is None:
            return
        self.ready = False
        for name in reversed(list(self.active)):
            try:
                await asyncio.wait_for(self.repair(name), REPAIR_PATIENCE_S)
            except Exception as error:  # noqa: BLE001 - whatever it is, the rest must end too
                self.say(f"{name} was not repaired before the end: {error}")
        self.active.clear()
        await self.end_extras()
        await self.supervisor.close()
        await self.edge_proxy.stop()
        await self.client.aclose()
        await self.database.stop()
        lock.close()

    async def break_(self, name: str) -> None:
        """Begin a fault.

        Raises KeyError for an unknown one, :class:`LabError` for an active one and for one that
        cannot begin, which is then undone.
        """
        fault = self.faults[name]
        async with self._turn:
            if name in self.active:
                raise LabError(f"{name} is active already", hint=f"repair {name} first")
            self.active[name] = now_s()
            self.say(f"breaking: {fault.title}")
            try:
                await fault.start(self)
            except BaseException:
                with suppress(Exception):
                    await fault.stop(self)
                del self.active[name]
                raise

    async def repair(self, name: str) -> None:
        """End a fault.

        Raises KeyError for an unknown one, :class:`LabError` where it is not active or cannot be
        repaired, in which case it stays active.
        """
        fault = self.faults[name]
        async with self._turn:
            if name not in self.active:
                raise LabError(f"{name} is not active")
            await fault.stop(self)
            del self.active[name]
            self.say(f"repaired: {fault.repair}")

    def _prepare(self, folder: Path) -> None:
        from twinhelm.lab.shop.releases import INITIAL

        options = self.options
        names = [name for name in PROCESSES if name not in WITHOUT_PORT]
        asked = {"gateway": options.port, "control": options.control}
        ports = free_ports([*names, "control", "edge", "database"], asked)
        secret = secrets.token_urlsafe(24)
        self.database = Database(options.database, folder, ports["database"], secrets.token_hex(12))
        self.plan = Plan(
            folder=folder,
            ports=ports,
            database_url=self.database.url,
            backend=options.backend,
            secret=secret,
            host=socket.gethostname().lower(),
            interval_s=options.interval_s,
            day_s=options.day_s,
            rate=options.rate,
            versions=INITIAL,
            record=options.record,
        )
        self.plan.save(folder / "plan.json")
        write_runbooks(folder / "runbooks", ports["control"])
        self.authority = Authority(folder / "tls")
        self.authority.issue("payments")
        self.client = httpx.AsyncClient(
            verify=False,  # noqa: S501 - an expired certificate is a fault that it must survive
            trust_env=False,
            headers={SECRET_HEADER: secret},
            timeout=10.0,
        )
        self.supervisor = Supervisor(self.plan, self.client, self.say)
        self.edge_proxy = Edge(ports["edge"], ports["inventory"])

    async def _start(self) -> None:
        await self.edge_proxy.start()
        if self.plan.sqlite and self.options.database == "auto":
            self.say("no PostgreSQL here, so the shop keeps its data in SQLite")
        keeper = self.supervisor
        async with asyncio.TaskGroup() as group:
            group.create_task(self._start_first())
            group.create_task(self.database.start())
        self.say(f"the database ({self.database.kind}) is up; filling it")
        await keeper.run_once("seed")
        middle = [name for name in PROCESSES if name not in (*FIRST, *LAST)]
        self.say(f"waiting for {', '.join(middle)}")
        await keeper.start(middle)
        await keeper.wait_healthy((*FIRST, *middle))
        await keeper.start(LAST)
        await keeper.wait_healthy(LAST)
        self.since_s = now_s()
        self.ready = True

    async def _start_first(self) -> None:
        await self.supervisor.open()
        await self.supervisor.start(FIRST)
