"""Prometheus remote write, 1.0 and 2.0: ``POST /api/v1/write``.

The content type chooses the message; a version 2 body read as version 1 would silently be
empty, so anything unknown is answered 415. Valid samples are kept even where others of the same
request are not; then the answer is 400 with the reasons, which tells the sender not to send it
again. Version 2 senders hear in headers how much was written. Sources: Prometheus remote write
1.0 specification; 2.0-rc.4 specification ("Required Written Response Headers").
"""

from dataclasses import replace
from functools import lru_cache

from twinhelm.aiops.collect.wire.compression import unsnapped
from twinhelm.core.errors import TwinhelmError
from twinhelm.web.doors.door import HARMLESS, Parcel, Protocol, heard
from twinhelm.web.frame import Answer, Headers, refusal, unsupported

__all__ = ["REMOTE_WRITE"]

PROTOBUF = "application/x-protobuf"
V1, V2 = "prometheus.WriteRequest", "io.prometheus.write.v2.Request"
ENCODINGS = frozenset({"", "snappy", "zstd"})
"""Snappy is the specification's; zstd is what vmagent asks for first."""

WRITTEN = b"x-prometheus-remote-write-%s-written"
DONE = Answer(204)


@lru_cache(64)
def _message(said: str) -> str:
    """Return which message a content type names; without ``proto`` the first."""
    kind, *parameters = (part.strip() for part in said.split(";"))
    protos = [text[6:].strip('"') for text in parameters if text.lower().startswith("proto=")]
    if kind.lower() == PROTOBUF and len(protos) < 2 and {*protos} <= {V1, V2}:
        return protos[0] if protos else V1
    raise unsupported(said, f"{PROTOBUF}, with proto={V1} or proto={V2}")


def _take(parcel: Parcel) -> Answer:
    message = _message(parcel.header(b"content-type") or PROTOBUF)
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
    written = {b"samples": b"%d" % samples, b"histograms": b"0", b"exemplars": b"0"}
    return tuple((WRITTEN % what, many) for what, many in written.items())


def _no(headers: Headers, error: TwinhelmError) -> Answer:
    """Say no; a version 2 sender hears that nothing was written."""
    answer = refusal(error)
    if V2.encode() not in headers.get(b"content-type", b""):
        return answer
    return replace(answer, headers=(*answer.headers, *_written(0)))


REMOTE_WRITE = Protocol("remote_write", _take, inline_bytes=256 << 10, no=_no)
