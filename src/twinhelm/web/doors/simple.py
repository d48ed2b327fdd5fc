"""Doors whose answer is a bare status: Loki push, alerts, changes and pipeline runs.

Loki takes JSON, or protobuf in a Snappy block; the others (Alertmanager's API and webhook v4,
CloudEvents 1.0, OpenLineage) JSON. Each answers as the sender's usual receiver would. Source for
Loki: its HTTP API, "Ingest logs".
"""

from collections.abc import Callable

from twinhelm.aiops.collect.alertmanager import decode_api_alerts, decode_webhook
from twinhelm.aiops.collect.cloudevents import decode_cloudevents
from twinhelm.aiops.collect.loki import decode_loki
from twinhelm.aiops.collect.openlineage import decode_openlineage
from twinhelm.aiops.types import Received
from twinhelm.web.doors.door import Parcel, Protocol, heard
from twinhelm.web.frame import Answer, media_type, unsupported

__all__ = ["SIMPLE"]

Decode = Callable[[Parcel], Received]


def _protocol(name: str, decode: Decode, status: int, *, inline_bytes: int = 0) -> Protocol:
    """Make a door; without ``inline_bytes`` it writes to SQL, too slow for the event loop."""
    done = Answer(status)

    def take(parcel: Parcel) -> Answer:
        return heard(parcel.keep(decode(parcel), name, once=inline_bytes > 0)) or done

    return Protocol(name, take, inline_bytes)


def _json(parcel: Parcel) -> bytes:
    kind = media_type(parcel.headers)
    if kind not in {"application/json", ""}:
        raise unsupported(kind, "application/json")
    return parcel.unpacked()


def _alerts(decode: Callable[..., Received]) -> Decode:
    def read(parcel: Parcel) -> Received:
        limits = parcel.house.settings.limits.labels
        return decode(_json(parcel), now_ms=parcel.house.clock.now_ms(), limits=limits)

    return read


def _events(parcel: Parcel) -> Received:
    headers = {
        name.decode("latin-1"): value.decode("latin-1") for name, value in parcel.headers.items()
    }
    return decode_cloudevents(headers, parcel.unpacked(), now_ms=parcel.house.clock.now_ms())


def _lines(parcel: Parcel) -> Received:
    return decode_loki(
        parcel.wire,
        content_type=parcel.header(b"content-type"),
        content_encoding=parcel.header(b"content-encoding"),
        limits=parcel.house.settings.limits,
    )


SIMPLE = (
    _protocol("loki", _lines, 204, inline_bytes=16 << 10),
    _protocol("alertmanager_api", _alerts(decode_api_alerts), 200),
    _protocol("alertmanager_webhook", _alerts(decode_webhook), 200),
    _protocol("cloudevents", _events, 204),
    _protocol("openlineage", lambda parcel: decode_openlineage(_json(parcel)), 201),
)
