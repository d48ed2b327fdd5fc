"""Read protobuf messages in plain Python, where they are few: metadata, not samples.

Source: protobuf "Encoding"; groups are not taken.

>>> list(message_fields(bytes.fromhex("08011202686910ff01")))
[(1, 1), (2, b'hi'), (2, 255)]
"""

from __future__ import annotations

from collections.abc import Iterator

from twinhelm.core.errors import BadInput

__all__ = ["message_fields"]


def message_fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield (field number, payload): an int for a varint, else the bytes.

    Raises :class:`BadInput` with the offset within the message where the bytes are cut short.
    """
    at = 0
    while at < len(message):
        begin = at
        key, at = _varint(message, at)
        wire = key & 7
        if wire == 0:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        size = {1: 8, 5: 4}.get(wire, -1)
        if wire == 2:
            size, at = _varint(message, at)
        if key < 8 or size < 0 or at + size > len(message):
            raise BadInput(f"bad field at byte {begin} of a metadata message")
        yield key >> 3, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at == len(message):
            break
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise BadInput(f"bad number at byte {at} of a metadata message")
