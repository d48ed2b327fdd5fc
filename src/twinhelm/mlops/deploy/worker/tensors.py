r"""How do tensors travel? As JSON, or as raw bytes behind the JSON that names them.

The binary tensor data extension of the Open Inference Protocol: values little-endian, row by row;
BOOL one byte each, BYTES elements each after their length in four bytes. ``binary_data_size``
says how many bytes are a tensor's. Over HTTP a header tells where the JSON ends; within the house
the body does so itself. It is *bound*: a NUL, which no JSON begins with, that length in four
bytes, then the body. So whatever lies between door and model hands on bytes and needs to know
nothing. Both ends are here: a door binds and unbinds, a worker reads and writes, the prediction
log makes JSON of it.

Pure. Only BYTES are read element by element. Source: Triton Inference Server, "Binary Tensor
Data Extension".

>>> head = (b'{"inputs": [{"name": "a", "shape": [2], "datatype": "UINT8",'
...         b' "parameters": {"binary_data_size": 2}}]}')
>>> read(bind(len(head), head + b"\x07\x08"))["inputs"][0]["data"]
array([7, 8], dtype=uint8)
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from math import prod
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "NAMES", "Wrong", "bind", "kind_and_shape", "packed", "plain", "read", "spoken",
    "unbind", "write",
]  # fmt: skip

orjson: Any = import_module("orjson") if find_spec("orjson") else None
"""A model's own interpreter may lack it."""

TYPES = {
    "BOOL": "?", "UINT8": "u1", "UINT16": "u2", "UINT32": "u4", "UINT64": "u8", "INT8": "i1",
    "INT16": "i2", "INT32": "i4", "INT64": "i8", "FP16": "f2", "FP32": "f4", "FP64": "f8",
    "BYTES": "O",
}  # fmt: skip
NAMES: dict[Any, str] = {np.dtype(short): name for name, short in TYPES.items() if short != "O"}
"""The protocol's words by numpy's; what is not here travels as BYTES."""

Body = TypeVar("Body", bytes, memoryview)

BOUND = b"\0"
LENGTH = 4
"""Bytes of a length: of the JSON in a bound body, of an element of BYTES."""


class Wrong(Exception):
    """The request cannot be answered as it is; ``status`` for HTTP."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def spoken(value: Any) -> str:
    """Put anything in words; bytes that are no text are replaced."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def write(value: Any) -> bytes:
    """Write JSON; NaN and infinities become null."""
    if orjson is not None:
        options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
        return bytes(orjson.dumps(value, option=options, default=_plainer))
    text = json.dumps(value, default=_plainer)
    finite = json.loads(text, parse_constant=lambda _: None)  # noqa: TID251 - our own text
    return json.dumps(finite).encode()


def _plainer(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else spoken(value)


def bind(head: int, body: bytes) -> bytes:
    """Let a body say itself that its first ``head`` bytes are JSON and the rest is tensors."""
    return b"".join((BOUND, head.to_bytes(LENGTH, "little"), body))


def unbind(body: Body) -> tuple[int, Body]:
    """Return how many bytes of a body are JSON, and the body as the protocol has it."""
    if body[:1] != BOUND:
        return len(body), body
    return int.from_bytes(body[1 : 1 + LENGTH], "little"), body[1 + LENGTH :]


def read(body: bytes | memoryview) -> Any:
    """Read a body; tensors behind its JSON then stand in it as ``data``.

    They are arrays of their type, BYTES lists of strings, or of bytes where one is no UTF-8.
    Raises :class:`Wrong`.
    """
    head, whole = unbind(memoryview(body))
    try:
        value = (orjson or json).loads(whole[:head] if orjson else bytes(whole[:head]))
    except ValueError as error:
        raise Wrong(f"the body is not JSON: {error}") from None
    except RecursionError:
        raise Wrong("the body nests too deep") from None
    if len(whole) < len(body):
        _fill(value, whole[head:])
    return value


def plain(body: bytes) -> bytes:
    """Return a body that :func:`read` takes as JSON alone; bytes that are no text are replaced."""
    return write(read(body)) if body.startswith(BOUND) else body


def kind_and_shape(item: Any) -> tuple[np.dtype[Any], list[int]]:
    """Read a tensor's datatype, in numpy's words, and its shape; raises :class:`Wrong`."""
    name, kind, shape = item.get("name"), item.get("datatype"), item.get("shape")
    if not isinstance(kind, str) or kind not in TYPES:
        raise Wrong(f"{name!r} has the datatype {kind!r}; known are {', '.join(TYPES)}")
    lengths = shape if isinstance(shape, list) else []
    if not lengths or not all(type(each) is int and each >= 0 for each in lengths):
        raise Wrong(f"{name!r} needs a shape, a list of lengths")
    return np.dtype(TYPES[kind]), lengths


def packed(values: NDArray[Any]) -> bytes:
    """Return the raw bytes of a tensor; what is no number becomes text in UTF-8."""
    if values.dtype in NAMES:
        return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
    elements = [each if isinstance(each, bytes) else str(each).encode("utf-8", "replace")
                for each in values.reshape(-1).tolist()]  # fmt: skip
    return b"".join(len(each).to_bytes(LENGTH, "little") + each for each in elements)


def _fill(value: Any, rest: memoryview) -> None:
    """Put the tensors that lie behind the JSON into their places."""
    named = value.get("inputs", value.get("outputs")) if isinstance(value, dict) else None
    for item in named if isinstance(named, list) else ():
        told = item.get("parameters") if isinstance(item, dict) else None
        size = told.pop("binary_data_size", None) if isinstance(told, dict) else None
        if size is None:
            continue
        name = item.get("name")
        if type(size) is not int or not 0 <= size <= len(rest):
            said = f"{name!r} has the binary_data_size {size!r}"
            raise Wrong(f"{said}, and {len(rest)} bytes of tensors are left in the body")
        if "data" in item:
            raise Wrong(f"{name!r} has data and a binary_data_size; send one of the two")
        item["data"], rest = _unpacked(item, name, rest[:size]), rest[size:]
    if rest:
        said = f"{len(rest)} bytes follow the last tensor"
        raise Wrong(f"{said}: give each its binary_data_size, in the order of the inputs")


def _unpacked(item: Any, name: Any, raw: memoryview) -> NDArray[Any] | Sequence[str | bytes]:
    want, shape = kind_and_shape(item)
    count = prod(shape)
    if want.kind == "O":
        return _elements(name, raw, count)
    if len(raw) != count * want.itemsize:
        said = f"{name!r} of the shape {shape} and datatype {item['datatype']}"
        raise Wrong(f"{said} has {count * want.itemsize} bytes, not {len(raw)}")
    if want.kind == "b" and np.frombuffer(raw, np.uint8).max(initial=0) > 1:
        raise Wrong(f"{name!r} is BOOL, and a byte is neither 0 nor 1")
    # A copy of its own, since models may write into what they are given.
    return np.frombuffer(raw, want.newbyteorder("<")).astype(want)


def _elements(name: Any, raw: memoryview, count: int) -> Sequence[str | bytes]:
    found: list[bytes] = []
    at = 0
    while at < len(raw) and len(found) < count:
        start = at + LENGTH
        at = start + int.from_bytes(raw[at:start], "little")
        found.append(bytes(raw[start:at]))
    if at != len(raw) or len(found) != count:
        said = f"{name!r} must hold {count} elements in {len(raw)} bytes, each after its length"
        raise Wrong(f"{said} in four bytes; the {len(found)}th ends at byte {at}")
    try:
        return [each.decode() for each in found]
    except UnicodeDecodeError:
        return found
