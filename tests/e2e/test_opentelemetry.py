"""The OpenTelemetry SDK, unchanged, against the real server: what it exported is what is here,
value by value, also where the server was killed meanwhile.
"""

from __future__ import annotations

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    InMemoryMetricReader,
    MetricExportResult,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult

from e2e.reading import raw_samples
from twinhelm.core.clock import SystemClock

RESOURCE = Resource.create({"service.name": "shop", "service.instance.id": "shop-1"})


class Remembering:
    """An exporter that keeps what it was given and what came of it."""

    def __init__(self, exporter, success):
        self.exporter, self.success, self.kept = exporter, success, []

    def export(self, batch, *args, **more):
        result = self.exporter.export(batch, *args, **more)
        if result is self.success:
            self.kept.append(batch)
        return result

    def __getattr__(self, name):
        return getattr(self.exporter, name)


def test_every_number_is_the_one_that_was_recorded(twinhelm_server):
    exporter = Remembering(
        OTLPMetricExporter(f"{twinhelm_server.url}/v1/metrics"), MetricExportResult.SUCCESS
    )
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=1e9)
    also = InMemoryMetricReader()
    provider = MeterProvider([reader, also], RESOURCE, shutdown_on_exit=False)
    meter = provider.get_meter("test")
    orders, queue = meter.create_counter("orders"), meter.create_up_down_counter("queue")
    wait = meter.create_histogram("wait", unit="s", explicit_bucket_boundaries_advisory=[0.1, 1.0])
    begin = SystemClock().now_ms() - 1000
    for number in range(5):
        orders.add(number + 0.25, {"kind": "book"})
        queue.add(-number)
        wait.record(0.05 * number)
        if number == 2:
            twinhelm_server.kill9()
            twinhelm_server.start()
        assert provider.force_flush()
    provider.shutdown()  # which exports once more
    end = SystemClock().now_ms()
    told = {}
    for batch in exporter.kept:
        for resource in batch.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in metric.data.data_points:
                        at = point.time_unix_nano // 1_000_000
                        value = getattr(point, "value", getattr(point, "count", None))
                        told.setdefault(metric.name, []).append((at, float(value)))
    with httpx.Client(base_url=twinhelm_server.url, trust_env=False) as http:
        found = raw_samples(http, '{__name__=~".+"}', begin, end)
    here = {dict(labels)["__name__"]: values for labels, values in found.items()}
    for name, stored in (
        ("orders", "orders_total"),
        ("queue", "queue"),
        ("wait", "wait_seconds_count"),
    ):
        assert [(at, float(value)) for at, value in here[stored]] == told[name], name
        assert len(told[name]) == 6
    buckets = {
        dict(labels)["le"]: float(values[-1][1])
        for labels, values in found.items()
        if dict(labels)["__name__"] == "wait_seconds_bucket"
    }
    assert {float(edge): count for edge, count in buckets.items()} == {
        0.1: 3.0, 1.0: 5.0, float("inf"): 5.0,
    }  # fmt: skip


def test_every_span_is_here_once_with_its_times(twinhelm_server):
    exporter = Remembering(
        OTLPSpanExporter(f"{twinhelm_server.url}/v1/traces"), SpanExportResult.SUCCESS
    )
    provider = TracerProvider(resource=RESOURCE, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    for number in range(10):
        with (
            tracer.start_as_current_span("outer", attributes={"n": number}),
            pytest.raises(ValueError, match="broken"),
            tracer.start_as_current_span("inner"),
        ):
            raise ValueError("broken")
        if number == 5:
            twinhelm_server.kill9()
            twinhelm_server.start()
    provider.shutdown()
    sent = {
        f"{span.context.span_id:016x}": (span.name, span.start_time, span.end_time)
        for (span,) in exporter.kept
    }
    with httpx.Client(base_url=twinhelm_server.url, trust_env=False) as http:
        spans = http.get("/api/twinhelm/v1/spans", params={"limit": 1000}).json()
    assert len(spans) == len(sent) == 20
    assert {
        span["span_id"]: (span["name"], span["start_ns"], span["end_ns"]) for span in spans
    } == sent
    assert {span["status"] for span in spans if span["name"] == "inner"} == {2}
