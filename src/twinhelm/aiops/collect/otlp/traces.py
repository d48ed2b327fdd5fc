"""Answer which spans an OpenTelemetry sender brought.

In comes the body of ``POST /v1/traces`` (``ExportTraceServiceRequest``, decompressed), or the
message that :mod:`.json` made of a JSON body; out goes a
:class:`~twinhelm.aiops.types.Received` with one
:class:`~twinhelm.core.telemetry.SpanBlock` whose resources are labels.

Kept beside the span's own attributes: ``otel.scope.name``, ``otel.scope.version``,
``otel.status_description``, ``otel.events`` (``[{name, time_ns, ...attributes}]``, exceptions
among them) and ``otel.links`` (``[{trace_id, span_id}]``). Refused spans are counted by reason
(``malformed`` for ids and times, ``too_large``, ``bad_labels``) and the rest is kept.

Pure; about 8 us a span with five attributes.

Source: OTLP 1.x trace.proto; OpenTelemetry "Mapping to non-OTLP formats" for the reserved keys.

>>> from twinhelm.core.settings import LimitSettings
>>> decode_traces(b"", limits=LimitSettings()).spans is None
True
"""

from __future__ import annotations

from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span

from twinhelm.aiops.collect.otlp.attributes import (
    MAX_ATTRIBUTES,
    MAX_NS,
    attributes_of,
    hex_id,
    json_text,
    resource_labels,
    scope_attributes,
)
from twinhelm.aiops.collect.words.refusals import Refusals, label_limits
from twinhelm.aiops.types import Received
from twinhelm.core.errors import BadInput, Refused, TooLarge
from twinhelm.core.labels import Labels, check_labels
from twinhelm.core.settings import LimitSettings
from twinhelm.core.telemetry import SpanBlock

__all__ = ["decode_trace_message", "decode_traces"]


class _SpanColumns:
    """Spans being gathered, column by column."""

    def __init__(self) -> None:
        self.start_ns: list[int] = []
        self.end_ns: list[int] = []
        self.resource: list[int] = []
        self.trace_id: list[str] = []
        self.span_id: list[str] = []
        self.parent_id: list[str] = []
        self.name: list[str] = []
        self.kind: list[int] = []
        self.status: list[int] = []
        self.attributes: list[str] = []
        self._resources: dict[Labels, int] = {}

    def resource_index(self, labels: Labels) -> int:
        """Return the position of a resource's labels, giving it one where it is new."""
        return self._resources.setdefault(labels, len(self._resources))

    def block(self) -> SpanBlock | None:
        """Return the spans as a block, None for no span."""
        if not self.name:
            return None
        return SpanBlock(
            np.array(self.start_ns, np.int64),
            np.array(self.end_ns, np.int64),
            np.array(self.resource, np.int32),
            tuple(self._resources),
            self.trace_id,
            self.span_id,
            self.parent_id,
            self.name,
            np.array(self.kind, np.uint8),
            np.array(self.status, np.uint8),
            self.attributes,
        )


def decode_traces(body: bytes, *, limits: LimitSettings) -> Received:
    """Decode a protobuf body; raises :class:`BadInput` where it is not the message."""
    message = ExportTraceServiceRequest()
    try:
        message.ParseFromString(body)
    except DecodeError as error:
        raise BadInput(
            f"the body of {len(body)} bytes is not an OTLP trace request: {error}",
            hint="check Content-Type and Content-Encoding of the exporter",
        ) from error
    return decode_trace_message(message, limits=limits)


def decode_trace_message(message: ExportTraceServiceRequest, *, limits: LimitSettings) -> Received:
    """Turn a parsed request into columns; refuses spans one by one, never the request."""
    columns, refusals = _SpanColumns(), Refusals()
    for group in message.resource_spans:
        try:
            labels = resource_labels(group.resource)
            check_labels(labels, label_limits(limits))
        except Refused as error:
            count = sum(len(scope.spans) for scope in group.scope_spans)
            refusals.add("bad_labels", error.message, count)
            continue
        resource = columns.resource_index(labels)
        for scope in group.scope_spans:
            _gather(scope, resource, columns, refusals)
    return Received(spans=columns.block(), rejected=refusals.listed())


def _gather(scope: ScopeSpans, resource: int, columns: _SpanColumns, refusals: Refusals) -> None:
    """Append the spans of one scope."""
    common = scope_attributes(scope.scope)
    for span in scope.spans:
        trace_id, span_id = hex_id(span.trace_id, 16), hex_id(span.span_id, 8)
        if not trace_id or not span_id:
            refusals.add(
                "malformed",
                f"span {span.name[:60]!r} has trace id {span.trace_id.hex()[:40]!r} and span id "
                f"{span.span_id.hex()[:40]!r}; 16 and 8 bytes, not all zero, are needed",
            )
            continue
        start_ns, end_ns = span.start_time_unix_nano, span.end_time_unix_nano
        if not 0 < start_ns <= end_ns <= MAX_NS:
            refusals.add(
                "malformed", f"span {span.name[:60]!r} goes from {start_ns} to {end_ns} ns"
            )
            continue
        try:
            attributes = json_text(_attributes(span, common))
        except TooLarge as error:
            refusals.add("too_large", error.message)
            continue
        columns.start_ns.append(start_ns)
        columns.end_ns.append(end_ns)
        columns.resource.append(resource)
        columns.trace_id.append(trace_id)
        columns.span_id.append(span_id)
        columns.parent_id.append(hex_id(span.parent_span_id, 8))
        columns.name.append(span.name)
        columns.kind.append(span.kind if 0 <= span.kind <= 5 else 0)
        columns.status.append(span.status.code if 0 <= span.status.code <= 2 else 0)
        columns.attributes.append(attributes)


def _attributes(span: Span, common: dict[str, Any]) -> dict[str, Any]:
    """Return a span's attributes with scope, status message, events and links."""
    found = attributes_of(span.attributes)
    if common:
        found = {**common, **found}
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
