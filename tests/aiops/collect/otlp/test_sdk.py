"""What the OpenTelemetry SDK really writes, through its own encoders."""

from __future__ import annotations

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from twinhelm.aiops.collect.otlp.traces import decode_traces
from twinhelm.core import json
from twinhelm.core.settings import LimitSettings


def test_spans_of_the_sdk_are_read_whole() -> None:
    exporter = InMemorySpanExporter()
    resource = Resource({"service.name": "cart", "service.namespace": "shop", "ports": [1, 2]})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("lib", "1.0")
    with (
        tracer.start_as_current_span("outer", kind=SpanKind.SERVER),
        pytest.raises(ValueError, match="no such item"),
        tracer.start_as_current_span("inner", attributes={"n": 3, "ok": True}),
    ):
        raise ValueError("no such item")
    provider.shutdown()
    finished = exporter.get_finished_spans()
    received = decode_traces(encode_spans(finished), limits=LimitSettings())
    spans = received.spans
    assert spans is not None
    assert received.rejected == ()
    assert spans.name == ["inner", "outer"]
    assert spans.parent_id == [spans.span_id[1], ""]
    assert len(set(spans.trace_id)) == 1
    assert (spans.kind.tolist(), spans.status.tolist()) == ([1, 2], [2, 0])
    assert [int(span.start_time or 0) for span in finished] == spans.start_ns.tolist()
    labels = dict(spans.resources[0])
    assert (labels["job"], labels["ports"]) == ("shop/cart", "[1,2]")
    inner = json.loads(spans.attributes[0])
    assert (inner["n"], inner["ok"], inner["otel.scope.name"]) == (3, True, "lib")
    assert inner["otel.events"][0]["exception.type"] == "ValueError"
