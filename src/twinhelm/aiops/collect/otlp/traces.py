"""Answer which spans an OpenTelemetry sender brought.

In comes the message of ``POST /v1/traces`` (``ExportTraceServiceRequest``), from protobuf
(:func:`.attributes.parsed`) or JSON (:func:`.json.filled`); out goes a
:class:`~twinhelm.aiops.types.Received` with one
:class:`~twinhelm.core.telemetry.SpanBlock` whose resources are labels.

Kept beside the span's own attributes: ``otel.scope.name``, ``otel.scope.version``,
``otel.status_description``, ``otel.events`` (``[{name, time_ns, ...attributes}]``, exceptions
among them) and ``otel.links`` (``[{trace_id, span_id}]``). Refused spans are counted by reason
(``malformed`` for ids and times, ``too_large``, ``bad_labels``) and the rest is kept.

Pure; about 8 us a span with five attributes.

Source: OTLP 1.x trace.proto; OpenTelemetry "Mapping to non-OTLP formats" for the reserved keys.

>>> from twinhelm.core.settings import LimitSettings
>>> decode_traces(ExportTraceServiceRequest(), limits=LimitSettings()).spans is None
True
"""

from typing import Any

import numpy as np
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from twinhelm.aiops.collect.otlp.attributes import (
    MAX_ATTRIBUTES,
    MAX_NS,
    attributes_of,
    hex_id,
    json_text,
    owners,
)
from twinhelm.aiops.collect.words import Refusals
from twinhelm.aiops.types import Received
from twinhelm.core.errors import TooLarge
from twinhelm.core.labels import Labels
from twinhelm.core.settings import LimitSettings
from twinhelm.core.telemetry import SpanBlock

__all__ = ["decode_traces"]


def decode_traces(message: ExportTraceServiceRequest, *, limits: LimitSettings) -> Received:
    """Turn a parsed request into columns; refuses spans one by one, never the request."""
    rows: list[tuple[Any, ...]] = []
    resources: dict[Labels, int] = {}
    refusals = Refusals()
    for labels, scopes in owners(message.resource_spans, "spans", limits, refusals):
        resource = resources.setdefault(labels, len(resources))
        for scope in scopes:
            for span in scope.spans:
                if wrong := _what_is_wrong(span):
                    refusals.add("malformed", f"span {span.name[:60]!r} {wrong}")
                    continue
                try:
                    attributes = json_text(_attributes(span, scope.scope))
                except TooLarge as error:
                    refusals.add("too_large", error.message)
                    continue
                kind = span.kind if 0 <= span.kind <= 5 else 0
                status = span.status.code if 0 <= span.status.code <= 2 else 0
                times = span.start_time_unix_nano, span.end_time_unix_nano
                ids = span.trace_id.hex(), span.span_id.hex(), hex_id(span.parent_span_id, 8)
                rows.append((*times, resource, *ids, span.name, kind, status, attributes))
    return Received(spans=_block(rows, tuple(resources)), rejected=refusals.listed())


def _block(rows: list[tuple[Any, ...]], resources: tuple[Labels, ...]) -> SpanBlock | None:
    """Turn rows into columns."""
    if not rows:
        return None
    start, end, resource, trace, span, parent, name, kind, status, attributes = zip(
        *rows, strict=True
    )
    return SpanBlock(
        np.array(start, np.int64),
        np.array(end, np.int64),
        np.array(resource, np.int32),
        resources,
        list(trace),
        list(span),
        list(parent),
        list(name),
        np.array(kind, np.uint8),
        np.array(status, np.uint8),
        list(attributes),
    )


def _what_is_wrong(span: Span) -> str:
    if not hex_id(span.trace_id, 16) or not hex_id(span.span_id, 8):
        return (
            f"has trace id {span.trace_id.hex()[:40]!r} and span id "
            f"{span.span_id.hex()[:40]!r}; 16 and 8 bytes, not all zero, are needed"
        )
    start_ns, end_ns = span.start_time_unix_nano, span.end_time_unix_nano
    return "" if 0 < start_ns <= end_ns <= MAX_NS else f"goes from {start_ns} to {end_ns} ns"


def _attributes(span: Span, scope: InstrumentationScope) -> dict[str, Any]:
    found = attributes_of(span.attributes, scope)
    if span.status.message:
        found["otel.status_description"] = span.status.message
    if len(span.events) > MAX_ATTRIBUTES or len(span.links) > MAX_ATTRIBUTES:
        raise TooLarge(
            f"span {span.name[:60]!r} has {len(span.events)} events and {len(span.links)} links, "
            f"the limit is {MAX_ATTRIBUTES} each"
        )
    if span.events:
        found["otel.events"] = [
            {**attributes_of(event.attributes), "name": event.name, "time_ns": event.time_unix_nano}
            for event in span.events
        ]
    if span.links:
        found["otel.links"] = [
            {"trace_id": link.trace_id.hex(), "span_id": link.span_id.hex()} for link in span.links
        ]
    return found
