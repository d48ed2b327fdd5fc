"""Answer what was done to the system, as CloudEvents say it.

In comes an HTTP request that carries CloudEvents 1.0: binary (headers ``ce-*``), structured or a
batch; out goes a :class:`~twinhelm.aiops.types.Received` with one change per event. The change's
id is ``source`` and ``id`` joined, which are unique, so that a repeat replaces.

``kind`` is ``data.kind``, or what the first known word of ``type`` means (``WORDS``), so that
``dev.cdevents.service.deployed.0.1.1`` is a deploy; else ``other``. ``entity`` is
``data.entity`` (an entity key), or ``data.service``, ``data.host`` or the ``subject`` as one, or
the source as ``other``. ``title``, ``outcome`` and ``end_ms`` come from ``data`` too; its other
plain fields become attributes. Data that is no JSON object is the attribute ``data``.

Pure. Source: CloudEvents 1.0.2, HTTP Protocol Binding and JSON Event Format.

>>> headers = {"ce-specversion": "1.0", "ce-id": "7", "ce-source": "/ci", "ce-type": "deploy.done"}
>>> decode_cloudevents(headers, b'{"service": "cart"}', now_ms=0).changes[0].entity
'service:cart'
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from twinhelm.aiops.collect.words import given, instant_ms
from twinhelm.aiops.types import Received
from twinhelm.core.entities import ENTITY_KINDS
from twinhelm.core.errors import BadInput, TooLarge, Unsupported
from twinhelm.core.json import dumps, loads
from twinhelm.core.telemetry import Change

__all__ = ["CHANGE_KINDS", "decode_cloudevents"]

CHANGE_KINDS = ("deploy", "config", "flag", "ci", "pipeline", "model", "schema", "migration",
                "incident", "other")  # fmt: skip
"""The kinds of change, as :class:`~twinhelm.core.telemetry.Change` has them."""

WORDS = {
    word: kind
    for kind, words in {
        "deploy": "deploy deployed deployment release released rollout rollback rolledback "
        "upgraded service argocd flux",
        "config": "config configuration configmap secret terraform",
        "flag": "flag feature featureflag toggle experiment",
        "ci": "ci build taskrun pipelinerun testcaserun testsuiterun artifact commit push merge "
        "change repository workflow",
        "pipeline": "pipeline dag etl dataset",
        "model": "model training retrain",
        "migration": "migration migrated ddl",
        "incident": "incident outage",
    }.items()
    for word in words.split()
}
MAX_EVENTS = 10_000
LONGEST_ATTRIBUTE = 4096
MAX_ATTRIBUTES = 64
TAKEN = frozenset({"kind", "entity", "title", "end_time"})


def decode_cloudevents(headers: Mapping[str, str], body: bytes, *, now_ms: int) -> Received:
    """Decode one request; header names may be in any case.

    ``now_ms`` is the time of an event that has none. Raises :class:`BadInput` for a missing
    attribute or a wrong type, :class:`Unsupported` for another specversion or content type.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    content = lower.get("content-type", "").partition(";")[0].strip().lower()
    if content == "application/cloudevents-batch+json":
        events = given(loads(body, what="batch of events"), list, "a batch of events")
        if len(events) > MAX_EVENTS:
            raise TooLarge(f"the batch has {len(events)} events, the limit is {MAX_EVENTS}")
    elif content == "application/cloudevents+json":
        events = [loads(body, what="event")]
    elif content.startswith("application/cloudevents"):
        raise Unsupported(
            f"event format {content[:80]!r} is not taken here",
            hint="send application/cloudevents+json or cloudevents-batch+json",
        )
    else:
        events = [_binary(lower, content, body)]
    return Received(changes=tuple(_change(event, now_ms) for event in events))


def _binary(headers: Mapping[str, str], content: str, body: bytes) -> dict[str, Any]:
    """Gather an event of binary mode from its headers, whose values are percent-encoded."""
    event: dict[str, Any] = {
        name[3:]: unquote(value) for name, value in headers.items() if name.startswith("ce-")
    }
    if "specversion" not in event:
        raise BadInput(
            "the request carries no CloudEvent",
            hint="send the headers ce-id, ce-source, ce-type and ce-specversion",
        )
    if body and (content in ("", "application/json") or content.endswith("+json")):
        event["data"] = loads(body, what="data of the event")
    elif body:
        event["data"] = body.decode(errors="replace")
    return event


def _change(item: Any, now_ms: int) -> Change:
    """Turn one event into a change; see the module for the mapping."""
    event = given(item, dict, "an event")
    version = event.get("specversion")
    if version != "1.0":
        raise Unsupported(
            f"CloudEvents specversion {str(version)[:20]!r} is not taken here", hint="send 1.0"
        )
    identity, source, kind = (_required(event, name) for name in ("id", "source", "type"))
    subject = event.get("subject")
    subject = subject if isinstance(subject, str) else ""
    data = _data(event)
    moment = event.get("time")
    end = data.get("end_time")
    return Change(
        id=f"{source}#{identity}",
        time_ms=now_ms if moment is None else instant_ms(moment, what="time of the event"),
        kind=_kind(data.get("kind"), kind),
        entity=_entity(data, subject, source),
        title=(_text(data, "title", "summary", "message") or f"{kind} {subject}".strip())[
            :LONGEST_ATTRIBUTE
        ],
        source=source,
        end_ms=None if end is None else instant_ms(end, what="data.end_time of the event"),
        outcome=_text(data, "outcome", "status")[:LONGEST_ATTRIBUTE],
        attributes={
            "type": kind,
            **({"subject": subject} if subject else {}),
            **dict(_attributes(data)[:MAX_ATTRIBUTES]),
        },
    )


def _required(event: Mapping[str, Any], name: str) -> str:
    value = event.get(name)
    if not isinstance(value, str) or not value:
        raise BadInput(f"an event has the {name} {str(value)[:60]!r}, non-empty text is needed")
    return value


def _data(event: Mapping[str, Any]) -> dict[str, Any]:
    data = event.get("data")
    if data is None and isinstance(event.get("data_base64"), str):
        try:
            raw = base64.b64decode(event["data_base64"], validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadInput(f"data_base64 of an event is not base64: {error}") from error
        data = raw.decode(errors="replace")
    if data is None:
        return {}
    return data if isinstance(data, dict) else {"data": data}


def _kind(named: Any, kind: str) -> str:
    if isinstance(named, str) and named in CHANGE_KINDS:
        return named
    words = re.split(r"[._\-/]", kind.lower())
    return next((WORDS[word] for word in words if word in WORDS), "other")


def _entity(data: Mapping[str, Any], subject: str, source: str) -> str:
    named = data.get("entity")
    if isinstance(named, str) and named.partition(":")[0] in ENTITY_KINDS and named[-1] != ":":
        return named
    for kind in ("service", "host"):
        name = data.get(kind)
        if isinstance(name, str) and name:
            return f"{kind}:{name}"
    return f"service:{subject}" if subject else f"other:{source}"


def _text(data: Mapping[str, Any], *names: str) -> str:
    return next((data[name] for name in names if isinstance(data.get(name), str)), "")


def _attributes(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Write what else the data says as text, JSON where it is nested."""
    return [
        (name, (value if isinstance(value, str) else dumps(value).decode())[:LONGEST_ATTRIBUTE])
        for name, value in data.items()
        if name not in TAKEN and value is not None
    ]
