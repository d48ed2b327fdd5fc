"""Doors for what happened: alerts, changes and pipeline runs, all of them JSON.

``POST /api/v2/alerts`` (Prometheus, vmalert), ``/api/webhooks/alertmanager`` (webhook v4),
``/api/events`` (CloudEvents 1.0) and ``/api/v1/lineage`` (OpenLineage). Each answers as the
sender's usual receiver would: 200, 200, 204 and 201.
"""

from __future__ import annotations

from collections.abc import Callable

from twinhelm.aiops.collect.alertmanager import decode_api_alerts, decode_webhook
from twinhelm.aiops.collect.cloudevents import decode_cloudevents
from twinhelm.aiops.collect.openlineage import decode_openlineage
from twinhelm.aiops.types import Received
from twinhelm.core.errors import Unsupported
from twinhelm.core.labels import LabelLimits
from twinhelm.web.doors.door import Parcel, Protocol, faults, media_type
from twinhelm.web.frame import Answer, json_answer

__all__ = ["ALERTS", "CLOUDEVENTS", "LINEAGE", "WEBHOOK"]

INLINE_BYTES = 0
"""Alerts and edges are written to the SQL database, which is too slow for the event loop."""


def _protocol(name: str, decode: Callable[[Parcel, bytes], Received], done: Answer) -> Protocol:
    def take(parcel: Parcel) -> Answer:
        wrong = faults(parcel.keep(decode(parcel, parcel.unpacked()), name))
        if not wrong:
            return done
        said = "; ".join(f"{part.count} {part.reason}: {part.example}" for part in wrong)
        return json_answer({"error": said, "hint": "everything else is kept"}, 400)

    return Protocol(name, take, inline_bytes=INLINE_BYTES)


def _must_be_json(parcel: Parcel) -> None:
    kind = media_type(parcel.headers)
    if kind not in {"application/json", ""}:
        raise Unsupported(
            f"content type {kind[:100]!r} is not taken here", hint="send application/json"
        )


def _limits(parcel: Parcel) -> LabelLimits:
    limits = parcel.house.settings.limits
    return LabelLimits(limits.max_labels, limits.max_label_name_bytes, limits.max_label_value_bytes)


def _alerts(parcel: Parcel, raw: bytes) -> Received:
    _must_be_json(parcel)
    return decode_api_alerts(raw, now_ms=parcel.house.clock.now_ms(), limits=_limits(parcel))


def _webhook(parcel: Parcel, raw: bytes) -> Received:
    _must_be_json(parcel)
    return decode_webhook(raw, now_ms=parcel.house.clock.now_ms(), limits=_limits(parcel))


def _events(parcel: Parcel, raw: bytes) -> Received:
    headers = {
        name.decode("latin-1"): value.decode("latin-1") for name, value in parcel.headers.items()
    }
    return decode_cloudevents(headers, raw, now_ms=parcel.house.clock.now_ms())


def _lineage(parcel: Parcel, raw: bytes) -> Received:
    _must_be_json(parcel)
    return decode_openlineage(raw)


ALERTS = _protocol("alertmanager_api", _alerts, Answer(200))
WEBHOOK = _protocol("alertmanager_webhook", _webhook, Answer(200))
CLOUDEVENTS = _protocol("cloudevents", _events, Answer(204))
LINEAGE = _protocol("openlineage", _lineage, Answer(201))
