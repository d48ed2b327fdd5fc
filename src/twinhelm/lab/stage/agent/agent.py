"""The telemetry agent: what an OpenTelemetry Collector beside the shop would be.

It receives OTLP and events, scrapes every ``/metrics``, tails log files, and forwards all of it
to the backend that the plan names. It keeps what it carried for fifteen minutes (an hour where a
recording is made), so that one can ask whether a symptom shows, or for the rows of a case.

Aims at less than a twentieth of one core: bodies pass unparsed but for a count, and those of a
second go out as one. OpenTelemetry's metrics become remote write where no OTLP address takes them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client import REGISTRY, disable_created_metrics

from twinhelm.lab.plan import LOOPBACK, Plan
from twinhelm.lab.stage.agent import remote_write
from twinhelm.lab.stage.agent.cases import write_apart
from twinhelm.lab.stage.agent.database import DatabasePage
from twinhelm.lab.stage.agent.host import Host
from twinhelm.lab.stage.agent.otlp import as_remote_write
from twinhelm.lab.stage.agent.receiver import PROTOBUF, Signal, receiver
from twinhelm.lab.stage.agent.rows import Rows
from twinhelm.lab.stage.agent.scraper import Scraper, target_labels, targets
from twinhelm.lab.stage.agent.sender import Item, Sender, Tally
from twinhelm.lab.stage.agent.shelf import Kind, Shelf
from twinhelm.lab.stage.agent.symptoms import measure
from twinhelm.lab.stage.agent.tailer import Tailer
from twinhelm.lab.words import Symptom, now_s, write_json

__all__ = ["Agent", "run"]

KEEP_S, RECORD_S = 900.0, 3600.0
GATHER_S = 1.0
ASKED_INTERVALS = 3
FLUSH_S = 2.0


def run(plan: Plan, version: str) -> None:
    """Run the agent until it is told to end."""
    del version
    disable_created_metrics()  # type: ignore[no-untyped-call]
    REGISTRY.register(Host())
    write_json(plan.folder / "targets.json", targets(plan))
    asyncio.run(_serve(plan))


class Agent:
    """The parts of the agent, put together; ``client`` carries what goes to the backend."""

    def __init__(self, plan: Plan, client: httpx.AsyncClient, scraping: httpx.AsyncClient) -> None:
        backend, tally = plan.backend, Tally()
        self._plan = plan
        self._tally = tally
        self._shelf = Shelf(RECORD_S if plan.record else KEEP_S)

        def sender(name: str, url: str) -> Sender:
            return Sender(name, url, client, tally)

        self._otlp = {
            signal: Sender(
                signal, backend.otlp and f"{backend.otlp}/v1/{signal}", client, tally,
                every_s=GATHER_S,
                otherwise=self._rewrite if signal == "metrics" and backend.metrics else None,
            )
            for signal in ("metrics", "logs", "traces")
        }  # fmt: skip
        self._changes = sender("changes", backend.changes)
        self._lineage = sender("lineage", backend.lineage)
        self._written, loki = sender("remote_write", backend.metrics), sender("loki", backend.loki)
        self._senders = [
            *self._otlp.values(), self._changes, self._lineage, self._written, loki
        ]  # fmt: skip
        self._database = DatabasePage(plan.database_url)
        self._scraper = Scraper(
            plan, scraping, self._written, database=self._database.page,
            keep=lambda at_s, job, page: self._shelf.put(at_s, "page", page.encode(), job),
        )  # fmt: skip
        self._tailer = Tailer(plan, loki, keep=self._keep("push"))
        self.app = receiver(
            plan.secret,
            otlp=self._take_otlp,
            events={"/api/events": self._take_event, "/api/v1/lineage": self._take_lineage},
            questions={
                "/_lab/ask": self._ask,
                "/_lab/cases": self._write_case,
                "/_lab/status": self._status,
            },
        )

    async def run(self) -> None:
        """Scrape, tail and send for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._scraper.run())
            group.create_task(self._tail())
            for each in self._senders:
                group.create_task(each.run())

    async def flush(self) -> None:
        """Look and scrape once more, and send what waits, as far as that takes no time."""
        self._tailer.look()
        await asyncio.gather(*(each.flush() for each in self._senders))
        await self._database.close()

    async def _tail(self) -> None:
        while True:
            await asyncio.sleep(GATHER_S)
            self._tailer.look()

    def _take_otlp(self, signal: Signal, body: bytes) -> None:
        self._shelf.put(now_s(), signal, body)
        name, count = _COUNTS[signal](body)
        self._otlp[signal].put(Item(body, {"Content-Type": PROTOBUF}, {name: count}))

    def _rewrite(self, item: Item) -> None:
        body, count = as_remote_write(item.body)
        self._written.put(Item(body, remote_write.HEADERS, {"metrics": count}))

    def _take_event(self, body: bytes, kind: str) -> None:
        self._shelf.put(now_s(), "change", body)
        self._changes.put(Item(body, {"Content-Type": kind}, {"changes": 1}))

    def _take_lineage(self, body: bytes, kind: str) -> None:
        self._shelf.put(now_s(), "lineage", body)
        self._lineage.put(Item(body, {"Content-Type": kind}, {"changes": 1}))

    def _keep(self, kind: Kind) -> Callable[[float, bytes], None]:
        return lambda at_s, body: self._shelf.put(at_s, kind, body)

    async def _ask(self, asked: Any) -> Any:
        window_s = ASKED_INTERVALS * self._plan.interval_s
        now = now_s()
        value = measure(Symptom(**asked["symptom"]), self._rows(now - window_s, now), window_s)
        return {"value": value}

    async def _write_case(self, asked: Any) -> Any:
        start_s, end_s = float(asked["start_s"]), float(asked["end_s"])
        # What ended in time may have been carried a moment later.
        kept = self._shelf.between(start_s, end_s + GATHER_S + self._plan.interval_s)
        plan = self._plan.folder / "plan.json"
        return {"rows": await write_apart(plan, kept, Path(asked["folder"]), start_s, end_s)}

    async def _status(self, _asked: Any) -> Any:
        return {"sent": dict(self._tally.sent), "troubles": self._tally.troubles}

    def _rows(self, start_s: float, end_s: float) -> Rows:
        rows = Rows(lambda job: target_labels(self._plan, job))
        rows.add(self._shelf.between(start_s, end_s))
        return rows


