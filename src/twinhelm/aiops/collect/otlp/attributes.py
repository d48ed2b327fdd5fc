"""Say OpenTelemetry attributes in the words that logs, spans and metrics share.

In come the generated ``AnyValue``, ``KeyValue`` and ``Resource`` messages; out go plain values,
JSON objects and :data:`~twinhelm.core.labels.Labels`. Resource attributes become labels with
underscores for whatever a label name may not hold, and ``job`` (``namespace/name``) and
``instance`` are added, so that a service's metrics, logs and spans meet on one identity.

Pure. Cost: about 3 us for a record with three attributes; resources are read once per request.

Source: OpenTelemetry "Prometheus and OpenMetrics Compatibility", resource attributes; OTLP
common.proto ``AnyValue``.

>>> from opentelemetry.proto.resource.v1.resource_pb2 import Resource
>>> resource = Resource()
>>> resource.attributes.add(key="service.name").value.string_value = "cart"
>>> resource_labels(resource)
(('job', 'cart'), ('service_name', 'cart'))
"""

import base64
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from twinhelm.aiops.collect.words import Refusals, label_name
from twinhelm.core.errors import BadInput, Refused, TooLarge
from twinhelm.core.json import dumps
from twinhelm.core.labels import Labels, check_labels, labels_of
from twinhelm.core.settings import LimitSettings

__all__ = [
    "MAX_ATTRIBUTES", "MAX_DEPTH", "MAX_NS", "attributes_of", "hex_id", "json_text",
    "label_pairs", "owners", "parsed", "plain", "resource_labels", "text_of",
]  # fmt: skip

MAX_ATTRIBUTES = 128
"""The most attributes of one record; OpenTelemetry SDKs cut at the same count by default."""

MAX_DEPTH = 16
"""How deep a value may nest; nothing that people log on purpose comes near it."""

MAX_NS = 2**63 - 1
"""The last nanosecond that an int64 can name, in the year 2262."""

M = TypeVar("M", bound=Message)


def parsed(message: M, body: bytes) -> M:
    """Fill a request in from protobuf; raises :class:`BadInput` where the body is none."""
    try:
        message.ParseFromString(body)
    except DecodeError as error:
        raise BadInput(
            f"the body of {len(body)} bytes is no {message.DESCRIPTOR.name}: {error}",
            hint="check Content-Type and Content-Encoding of the exporter",
        ) from error
    return message


def owners(
    groups: Iterable[Any], records: str, limits: LimitSettings, refusals: Refusals
) -> Iterator[tuple[Labels, Any]]:
    """Yield each resource's labels and its scopes, refusing those whose labels are bad.

    ``groups`` are ``ResourceLogs`` (``records`` is ``log_records``) or ``ResourceSpans``.
    """
    bounds = limits.labels
    for group in groups:
        scopes = group.scope_logs if records == "log_records" else group.scope_spans
        try:
            labels = resource_labels(group.resource)
            check_labels(labels, bounds)
        except Refused as error:
            count = sum(len(getattr(scope, records)) for scope in scopes)
            refusals.add("bad_labels", error.message, count)
            continue
        yield labels, scopes


def plain(value: AnyValue, depth: int = 0) -> Any:
    """Turn an AnyValue into text, bool, int, float, list, dict or None; bytes become base64.

    Raises :class:`TooLarge` for values nested deeper than ``MAX_DEPTH``.
    """
    # Most values are text, and asking for it costs half of asking which kind is set.
    if text := value.string_value:
        return text
    which = value.WhichOneof("value")
    if which is None:
        return None
    if which == "array_value" or which == "kvlist_value":
        if depth >= MAX_DEPTH:
            raise TooLarge(f"an attribute nests deeper than {MAX_DEPTH} levels", hint="flatten it")
        if which == "array_value":
            return [plain(item, depth + 1) for item in value.array_value.values]
        return {item.key: plain(item.value, depth + 1) for item in value.kvlist_value.values}
    found = getattr(value, which)
    return base64.b64encode(found).decode() if which == "bytes_value" else found


def text_of(value: AnyValue) -> str:
    """Write a value as text: JSON for what is not text, empty for none."""
    found = plain(value)
    if isinstance(found, str):
        return found
    return "" if found is None else dumps(found).decode()


def attributes_of(
    pairs: Iterable[KeyValue], scope: InstrumentationScope | None = None
) -> dict[str, Any]:
    """Turn attributes into a dict; of a repeated key the last stands.

    A ``scope`` is named among them in the keys that OpenTelemetry reserves for it. Raises
    :class:`TooLarge` past ``MAX_ATTRIBUTES`` or ``MAX_DEPTH``.
    """
    found = {pair.key: plain(pair.value) for pair in pairs}
    if len(found) > MAX_ATTRIBUTES:
        raise TooLarge(
            f"a record has {len(found)} attributes, the limit is {MAX_ATTRIBUTES}",
            hint="set an attribute count limit in the sender",
        )
    if scope is not None and scope.name:
        found.setdefault("otel.scope.name", scope.name)
    if scope is not None and scope.version:
        found.setdefault("otel.scope.version", scope.version)
    return found


def json_text(attributes: dict[str, Any]) -> str:
    """Write attributes as a JSON object, the empty string for none."""
    return dumps(attributes).decode() if attributes else ""


def label_pairs(attributes: Iterable[KeyValue], prefix: str = "") -> dict[str, str]:
    """Turn attributes into labels; values that fall on one name are joined with ``;``."""
    found: dict[str, str] = {}
    for key, value in sorted((pair.key, text_of(pair.value)) for pair in attributes):
        name = label_name(prefix + key)
        found[name] = f"{found[name]};{value}" if name in found else value
    return found


def resource_labels(resource: Resource) -> Labels:
    """Turn resource attributes into labels, with ``job`` and ``instance``; see the module.

    Raises :class:`TooLarge` past ``MAX_DEPTH``; counts and lengths are the caller's to check.
    """
    found = label_pairs(resource.attributes)
    service = found.get("service_name", "")
    space = found.get("service_namespace", "")
    if service:
        found["job"] = f"{space}/{service}" if space else service
    if "service_instance_id" in found:
        found["instance"] = found["service_instance_id"]
    found.pop("", None)
    return labels_of(found)


def hex_id(raw: bytes, size: int) -> str:
    """Write a trace (16 bytes) or span (8 bytes) id in hex; empty for an invalid one."""
    return raw.hex() if len(raw) == size and any(raw) else ""
