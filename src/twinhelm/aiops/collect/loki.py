"""Answer which log lines a Loki client (Promtail, Grafana Agent, fluent-bit, Vector) pushed.

In comes a push as it was on the wire, JSON or protobuf (which is always a Snappy block, whatever
the headers say); out goes a :class:`~twinhelm.aiops.types.Received` with one log block: stream
labels name the stream, structured metadata becomes the attributes, the ids and the severity.

Refused as a whole, as Loki does: a time that is not a *text* of nanoseconds, a stream without
labels, a wrong type anywhere. Refused line by line: ``line_too_long``, ``bad_labels``,
``too_large``. Pure; about 3 us a line of JSON.

Source: Loki HTTP API, "Ingest logs"; logproto ``push.proto`` for the field numbers.

>>> from twinhelm.core.settings import LimitSettings
>>> body = b'{"streams": [{"stream": {"app": "a"}, "values": [["7", "hello"]]}]}'
>>> decode_loki(body, content_type="application/json", limits=LimitSettings()).logs.body
['hello']
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2
from google.protobuf.message import DecodeError

from twinhelm.aiops.collect.otlp.attributes import MAX_ATTRIBUTES, MAX_NS, hex_id, json_text
from twinhelm.aiops.collect.otlp.logs import LogRows
from twinhelm.aiops.collect.wire.compression import decompress
from twinhelm.aiops.collect.words import Refusals, severity_of, texts
from twinhelm.aiops.types import Received
from twinhelm.core.errors import BadInput, Refused, Unsupported
from twinhelm.core.json import loads
from twinhelm.core.labels import Labels, check_labels, labels_of
from twinhelm.core.settings import LimitSettings

__all__ = ["decode_loki", "parse_stream"]

Entry = tuple[int, str, dict[str, str]]
"""Nanoseconds, line, structured metadata."""

LEVEL_NAMES = ("level", "severity", "detected_level")
TRACE_NAMES = ("trace_id", "traceID", "traceId")
SPAN_NAMES = ("span_id", "spanID", "spanId")
PAIR = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(,|$)', re.DOTALL)
ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)", re.DOTALL)
ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


def decode_loki(
    body: bytes, *, content_type: str, limits: LimitSettings, content_encoding: str = ""
) -> Received:
    """Decode a push; an empty content type is taken for JSON, as Loki does.

    Raises :class:`Unsupported` for another type or encoding, :class:`BadInput` and
    :class:`TooLarge` where the body as a whole is refused.
    """
    kind, bound = content_type.partition(";")[0].strip().lower(), limits.max_decoded_bytes
    if kind in ("", "application/json"):
        plain = decompress(body, content_encoding, max_bytes=bound)
        return _decode(_json_streams(loads(plain, max_bytes=bound, what="Loki push")), limits)
    if kind != "application/x-protobuf":
        raise Unsupported(
            f"content type {content_type[:60]!r} is not taken here",
            hint="push application/json or application/x-protobuf",
        )
    if content_encoding.strip().lower() != "snappy":
        body = decompress(body, content_encoding, max_bytes=bound)
    body = decompress(body, "snappy", max_bytes=bound)
    message = _push_request()()
    try:
        message.ParseFromString(body)
    except DecodeError as error:
        raise BadInput(f"the body of {len(body)} bytes is not a Loki push: {error}") from error
    return _decode(
        ((parse_stream(stream.labels), _entries(stream)) for stream in message.streams), limits
    )


def parse_stream(text: str) -> Labels:
    r"""Read stream labels such as ``{app="a", env="b"}``.

    Raises :class:`BadInput` for anything else, without labels at all included.

    >>> parse_stream('{b="2", a="say \\"hi\\""}')
    (('a', 'say "hi"'), ('b', '2'))
    """
    inner = text.strip()
    if inner[:1] != "{" or inner[-1:] != "}":
        raise BadInput(f"stream labels {text[:60]!r} do not stand in braces")
    inner, found, position = inner[1:-1].strip(), {}, 0
    while position < len(inner):
        pair = PAIR.match(inner, position)
        if pair is None:
            raise BadInput(
                f"stream labels {text[:60]!r} cannot be read from {inner[position:][:30]!r} on",
                hint='write them as {name="value", other="value"}',
            )
        found[pair[1]] = ESCAPE.sub(_unescape, pair[2])
        position = pair.end()
    return labels_of(found)


def _decode(streams: Iterable[tuple[Labels, Iterable[Entry]]], limits: LimitSettings) -> Received:
    found, refusals, bounds = LogRows(), Refusals(), limits.labels
    for labels, entries in streams:
        if not labels:
            raise BadInput("a stream has no labels", hint="give each stream at least one label")
        try:
            check_labels(labels, bounds)
        except Refused as error:
            refusals.add("bad_labels", error.message, sum(1 for _ in entries))
            continue
        stream = found.stream(labels)
        level = _first(dict(labels), LEVEL_NAMES)
        for time_ns, line, metadata in entries:
            if len(line) > limits.max_log_line_bytes:
                refusals.add("line_too_long", f"{len(line)} characters: {line[:80]}")
                continue
            if len(metadata) > MAX_ATTRIBUTES:
                refusals.add("too_large", f"{len(metadata)} pairs of structured metadata")
                continue
            severity = severity_of(_first(metadata, LEVEL_NAMES) or level)
            ids = _id(metadata, TRACE_NAMES, 16), _id(metadata, SPAN_NAMES, 8)
            found.rows.append((time_ns, stream, severity, line, json_text(metadata), *ids))
    return Received(logs=found.block(), rejected=refusals.listed())


def _json_streams(given: Any) -> Iterator[tuple[Labels, Iterable[Entry]]]:
    streams = given.get("streams") if isinstance(given, dict) else None
    if not isinstance(streams, list):
        raise BadInput('a Loki push is {"streams": [...]}', hint="check the sender's API version")
    return map(_json_stream, streams)


def _json_stream(stream: Any) -> tuple[Labels, Iterable[Entry]]:
    if isinstance(stream, dict):
        labels, values = stream.get("stream"), stream.get("values")
        if isinstance(labels, dict) and isinstance(values, list):
            return labels_of(texts(labels, "stream label")), map(_json_entry, values)
    raise BadInput(
        f"a stream is {str(stream)[:80]}",
        hint='a stream is {"stream": {labels}, "values": [["<ns as text>", "line"]]}',
    )


def _json_entry(value: Any) -> Entry:
    """Read ``[ns text, line]`` or ``[ns text, line, metadata]``."""
    if not isinstance(value, list) or not 2 <= len(value) <= 3 or not isinstance(value[1], str):
        raise BadInput(f"an entry is {str(value)[:80]}", hint='write ["<ns as text>", "line"]')
    stamp = value[0]
    if not isinstance(stamp, str):
        raise BadInput(
            f"the time {stamp!r} of an entry is a {type(stamp).__name__}",
            hint="write nanoseconds since 1970 as text, in quotes",
        )
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 19 and int(stamp) <= MAX_NS):
        raise BadInput(f"the time {stamp[:40]!r} is not a count of nanoseconds since 1970")
    if len(value) == 2:
        return int(stamp), value[1], {}
    return int(stamp), value[1], texts(value[2], "structured metadata")


def _entries(stream: Any) -> Iterator[Entry]:
    """Read the entries of a protobuf stream."""
    for entry in stream.entries:
        time_ns = entry.timestamp.seconds * 1_000_000_000 + entry.timestamp.nanos
        if not 0 <= time_ns <= MAX_NS:
            raise BadInput(f"the time of an entry is {time_ns} ns since 1970")
        yield time_ns, entry.line, {pair.name: pair.value for pair in entry.metadata}


def _first(found: dict[str, str], names: tuple[str, ...]) -> str:
    return next((found[name] for name in names if name in found), "") if found else ""


def _id(metadata: dict[str, str], names: tuple[str, ...], size: int) -> str:
    text = _first(metadata, names)
    if len(text) != 2 * size or not re.fullmatch("[0-9a-fA-F]+", text):
        return ""
    return hex_id(bytes.fromhex(text), size)


def _unescape(match: re.Match[str]) -> str:
    """Undo one backslash of a quoted Go string."""
    code = match[1]
    if len(code) > 1:
        point = int(code[1:], 16)
        return chr(point) if not 0xD800 <= point <= 0xDFFF else "\ufffd"
    return ESCAPED.get(code, code)


STAMP = ".google.protobuf.Timestamp"
PUSH = {
    "Pair": (("name", ""), ("value", "")),
    "Entry": (("timestamp", STAMP), ("line", ""), ("metadata", ".loki.Pair")),
    "Stream": (("labels", ""), ("entries", ".loki.Entry")),
    "Push": (("streams", ".loki.Stream"),),
}
"""The messages of a push: fields in the order of their numbers; text, or of the type named."""


@cache
def _push_request() -> Any:
    """Make the message class of a push; in a pool of its own, so that no name can collide."""
    timestamp = timestamp_pb2.DESCRIPTOR
    file = descriptor_pb2.FileDescriptorProto(
        name="loki_push.proto", package="loki", syntax="proto3", dependency=[timestamp.name]
    )
    kinds = descriptor_pb2.FieldDescriptorProto
    for message, fields in PUSH.items():
        made = file.message_type.add(name=message)
        for number, (name, type_name) in enumerate(fields, start=1):
            made.field.add(
                name=name,
                number=number,
                type=kinds.TYPE_MESSAGE if type_name else kinds.TYPE_STRING,
                type_name=type_name or None,
                label=kinds.LABEL_REPEATED if "loki" in type_name else kinds.LABEL_OPTIONAL,
            )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(timestamp.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("loki.Push"))