def _points(body: bytes) -> tuple[str, int]:
    request = ExportMetricsServiceRequest.FromString(body)
    return "metrics", sum(
        len(getattr(metric, metric.WhichOneof("data") or "gauge").data_points)
        for group in request.resource_metrics
        for scope in group.scope_metrics
        for metric in scope.metrics
    )


def _records(body: bytes) -> tuple[str, int]:
    groups = ExportLogsServiceRequest.FromString(body).resource_logs
    return "logs", sum(len(scope.log_records) for group in groups for scope in group.scope_logs)


def _spans(body: bytes) -> tuple[str, int]:
    groups = ExportTraceServiceRequest.FromString(body).resource_spans
    return "spans", sum(len(scope.spans) for group in groups for scope in group.scope_spans)


_COUNTS: dict[Signal, Callable[[bytes], tuple[str, int]]] = {
    "metrics": _points,
    "logs": _records,
    "traces": _spans,
}


async def _serve(plan: Plan) -> None:
    token = plan.backend.token
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        httpx.AsyncClient(headers=headers, trust_env=False) as client,
        httpx.AsyncClient(trust_env=False) as scraping,
    ):
        agent = Agent(plan, client, scraping)
        server = uvicorn.Server(
            uvicorn.Config(
                agent.app, host=LOOPBACK, port=plan.ports["agent"], ws="none", lifespan="off",
                log_config=None, access_log=False, server_header=False,
                timeout_graceful_shutdown=1,
            )
        )  # fmt: skip
        working = asyncio.create_task(agent.run())
        working.add_done_callback(lambda _done: setattr(server, "should_exit", True))
        await server.serve()
        failed = working.done()
        working.cancel()
        await asyncio.wait((working,), timeout=1.0)
        if failed:
            working.result()
        async with asyncio.timeout(FLUSH_S):
            await agent.flush()
