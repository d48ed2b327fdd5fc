"""How does one cause a thing, and undo it? The few means that most faults are made of.

Each function returns a :class:`Cause`: what begins it and what undoes it. The second may be called
in any state: it undoes what is there to undo, and announces only what it did. What a team would
announce (a release, a configuration, a flag) is announced just before it happens, the roll-back
too.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from twinhelm.lab.words import LabError, read_json

if TYPE_CHECKING:
    from pathlib import Path

    from twinhelm.lab.stage import Stage

__all__ = [
    "Cause", "configuration", "crowd", "defect", "expiry", "flag", "freeze", "loss", "neighbours",
    "outage", "release", "session",
]  # fmt: skip

BURN = "import os\nos.nice(1)\nwhile True: pass"
Act = Callable[["Stage"], Awaitable[None]]


class Cause(NamedTuple):
    """What begins something, and what undoes it."""

    start: Act
    stop: Act


def defect(service: str, name: str, **given: Any) -> Cause:
    """Make something go wrong inside a service's own process."""

    async def start(stage: Stage) -> None:
        await stage.defect(service, name, on=True, **given)

    async def stop(stage: Stage) -> None:
        if not stage.processes[service].alive:
            return
        try:
            await stage.defect(service, name, on=False)
        except LabError:
            await stage.restart(service)  # it cannot be asked any more

    return Cause(start, stop)


def release(service: str, version: str, *, kind: str = "deploy") -> Cause:
    """Restart a service in another version, and roll it back to the one it began with."""
    what = "model " if kind == "model" else ""

    async def roll(stage: Stage, verb: str, old: str, new: str) -> None:
        title = f"{service} {what}{new} {verb}"
        await stage.announce(kind, service, title, version=new, previous=old)
        await stage.restart(service, new)

    async def start(stage: Stage) -> None:
        await roll(stage, "deployed", stage.plan.versions[service], version)

    async def stop(stage: Stage) -> None:
        if stage.processes[service].version == version:
            await roll(stage, "rolled back", version, stage.plan.versions[service])

    return Cause(start, stop)


def configuration(
    service: str, title: str, values: Callable[[Stage], dict[str, Any]], *, announced: bool = True
) -> Cause:
    """Set some keys of a process's live configuration, and take them away again."""

    async def write(stage: Stage, title: str, after: dict[str, Any]) -> None:
        if announced:
            await stage.announce("config", service, title, file=f"{service}.json")
        await stage.write_config(service, after)

    async def start(stage: Stage) -> None:
        await write(stage, title, _read(stage.plan.config(service)) | values(stage))

    async def stop(stage: Stage) -> None:
        before = _read(stage.plan.config(service))
        after = {key: kept for key, kept in before.items() if key not in values(stage)}
        if after != before:
            await write(stage, f"{title}: taken back", after)

    return Cause(start, stop)


def crowd(**shares: float) -> Cause:
    """Have more users, or users who do other things."""
    return configuration("crowd", "", lambda _: dict(shares), announced=False)


def flag(service: str, name: str, title: str) -> Cause:
    """Switch a feature flag of a service on."""
    key = f"{service}.{name}"

    async def switch(stage: Stage, *, on: bool) -> None:
        state = "on" if on else "off"
        await stage.announce("flag", service, f"{title}: {state}", flag=key, state=state)
        await stage.set_flag(key, True if on else None)

    async def start(stage: Stage) -> None:
        await switch(stage, on=True)

    async def stop(stage: Stage) -> None:
        if key in _read(stage.plan.flags):
            await switch(stage, on=False)

    return Cause(start, stop)


def outage(service: str) -> Cause:
    """Kill a process, and do not start it again."""

    async def stop(stage: Stage) -> None:
        if not stage.processes[service].alive:
            await stage.restart(service)

    return Cause(lambda stage: stage.kill(service), stop)


def freeze(service: str) -> Cause:
    """Stop a process in its tracks: it is there, but does nothing any more."""

    async def stop(stage: Stage) -> None:
        if stage.processes[service].paused:
            await stage.resume(service)

    return Cause(lambda stage: stage.pause(service), stop)


def loss(*, delay_ms: float, share: float) -> Cause:
    """Have packets from checkout to inventory come late or not at all."""
    return Cause(
        lambda stage: stage.edge(delay_ms=delay_ms, loss=share), lambda stage: stage.edge()
    )


def expiry() -> Cause:
    """Have the certificate of payments past its last day, and then renewed."""
    return Cause(
        lambda stage: stage.certificate(valid=False), lambda stage: stage.certificate(valid=True)
    )


def session(name: str, statement: str) -> Cause:
    """Run a statement in somebody's own database session, which stays open (:mod:`.session`)."""

    async def start(stage: Stage) -> None:
        plan = str(stage.plan.folder / "plan.json")
        program = "twinhelm.lab.faults.session"
        await stage.spawn_extra(name, [sys.executable, "-m", program, plan, name, statement])

    return Cause(start, lambda stage: stage.end_extra(name))


def neighbours(count: int) -> Cause:
    """Have programs that are none of the shop's compute on the same host, as nice as batch jobs."""
    names = [f"neighbour-{number}" for number in range(1, count + 1)]

    async def start(stage: Stage) -> None:
        for name in names:
            await stage.spawn_extra(name, [sys.executable, "-IS", "-c", BURN])

    async def stop(stage: Stage) -> None:
        await asyncio.gather(*(stage.end_extra(name) for name in names))

    return Cause(start, stop)


def _read(file: Path) -> dict[str, Any]:
    """Return a live file's values, none where it is absent."""
    return dict(read_json(file)) if file.exists() else {}
