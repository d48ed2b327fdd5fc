import gzip
import json
import zlib

import numpy as np
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from twinhelm.core.errors import StoreFull
from twinhelm.core.labels import Matcher, MatchKind
from web.bodies import V1, V2, snappy, write_v1, write_v2

PROTOBUF = {"Content-Type": "application/x-protobuf"}
TEXT = {"Content-Type": "text/plain"}


def up(house, *values, host="a", ago_s=60):
    """Rows of one series, one sample a second from ``ago_s`` ago."""
    start = house.clock.now_ms() - ago_s * 1000
    samples = [(value, start + 1000 * i) for i, value in enumerate(values)]
    return [({"__name__": "up", "host": host}, samples)]


def kept(house, tenant="default"):
    found = house.telemetry.find_series([Matcher("__name__", MatchKind.EQUAL, "up")], tenant=tenant)
    ids = np.array([info.id for info in found], np.uint32)
    return house.telemetry.read_samples(ids, 0, 1 << 60).value.tolist()


def logs_request(house, *bodies):
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    for body in bodies:
        record = records.add(time_unix_nano=house.clock.now_ns())
        record.body.string_value = body
    return request


def trace_request(house, *names):
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    now = house.clock.now_ns()
    for i, name in enumerate(names):
        spans.add(
            trace_id=bytes([i + 1] * 16),
            span_id=bytes([i + 1] * 8),
            name=name,
            start_time_unix_nano=now - 1000,
            end_time_unix_nano=now,
        )
    return request


# Remote write


def test_remote_write_1_is_kept_and_answered_204(client, house):
    answer = client.post("/api/v1/write", content=write_v1(up(house, 1, 0, 1)), headers=V1)
    assert (answer.status_code, answer.content) == (204, b"")
    assert kept(house) == [1, 0, 1]


def test_remote_write_2_says_how_much_was_written(client, house):
    answer = client.post("/api/v1/push", content=write_v2(up(house, 1, 2)), headers=V2)
    assert answer.status_code == 204
    assert answer.headers["x-prometheus-remote-write-samples-written"] == "2"
    assert answer.headers["x-prometheus-remote-write-histograms-written"] == "0"
    assert answer.headers["x-prometheus-remote-write-exemplars-written"] == "0"
    assert kept(house) == [1, 2]


def test_a_repeated_request_counts_as_written_and_is_kept_once(client, house):
    body = write_v2(up(house, 1, 2))
    for _ in range(2):
        answer = client.post("/api/v1/write", content=body, headers=V2)
        assert answer.status_code == 204
        assert answer.headers["x-prometheus-remote-write-samples-written"] == "2"
    assert kept(house) == [1, 2]


def test_a_partial_write_is_400_and_the_valid_part_is_kept(client, house):
    year = house.clock.now_ms() + 365 * 86_400_000
    rows = [*up(house, 1), ({"__name__": "up", "host": "b"}, [(5, year)])]
    answer = client.post("/api/v1/write", content=write_v1(rows), headers=V1)
    assert answer.status_code == 400
    assert "too_far_ahead" in answer.json()["error"]
    assert kept(house) == [1]


def test_native_histograms_are_refused_by_the_protocols_own_means(client, house):
    body = write_v2(up(house, 1), histograms=1)
    answer = client.post("/api/v1/write", content=body, headers=V2)
    assert answer.status_code == 400
    assert answer.headers["x-prometheus-remote-write-samples-written"] == "1"
    assert answer.headers["x-prometheus-remote-write-histograms-written"] == "0"
    assert "native_histogram" in answer.json()["error"]


def test_a_version_2_body_sent_as_version_1_is_not_silently_empty(client, house):
    answer = client.post("/api/v1/write", content=write_v2(up(house, 1)), headers=V1)
    assert answer.status_code == 400


