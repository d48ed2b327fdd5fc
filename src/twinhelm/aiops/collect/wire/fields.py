"""Walk protobuf fields in compiled kernels, refusing whatever would lead out of the message.

``varint`` and ``field`` take ``(data, at, end)``: bytes ``[at, end)`` of the ``uint8`` array
``data`` are the message. Both return the offset of what follows as their last value, or -1 where
the bytes are no valid protobuf: a length past the end, an overlong number, field 0, a group. A
field of an unknown key is the caller's to skip, as the format asks.

Source: protobuf "Encoding" (wire types 0, 1, 2 and 5; groups are not taken).
"""

from twinhelm.aiops.collect.wire.memory import inner
from twinhelm.core.arrays import U8

__all__ = ["field", "put_varint", "varint", "varint_size"]


@inner
def varint(data: U8, at: int, end: int) -> tuple[int, int]:
    """Read one number of at most 10 bytes: (value as int64, offset after it or -1)."""
    value = 0
    shift = 0
    while at < end and shift < 70:
        byte = int(data[at])
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    return 0, -1


@inner
def field(data: U8, at: int, end: int) -> tuple[int, int, int, int]:
    """Read one field: (key, start, stop, offset after it or -1).

    ``key`` is ``number << 3 | wire type``. ``start`` and ``stop`` bound the payload; for a
    varint ``start`` is its value instead.
    """
    key = 0
    if at < end and data[at] < 0x80:
        key = int(data[at])
        at += 1
    else:
        key, at = varint(data, at, end)
    if at < 0 or key < 8 or key > 0xFFFFFFFF:
        return 0, 0, 0, -1
    wire = key & 7
    if wire == 2:
        size = 0
        if at < end and data[at] < 0x80:
            size = int(data[at])
            at += 1
        else:
            size, at = varint(data, at, end)
        if at < 0 or size < 0 or size > end - at:
            return 0, 0, 0, -1
        return key, at, at + size, at + size
    if wire == 0:
        value, at = varint(data, at, end)
        return key, value, 0, at
    size = 8 if wire == 1 else 4
    if wire not in (1, 5) or end - at < size:
        return 0, 0, 0, -1
    return key, at, at + size, at + size


@inner
def put_varint(data: U8, at: int, value: int) -> int:
    """Write a non-negative number (the caller has checked for 10 bytes); the offset after it."""
    while value >= 0x80:
        data[at] = (value & 0x7F) | 0x80
        value >>= 7
        at += 1
    data[at] = value
    return at + 1


@inner
def varint_size(value: int) -> int:
    """Count the bytes that :func:`put_varint` writes for a non-negative number."""
    size = 1
    while value >= 0x80:
        value >>= 7
        size += 1
    return size
