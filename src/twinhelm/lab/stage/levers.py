"""The levers of the lab: everything that a fault may do to the shop, and undo.

Each works by public means: signals, files that processes reread, addresses that they serve.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import httpx

from twinhelm.lab.plan import Plan
from twinhelm.lab.stage.certificates import Authority
from twinhelm.lab.stage.database import Database
from twinhelm.lab.stage.edge import Edge
from twinhelm.lab.stage.guard import guarded
from twinhelm.lab.stage.supervisor import Process, Supervisor
from twinhelm.lab.words import (
    DATABASE,
    NAMESPACE,
    LabError,
    Symptom,
    now_s,
    read_json,
    write_json,
)  # fmt: skip

__all__ = ["Levers"]


class Levers:
    """What can be done to a shop that is up; all in the stage's event loop."""

    plan: Plan
    supervisor: Supervisor
    database: Database
    authority: Authority
    edge_proxy: Edge
    client: httpx.AsyncClient
    """Carries the lab's secret, and takes any certificate."""

    def __init__(self) -> None:
        self._extras: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def processes(self) -> Mapping[str, Process]:
        """Every process by name."""
        return self.supervisor.processes

    async def health(self) -> dict[str, bool]:
        """Tell of each process whether it is well."""
        names = list(self.processes)
        well = await asyncio.gather(*(self.supervisor.is_healthy(name) for name in names))
        return dict(zip(names, well, strict=True))

    async def restart(self, name: str, version: str | None = None) -> None:
        """End a process and start it again, in another version if given; wait until it is well."""
        await self.supervisor.restart(name, version)

    async def kill(self, name: str) -> None:
        """End a process with SIGKILL and leave it down until :meth:`restart`."""
        await self.supervisor.end(name, at_once=True)

    async def pause(self, name: str) -> None:
        """Stop a process with SIGSTOP: its port stays open, nothing answers."""
        self.supervisor.pause(name, on=True)

    async def resume(self, name: str) -> None:
        """Let a stopped process go on."""
        self.supervisor.pause(name, on=False)

    async def spawn_extra(self, name: str, argv: list[str]) -> None:
        """Run a program that is no part of the shop, such as a noisy neighbour."""
        if name in self._extras:
            raise LabError(f"{name} runs already")
        with self.plan.output(name).open("ab") as said:
            self._extras[name] = subprocess.Popen(  # noqa: ASYNC220, S603 - ours, milliseconds
                guarded(argv), stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                start_new_session=True,
            )  # fmt: skip

    async def end_extra(self, name: str) -> None:
        """End a program that :meth:`spawn_extra` started; none of that name is no error."""
        process = self._extras.pop(name, None)
        if process is not None:
            process.send_signal(signal.SIGKILL)
            await asyncio.to_thread(process.wait)

    async def end_extras(self) -> None:
        """End all of them."""
        for name in list(self._extras):
            await self.end_extra(name)

    async def defect(self, service: str, name: str, on: bool, **args: Any) -> None:
        """Switch a defect inside a service on or off."""
        await self.call(service, "POST", "/_lab/defects", {"name": name, "on": on, **args})

    async def write_config(self, service: str, values: Mapping[str, Any]) -> None:
        """Replace the live configuration of one process; an empty one restores its defaults."""
        await asyncio.to_thread(write_json, self.plan.config(service), dict(values))

    async def set_flag(self, name: str, value: Any) -> None:
        """Set one feature flag of all processes; None takes it away."""
        file = self.plan.flags
        flags = (read_json(file) if file.exists() else {}) | {name: value}
        await asyncio.to_thread(
            write_json, file, {key: kept for key, kept in flags.items() if kept is not None}
        )

    async def announce(self, kind: str, service: str, title: str, **attributes: Any) -> None:
        """Tell the backend of a change as a CloudEvent: deploy, config, flag, model, migration.

        ``service`` is a process, ``shopdb``, ``nightly`` or ``host``.
        """
        plan = self.plan
        whom: dict[str, str] = {
            DATABASE: {"entity": f"database:{plan.host}/{DATABASE}"},
            "nightly": {"entity": f"pipeline:{NAMESPACE}/nightly"},
            "host": {"host": plan.host},
        }.get(service, {"service": f"{NAMESPACE}/{service}"})
        event = {
            "specversion": "1.0",
            "id": secrets.token_hex(8),
            "source": f"lab/{plan.host}",
            "type": f"{NAMESPACE}.{kind}",
            "subject": f"{NAMESPACE}/{service}",
            "time": datetime.fromtimestamp(now_s(), UTC).isoformat(),
            "datacontenttype": "application/json",
            "data": {"kind": kind, **whom, "title": title, **attributes},
        }
        await self.call("agent", "POST", "/api/events", event, kind="application/cloudevents+json")

    async def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Run one statement on the shop's database by itself; return its rows, if it has any."""
        return await asyncio.to_thread(_run_sql, self.plan.database_url, statement)

    async def edge(self, *, delay_ms: float = 0.0, loss: float = 0.0) -> None:
        """Make the edge from checkout to inventory slow or lossy; without arguments, good."""
        self.edge_proxy.delay_ms, self.edge_proxy.loss = delay_ms, loss

    async def certificate(self, valid: bool) -> None:
        """Give payments a good certificate or an expired one, and restart it."""
        self.authority.issue("payments", expired=not valid)
        await self.restart("payments")

    async def call(
        self,
        name: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        kind: str = "",
        patience_s: float = 10.0,
    ) -> Any:
        """Ask a process; returns its JSON, raises :class:`LabError` where it does not answer."""
        headers = {"Content-Type": kind} if kind else None
        url = self.plan.own_url(name) + path
        try:
            answer = await self.client.request(
                method, url, json=body, headers=headers, timeout=patience_s
            )
        except httpx.HTTPError as error:
            raise LabError(f"{name} did not answer: {type(error).__name__} {error}") from error
        if answer.status_code >= 400:
            raise LabError(f"{name} answered {answer.status_code}: {answer.text[:300]}")
        return answer.json() if answer.content else None

    async def ask(self, symptom: Symptom) -> float | None:
        """Measure a symptom in what the agent carried in its last three intervals."""
        said = {"symptom": asdict(symptom) | {"labels": dict(symptom.labels)}}
        answer = await self.call("agent", "POST", "/_lab/ask", said)
        value = answer["value"]
        return None if value is None else float(value)


def _run_sql(url: str, statement: str) -> list[tuple[Any, ...]]:
    from sqlalchemy import create_engine, pool
    from sqlalchemy.exc import SQLAlchemyError

    engine = create_engine(url, poolclass=pool.NullPool)
    try:
        with engine.begin() as connection:
            result = connection.exec_driver_sql(statement)
            return [tuple(row) for row in result] if result.returns_rows else []
    except SQLAlchemyError as error:
        raise LabError(f"the database refused {statement[:80]!r}: {error}") from error
