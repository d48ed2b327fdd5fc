from __future__ import annotations

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from twinhelm.aiops.collect.otlp.traces import decode_traces
from twinhelm.aiops.types import Received
from twinhelm.core import json
from twinhelm.core.settings import LimitSettings

START_NS = 1_700_000_000_000_000_000


def request() -> ExportTraceServiceRequest:
    message = ExportTraceServiceRequest()
    group = message.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = "cart"
    group.scope_spans.add()
    return message


def add(message: ExportTraceServiceRequest) -> Span:
    span = message.resource_spans[0].scope_spans[0].spans.add()
    span.trace_id, span.span_id, span.name = b"\1" * 16, b"\2" * 8, "GET /"
    span.start_time_unix_nano, span.end_time_unix_nano = START_NS, START_NS + 5
    return span


def decoded(message: ExportTraceServiceRequest) -> Received:
    return decode_traces(message, limits=LimitSettings())


def test_a_span_keeps_every_field() -> None:
    message = request()
    span = add(message)
    span.parent_span_id = b"\3" * 8
    span.kind = Span.SPAN_KIND_CLIENT
    span.status.code = 2
    span.status.message = "timeout"
    span.attributes.add(key="http.route").value.string_value = "/"
    event = span.events.add(name="exception", time_unix_nano=START_NS + 1)
    event.attributes.add(key="exception.type").value.string_value = "OSError"
    span.links.add(trace_id=b"\4" * 16, span_id=b"\5" * 8)
    spans = decoded(message).spans
    assert spans is not None
    assert (spans.start_ns.tolist(), spans.end_ns.tolist()) == ([START_NS], [START_NS + 5])
    assert (spans.trace_id, spans.span_id) == (["01" * 16], ["02" * 8])
    assert (spans.parent_id, spans.name) == (["03" * 8], ["GET /"])
    assert (spans.kind.tolist(), spans.status.tolist()) == ([3], [2])
    assert spans.resources == ((("job", "cart"), ("service_name", "cart")),)
    assert json.loads(spans.attributes[0]) == {
        "http.route": "/",
        "otel.status_description": "timeout",
        "otel.events": [
            {"name": "exception", "time_ns": START_NS + 1, "exception.type": "OSError"}
        ],
        "otel.links": [{"trace_id": "04" * 16, "span_id": "05" * 8}],
    }


def test_a_root_has_no_parent() -> None:
    message = request()
    add(message)
    spans = decoded(message).spans
    assert spans is not None
    assert spans.parent_id == [""]


def test_no_span_is_no_block() -> None:
    assert decoded(request()).spans is None


def test_bad_ids_and_times_are_refused_and_the_rest_is_kept() -> None:
    message = request()
    add(message).trace_id = bytes(16)
    add(message).span_id = b"short"
    add(message).end_time_unix_nano = START_NS - 1
    add(message).start_time_unix_nano = 0
    add(message).end_time_unix_nano = 2**64 - 1
    add(message).name = "kept"
    received = decoded(message)
    assert received.spans is not None
    assert received.spans.name == ["kept"]
    assert {item.reason: item.count for item in received.rejected} == {"malformed": 5}


def test_a_kind_that_nobody_knows_is_unspecified() -> None:
    message = request()
    span = add(message)
    span.kind = 99  # type: ignore[assignment]
    span.status.code = 77  # type: ignore[assignment]
    spans = decoded(message).spans
    assert spans is not None
    assert (spans.kind.tolist(), spans.status.tolist()) == ([0], [0])


def test_too_many_events_refuse_the_span() -> None:
    message = request()
    span = add(message)
    for _ in range(129):
        span.events.add(name="e")
    received = decoded(message)
    assert received.spans is None
    assert received.rejected[0].reason == "too_large"
