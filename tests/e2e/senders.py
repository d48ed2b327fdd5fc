"""Senders that behave as real ones do: what is not acknowledged is sent again, byte for byte.

Each runs in a thread of its own until told to stop, and remembers exactly what was acknowledged.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from web.bodies import V1, write_v1

__all__ = ["LogSender", "SampleSender", "Sender", "SpanSender"]

PROTOBUF = {"Content-Type": "application/x-protobuf"}


@dataclass
class Sender:
    """One sender; subclasses say what the ``n``-th request carries.

    ``refusals`` counts answers by status that asked to try again; anything else that is no
    success is an error and ends the sender. A 503 must say when to come back.
    """

    url: str
    name: str
    start_ms: int
    pause_s: float = 0.0
    acknowledged: int = 0
    """So many requests, from the first on, were acknowledged."""
    refusals: dict[int, int] = field(default_factory=dict)
    lost: int = 0
    error: str = ""

    path = ""
    headers: dict[str, str] = field(default_factory=dict)

    def body(self, n: int) -> bytes:
        """Make the ``n``-th request's body, the same each time."""
        raise AssertionError(f"{type(self).__name__} does not say what request {n} carries")

    def start(self) -> None:
        """Begin to send."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Have the request under way acknowledged, and end."""
        self._stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive(), f"{self.name} hangs"
        assert not self.error, f"{self.name}: {self.error}"

    def wait_for(self, count: int, *, patience_s: float = 60.0) -> None:
        """Wait until so many requests are acknowledged."""
        deadline = time.monotonic() + patience_s
        while self.acknowledged < count:
            assert not self.error, f"{self.name}: {self.error}"
            assert time.monotonic() < deadline, f"{self.name} is stuck at {self.acknowledged}"
            time.sleep(0.01)

    def _run(self) -> None:
        with httpx.Client(trust_env=False, timeout=10.0) as http:
            while not self._stop.is_set():
                body = self.body(self.acknowledged)
                while not self._sent(http, body):
                    if self.error:
                        return
                    time.sleep(0.02)
                self.acknowledged += 1
                time.sleep(self.pause_s)

    def _sent(self, http: httpx.Client, body: bytes) -> bool:
        try:
            answer = http.post(self.url + self.path, content=body, headers=self.headers)
        except httpx.TransportError:
            self.lost += 1
            return False
        if answer.is_success:
            return True
        self.refusals[answer.status_code] = self.refusals.get(answer.status_code, 0) + 1
        if answer.status_code not in (429, 503):
            self.error = f"{answer.status_code} {answer.text}"
        elif answer.status_code == 503 and "retry-after" not in answer.headers:
            self.error = "a 503 that does not say when to come back"
        return False


class SampleSender(Sender):
    """Remote write of ``SERIES`` series, gauges and counters, ``STEPS`` samples a request."""

    path = "/api/v1/write"
    SERIES = 10
    STEPS = 25
    STEP_MS = 20

    def body(self, n: int) -> bytes:
        """See :meth:`Sender.body`."""
        self.headers = V1
        return write_v1(
            [
                (labels, [(value, at) for at, value in self.samples(k, n)])
                for k, labels in enumerate(self.labels())
            ]
        )

    def labels(self) -> list[dict[str, str]]:
        """The label sets of its series."""
        names = ["load" if k % 2 else "sent_total" for k in range(self.SERIES)]
        return [
            {"__name__": name, "sender": self.name, "k": str(k)} for k, name in enumerate(names)
        ]

    def samples(self, k: int, n: int) -> Iterator[tuple[int, float]]:
        """The samples of series ``k`` in request ``n``."""
        for step in range(n * self.STEPS, (n + 1) * self.STEPS):
            noise = (step * 2654435761 + k * 40503) % 1000 / 1000
            yield self.start_ms + step * self.STEP_MS, noise if k % 2 else step + noise

    def sent(self, k: int) -> list[tuple[int, float]]:
        """Everything acknowledged of series ``k``."""
        return [each for n in range(self.acknowledged) for each in self.samples(k, n)]


class LogSender(Sender):
    """OTLP log records, ``LINES`` a request, each with a body and a time of its own."""

    path = "/v1/logs"
    LINES = 20

    def body(self, n: int) -> bytes:
        """See :meth:`Sender.body`."""
        self.headers = PROTOBUF
        request = ExportLogsServiceRequest()
        resource = request.resource_logs.add()
        attribute = resource.resource.attributes.add(key="service.name")
        attribute.value.string_value = self.name
        scope = resource.scope_logs.add()
        for at, text in self.lines(n):
            record = scope.log_records.add(time_unix_nano=at * 1_000_000, severity_number=9)
            record.body.string_value = text
        return request.SerializeToString()

    def lines(self, n: int) -> Iterator[tuple[int, str]]:
        """The times in ms and bodies of request ``n``."""
        for line in range(n * self.LINES, (n + 1) * self.LINES):
            yield self.start_ms + line, f"order {line} of {self.name} is shipped"

    def sent(self) -> list[str]:
        """Everything acknowledged."""
        return [text for n in range(self.acknowledged) for _, text in self.lines(n)]


class SpanSender(Sender):
    """OTLP spans, ``SPANS`` a request, each with an id and a time of its own."""

    path = "/v1/traces"
    SPANS = 20

    def body(self, n: int) -> bytes:
        """See :meth:`Sender.body`."""
        self.headers = PROTOBUF
        request = ExportTraceServiceRequest()
        resource = request.resource_spans.add()
        attribute = resource.resource.attributes.add(key="service.name")
        attribute.value.string_value = self.name
        scope = resource.scope_spans.add()
        for at, span_id in self.spans(n):
            scope.spans.add(
                trace_id=bytes.fromhex(span_id * 2),
                span_id=bytes.fromhex(span_id),
                name="ship",
                start_time_unix_nano=at * 1_000_000,
                end_time_unix_nano=at * 1_000_000 + 1000,
            )
        return request.SerializeToString()

    def spans(self, n: int) -> Iterator[tuple[int, str]]:
        """The times in ms and ids of request ``n``."""
        for span in range(n * self.SPANS, (n + 1) * self.SPANS):
            yield self.start_ms + span, f"{span + 1:016x}"

    def sent(self) -> list[str]:
        """Everything acknowledged."""
        return [span_id for n in range(self.acknowledged) for _, span_id in self.spans(n)]
