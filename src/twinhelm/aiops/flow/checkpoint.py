r"""One checkpoint in one blob: named parts, their lengths in a JSON line, then the bytes.

    {"version": 1, "parts": [["detector", 1234, 567890], ...]}\n<bytes><bytes>...

Each part carries its length and CRC-32, so a blob cut short or altered is refused, not learnt
from. One blob and not several: the parts belong to one moment.

>>> load_parts(save_parts({"a": b"xy"}))
{'a': b'xy'}
"""

import zlib
from collections.abc import Mapping

from twinhelm.core import json
from twinhelm.core.errors import BadInput, NewerFormat

__all__ = ["load_parts", "save_parts"]

VERSION = 1


def save_parts(parts: Mapping[str, bytes]) -> bytes:
    """Pack named parts into one blob."""
    table = [[name, len(data), zlib.crc32(data)] for name, data in parts.items()]
    head = json.dumps({"version": VERSION, "parts": table})
    return b"".join([head, b"\n", *parts.values()])


def load_parts(blob: bytes) -> dict[str, bytes]:
    """Unpack a blob of :func:`save_parts`.

    Raises :class:`BadInput` where it is cut short or altered, :class:`NewerFormat` where a later
    release wrote it.
    """
    head, newline, body = blob.partition(b"\n")
    if not newline:
        raise BadInput("the checkpoint has no head line", hint="it is made anew by itself")
    table = json.loads(head, what="checkpoint head")
    parts: dict[str, bytes] = {}
    at = 0
    try:
        if table["version"] > VERSION:
            raise NewerFormat(f"the checkpoint has version {table['version']}, known is {VERSION}")
        for name, length, crc in table["parts"]:
            data = body[at : at + length]
            if len(data) != length or zlib.crc32(data) != crc:
                raise BadInput(f"part {name!r} of the checkpoint is damaged")
            parts[name] = data
            at += length
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"the head of the checkpoint is damaged: {error}") from error
    return parts
