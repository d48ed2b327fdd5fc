"""Write what an OTLP sender hears back: success, or partial success with a count and a reason.

In come the refusals that decoding and cleaning counted; out goes the body of a 200 answer in the
encoding that was asked in. An empty message (``{}`` in JSON) is full success. Pure.

Source: OTLP specification, "Full Success", "Partial Success" and "Failures".

>>> reply("logs", [], as_json=True)
b'{}'
"""

from collections.abc import Sequence
from typing import Any, Literal

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from twinhelm.aiops.types import Rejected
from twinhelm.core.errors import TwinhelmError
from twinhelm.core.json import dumps

__all__ = ["Signal", "failure", "reply"]

Signal = Literal["logs", "metrics", "traces"]

RESPONSES = {
    "logs": (ExportLogsServiceResponse, "rejected_log_records", "rejectedLogRecords"),
    "metrics": (ExportMetricsServiceResponse, "rejected_data_points", "rejectedDataPoints"),
    "traces": (ExportTraceServiceResponse, "rejected_spans", "rejectedSpans"),
}
LONGEST_MESSAGE = 2000
"""Characters; at most four bytes each, so that the length fits two bytes of a varint."""
INVALID_ARGUMENT = 3
UNAVAILABLE = 14


def reply(signal: Signal, rejected: Sequence[Rejected], *, as_json: bool) -> bytes:
    """Write the body of a 200 answer."""
    response, name, json_name = RESPONSES[signal]
    count = sum(item.count for item in rejected)
    text = "; ".join(f"{item.count} {item.reason}: {item.example}" for item in rejected)
    if as_json:
        # int64 is text in proto3 JSON.
        part = {json_name: str(count), "errorMessage": text}
        return dumps({"partialSuccess": part} if rejected else {})
    message: Any = response()
    if rejected:
        setattr(message.partial_success, name, count)
        message.partial_success.error_message = text
    return bytes(message.SerializeToString())


def failure(error: TwinhelmError, *, as_json: bool) -> bytes:
    """Write the body of a 4xx or 5xx answer: a ``google.rpc.Status``."""
    code = INVALID_ARGUMENT if error.status < 500 else UNAVAILABLE
    if as_json:
        return dumps({"code": code, "message": str(error)})
    text = str(error)[:LONGEST_MESSAGE].encode(errors="replace")
    # google.rpc.Status: field 1 is the code, field 2 the message, whose length takes two bytes.
    return bytes((0x08, code, 0x12, len(text) & 0x7F | 0x80, len(text) >> 7)) + text
