"""Answer which log records an OpenTelemetry sender brought.

In comes the message of ``POST /v1/logs`` (``ExportLogsServiceRequest``), from protobuf
(:func:`.attributes.parsed`) or JSON (:func:`.json.filled`); out goes a
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
>>> decode_logs(ExportLogsServiceRequest(), limits=LimitSettings(), now_ns=0).logs is None
True
"""

from typing import Any

import numpy as np
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from twinhelm.aiops.collect.otlp.attributes import (
    MAX_NS,
    attributes_of,
    hex_id,
    json_text,
    owners,
    text_of,
)
from twinhelm.aiops.collect.words import Refusals, severity_of
from twinhelm.aiops.types import Received
from twinhelm.core.errors import TooLarge
from twinhelm.core.labels import Labels
from twinhelm.core.settings import LimitSettings
from twinhelm.core.telemetry import LogBlock

__all__ = ["LogRows", "decode_logs"]


class LogRows:
    """Log records being gathered: rows of time, stream, severity, body, attributes and ids."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, int, int, str, str, str, str]] = []
        self._streams: dict[Labels, int] = {}

    def stream(self, labels: Labels) -> int:
        """Return the position of a stream's labels, giving it one where it is new."""
        return self._streams.setdefault(labels, len(self._streams))

    def block(self) -> LogBlock | None:
        """Return the records as columns, None for no record."""
        if not self.rows:
            return None
        time_ns, stream, severity, *texts = zip(*self.rows, strict=True)
        return LogBlock(
            np.array(time_ns, np.int64),
            np.array(stream, np.int32),
            tuple(self._streams),
            np.array(severity, np.uint8),
            *map(list, texts),
        )


def decode_logs(
    message: ExportLogsServiceRequest, *, limits: LimitSettings, now_ns: int
) -> Received:
    """Turn a parsed request into columns; refuses records one by one, never the request."""
    found, refusals = LogRows(), Refusals()
    for labels, scopes in owners(message.resource_logs, "log_records", limits, refusals):
        stream = found.stream(labels)
        for scope in scopes:
            for record in scope.log_records:
                time_ns = record.time_unix_nano or record.observed_time_unix_nano or now_ns
                if time_ns > MAX_NS:
                    refusals.add("too_far_ahead", f"{time_ns} ns is past the year 2262")
                    continue
                try:
                    body = text_of(record.body)
                    attributes, severity = _attributes(record, scope.scope)
                except TooLarge as error:
                    refusals.add("too_large", error.message)
                    continue
                if len(body) > limits.max_log_line_bytes:
                    refusals.add("line_too_long", f"{len(body)} characters: {body[:80]}")
                    continue
                ids = hex_id(record.trace_id, 16), hex_id(record.span_id, 8)
                row = (time_ns, stream, severity, body, json_text(attributes), *ids)
                found.rows.append(row)
    return Received(logs=found.block(), rejected=refusals.listed())


def _attributes(record: LogRecord, scope: InstrumentationScope) -> tuple[dict[str, Any], int]:
    """Return a record's attributes, its scope's among them, and its severity number."""
    found = attributes_of(record.attributes, scope)
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
