"""Prometheus remote write, 1.0 and 2.0: ``POST /api/v1/write``.

The content type chooses the message; a version 2 body read as version 1 would silently be
empty, so anything unknown is answered 415. Valid samples are kept even where others of the same
request are not; then the answer is 400 with the reasons, which tells the sender not to send it
again. Version 2 senders hear in headers how much was written. Sources: Prometheus remote write
1.0 specification; 2.0-rc.4 specification ("Required Written Response Headers").
"""

from dataclasses import replace

from twinhelm.aiops.collect.wire.compression import unsnapped
from twinhelm.core.errors import TwinhelmError
from twinhelm.web.doors.door import HARMLESS, Parcel, Protocol, heard
from twinhelm.web.frame import Answer, Headers, refusal, unsupported

__all__ = ["REMOTE_WRITE"]

V1, V2 = "prometheus.WriteRequest", "io.prometheus.write.v2.Request"
ENCODINGS = frozenset({"", "snappy", "zstd"})
"""Snappy is the specification's; zstd is what vmagent asks for first."""

KINDS = {b"application/x-protobuf": V1, b"application/x-protobuf;proto=" + V2.encode(): V2}
DONE = Answer(204)


def _message(headers: Headers) -> str:
    """Return which message the body is; no content type at all means the first."""
    raw = headers.get(b"content-type")
    if raw is None:
        return V1
    known = KINDS.get(raw)
    if known:
        return known
    kind, *parameters = (part.strip() for part in raw.decode("latin-1").split(";"))
    if kind.lower() == "application/x-protobuf":
        protos = [text[6:].strip('"') for text in parameters if text.lower().startswith("proto=")]
        if not protos:
            return V1
        if len(protos) == 1 and protos[0] in {V1, V2}:
            return protos[0]
    wanted = f"application/x-protobuf, with proto={V1} or proto={V2}"
    raise unsupported(raw.decode("latin-1"), wanted)


def _take(parcel: Parcel) -> Answer:
    message = _message(parcel.headers)
    encoding = parcel.header(b"content-encoding").strip().lower()
    if encoding not in ENCODINGS:
        raise unsupported(encoding, "snappy", what="encoding")
    limits = parcel.house.settings.limits
    raw = (
        parcel.unpacked(encoding)
        if encoding == "zstd"
        else unsnapped(parcel.wire, max_bytes=limits.max_decoded_bytes)
    )
    decoder = parcel.house.intake.decoders(parcel.tenant).remote_write
    if message == V1:
        return heard(parcel.keep(decoder.decode_v1(raw), "remote_write")) or DONE
    received = decoder.decode_v2(raw)
    receipt = parcel.keep(received, "remote_write")
    # A sample that stands in the store already, from an answer that got lost, is written. What
    # the decoder left out is not among the samples; the intake's own refusals follow its.
    cleaned = receipt.rejected[len(received.rejected) :]
    lost = sum(part.count for part in cleaned if part.reason not in HARMLESS)
    written = _written(len(received.samples) - lost)
    return heard(receipt, written) or Answer(204, headers=written)


def _written(samples: int) -> tuple[tuple[bytes, bytes], ...]:
    prefix = b"x-prometheus-remote-write-"
    return (
        (prefix + b"samples-written", b"%d" % samples),
        (prefix + b"histograms-written", b"0"),
        (prefix + b"exemplars-written", b"0"),
    )


def _no(headers: Headers, error: TwinhelmError) -> Answer:
    """Say no; a version 2 sender hears that nothing was written."""
    answer = refusal(error)
    if V2.encode() not in headers.get(b"content-type", b""):
        return answer
    return replace(answer, headers=(*answer.headers, *_written(0)))


REMOTE_WRITE = Protocol("remote_write", _take, inline_bytes=256 << 10, no=_no)