UNKNOWN = [
    {"Content-Type": "application/json", "Content-Encoding": "snappy"},
    {"Content-Type": "application/x-protobuf;proto=io.other.Request", "Content-Encoding": "snappy"},
    {"Content-Type": "application/x-protobuf", "Content-Encoding": "br"},
    {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"},
    {"Content-Type": ";;;", "Content-Encoding": "snappy"},
]


@pytest.mark.parametrize("headers", UNKNOWN, ids=lambda headers: " ".join(headers.values()))
def test_an_unknown_message_or_encoding_is_415(client, house, headers):
    answer = client.post("/api/v1/write", content=write_v1(up(house, 1)), headers=headers)
    assert answer.status_code == 415
    assert kept(house) == []


@pytest.mark.parametrize(
    "content_type",
    ["application/x-protobuf; proto=prometheus.WriteRequest", "Application/X-Protobuf", None],
)
def test_version_1_is_known_by_all_its_names(client, house, content_type):
    headers = {"Content-Encoding": "snappy"} | (
        {"Content-Type": content_type} if content_type else {}
    )
    answer = client.post("/api/v1/write", content=write_v1(up(house, 1)), headers=headers)
    assert answer.status_code == 204


# OTLP


def test_otlp_logs_in_protobuf_are_answered_in_protobuf(client, house):
    body = logs_request(house, "one", "two").SerializeToString()
    answer = client.post("/v1/logs", content=body, headers=PROTOBUF)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-protobuf"
    assert not ExportLogsServiceResponse.FromString(answer.content).HasField("partial_success")
    assert house.telemetry.stats().logs == 2


def test_otlp_logs_in_json_are_answered_in_json(client, house):
    record = {"timeUnixNano": str(house.clock.now_ns()), "body": {"stringValue": "hello"}}
    body = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}
    answer = client.post("/otlp/v1/logs", json=body)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {}
    assert house.telemetry.stats().logs == 1


def test_otlp_gzip_is_unpacked(client, house):
    body = gzip.compress(trace_request(house, "GET /").SerializeToString())
    headers = {**PROTOBUF, "Content-Encoding": "gzip"}
    assert client.post("/v1/traces", content=body, headers=headers).status_code == 200
    assert house.telemetry.stats().spans == 1


def test_otlp_partial_success_counts_what_was_not_kept(client, house):
    request = trace_request(house, "good", "bad")
    request.resource_spans[0].scope_spans[0].spans[1].trace_id = b"short"
    answer = client.post("/v1/traces", content=request.SerializeToString(), headers=PROTOBUF)
    assert answer.status_code == 200
    partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert partial.rejected_spans == 1
    assert partial.error_message
    assert house.telemetry.stats().spans == 1


def test_a_repeated_body_of_logs_is_kept_once(client, house):
    body = logs_request(house, "once").SerializeToString()
    for _ in range(2):
        assert client.post("/v1/logs", content=body, headers=PROTOBUF).status_code == 200
    assert house.telemetry.stats().logs == 1


@pytest.mark.parametrize("path", ["/v1/logs", "/v1/traces", "/v1/metrics"])
def test_a_refused_otlp_request_carries_a_status(client, path):
    answer = client.post(path, content=b"\xff\xff\xff", headers=PROTOBUF)
    assert answer.status_code == 400
    assert answer.content[:2] == b"\x08\x03"
    answer = client.post(path, content=b"{", headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, 3)
    assert client.post(path, content=b"{}", headers=TEXT).status_code == 415


# Loki


def test_loki_json_is_kept(client, house):
    stream = {"stream": {"app": "a"}, "values": [[str(house.clock.now_ns()), "hello"]]}
    assert client.post("/loki/api/v1/push", json={"streams": [stream]}).status_code == 204
    (record,) = house.telemetry.read_logs([], 0, 1 << 62)
    assert (record.labels, record.body) == ((("app", "a"),), "hello")


def test_loki_wants_its_time_as_text(client, house):
    stream = {"stream": {"app": "a"}, "values": [[house.clock.now_ns(), "hello"]]}
    answer = client.post("/api/prom/push", json={"streams": [stream]})
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_loki_keeps_the_other_lines_of_a_refused_one(client_of, new_house):
    house = new_house(limits={"max_log_line_bytes": 10})
    now = str(house.clock.now_ns())
    stream = {"stream": {"app": "a"}, "values": [[now, "short"], [now, "far too long a line"]]}
    answer = client_of(house).post("/loki/api/v1/push", json={"streams": [stream]})
    assert answer.status_code == 400
    assert "line_too_long" in answer.json()["error"]
    assert house.telemetry.stats().logs == 1


# What happened


def test_alerts_come_from_prometheus_and_from_alertmanager(client, house):
    alert = {"labels": {"alertname": "Down", "host": "a"}, "annotations": {"summary": "a is down"}}
    answer = client.post("/api/v2/alerts", json=[alert])
    assert (answer.status_code, answer.content) == (200, b"")
    hook = {"version": "4", "status": "firing", "receiver": "helm", "alerts": [alert]}
    assert client.post("/api/webhooks/alertmanager", json=hook).status_code == 200
    with house.records.reading() as unit:
        assert unit.count("alert") == 1
    assert client.post("/api/v2/alerts", json=[{"labels": {}}]).status_code == 400
    assert client.post("/api/v2/alerts", content=b"[]", headers=TEXT).status_code == 415


