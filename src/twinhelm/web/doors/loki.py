"""Loki push: ``POST /loki/api/v1/push`` and the old ``/api/prom/push``.

JSON, or protobuf in a Snappy block. As Loki does, a request in which some lines are refused is
answered 400 with the reasons while the others are kept. Source: Loki HTTP API, "Ingest logs".
"""

from __future__ import annotations

from twinhelm.aiops.collect.loki import decode_loki
from twinhelm.web.doors.door import Parcel, Protocol, faults
from twinhelm.web.frame import Answer, json_answer

__all__ = ["LOKI"]


def _take(parcel: Parcel) -> Answer:
    received = decode_loki(
        parcel.wire,
        content_type=parcel.header(b"content-type"),
        content_encoding=parcel.header(b"content-encoding"),
        limits=parcel.house.settings.limits,
    )
    wrong = faults(parcel.keep(received, "loki", once=True))
    if not wrong:
        return Answer(204)
    said = "; ".join(f"{part.count} {part.reason}: {part.example}" for part in wrong)
    return json_answer({"error": said, "hint": "the other lines are kept"}, 400)


LOKI = Protocol("loki", _take, inline_bytes=16 << 10)
