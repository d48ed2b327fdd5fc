"""Answer which log records an OpenTelemetry sender brought.

In comes the body of ``POST /v1/logs`` (``ExportLogsServiceRequest``, decompressed), or the
message that :mod:`.json` made of a JSON body; out goes a
:class:`~twinhelm.aiops.types.Received` with one
:class:`~twinhelm.core.telemetry.LogBlock` whose streams are the resources' labels.

Kept beside the record's own attributes: ``otel.scope.name``, ``otel.scope.version``,
``otel.event.name``, and ``otel.severity_text`` where the text maps to no number. A record
without a time takes the time it was observed, or else ``now_ns``. Refused records are counted
by reason (``line_too_long``, ``too_large``, ``bad_labels``, ``too_far_ahead``) and the rest is
kept: that is OTLP's partial success.

Pure; about 6 us a record with three attributes.

Source: OTLP 1.x logs.proto; OpenTelemetry logs data model.

>>> from twinhelm.core.settings import LimitSettings
>>> decode_logs(b"", limits=LimitSettings(), now_ns=0).logs is None
True
"""

from __future__ import annotations

from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ScopeLogs

from twinhelm.aiops.collect.otlp.attributes import (
    MAX_NS,
    attributes_of,
    hex_id,
    json_text,
    plain,
    resource_labels,
    scope_attributes,
)
from twinhelm.aiops.collect.words.refusals import Refusals, label_limits
from twinhelm.aiops.collect.words.severity import severity_of
from twinhelm.aiops.types import Received
from twinhelm.core.errors import BadInput, Refused, TooLarge
from twinhelm.core.json import dumps
from twinhelm.core.labels import Labels, check_labels
from twinhelm.core.settings import LimitSettings
from twinhelm.core.telemetry import LogBlock

__all__ = ["LogColumns", "decode_log_message", "decode_logs"]


class LogColumns:
    """Log records being gathered, column by column."""

    def __init__(self) -> None:
        self.time_ns: list[int] = []
        self.stream: list[int] = []
        self.severity: list[int] = []
        self.body: list[str] = []
        self.attributes: list[str] = []
        self.trace_id: list[str] = []
        self.span_id: list[str] = []
        self._streams: dict[Labels, int] = {}

    def stream_index(self, labels: Labels) -> int:
        """Return the position of a stream's labels, giving it one where it is new."""
        return self._streams.setdefault(labels, len(self._streams))

    def block(self) -> LogBlock | None:
        """Return the records as a block, None for no record."""
        if not self.body:
            return None
        return LogBlock(
            np.array(self.time_ns, np.int64),
            np.array(self.stream, np.int32),
            tuple(self._streams),
            np.array(self.severity, np.uint8),
            self.body,
            self.attributes,
            self.trace_id,
            self.span_id,
        )


def decode_logs(body: bytes, *, limits: LimitSettings, now_ns: int) -> Received:
    """Decode a protobuf body; raises :class:`BadInput` where it is not the message."""
    message = ExportLogsServiceRequest()
    try:
        message.ParseFromString(body)
    except DecodeError as error:
        raise BadInput(
            f"the body of {len(body)} bytes is not an OTLP logs request: {error}",
            hint="check Content-Type and Content-Encoding of the exporter",
        ) from error
    return decode_log_message(message, limits=limits, now_ns=now_ns)


def decode_log_message(
    message: ExportLogsServiceRequest, *, limits: LimitSettings, now_ns: int
) -> Received:
    """Turn a parsed request into columns; refuses records one by one, never the request."""
    columns, refusals = LogColumns(), Refusals()
    for group in message.resource_logs:
        try:
            labels = resource_labels(group.resource)
            check_labels(labels, label_limits(limits))
        except Refused as error:
            count = sum(len(scope.log_records) for scope in group.scope_logs)
            refusals.add("bad_labels", error.message, count)
            continue
        stream = columns.stream_index(labels)
        for scope in group.scope_logs:
            _gather(scope, stream, columns, refusals, limits.max_log_line_bytes, now_ns)
    return Received(logs=columns.block(), rejected=refusals.listed())


def _gather(
    scope: ScopeLogs,
    stream: int,
    columns: LogColumns,
    refusals: Refusals,
    longest: int,
    now_ns: int,
) -> None:
    """Append the records of one scope."""
    common = scope_attributes(scope.scope)
    for record in scope.log_records:
        time_ns = record.time_unix_nano or record.observed_time_unix_nano or now_ns
        if time_ns > MAX_NS:
            refusals.add("too_far_ahead", f"{time_ns} ns is past the year 2262")
            continue
        try:
            body = _body(record)
            attributes, severity = _attributes(record, common)
        except TooLarge as error:
            refusals.add("too_large", error.message)
            continue
        if len(body) > longest:
            refusals.add("line_too_long", f"{len(body)} characters: {body[:80]}")
            continue
        columns.time_ns.append(time_ns)
        columns.stream.append(stream)
        columns.severity.append(severity)
        columns.body.append(body)
        columns.attributes.append(json_text(attributes))
        columns.trace_id.append(hex_id(record.trace_id, 16))
        columns.span_id.append(hex_id(record.span_id, 8))


def _body(record: LogRecord) -> str:
    """Return the body as text: JSON for a structured one, empty for none."""
    body = plain(record.body)
    if isinstance(body, str):
        return body
    return "" if body is None else dumps(body).decode()


def _attributes(record: LogRecord, common: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Return a record's attributes, its scope's among them, and its severity number."""
    found = attributes_of(record.attributes)
    if common:
        found = {**common, **found}
    if record.event_name:
        found["otel.event.name"] = record.event_name
    severity = int(record.severity_number)
    if 1 <= severity <= 24:
        return found, severity
    text = record.severity_text
    severity = severity_of(text) if text else 0
    if text and not severity:
        found["otel.severity_text"] = text
    return found, severity