def test_a_cloud_event_becomes_a_change(client, house):
    headers = {
        "ce-id": "1",
        "ce-source": "/ci",
        "ce-type": "dev.cdevents.service.deployed.0.1.0",
        "ce-specversion": "1.0",
    }
    answer = client.post("/api/events", json={"service": "shop"}, headers=headers)
    assert answer.status_code == 204
    (change,) = house.telemetry.read_changes(0, 1 << 60)
    assert change.source == "/ci"


def test_a_pipeline_run_becomes_a_change(client, house):
    event = {
        "eventType": "COMPLETE",
        "eventTime": "2026-01-02T03:04:05Z",
        "producer": "test",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": "01890a5d-ac96-774b-bcce-b302099a8057"},
        "job": {"namespace": "shop", "name": "daily"},
    }
    assert client.post("/api/v1/lineage", json=event).status_code == 201
    (change,) = house.telemetry.read_changes(0, 1 << 60)
    assert change.kind == "pipeline"


# Tenants, limits, and stores that are away


def test_a_tenant_keeps_to_itself(client, house):
    headers = {**V1, "X-Scope-OrgID": "shop"}
    assert client.post("/api/v1/write", content=write_v1(up(house, 1)), headers=headers)
    assert kept(house) == []
    assert kept(house, "shop") == [1]


@pytest.mark.parametrize(
    "tenant", ["..", ".", "a/b", "a" * 151, "a b", "é".encode().decode("latin-1")]
)
def test_a_name_that_cannot_be_a_tenant_is_refused(client, tenant):
    headers = {**V1, "X-Scope-OrgID": tenant.encode("latin-1")}
    answer = client.post("/api/v1/write", content=snappy(b""), headers=headers)
    assert answer.status_code == 400
    assert "X-Scope-OrgID" in answer.json()["error"]


def test_a_full_store_is_503_with_the_time_to_try_again(client, house, monkeypatch):
    def full(_block):
        raise StoreFull("the disk is full", retry_after_s=7)

    monkeypatch.setattr(house.telemetry, "append_samples", full)
    body = write_v2(up(house, 1))
    answer = client.post("/api/v1/write", content=body, headers=V2)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
    assert answer.headers["x-prometheus-remote-write-samples-written"] == "0"
    monkeypatch.undo()
    assert client.post("/api/v1/write", content=body, headers=V2).status_code == 204
    assert kept(house) == [1]


def test_too_many_requests_at_once_are_429(client_of, new_house):
    house = new_house(limits={"max_requests_in_flight": 1})
    client = client_of(house)

    async def endless():
        for _ in range(3):
            answers.append(await client._http.post("/v1/logs", content=b"", headers=PROTOBUF))
            yield b""

    answers = []
    client.post("/v1/logs", content=endless(), headers=PROTOBUF)
    assert client.post("/v1/logs", content=b"", headers=PROTOBUF).status_code == 200


# Rubbish

DOORS = [
    ("/api/v1/write", V1),
    ("/api/v1/write", V2),
    ("/v1/metrics", PROTOBUF),
    ("/v1/metrics", {"Content-Type": "application/json"}),
    ("/v1/logs", PROTOBUF),
    ("/v1/logs", {"Content-Type": "application/json"}),
    ("/v1/traces", PROTOBUF),
    ("/v1/traces", {"Content-Type": "application/json"}),
    ("/loki/api/v1/push", {"Content-Type": "application/json"}),
    ("/loki/api/v1/push", PROTOBUF),
    ("/api/v2/alerts", {"Content-Type": "application/json"}),
    ("/api/webhooks/alertmanager", {"Content-Type": "application/json"}),
    ("/api/events", {"Content-Type": "application/cloudevents+json"}),
    ("/api/v1/lineage", {"Content-Type": "application/json"}),
]
NAMES = [f"{path} {headers['Content-Type'][12:]}" for path, headers in DOORS]


@pytest.mark.parametrize(("path", "headers"), DOORS, ids=NAMES)
def test_random_bytes_are_refused_with_a_reason(client, house, path, headers):
    rng = np.random.default_rng(1)
    for size in (1, 7, 100, 5000):
        answer = client.post(path, content=rng.bytes(size), headers=headers)
        assert answer.status_code == 400, answer.content
        assert len(answer.content) > 10
    assert sum(row.count for row in house.intake.rejections.snapshot()) >= 4


JSON_DOORS = [door for door in DOORS if "json" in door[1]["Content-Type"]]


