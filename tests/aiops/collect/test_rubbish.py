"""Whatever bytes come in, a decoder gives values or refuses; it never fails in another way."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import cramjam
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from twinhelm.aiops.collect.alertmanager import decode_api_alerts, decode_webhook
from twinhelm.aiops.collect.cloudevents import decode_cloudevents
from twinhelm.aiops.collect.loki import decode_loki
from twinhelm.aiops.collect.openlineage import decode_openlineage
from twinhelm.aiops.collect.otlp.attributes import parsed
from twinhelm.aiops.collect.otlp.json import filled
from twinhelm.aiops.collect.otlp.logs import decode_logs
from twinhelm.aiops.collect.otlp.traces import decode_traces
from twinhelm.aiops.types import Received
from twinhelm.core.errors import Refused
from twinhelm.core.json import dumps, loads
from twinhelm.core.settings import LimitSettings

LIMITS = LimitSettings()  # type: ignore[call-arg]
NOW_MS = 1_700_000_000_000
BUDGET = settings(
    max_examples=60,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

LOGS = dumps(
    {
        "resourceLogs": [
            {
                "resource": {
                    "attributes": [{"key": "service.name", "value": {"stringValue": "a"}}]
                },
                "scopeLogs": [
                    {
                        "scope": {"name": "lib"},
                        "logRecords": [
                            {
                                "timeUnixNano": "1700000000000000000",
                                "severityNumber": 9,
                                "traceId": "01" * 16,
                                "body": {"arrayValue": {"values": [{"doubleValue": "NaN"}]}},
                            }
                        ],
                    }
                ],
            }
        ]
    }
)
SPANS = dumps(
    {
        "resourceSpans": [
            {
                "scopeSpans": [
                    {
                        "spans": [
                            {
                                "traceId": "01" * 16,
                                "spanId": "02" * 8,
                                "name": "a",
                                "startTimeUnixNano": 5,
                                "endTimeUnixNano": 9,
                                "events": [{"name": "e", "attributes": []}],
                            }
                        ]
                    }
                ]
            }
        ]
    }
)
METRICS = dumps(
    {
        "resourceMetrics": [
            {"scopeMetrics": [{"metrics": [{"name": "m", "sum": {"dataPoints": [{"asInt": 1}]}}]}]}
        ]
    }
)
PUSH = dumps({"streams": [{"stream": {"a": "b"}, "values": [["5", "line", {"level": "info"}]]}]})
PUSH_PROTOBUF = bytes(
    cramjam.snappy.compress_raw(
        b'\x0a\x19\x0a\x07{a="b"}\x12\x0e\x0a\x04\x08\x02\x10\x03\x12\x06a line'
    )
)
ALERTS = dumps([{"labels": {"alertname": "A"}, "startsAt": "2023-11-14T22:13:20Z"}])
WEBHOOK = b'{"version": "4", "status": "firing", "alerts": ' + ALERTS + b"}"
EVENT = dumps(
    {"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": {"kind": "deploy"}}
)
RUN = dumps(
    {
        "eventTime": "2023-11-14T22:13:20Z",
        "eventType": "START",
        "run": {"runId": "r", "facets": {"nominalTime": {}}},
        "job": {"namespace": "n", "name": "j"},
        "inputs": [{"namespace": "n", "name": "d"}],
    }
)


def structured(body: bytes) -> Received:
    return decode_cloudevents({"content-type": "application/cloudevents+json"}, body, now_ms=NOW_MS)


def batch(body: bytes) -> Received:
    return decode_cloudevents(
        {"content-type": "application/cloudevents-batch+json"}, body, now_ms=NOW_MS
    )


def binary(body: bytes) -> Received:
    text = body.decode("latin-1")
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": text, "ce-type": text}
    return decode_cloudevents(headers, body, now_ms=NOW_MS)


DOORS: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "otlp_logs": (
        lambda body: decode_logs(parsed(ExportLogsServiceRequest(), body), limits=LIMITS, now_ns=5),
        filled(ExportLogsServiceRequest(), LOGS).SerializeToString(),
    ),
    "otlp_traces": (
        lambda body: decode_traces(parsed(ExportTraceServiceRequest(), body), limits=LIMITS),
        filled(ExportTraceServiceRequest(), SPANS).SerializeToString(),
    ),
    "otlp_logs_json": (
        lambda body: decode_logs(filled(ExportLogsServiceRequest(), body), limits=LIMITS, now_ns=5),
        LOGS,
    ),
    "otlp_traces_json": (
        lambda body: decode_traces(filled(ExportTraceServiceRequest(), body), limits=LIMITS),
        SPANS,
    ),
    "otlp_metrics_json": (lambda body: filled(ExportMetricsServiceRequest(), body), METRICS),
    "loki_json": (
        lambda body: decode_loki(body, content_type="application/json", limits=LIMITS),
        PUSH,
    ),
    "loki_protobuf": (
        lambda body: decode_loki(body, content_type="application/x-protobuf", limits=LIMITS),
        PUSH_PROTOBUF,
    ),
    "webhook": (lambda body: decode_webhook(body, now_ms=NOW_MS), WEBHOOK),
    "api_alerts": (lambda body: decode_api_alerts(body, now_ms=NOW_MS), ALERTS),
    "cloudevent": (structured, EVENT),
    "cloudevent_batch": (batch, b"[" + EVENT + b"]"),
    "cloudevent_binary": (binary, EVENT),
    "openlineage": (decode_openlineage, RUN),
}
JSON_DOORS = [name for name in DOORS if "protobuf" not in name and DOORS[name][1][:1] in b"{["]


def survives(door: str, body: bytes) -> None:
    with suppress(Refused):
        DOORS[door][0](body)


@pytest.mark.parametrize("door", DOORS)
def test_the_body_that_is_spoiled_below_is_a_good_one(door: str) -> None:
    DOORS[door][0](DOORS[door][1])


@pytest.mark.parametrize("door", DOORS)
@BUDGET
@given(body=st.binary(max_size=400))
def test_arbitrary_bytes(door: str, body: bytes) -> None:
    survives(door, body)


@pytest.mark.parametrize("door", DOORS)
@BUDGET
@given(data=st.data())
def test_a_cut_and_bit_flipped_body(door: str, data: st.DataObject) -> None:
    good = bytearray(DOORS[door][1])
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    survives(door, bytes(good[: data.draw(st.integers(0, len(good)))]))


RUBBISH = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.sampled_from(["", "NaN", "9" * 30, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=2), inner,
                                                                max_size=3),
    max_leaves=8,
)  # fmt: skip


def places(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


@pytest.mark.parametrize("door", JSON_DOORS)
@BUDGET
@given(data=st.data())
def test_a_wrong_value_in_any_place(door: str, data: st.DataObject) -> None:
    body = loads(DOORS[door][1])
    place = data.draw(st.sampled_from(places(body)))
    wrong = data.draw(RUBBISH)
    if not place:
        body = wrong
    else:
        holder = body
        for key in place[:-1]:
            holder = holder[key]
        holder[place[-1]] = wrong
    survives(door, dumps(body))


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("opened", [b"[", b'{"a":', b'{"streams":[', b"\x0a\xff\xff\xff\xff\x0f"])
def test_what_opens_and_never_closes(door: str, opened: bytes) -> None:
    with pytest.raises(Refused):
        DOORS[door][0](opened * 50_000)
