"""Arrays to bytes and back, checked: how the detector and the tracker survive a restart.

In: named arrays and a few facts. Out: one byte string: magic, a little-endian header length,
a JSON header (kind, format, facts, each array's name, type and shape), the raw arrays, and a
CRC-32 of everything before it. Wrong bytes raise :class:`BadInput`; a newer format raises
:class:`NewerFormat`; both mean "start fresh" to the caller. Cost: one copy and one CRC pass.

>>> data = pack("thing", 1, {"n": 2}, {"a": np.zeros(2, np.float32)})
>>> unpack(data, "thing", 1)[0]
{'n': 2}
"""

import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from twinhelm.core import json
from twinhelm.core.arrays import Array
from twinhelm.core.errors import BadInput, NewerFormat

__all__ = ["pack", "unpack"]

_MAGIC = b"THSNAP\x00\x01"
_TYPES = ("<f4", "<f8", "<i8", "<i4", "<u4", "<u2", "|u1")


def pack(kind: str, version: int, facts: Mapping[str, Any], arrays: Mapping[str, Array]) -> bytes:
    """Write facts (JSON) and arrays (of plain little-endian types) into one byte string."""
    parts = [(name, np.ascontiguousarray(array)) for name, array in arrays.items()]
    header = json.dumps(
        {
            "kind": kind,
            "version": version,
            "facts": facts,
            "arrays": [[name, array.dtype.str, list(array.shape)] for name, array in parts],
        }
    )
    body = b"".join(
        [_MAGIC, struct.pack("<I", len(header)), header, *(a.tobytes() for _, a in parts)]
    )
    return body + struct.pack("<I", zlib.crc32(body))


def unpack(data: bytes, kind: str, version: int) -> tuple[dict[str, Any], dict[str, Array]]:
    """Read back what :func:`pack` wrote, as (facts, arrays); the arrays are writable copies.

    Raises :class:`BadInput` for anything cut, changed or of another kind and
    :class:`NewerFormat` for a version above ``version``.
    """
    hint = "start fresh: the detector learns again from the stored samples"
    if len(data) < len(_MAGIC) + 8 or data[: len(_MAGIC)] != _MAGIC:
        raise BadInput(f"the {kind} snapshot of {len(data)} bytes is not one", hint=hint)
    if zlib.crc32(memoryview(data)[:-4]) != struct.unpack("<I", data[-4:])[0]:
        raise BadInput(f"the {kind} snapshot is damaged: its checksum differs", hint=hint)
    at = len(_MAGIC) + 4
    (size,) = struct.unpack("<I", data[len(_MAGIC) : at])
    header = json.loads(data[at : at + size], what=f"{kind} snapshot header")
    if header["kind"] != kind:
        raise BadInput(f"this is a snapshot of {header['kind']}, not of {kind}", hint=hint)
    if header["version"] > version:
        raise NewerFormat(
            f"the {kind} snapshot has format {header['version']}, this release reads {version}",
            hint="run the newer release, or start fresh",
        )
    if header["version"] != version:
        raise BadInput(f"the {kind} snapshot has the old format {header['version']}", hint=hint)
    at += size
    arrays: dict[str, Array] = {}
    for name, dtype, shape in header["arrays"]:
        if dtype not in _TYPES:
            raise BadInput(f"array {name!r} of the {kind} snapshot has type {dtype!r}", hint=hint)
        count = int(np.prod(shape, dtype=np.int64))
        size = count * np.dtype(dtype).itemsize
        if at + size > len(data) - 4:
            raise BadInput(f"array {name!r} of the {kind} snapshot is cut short", hint=hint)
        arrays[name] = np.frombuffer(data, dtype, count, at).reshape(shape).copy()
        at += size
    return header["facts"], arrays
