"""The whole shop as real processes on SQLite, with a stand-in for the agent that keeps spans."""

from __future__ import annotations

import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from peers.processes import free_port
from twinhelm.lab.plan import SECRET_HEADER, Backend, Plan
from twinhelm.lab.shop import seed
from twinhelm.lab.shop.releases import INITIAL
from twinhelm.lab.stage.certificates import Authority
from twinhelm.lab.words import PROCESSES, write_json

__all__ = ["Shop", "Sink"]

SERVED = [name for name, module in PROCESSES.items() if module.startswith("twinhelm.lab.shop.")]


class Sink:
    """Takes OTLP like the agent; spans as mappings, metric names and log bodies by service."""

    def __init__(self) -> None:
        self.spans: list[dict[str, Any]] = []
        self.metrics: dict[str, set[str]] = {}
        self.logs: dict[str, list[str]] = {}
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                getattr(sink, f"take_{self.path.rpartition('/')[2]}")(body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take_traces(self, body: bytes) -> None:
        for of in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = _attributes(of.resource.attributes)["service.name"]
            for scope in of.scope_spans:
                for span in scope.spans:
                    self.spans.append(
                        {
                            "service": service,
                            "name": span.name,
                            "kind": span.kind,
                            "trace": span.trace_id,
                            "failed": span.status.code == 2,
                            **_attributes(span.attributes),
                        }
                    )

    def take_metrics(self, body: bytes) -> None:
        for of in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            service = _attributes(of.resource.attributes)["service.name"]
            names = self.metrics.setdefault(service, set())
            names.update(metric.name for scope in of.scope_metrics for metric in scope.metrics)

    def take_logs(self, body: bytes) -> None:
        for of in ExportLogsServiceRequest.FromString(body).resource_logs:
            service = _attributes(of.resource.attributes)["service.name"]
            lines = self.logs.setdefault(service, [])
            lines += [
                f"{line.severity_text} {line.body.string_value}"
                for scope in of.scope_logs
                for line in scope.log_records
            ]


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


class Shop:
    """Running processes, and how to ask them."""

    def __init__(self, plan: Plan, sink: Sink) -> None:
        self.plan = plan
        self.sink = sink
        self.client = httpx.Client(
            verify=ssl.create_default_context(cafile=plan.ca), trust_env=False, timeout=15
        )
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, *names: str, version: str = "") -> None:
        """Start processes and wait until all answer."""
        for name in names:
            out = self.plan.output(name)
            out.parent.mkdir(exist_ok=True)
            plan = str(self.plan.folder / "plan.json")
            argv = [sys.executable, "-m", "twinhelm.lab", name, "--plan", plan]
            argv += ["--version", version or self.plan.versions.get(name, "1.0.0")]
            with out.open("ab") as file:
                self.processes[name] = subprocess.Popen(
                    argv, stdin=subprocess.PIPE, stdout=file, stderr=file
                )
        for name in names:
            self.until(lambda name=name: self.healthy(name), within_s=30)

    def stop(self, *names: str) -> None:
        """End processes in order; fails where one does not."""
        for name in names:
            self.processes[name].terminate()
        for name in names:
            process = self.processes.pop(name)
            process.wait(10)
            assert process.stdin
            process.stdin.close()

    def healthy(self, name: str) -> bool:
        assert self.processes[name].poll() is None, self.plan.output(name).read_text()[-2000:]
        try:
            return self.client.get(f"{self.plan.own_url(name)}/healthz").status_code == 200
        except httpx.TransportError:
            return False

    def until(self, true: Callable[[], object], *, within_s: float = 10.0) -> None:
        ends_s = time.monotonic() + within_s
        while not true():
            assert time.monotonic() < ends_s, "did not come true in time"
            time.sleep(0.05)

    def ask(self, name: str, method: str, path: str, **more: Any) -> httpx.Response:
        return self.client.request(method, f"{self.plan.own_url(name)}{path}", **more)

    def defect(self, service: str, name: str, on: bool, **given: Any) -> None:
        answer = self.ask(
            service,
            "POST",
            "/_lab/defects",
            json={"name": name, "on": on, **given},
            headers={SECRET_HEADER: self.plan.secret},
        )
        assert answer.status_code == 200, answer.text

    def scraped(self, name: str) -> dict[str, float]:
        """What a service's ``/metrics`` says, by series."""
        lines = self.ask(name, "GET", "/metrics").text.splitlines()
        pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {series: float(value) for series, _, value in pairs}

    def order(self, user: int) -> httpx.Response:
        """Put something into a user's cart and order it."""
        headers = {"X-User": str(user)}
        added = self.ask(
            "gateway", "POST", "/cart", json={"product": 7, "quantity": 2}, headers=headers
        )
        assert added.status_code == 200, added.text
        return self.ask("gateway", "POST", "/checkout", headers=headers)

    def configure(self, name: str, values: Mapping[str, Any]) -> None:
        write_json(self.plan.config(name), dict(values))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The shop, open."""
    sink = Sink()
    folder = tmp_path_factory.mktemp("lab")
    ports = {name: free_port() for name in SERVED}
    plan = Plan(
        folder=folder,
        ports=ports | {"edge": ports["inventory"], "agent": sink.port},
        database_url=f"sqlite:///{folder / 'shopdb.sqlite'}",
        backend=Backend(),
        secret="open sesame",
        host="test",
        interval_s=1.0,
        versions=INITIAL,
    )
    plan.save(folder / "plan.json")
    Authority(folder / "tls").issue("payments")
    seed.run(plan, "")
    made = Shop(plan, sink)
    try:
        made.start(*SERVED)
        yield made
    finally:
        made.stop(*made.processes)
        made.client.close()
        sink.close()