@pytest.mark.parametrize(("path", "headers"), JSON_DOORS, ids=[door[0] for door in JSON_DOORS])
def test_json_too_deep_or_of_a_wrong_kind_is_refused(client, path, headers):
    for body in (b"[" * 100_000, b'{"a":' * 50_000, b"1", b'"x"', b"[1]"):
        answer = client.post(path, content=body, headers=headers)
        assert answer.status_code in {400, 413}, (body[:20], answer.content)


@pytest.mark.parametrize("path", ["/v1/metrics", "/v1/logs", "/v1/traces", "/loki/api/v1/push"])
def test_a_gzip_bomb_is_refused_without_being_unpacked(client_of, new_house, path):
    house = new_house(limits={"max_decoded_bytes": 1 << 20})
    bomb = gzip.compress(b" " * (30 << 20))
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = client_of(house).post(path, content=bomb, headers=headers)
    assert answer.status_code == 413
    assert "max_decoded_bytes" in answer.text


def test_a_snappy_bomb_is_refused_by_what_it_declares(client):
    declared = b"\xff\xff\xff\xff\x0f" + b"\x00" * 10
    answer = client.post("/api/v1/write", content=declared, headers=V1)
    assert answer.status_code in {400, 413}


def test_a_body_past_the_limit_is_refused_and_hung_up_on(client_of, new_house):
    client = client_of(new_house(limits={"max_body_bytes": 1000}))
    answer = client.post("/v1/logs", content=b"x" * 1001, headers=PROTOBUF)
    assert (answer.status_code, answer.headers["connection"]) == (413, "close")

    async def parts():
        for _ in range(11):
            yield b"x" * 100

    assert client.post("/v1/logs", content=parts(), headers=PROTOBUF).status_code == 413


@pytest.mark.parametrize("length", ["-1", "1e3", "abc", "9" * 30])
def test_a_length_that_is_no_number_is_refused(client, length):
    answer = client.post("/v1/logs", content=b"x", headers={**PROTOBUF, "Content-Length": length})
    assert answer.status_code in {400, 413}


def test_a_million_labels_are_refused_and_the_neighbours_kept(client, house):
    labels = {f"l{i:07d}": "x" for i in range(1_000_000)} | {"__name__": "up"}
    body = write_v1([(labels, [(1.0, house.clock.now_ms())]), *up(house, 7)])
    answer = client.post("/api/v1/write", content=body, headers=V1)
    assert answer.status_code == 400
    assert kept(house) == [7]


def test_nan_and_infinities_are_values(client, house):
    body = write_v1(up(house, float("nan"), float("inf"), -float("inf")))
    assert client.post("/api/v1/write", content=body, headers=V1).status_code == 204
    assert np.isnan(kept(house)[0])
    assert kept(house)[1:] == [np.inf, -np.inf]


def test_bits_flipped_in_a_good_body_never_crash_a_door(client, house):
    rng = np.random.default_rng(2)
    stream = {"stream": {"app": "a"}, "values": [["1700000000000000000", "hello"]]}
    good = [
        ("/api/v1/write", V1, write_v1(up(house, 1, 2, 3))),
        ("/api/v1/write", V2, write_v2(up(house, 1, 2, 3))),
        ("/v1/logs", PROTOBUF, logs_request(house, "a").SerializeToString()),
        ("/v1/traces", PROTOBUF, trace_request(house, "a").SerializeToString()),
        ("/loki/api/v1/push", {}, json.dumps({"streams": [stream]}).encode()),
    ]
    for path, headers, body in good:
        for _ in range(40):
            spoilt = bytearray(body)
            spoilt[rng.integers(len(body))] ^= 1 << int(rng.integers(8))
            cut = spoilt[: rng.integers(1, len(body) + 1)]
            for content in (bytes(spoilt), bytes(cut)):
                answer = client.post(path, content=content, headers=headers)
                assert answer.status_code < 500, (path, content, answer.content)


def test_what_was_refused_whole_is_counted_with_its_reason(client, house):
    client.post("/v1/logs", content=b"\xff", headers=PROTOBUF)
    client.post("/v1/logs", content=b"", headers=TEXT)
    found = {row.reason: row.count for row in house.intake.rejections.snapshot()}
    assert found == {"malformed": 1, "unsupported": 1}
    assert 'reason="malformed"' in client.get("/metrics").text


def test_deflate_is_unpacked_too(client, house):
    body = zlib.compress(logs_request(house, "a").SerializeToString())
    headers = {**PROTOBUF, "Content-Encoding": "deflate"}
    assert client.post("/v1/logs", content=body, headers=headers).status_code == 200
