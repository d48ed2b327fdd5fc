"""OTLP over HTTP: ``POST /v1/metrics``, ``/v1/traces`` and ``/v1/logs``.

Protobuf or JSON in, the same type back. What was not kept is counted in ``partial_success`` of
a 200 answer, so that the sender neither retries nor stays ignorant; a refused request carries a
``google.rpc.Status``. Source: OTLP specification 1.x, "OTLP/HTTP".
"""

from collections.abc import Callable

from twinhelm.aiops.collect.otlp import json as otlp_json
from twinhelm.aiops.collect.otlp.logs import decode_log_message, decode_logs
from twinhelm.aiops.collect.otlp.reply import Signal, failure, reply
from twinhelm.aiops.collect.otlp.traces import decode_trace_message, decode_traces
from twinhelm.aiops.types import Received
from twinhelm.core.errors import TwinhelmError
from twinhelm.web.doors.door import Parcel, Protocol, faults
from twinhelm.web.frame import JSON, Answer, Headers, media_type, retry_after, unsupported

__all__ = ["OTLP"]

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
        raw = otlp_json.metrics_message(raw, max_bytes=_bound(parcel)).SerializeToString()
    return decoder.decode(raw)


def _logs(parcel: Parcel, raw: bytes, as_json: bool) -> Received:
    limits, now_ns = parcel.house.settings.limits, parcel.house.clock.now_ns()
    if as_json:
        message = otlp_json.logs_message(raw, max_bytes=_bound(parcel))
        return decode_log_message(message, limits=limits, now_ns=now_ns)
    return decode_logs(raw, limits=limits, now_ns=now_ns)


def _traces(parcel: Parcel, raw: bytes, as_json: bool) -> Received:
    limits = parcel.house.settings.limits
    if as_json:
        message = otlp_json.traces_message(raw, max_bytes=_bound(parcel))
        return decode_trace_message(message, limits=limits)
    return decode_traces(raw, limits=limits)


def _bound(parcel: Parcel) -> int:
    return parcel.house.settings.limits.max_decoded_bytes


OTLP = (_protocol("metrics", _metrics), _protocol("logs", _logs), _protocol("traces", _traces))
