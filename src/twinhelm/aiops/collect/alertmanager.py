"""Answer which alerts an Alertmanager, Grafana or Prometheus told us of.

In comes the body of Alertmanager's webhook (version 4, and Grafana's, which adds fields), or of
``POST /api/v2/alerts`` (what Prometheus and vmalert send to an Alertmanager); out goes a
:class:`~twinhelm.aiops.types.Received` with alerts. Unknown fields are ignored. An ``endsAt`` in
the year 1 means that the alert still fires.

A fingerprint that nobody gave is 64 bits of a hash over the labels, so that the same labels
give the same one for ever; it is not the number Alertmanager would have computed. Alerts that
break the label limits are refused one by one (``bad_labels``). Pure.

Source: Alertmanager "Webhook receiver", its ``api/v2/openapi.yaml``, and ``types.Alert``.

>>> body = b'[{"labels": {"alertname": "Down"}, "startsAt": "2023-11-14T22:13:20Z"}]'
>>> decode_api_alerts(body, now_ms=1_700_000_060_000).alerts[0].starts_ms
1700000000000
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from twinhelm.aiops.collect.words import Refusals, given, instant_ms, texts
from twinhelm.aiops.types import Received
from twinhelm.core.errors import BadInput, Refused
from twinhelm.core.json import dumps, loads
from twinhelm.core.labels import LabelLimits, Labels, check_labels, labels_of
from twinhelm.core.telemetry import Alert

__all__ = ["decode_api_alerts", "decode_webhook", "fingerprint_of"]

OURS = "twinhelm_thread"
"""The label of alerts that a twinhelm forwarded."""
RESOLVE_TIMEOUT_MS = 300_000
"""How long an alert lasts whose sender names no end: Alertmanager's resolve_timeout."""


def decode_webhook(body: bytes, *, now_ms: int, limits: LabelLimits | None = None) -> Received:
    """Decode a webhook notification.

    ``now_ms`` stands in for a start or, on a resolved alert, an end that is missing. Raises
    :class:`BadInput` where the body is no such notification.
    """
    said = loads(body, what="webhook")
    entries = said.get("alerts") if isinstance(said, dict) else None
    if not isinstance(entries, list):
        raise BadInput(
            'an Alertmanager webhook is {"version": "4", "alerts": [...]}',
            hint="point webhook_configs, not another receiver, at this address",
        )
    receiver = said.get("receiver")
    source = f"webhook/{receiver}" if isinstance(receiver, str) and receiver else "webhook"
    return _gather(entries, source, now_ms, limits, named=False)


def decode_api_alerts(body: bytes, *, now_ms: int, limits: LabelLimits | None = None) -> Received:
    """Decode ``POST /api/v2/alerts``: a missing start is now; an end still ahead is none.

    Raises :class:`BadInput` where an alert has no ``alertname`` or ends before it starts.
    """
    entries = given(loads(body, what="list of alerts"), list, "the body of /api/v2/alerts")
    return _gather(entries, "alertmanager-api", now_ms, limits, named=True)


def fingerprint_of(labels: Labels) -> str:
    """Name a label set by 16 hex digits.

    >>> fingerprint_of((("alertname", "Down"),))
    '75ebfa11dbd33fa7'
    """
    return blake2b(dumps(labels), digest_size=8).hexdigest()


def _gather(
    entries: list[Any], source: str, now_ms: int, limits: LabelLimits | None, *, named: bool
) -> Received:
    """Read alerts; ``named`` tells that an alert needs an alertname and that ends may default."""
    alerts, refusals = [], Refusals()
    for position, item in enumerate(entries):
        where = f"alerts[{position}]"
        entry = given(item, dict, where)
        labels = _labels(entry, "labels", where)
        try:
            check_labels(labels, limits or LabelLimits())
        except Refused as error:
            refusals.add("bad_labels", error.message)
            continue
        if named and not dict(labels).get("alertname"):
            raise BadInput(f"{where} has no label alertname", hint="every alert needs one")
        if OURS in dict(labels):  # what we forwarded comes back: it is an incident already
            continue
        starts_ms = _time(entry, "startsAt", where)
        ends_ms = _time(entry, "endsAt", where)
        if starts_ms is None:
            starts_ms = min(now_ms, ends_ms) if ends_ms is not None else now_ms
        until_ms = None
        if not named:
            ends_ms = _webhook_end(entry, ends_ms, now_ms)
        elif ends_ms is None or ends_ms > now_ms:
            # The future end is only a promise to repeat the alert; until then it fires.
            until_ms, ends_ms = ends_ms or now_ms + RESOLVE_TIMEOUT_MS, None
        elif ends_ms < starts_ms:
            raise BadInput(f"{where} ends at {ends_ms} before it starts at {starts_ms} (ms)")
        named_by, link = entry.get("fingerprint"), entry.get("generatorURL")
        alerts.append(
            Alert(
                named_by if isinstance(named_by, str) and named_by else fingerprint_of(labels),
                labels,
                _labels(entry, "annotations", where),
                starts_ms,
                ends_ms,
                source,
                link if isinstance(link, str) else "",
                until_ms,
            )
        )
    return Received(alerts=tuple(alerts), rejected=refusals.listed())


def _webhook_end(entry: Mapping[str, Any], ends_ms: int | None, now_ms: int) -> int | None:
    """Return the end of an alert: its status says whether there is one."""
    if entry.get("status") == "resolved":
        return now_ms if ends_ms is None else ends_ms
    return ends_ms if ends_ms is not None and ends_ms <= now_ms else None


def _time(entry: Mapping[str, Any], name: str, where: str) -> int | None:
    """Read a time; None where it is absent, empty or in the year 1 (Go's zero time)."""
    given = entry.get(name)
    if given is None or given == "":
        return None
    moment = instant_ms(given, what=f"{where}.{name}")
    return moment if moment > 0 else None


def _labels(entry: Mapping[str, Any], name: str, where: str) -> Labels:
    found = entry.get(name)
    return () if found is None else labels_of(texts(found, f"{where}.{name}"))
