"""Turn OTLP/JSON into the generated messages that the protobuf decoders take.

In comes a JSON body; out goes the generated request message, so that both encodings meet in one
decoder. The mapping is OTLP's own, not the generic proto3 one: trace and span ids are hex, enums
are integers only, field names are lowerCamelCase only, unknown fields are ignored. Wrong types
are refused for the whole request with the path that holds them. Pure; about 20 us a log record.

Source: OTLP specification, "JSON Protobuf Encoding"; proto3 JSON mapping for the rest.

>>> body = b'{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"timeUnixNano": "7"}]}]}]}'
>>> from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
>>> message = filled(ExportLogsServiceRequest(), body)
>>> message.resource_logs[0].scope_logs[0].log_records[0].time_unix_nano
7
"""

import base64
import binascii
import math
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from twinhelm.core.errors import BadInput
from twinhelm.core.json import loads

__all__ = ["filled"]

HEX_FIELDS = frozenset({"trace_id", "span_id", "parent_span_id"})
DOUBLES = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
FLOAT64_MAX_INT = 2**53
DECIMAL = re.compile(r"-?[0-9]{1,20}")
REAL = re.compile(r"-?[0-9]{1,400}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,5})?")

Reader = Callable[[Any], Any]
M = TypeVar("M", bound=Message)


def filled(message: M, body: bytes, *, max_bytes: int = 128 << 20) -> M:
    """Fill a request in from JSON; raises :class:`BadInput` or :class:`TooLarge`."""
    said = loads(body, max_bytes=max_bytes, what=message.DESCRIPTOR.name)
    _fill(message, said, "request")
    return message


def _fill(message: Any, given: Any, path: str) -> None:
    """Set the fields of ``message`` from a parsed JSON object; null means unset."""
    if not isinstance(given, dict):
        raise BadInput(f"{path} is {_shown(given)}, an object is needed")
    fields = _fields(message.DESCRIPTOR)
    chosen = ""
    for key, value in given.items():
        field = fields.get(key)
        if field is None or value is None:
            continue
        name, read, repeated, oneof = field
        if oneof:
            if chosen:
                raise BadInput(f"{path} sets both {chosen} and {key}, only one may be set")
            chosen = key
        if repeated and not isinstance(value, list):
            raise BadInput(f"{path}.{key} is {_shown(value)}, an array is needed")
        if read is None and repeated:
            for position, item in enumerate(value):
                _fill(getattr(message, name).add(), item, f"{path}.{key}[{position}]")
        elif read is None:
            child = getattr(message, name)
            child.SetInParent()
            _fill(child, value, f"{path}.{key}")
        else:
            try:
                if repeated:
                    getattr(message, name).extend([read(item) for item in value])
                else:
                    setattr(message, name, read(value))
            except (ValueError, TypeError) as error:
                raise BadInput(f"{path}.{key} is {_shown(value)}: {error}") from error


@lru_cache(maxsize=64)
def _fields(descriptor: Descriptor) -> dict[str, tuple[str, Reader | None, bool, bool]]:
    """Tabulate a message type: JSON name to (name, scalar reader, repeated, in a oneof)."""
    return {
        field.json_name: (
            field.name,
            _reader(field),
            field.is_repeated,
            # Optional scalars are a oneof of one behind the scenes; any may be set with others.
            field.containing_oneof is not None and len(field.containing_oneof.fields) > 1,
        )
        for field in descriptor.fields
    }


def _reader(field: FieldDescriptor) -> Reader | None:
    """Choose how a scalar field is read; None for a message. The message checks ranges itself."""
    kind = field.type
    if kind == FieldDescriptor.TYPE_BYTES:
        return _hex if field.name in HEX_FIELDS else _base64
    return {
        FieldDescriptor.TYPE_MESSAGE: None,
        FieldDescriptor.TYPE_STRING: _string,
        FieldDescriptor.TYPE_BOOL: _bool,
        FieldDescriptor.TYPE_DOUBLE: _double,
        FieldDescriptor.TYPE_ENUM: _enum,
    }.get(kind, _integer)


def _integer(value: Any) -> int:
    """Read a number without a fraction, or decimal text."""
    if isinstance(value, str):
        if not DECIMAL.fullmatch(value):
            raise ValueError("decimal digits are needed")
        value = int(value)
    elif isinstance(value, float) and value.is_integer() and abs(value) <= FLOAT64_MAX_INT:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("an integer is needed, as a number or as text")
    return value


def _enum(value: Any) -> int:
    """Read an enum: OTLP allows its number only, never its name."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("OTLP/JSON writes enums as integers")
    return value


def _double(value: Any) -> float:
    """Read a number, its decimal text, or one of the three names JSON has no number for."""
    if isinstance(value, str):
        if value in DOUBLES:
            return DOUBLES[value]
        if not REAL.fullmatch(value):
            raise ValueError("a number is needed")
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("a number is needed")
    return float(value)


def _string(value: Any) -> str:
    """Read text."""
    if not isinstance(value, str):
        raise TypeError("text is needed")
    return value


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("true or false is needed")
    return value


def _hex(value: Any) -> bytes:
    return binascii.unhexlify(_string(value))


def _base64(value: Any) -> bytes:
    text = _string(value).replace("-", "+").replace("_", "/").rstrip("=")
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


def _shown(value: Any) -> str:
    return repr(value)[:60]
