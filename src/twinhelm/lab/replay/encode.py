r"""How do recorded rows look on the wire? As a Prometheus, an SDK and a log shipper send them.

In: rows of a recording, oldest first. Out: bodies for remote write 1.0 (Snappy), OTLP traces
(protobuf), Loki push (JSON) and CloudEvents (batch, JSON), a few thousand rows each. Pure: the
same rows give the same bytes. What a recording lacks is made from what it has: without labels a
series is named by ``service`` and ``instance``, and ids that are not hexadecimal are hashed.

>>> series_prefix("up", "cart", None, None)
b'\n3\n\x0e\n\x08__name__\x12\x02up\n\x0f\n\x07service\x12\x04cart\x12\x10\t'
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from twinhelm.lab.stage.agent import remote_write

__all__ = ["Post", "changes_posts", "logs_posts", "samples_posts", "series_prefix", "spans_posts"]

Post = tuple[str, Mapping[str, str], bytes]
"""Path, headers, body."""
Row = tuple[Any, ...]

MOST_SAMPLES = 20_000
MOST_ROWS = 2_000
"""More than so many rows go in several requests."""
_stamp = lru_cache(maxsize=64)(remote_write.stamp)
_PROTOBUF = {"Content-Type": "application/x-protobuf"}
_JSON = {"Content-Type": "application/json"}
_BATCH = {"Content-Type": "application/cloudevents-batch+json"}
_KINDS = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}


def series_prefix(
    metric: str, service: str | None, instance: str | None, labels: str | None
) -> bytes:
    """Write what stands before each value of a series; ``labels`` is JSON, all but the name."""
    named = orjson.loads(labels) if labels else {"service": service, "instance": instance}
    named["__name__"] = re.sub(r"[^a-zA-Z0-9_:.]", "_", metric)
    return remote_write.series({name: str(value) for name, value in named.items() if value})


def samples_posts(
    prefixes: Sequence[bytes],
    series: npt.NDArray[np.int64],
    time_ms: npt.NDArray[np.int64],
    value: npt.NDArray[np.float64],
) -> Iterator[Post]:
    """Write samples as remote write; ``series`` are places in ``prefixes``."""
    for start in range(0, len(series), MOST_SAMPLES):
        part = slice(start, start + MOST_SAMPLES)
        raw = value[part].astype("<f8").tobytes()
        rows = enumerate(zip(series[part].tolist(), time_ms[part].tolist(), strict=True))
        body = remote_write.write_request(
            prefixes[one] + raw[8 * at : 8 * at + 8] + _stamp(now) for at, (one, now) in rows
        )
        yield "/api/v1/write", remote_write.HEADERS, body


def spans_posts(rows: Sequence[Row]) -> Iterator[Post]:
    """Write spans as OTLP.

    A row: start (s), trace, span and parent id, service, instance, operation, duration (us),
    status, kind, attributes and resource as JSON text.
    """
    for start in range(0, len(rows), MOST_ROWS):
        by_resource: dict[tuple[str, str, str], list[Span]] = {}
        for row in rows[start : start + MOST_ROWS]:
            by_resource.setdefault((row[4], row[5], row[11]), []).append(_span(row))
        request = ExportTraceServiceRequest(
            resource_spans=[
                ResourceSpans(
                    resource=Resource(attributes=_attributes(_resource(*named))),
                    scope_spans=[ScopeSpans(spans=spans)],
                )
                for named, spans in by_resource.items()
            ]
        )
        yield "/v1/traces", _PROTOBUF, request.SerializeToString()


def logs_posts(rows: Sequence[Row]) -> Iterator[Post]:
    """Write log lines as a Loki push.

    A row: time (s), service, instance, level, message, trace and span id, resource as JSON text.
    """
    for start in range(0, len(rows), MOST_ROWS):
        streams: dict[str, list[Any]] = {}
        for time_s, service, instance, level, message, trace, span, resource in rows[
            start : start + MOST_ROWS
        ]:
            pairs = zip(("level", "trace_id", "span_id"), (level, trace, span), strict=True)
            said = [str(_ns(time_s)), message or "", {name: text for name, text in pairs if text}]
            streams.setdefault(_resource(service, instance, resource), []).append(said)
        pushed = [
            {
                "stream": {_label(name): str(text) for name, text in orjson.loads(named).items()},
                "values": values,
            }
            for named, values in streams.items()
        ]
        yield "/loki/api/v1/push", _JSON, orjson.dumps({"streams": pushed})


def changes_posts(rows: Sequence[Row], shift_s: float = 0.0) -> Iterator[Post]:
    """Send changes again as they were sent, or made anew where the body is not known.

    A row: time (s), kind, service, title, body. Times inside bodies move by ``shift_s``.
    """
    events: list[dict[str, Any]] = []
    for time_s, kind, service, title, body in rows:
        moment = np.datetime64(round((time_s + shift_s) * 1e3), "ms").item().isoformat() + "Z"
        event = orjson.loads(body) if body else {}
        if kind == "lineage":
            told = event | {"eventTime": moment} if shift_s else event
            yield "/api/v1/lineage", _JSON, orjson.dumps(told)
            continue
        made = {
            "specversion": "1.0",
            "id": f"{time_s:.3f}-{kind}-{service}",
            "source": "recording",
            "type": kind,
            "time": moment,
            "data": {"kind": kind, "service": service, "title": title},
        }
        events.append(made | event | ({"time": moment} if shift_s else {}))
    if events:
        yield "/api/events", _BATCH, orjson.dumps(events)


def _span(row: Row) -> Span:
    time_s, trace, span, parent, _, _, operation, took_us, status, kind, attributes, _ = row
    start = _ns(time_s)
    word = str(status or "").lower()
    failed = "error" in word or word[:1] == "5"
    return Span(
        trace_id=_id(trace or "", 16),
        span_id=_id(span or "", 8),
        parent_span_id=_id(parent, 8) if parent else b"",
        name=operation or "",
        kind=_KINDS.get(str(kind or "").lower().removeprefix("span_kind_"), 0),  # type: ignore[arg-type] # a number does
        start_time_unix_nano=start,
        end_time_unix_nano=start + (took_us or 0) * 1000,
        attributes=_attributes(attributes) if attributes else (),
        status=Status(code=Status.STATUS_CODE_ERROR) if failed else None,
    )


@lru_cache(maxsize=4096)
def _resource(service: str | None, instance: str | None, resource: str | None) -> str:
    """Return a resource's attributes as JSON text, made where the recording has none."""
    if resource:
        return resource
    made = {"service.name": service, "service.instance.id": instance}
    return orjson.dumps({name: text for name, text in made.items() if text}).decode()


@lru_cache(maxsize=16_384)
def _attributes(text: str) -> tuple[KeyValue, ...]:
    return tuple(
        KeyValue(key=name, value=_value(value)) for name, value in orjson.loads(text).items()
    )


def _value(value: Any) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(string_value=value if isinstance(value, str) else orjson.dumps(value).decode())


def _id(text: str, size: int) -> bytes:
    """Read a hexadecimal id; any other text becomes one of that size, always the same."""
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raw = b""
    return raw if len(raw) == size else blake2b(text.encode(), digest_size=size).digest()


@lru_cache(maxsize=4096)
def _label(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_]", "_", name)


def _ns(time_s: float) -> int:
    return round(time_s * 1e6) * 1000
