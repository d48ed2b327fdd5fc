from __future__ import annotations

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from twinhelm.aiops.collect.otlp.attributes import MAX_ATTRIBUTES, plain
from twinhelm.aiops.collect.otlp.logs import decode_logs
from twinhelm.aiops.types import Received
from twinhelm.core import json
from twinhelm.core.settings import LimitSettings

NOW_NS = 1_700_000_000_000_000_000


def request(*services: str) -> ExportLogsServiceRequest:
    message = ExportLogsServiceRequest()
    for service in services:
        group = message.resource_logs.add()
        group.resource.attributes.add(key="service.name").value.string_value = service
        group.scope_logs.add()
    return message


def add(message: ExportLogsServiceRequest, body: str = "hello", group: int = 0) -> LogRecord:
    record = message.resource_logs[group].scope_logs[0].log_records.add()
    record.time_unix_nano = NOW_NS
    record.body.string_value = body
    return record


def decoded(message: ExportLogsServiceRequest, **limits: int) -> Received:
    settings = LimitSettings(**limits)  # type: ignore[arg-type]
    return decode_logs(message, limits=settings, now_ns=7)


def test_a_record_keeps_every_field() -> None:
    message = request("cart")
    message.resource_logs[0].scope_logs[0].scope.name = "lib"
    record = add(message)
    record.severity_number = 18
    record.trace_id, record.span_id = bytes(range(16)), bytes(range(8))
    record.event_name = "device.start"
    record.attributes.add(key="n").value.int_value = -(2**63)
    logs = decoded(message).logs
    assert logs is not None
    assert logs.time_ns.tolist() == [NOW_NS]
    assert (logs.severity.tolist(), logs.body) == ([18], ["hello"])
    assert logs.streams == ((("job", "cart"), ("service_name", "cart")),)
    assert logs.trace_id == [bytes(range(16)).hex()]
    assert logs.span_id == [bytes(range(8)).hex()]
    assert json.loads(logs.attributes[0]) == {
        "n": -(2**63),
        "otel.scope.name": "lib",
        "otel.event.name": "device.start",
    }


def test_no_record_is_no_block() -> None:
    assert decoded(ExportLogsServiceRequest()).logs is None
    assert decoded(request("cart")).logs is None


def test_namespace_and_instance_name_the_service_as_metrics_do() -> None:
    message = request("cart")
    attributes = message.resource_logs[0].resource.attributes
    attributes.add(key="service.namespace").value.string_value = "shop"
    attributes.add(key="service.instance.id").value.string_value = "i-1"
    attributes.add(key="host.cpus").value.int_value = 4
    add(message)
    logs = decoded(message).logs
    assert logs is not None
    labels = dict(logs.streams[0])
    assert (labels["job"], labels["instance"], labels["host_cpus"]) == ("shop/cart", "i-1", "4")


def test_equal_resources_are_one_stream() -> None:
    message = request("a", "b", "a")
    for group in range(3):
        add(message, group=group)
    logs = decoded(message).logs
    assert logs is not None
    assert logs.stream.tolist() == [0, 1, 0]


def test_a_missing_time_is_the_observed_time_or_else_now() -> None:
    message = request("a")
    add(message).time_unix_nano = 0
    second = add(message)
    second.time_unix_nano, second.observed_time_unix_nano = 0, 5
    logs = decoded(message).logs
    assert logs is not None
    assert logs.time_ns.tolist() == [7, 5]


def test_a_severity_text_counts_where_the_number_is_missing() -> None:
    message = request("a")
    add(message).severity_text = "Warning"
    add(message).severity_text = "purple"
    logs = decoded(message).logs
    assert logs is not None
    assert logs.severity.tolist() == [13, 0]
    assert logs.attributes == ["", '{"otel.severity_text":"purple"}']


def test_a_structured_body_is_json() -> None:
    message = request("a")
    values = add(message).body.kvlist_value.values
    values.add(key="a").value.array_value.values.add().double_value = 0.5
    values.add(key="b").value.bytes_value = b"\xff"
    logs = decoded(message).logs
    assert logs is not None
    assert json.loads(logs.body[0]) == {"a": [0.5], "b": "/w=="}


def test_an_invalid_id_is_no_id() -> None:
    message = request("a")
    record = add(message)
    record.trace_id, record.span_id = bytes(16), b"short"
    logs = decoded(message).logs
    assert logs is not None
    assert (logs.trace_id, logs.span_id) == ([""], [""])


def test_what_passes_a_limit_is_refused_and_the_rest_is_kept() -> None:
    message = request("a", "b" * 100)
    add(message, "x" * 11)
    add(message, "ok")
    add(message).time_unix_nano = 2**64 - 1
    add(message, "lost", group=1)
    many = add(message, "many")
    for number in range(MAX_ATTRIBUTES + 1):
        many.attributes.add(key=str(number)).value.bool_value = True
    deep = add(message, "deep").body
    for _ in range(40):
        deep = deep.array_value.values.add()
    received = decoded(message, max_log_line_bytes=10, max_label_value_bytes=50)
    assert received.logs is not None
    assert received.logs.body == ["ok"]
    assert {item.reason: item.count for item in received.rejected} == {
        "line_too_long": 1,
        "too_far_ahead": 1,
        "bad_labels": 1,
        "too_large": 2,
    }


def test_two_attributes_of_one_label_name_are_joined() -> None:
    message = request()
    resource = message.resource_logs.add()
    resource.resource.attributes.add(key="a.b").value.string_value = "2"
    resource.resource.attributes.add(key="a-b").value.string_value = "1"
    resource.scope_logs.add()
    add(message)
    logs = decoded(message).logs
    assert logs is not None
    assert logs.streams == ((("a_b", "1;2"),),)


def test_an_unset_value_is_none() -> None:
    assert plain(LogRecord().body) is None
