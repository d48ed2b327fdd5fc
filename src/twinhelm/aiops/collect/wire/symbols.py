"""Write out the labels that version 2 of remote write names by reference to symbols.

In: the byte ranges of a request's symbols, ``(n, 2)``, and references to them, which are varints.
Out: ``labels`` fields as version 1 has them, in the free end of an arena.
"""

from twinhelm.aiops.collect.wire.blocks import copy
from twinhelm.aiops.collect.wire.memory import inner, put_varint, varint, varint_size
from twinhelm.core.arrays import I64, U8

__all__ = ["LABEL_FRAME", "put_references"]

LABEL_FRAME = 24
"""The most bytes that keys and lengths take around one name and value."""


@inner
def _put_symbol(data: U8, symbols: I64, which: int, key: int, arena: U8, at: int) -> int:
    """Write one text field; the offset after it."""
    size = symbols[which, 1] - symbols[which, 0]
    arena[at] = key
    at = put_varint(arena, at + 1, size)
    copy(data, symbols[which, 0], arena, at, size)
    return int(at + size)


@inner
def put_references(
    data: U8, at: int, end: int, pending: int, symbols: I64, count: int, arena: U8, used: int,
    most: int,
) -> tuple[int, int]:  # fmt: skip
    """Write the labels that references ``[at, end)`` name, after those written up to ``used``.

    ``pending`` is a name left over from before, or -1. Returns where the labels end and the name
    left over; -1 for a bad reference, -2 where ``arena`` is full. Past offset ``most`` nothing is
    written any more and the end stays at ``most + 1``.
    """
    while at < end:
        ref, at = varint(data, at, end)
        if at < 0 or ref < 0 or ref >= count:
            return -1, 0
        if pending < 0:
            pending = ref
            continue
        name_size = symbols[pending, 1] - symbols[pending, 0]
        value_size = symbols[ref, 1] - symbols[ref, 0]
        if used + name_size + value_size > most:
            used = most + 1
        elif used + name_size + value_size + LABEL_FRAME > len(arena):
            return -2, 0
        else:
            arena[used] = 0x0A
            size = 2 + varint_size(name_size) + name_size + varint_size(value_size) + value_size
            used = put_varint(arena, used + 1, size)
            used = _put_symbol(data, symbols, pending, 0x0A, arena, used)
            used = _put_symbol(data, symbols, ref, 0x12, arena, used)
        pending = -1
    return used, pending
