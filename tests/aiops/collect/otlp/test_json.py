from __future__ import annotations

import math

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from twinhelm.aiops.collect.otlp.json import filled
from twinhelm.core.errors import BadInput, TooLarge
from twinhelm.core.json import dumps


def log_record(**fields: object) -> bytes:
    return dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [fields]}]}]})


def logs_message(body: bytes) -> ExportLogsServiceRequest:
    return filled(ExportLogsServiceRequest(), body)


def metrics_message(body: bytes) -> ExportMetricsServiceRequest:
    return filled(ExportMetricsServiceRequest(), body)


def data_point(**fields: object) -> bytes:
    metric = {"name": "m", "gauge": {"dataPoints": [fields]}}
    return dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]})


def test_the_log_example_of_the_specification_is_read() -> None:
    record = (
        logs_message(
            log_record(
                timeUnixNano="1544712660300000000",
                severityNumber=10,
                severityText="Information",
                traceId="5B8EFFF798038103D269B633813FC60C",
                spanId="EEE19B7EC3C1B174",
                body={"stringValue": "Example log record"},
                attributes=[
                    {"key": "i", "value": {"intValue": "10"}},
                    {"key": "d", "value": {"doubleValue": 637.704}},
                    {"key": "a", "value": {"arrayValue": {"values": [{"stringValue": "many"}]}}},
                    {"key": "b", "value": {"bytesValue": "/w=="}},
                ],
            )
        )
        .resource_logs[0]
        .scope_logs[0]
        .log_records[0]
    )
    assert record.time_unix_nano == 1544712660300000000
    assert record.trace_id.hex() == "5b8efff798038103d269b633813fc60c"
    assert record.span_id.hex() == "eee19b7ec3c1b174"
    assert [pair.value.WhichOneof("value") for pair in record.attributes] == [
        "int_value",
        "double_value",
        "array_value",
        "bytes_value",
    ]
    assert record.attributes[3].value.bytes_value == b"\xff"


def test_a_span_s_ids_and_its_parent_s_are_hex() -> None:
    span = {"traceId": "01" * 16, "spanId": "02" * 8, "parentSpanId": "03" * 8, "kind": 2}
    message = filled(
        ExportTraceServiceRequest(),
        dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{**span, "links": [span]}]}]}]}),
    )
    found = message.resource_spans[0].scope_spans[0].spans[0]
    assert (found.trace_id, found.parent_span_id) == (b"\1" * 16, b"\3" * 8)
    assert found.links[0].span_id == b"\2" * 8
    assert found.kind == 2


def test_integers_come_as_numbers_or_text_and_doubles_as_names() -> None:
    point = data_point(timeUnixNano=7, startTimeUnixNano="8", asDouble="NaN")
    found = metrics_message(point).resource_metrics[0].scope_metrics[0].metrics[0]
    assert found.gauge.data_points[0].time_unix_nano == 7
    assert found.gauge.data_points[0].start_time_unix_nano == 8
    assert math.isnan(found.gauge.data_points[0].as_double)


def test_a_histogram_s_counts_and_optional_sum_are_read() -> None:
    histogram = {
        "name": "h",
        "histogram": {
            "aggregationTemporality": 2,
            "dataPoints": [
                {
                    "count": "3",
                    "sum": 1.5,
                    "min": 0,
                    "bucketCounts": ["1", 2],
                    "explicitBounds": [1],
                }
            ],
        },
    }
    message = metrics_message(
        dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [histogram]}]}]})
    )
    found = message.resource_metrics[0].scope_metrics[0].metrics[0].histogram
    assert found.aggregation_temporality == 2
    assert list(found.data_points[0].bucket_counts) == [1, 2]
    assert found.data_points[0].HasField("min")
    assert not found.data_points[0].HasField("max")


def test_unknown_fields_snake_case_and_nulls_are_ignored() -> None:
    record = logs_message(log_record(shoeSize=43, severity_text="x", severityText=None))
    assert record.resource_logs[0].scope_logs[0].log_records[0].severity_text == ""


@pytest.mark.parametrize(
    "fields",
    [
        {"severityNumber": "SEVERITY_NUMBER_INFO"},
        {"severityNumber": "9"},
        {"severityNumber": 9.5},
        {"timeUnixNano": "12x"},
        {"timeUnixNano": -1},
        {"timeUnixNano": 1.5},
        {"timeUnixNano": True},
        {"timeUnixNano": "99999999999999999999"},
        {"traceId": "0x12"},
        {"traceId": "abc"},
        {"traceId": "0 1 "},
        {"traceId": "W47/95gDgQPSabYzgT/GDA=="},
        {"body": "bare"},
        {"body": {"stringValue": 5}},
        {"body": {"boolValue": "true"}},
        {"body": {"doubleValue": "1_0"}},
        {"body": {"bytesValue": "*"}},
        {"body": {"stringValue": "a", "intValue": 1}},
        {"attributes": {"a": "b"}},
    ],
    ids=str,
)
def test_what_the_specification_does_not_allow_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(BadInput, match="logRecords"):
        logs_message(log_record(**fields))


def test_a_refusal_names_the_path() -> None:
    with pytest.raises(BadInput, match=r"resourceLogs\[0\]\.scopeLogs\[0\]\.logRecords\[0\]\.body"):
        logs_message(log_record(body=3))


def test_a_body_that_nests_without_end_is_refused() -> None:
    with pytest.raises(TooLarge):
        logs_message(b'{"resourceLogs":' * 10_000)
