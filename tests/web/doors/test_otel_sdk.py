"""The real OpenTelemetry SDK, unchanged, exporting to a real server."""

import logging

import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

RESOURCE = Resource.create({"service.name": "shop", "service.namespace": "web"})


@pytest.fixture(params=[Compression.NoCompression, Compression.Gzip], ids=lambda each: each.value)
def compression(request):
    return request.param


def test_metrics_arrive(serve_house, compression):
    served = serve_house()
    exporter = OTLPMetricExporter(f"{served.url}/v1/metrics", compression=compression)
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=1e9)
    provider = MeterProvider([reader], RESOURCE, shutdown_on_exit=False)
    meter = provider.get_meter("test")
    meter.create_counter("orders").add(3, {"kind": "book"})
    meter.create_histogram("wait", unit="s").record(0.2)
    assert provider.force_flush()
    provider.shutdown()
    found = served.http.get("/api/v1/query", params={"query": '{job="web/shop",kind="book"}'})
    (series,) = found.json()["data"]["result"]
    assert series["metric"]["__name__"].startswith("orders")
    assert series["value"][1] == "3"
    names = served.http.get("/api/v1/label/__name__/values").json()["data"]
    assert any("wait" in name and name.endswith("_bucket") for name in names)


def test_traces_arrive(serve_house, compression):
    served = serve_house()
    provider = TracerProvider(resource=RESOURCE, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(f"{served.url}/v1/traces", compression=compression)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner"):
        pass
    assert provider.force_flush()
    provider.shutdown()
    spans = served.http.get("/api/twinhelm/v1/spans").json()
    by_name = {span["name"]: span for span in spans}
    assert set(by_name) == {"outer", "inner"}
    assert by_name["inner"]["parent_id"] == by_name["outer"]["span_id"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_logs_arrive(serve_house, compression):
    served = serve_house()
    provider = LoggerProvider(RESOURCE, shutdown_on_exit=False)
    exporter = OTLPLogExporter(f"{served.url}/v1/logs", compression=compression)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    logger = logging.Logger("shop")
    logger.addHandler(LoggingHandler(logger_provider=provider))
    logger.warning("disk %s is full", "sda")
    assert provider.force_flush()
    provider.shutdown()
    (record,) = served.http.get("/api/twinhelm/v1/logs").json()
    assert record["body"] == "disk sda is full"
    assert 13 <= record["severity"] <= 16
