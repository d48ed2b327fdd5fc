"""The product's own doors read what is written, with nothing lost."""

from __future__ import annotations

import numpy as np
import orjson
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from twinhelm.aiops.collect.cloudevents import decode_cloudevents
from twinhelm.aiops.collect.loki import decode_loki
from twinhelm.aiops.collect.otlp.traces import decode_traces
from twinhelm.core.settings import LimitSettings
from twinhelm.lab.replay import encode

RESOURCE = '{"service.name":"cart","service.namespace":"shop"}'
LIMITS = LimitSettings()


def span(**given):
    row = {
        "timestamp": 1000.25,
        "trace": "0af7651916cd43dd8448eb211c80319c",
        "span": "b7ad6b7169203331",
        "parent": None,
        "service": "cart",
        "instance": "cart-1",
        "operation": "GET /cart",
        "duration": 1500,
        "status": None,
        "kind": "server",
        "attributes": '{"http.route":"/cart","n":3,"ok":true,"x":1.5,"l":[1]}',
        "resource": RESOURCE,
    }
    return tuple((row | given).values())


def spans_of(*rows):
    (post,) = encode.spans_posts(rows)
    return decode_traces(ExportTraceServiceRequest.FromString(post[2]), limits=LIMITS).spans


def test_spans_keep_ids_times_kind_and_attributes():
    found = spans_of(
        span(), span(status="ERROR", span="00f067aa0ba902b7", parent="b7ad6b7169203331")
    )
    assert len(found.start_ns) == 2
    assert found.start_ns.tolist() == [1_000_250_000_000] * 2
    assert (found.end_ns - found.start_ns).tolist() == [1_500_000] * 2
    assert found.parent_id == ["", found.span_id[0]]
    assert (found.kind.tolist(), found.status.tolist()) == ([2, 2], [0, 2])
    assert orjson.loads(found.attributes[0])["n"] == 3
    assert dict(found.resources[0])["service_namespace"] == "shop"


@pytest.mark.parametrize(
    ("text", "size"), [("t0", 16), ("0af7651916cd43dd", 16), ("", 8), ("b7ad6b7169203331", 8)]
)
def test_ids_have_their_size_and_are_always_the_same(text, size):
    made = encode._id(text, size)
    assert len(made) == size
    assert made == encode._id(text, size)
    if len(text) == 2 * size:
        assert made.hex() == text


@pytest.mark.parametrize(
    ("status", "failed"), [(None, 0), ("ok", 0), ("ERROR", 2), ("STATUS_CODE_ERROR", 2), ("503", 2)]
)
def test_a_failed_span_is_one(status, failed):
    assert encode._span(span(status=status)).status.code == failed


def test_lines_keep_level_trace_and_resource():
    rows = [
        (
            1000.5,
            "cart",
            "cart-1",
            "warn",
            "slow",
            "0af7651916cd43dd8448eb211c80319c",
            "",
            RESOURCE,
        ),
        (1000.6, "cart", None, None, "fine", None, None, None),
    ]
    (post,) = encode.logs_posts(rows)
    found = decode_loki(post[2], content_type="application/json", limits=LIMITS).logs
    assert list(found.body) == ["slow", "fine"]
    assert found.time_ns.tolist() == [1_000_500_000_000, 1_000_600_000_000]
    assert found.severity.tolist() == [13, 0]
    assert [dict(labels) for labels in found.streams] == [
        {"service_name": "cart", "service_namespace": "shop"},
        {"service_name": "cart"},
    ]


def test_a_change_without_its_body_is_made_anew():
    (post,) = encode.changes_posts([(1000.5, "deploy", "cart", "cart 2.0", None)])
    headers = {"content-type": post[1]["Content-Type"]}
    (found,) = decode_cloudevents(headers, post[2], now_ms=0).changes
    assert (found.kind, found.entity, found.title) == ("deploy", "service:cart", "cart 2.0")
    assert found.time_ms == 1_000_500


def test_a_change_keeps_its_body():
    body = orjson.dumps({"specversion": "1.0", "id": "7", "source": "s", "type": "t", "x": 1})
    (post,) = encode.changes_posts([(1000.5, "deploy", "cart", "", body.decode())])
    (event,) = orjson.loads(post[2])
    assert (event["id"], event["source"], event["x"]) == ("7", "s", 1)


def test_many_rows_go_in_several_requests(monkeypatch):
    monkeypatch.setattr(encode, "MOST_ROWS", 2)
    monkeypatch.setattr(encode, "MOST_SAMPLES", 2)
    assert len(list(encode.spans_posts([span()] * 5))) == 3
    assert len(list(encode.logs_posts([(1.0, "a", "b", "", "x", "", "", "")] * 3))) == 2
    prefixes = [encode.series_prefix("up", "cart", "cart-1", '{"job":"cart"}')]
    series, times = np.zeros(3, np.int64), np.full(3, 1_700_000_000_000)
    assert len(list(encode.samples_posts(prefixes, series, times, np.ones(3)))) == 2
    assert list(encode.samples_posts(prefixes, series[:0], times[:0], np.ones(0))) == []
