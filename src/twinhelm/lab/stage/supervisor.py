"""Keeps the shop's processes up: starts, watches, restarts, pauses and ends them.

A process that ends by itself is started again, after half a second and twice as long each time it
ends soon again; one that was ended on purpose stays down. A process is well when ``/healthz``
answers 200 (the pipeline, which has no port: when it runs).
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

import httpx

from twinhelm.lab.plan import Plan
from twinhelm.lab.stage.children import Children
from twinhelm.lab.words import LabError, now_s

__all__ = ["Process", "Supervisor"]

END_PATIENCE_S = 3.0
HEALTH_PATIENCE_S = 60.0
BACKOFF_S = (0.5, 8.0)
"""Shortest and longest wait before a process that ended is started again."""
STEADY_S = 30.0
"""A process that lived this long ended by accident: the wait begins anew."""


@dataclass(slots=True)
class Process:
    """One process of the lab."""

    name: str
    version: str
    port: int | None
    pid: int = 0
    former: str = ""
    """The version that ran before this one, if there was another."""
    wanted: bool = False
    """Whether it is to be started again when it ends: once it was well, until it is ended."""
    paused: bool = False
    since_s: float = 0.0
    backoff_s: float = BACKOFF_S[0]
    status: int = 0
    """How it ended: its exit status, or minus the number of the signal."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def alive(self) -> bool:
        """Whether it runs (or is stopped by a signal, and could go on)."""
        return not self.ended.is_set()


class Supervisor:
    """All processes of one lab; ``say`` is told what happens to them in a line."""

    def __init__(self, plan: Plan, client: httpx.AsyncClient, say: Callable[[str], None]) -> None:
        self.processes: dict[str, Process] = {}
        self.broken = asyncio.Event()
        """Set when the nursery has ended by itself: nothing can be started any more."""
        self._plan = plan
        self._client = client
        self._say = say
        self._children = Children(self.broken.set)
        self._starting: set[asyncio.Task[None]] = set()
        self._closing = False

    async def open(self) -> None:
        """Start the nursery that processes are forked from."""
        await self._children.open(self._plan.output("nursery"))

    async def run_once(self, name: str) -> None:
        """Run a process to its end; raises :class:`LabError` where that is not a good one."""
        process = Process(name, "", None)
        await self._spawn(process)
        await process.ended.wait()
        del self.processes[name]
        if process.status:
            raise self._failure(process)

    async def start(self, names: Iterable[str]) -> None:
        """Start processes that are not there yet, without waiting for their health."""
        for name in names:
            version = self._plan.versions.get(name, "1.0.0")
            await self._spawn(Process(name, version, self._plan.ports.get(name)))

    async def wait_healthy(self, names: Iterable[str]) -> None:
        """Wait until each is well; raises :class:`LabError` with the tail of its output."""
        async with asyncio.TaskGroup() as group:
            for name in names:
                group.create_task(self._wait_healthy(name))

    async def is_healthy(self, name: str) -> bool:
        """Ask one process whether it is well."""
        process = self.named(name)
        if not process.alive or process.paused:
            return False
        if process.port is None:
            return True
        with suppress(httpx.HTTPError):
            answer = await self._client.get(f"{self._plan.own_url(name)}/healthz", timeout=2.0)
            return answer.status_code == 200
        return False

    def named(self, name: str) -> Process:
        """Return a process; raises :class:`LabError` for a name that is none."""
        try:
            return self.processes[name]
        except KeyError:
            raise LabError(
                f"no process is called {name!r}", hint=f"they are {', '.join(self.processes)}"
            ) from None

    async def end(self, name: str, *, at_once: bool = False) -> None:
        """End a process, in order or at once, and leave it down."""
        process = self.named(name)
        process.wanted = False
        self._signal(process, signal.SIGKILL if at_once else signal.SIGTERM)
        if process.paused:  # a stopped process would take no SIGTERM
            self.pause(name, on=False)
        try:
            await asyncio.wait_for(process.ended.wait(), END_PATIENCE_S)
        except TimeoutError:
            self._signal(process, signal.SIGKILL)
            await process.ended.wait()

    async def restart(self, name: str, version: str | None = None) -> None:
        """End a process and start it again, in another version if one is given; wait for it."""
        process = self.named(name)
        await self.end(name)
        fresh = Process(name, version or process.version, process.port)
        fresh.former = process.version if version else process.former
        await self._spawn(fresh)
        await self._wait_healthy(name)

    def pause(self, name: str, *, on: bool) -> None:
        """Stop a process with SIGSTOP, or let it go on."""
        process = self.named(name)
        process.paused = on
        self._signal(process, signal.SIGSTOP if on else signal.SIGCONT)

    async def close(self) -> None:
        """End everything, the agent last so that it sends what it has; idempotent."""
        self._closing = True
        for task in self._starting:
            task.cancel()
        names = [name for name in self.processes if name != "agent"]
        await asyncio.gather(*(self.end(name) for name in names))
        if "agent" in self.processes:
            await self.end("agent")
        await self._children.close()

    async def _spawn(self, process: Process) -> None:
        name = process.name
        arguments = [name, "--plan", str(self._plan.folder / "plan.json")]
        if process.version:
            arguments += ["--version", process.version]
        process.ended.clear()
        process.since_s = now_s()
        output = self._plan.output(name)
        process.pid = await self._children.spawn(
            name, arguments, output, lambda status: self._ended(process, status)
        )
        # Not earlier: nobody may signal a process that has no id yet.
        self.processes[name] = process

    def _ended(self, process: Process, status: int) -> None:
        process.status = status
        process.ended.set()
        if process.wanted and not self._closing:
            task = asyncio.create_task(self._start_again(process))
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)

    async def _start_again(self, process: Process) -> None:
        if now_s() - process.since_s > STEADY_S:
            process.backoff_s = BACKOFF_S[0]
        wait_s = process.backoff_s
        process.backoff_s = min(2 * wait_s, BACKOFF_S[1])
        self._say(f"{process.name} {_how(process.status)}; starting it again in {wait_s:g} s")
        await asyncio.sleep(wait_s)
        if process.wanted and not self._closing:
            with suppress(LabError):  # the nursery has ended, and with it the lab
                await self._spawn(process)

    async def _wait_healthy(self, name: str) -> None:
        process = self.named(name)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + HEALTH_PATIENCE_S
        while not await self.is_healthy(name):
            if not process.alive:
                raise self._failure(process)
            if loop.time() > deadline:
                raise self._failure(process)
            await asyncio.sleep(0.1)
        process.wanted = True

    def _failure(self, process: Process) -> LabError:
        state = _how(process.status) if not process.alive else "did not become well"
        output = self._plan.output(process.name)
        said = output.read_text(errors="replace") if output.exists() else ""
        return LabError(f"{process.name} {state}; it said:\n{said[-1500:].strip()}")

    def _signal(self, process: Process, number: signal.Signals) -> None:
        if process.alive and process.pid:
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)


def _how(status: int) -> str:
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"
