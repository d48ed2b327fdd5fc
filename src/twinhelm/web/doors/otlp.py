"""OTLP over HTTP: ``POST /v1/metrics``, ``/v1/traces`` and ``/v1/logs``.

Protobuf or JSON in, the same type back. What was not kept is counted in ``partial_success`` of
a 200 answer, so that the sender neither retries nor stays ignorant; a refused request carries a
``google.rpc.Status``. Source: OTLP specification 1.x, "OTLP/HTTP".
"""

from collections.abc import Callable
from typing import TypeVar

from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from twinhelm.aiops.collect.otlp.attributes import parsed
from twinhelm.aiops.collect.otlp.json import filled
from twinhelm.aiops.collect.otlp.logs import decode_logs
from twinhelm.aiops.collect.otlp.reply import Signal, failure, reply
from twinhelm.aiops.collect.otlp.traces import decode_traces
from twinhelm.aiops.types import Received
from twinhelm.core.errors import TwinhelmError
from twinhelm.web.doors.door import Parcel, Protocol, faults
from twinhelm.web.frame import JSON, Answer, Headers, media_type, retry_after, unsupported

__all__ = ["OTLP"]

M = TypeVar("M", bound=Message)

PROTOBUF = b"application/x-protobuf"
Decode = Callable[[Parcel, bytes, bool], Received]


def _protocol(signal: Signal, decode: Decode) -> Protocol:
    def take(parcel: Parcel) -> Answer:
        kind = media_type(parcel.headers)
        if kind not in {"application/x-protobuf", "application/json"}:
            raise unsupported(kind, "application/x-protobuf or application/json")
        as_json = kind == "application/json"
        received = decode(parcel, parcel.unpacked(), as_json)
        # Samples are told apart one by one; log records and spans only as whole bodies.
        receipt = parcel.keep(received, f"otlp_{signal}", once=signal != "metrics")
        body = reply(signal, faults(receipt), as_json=as_json)
        return Answer(200, body, JSON if as_json else PROTOBUF)

    return Protocol(f"otlp_{signal}", take, inline_bytes=16 << 10, no=_no)


def _no(headers: Headers, error: TwinhelmError) -> Answer:
    as_json = media_type(headers) != "application/x-protobuf"
    body = failure(error, as_json=as_json)
    return Answer(error.status, body, JSON if as_json else PROTOBUF, retry_after(error))


def _metrics(parcel: Parcel, raw: bytes, as_json: bool) -> Received:
    decoder = parcel.house.intake.decoders(parcel.tenant).otlp_metrics
    if as_json:
        raw = _message(ExportMetricsServiceRequest(), parcel, raw, as_json).SerializeToString()
    return decoder.decode(raw)


def _logs(parcel: Parcel, raw: bytes, as_json: bool) -> Received:
    message = _message(ExportLogsServiceRequest(), parcel, raw, as_json)
    house = parcel.house
    return decode_logs(message, limits=house.settings.limits, now_ns=house.clock.now_ns())


def _traces(parcel: Parcel, raw: bytes, as_json: bool) -> Received:
    message = _message(ExportTraceServiceRequest(), parcel, raw, as_json)
    return decode_traces(message, limits=parcel.house.settings.limits)


def _message(empty: M, parcel: Parcel, raw: bytes, as_json: bool) -> M:
    if as_json:
        return filled(empty, raw, max_bytes=parcel.house.settings.limits.max_decoded_bytes)
    return parsed(empty, raw)


OTLP = (_protocol("metrics", _metrics), _protocol("logs", _logs), _protocol("traces", _traces))
