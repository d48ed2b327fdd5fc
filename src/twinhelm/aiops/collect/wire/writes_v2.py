"""Walk version 2 remote-write requests into columns; see :mod:`.writes` for what comes out.

In: a plain ``io.prometheus.write.v2.Request``. Its series name labels by reference to a list of
symbols, and references differ from request to request; so the labels are written out, in the
free end of the table's arena, as version 1 would send them. One table thus serves both versions,
and a new series already lies where it is to stay.

What references may expand to is bounded twice: ``max_block`` bytes a series, ``max_gathered`` in
all, so that a small body cannot ask for endless work.

Source: prometheus/prompb/io/prometheus/write/v2 ``types.proto`` (2.0-rc.4).
"""

from __future__ import annotations

import numpy as np

from twinhelm.aiops.collect.wire.blocks import block_hash, copy
from twinhelm.aiops.collect.wire.fields import field, put_varint, varint, varint_size
from twinhelm.aiops.collect.wire.memory import ZERO, inner, kernel
from twinhelm.aiops.collect.wire.writes import (
    AT,
    BAD_BYTES,
    BAD_REFS,
    DONE,
    EXEMPLARS,
    GATHERED,
    HISTOGRAM_SLOT,
    HISTOGRAMS,
    LONG_AT,
    LONG_SAMPLES,
    METAS,
    NEEDED,
    NO_ROOM_BLOCKS,
    NO_ROOM_ROWS,
    OTHER_VERSION,
    ROWS,
    SYMBOLS,
    TOO_MUCH,
    read_sample,
    slot_of,
)
from twinhelm.core.arrays import F64, I64, U8, U32, U64

__all__ = ["scan_symbols", "walk_v2"]

LABELS, UNPACKED_REF, SAMPLES, HISTOGRAM, EXEMPLAR, METADATA = 0x0A, 0x08, 0x12, 0x1A, 0x22, 0x2A

LABEL_FRAME = 24
"""The most bytes that keys and lengths take around one name and value."""


@kernel
def scan_symbols(data: U8, symbols: I64, state: I64) -> int:
    """Find the symbols of a version 2 request: their byte ranges, ``SYMBOLS`` of them."""
    end = len(data)
    at = ZERO
    count = 0
    while at < end:
        state[AT] = at
        key, start, stop, at = field(data, at, end)
        if at < 0:
            return BAD_BYTES
        if key == 0x0A:
            return OTHER_VERSION
        if key == 0x22:
            if count == len(symbols):
                return TOO_MUCH
            symbols[count, 0] = start
            symbols[count, 1] = stop
            count += 1
    state[AT] = 0
    state[SYMBOLS] = count
    return DONE


@inner
def _put_label(data: U8, symbols: I64, name: int, value: int, arena: U8, at: int) -> int:
    """Write one ``labels`` field (the caller has checked for room); the offset after it."""
    name_size = symbols[name, 1] - symbols[name, 0]
    value_size = symbols[value, 1] - symbols[value, 0]
    arena[at] = LABELS
    inner = 2 + varint_size(name_size) + name_size + varint_size(value_size) + value_size
    at = put_varint(arena, at + 1, inner)
    arena[at] = 0x0A
    at = put_varint(arena, at + 1, name_size)
    copy(data, symbols[name, 0], arena, at, name_size)
    at += name_size
    arena[at] = 0x12
    at = put_varint(arena, at + 1, value_size)
    copy(data, symbols[value, 0], arena, at, value_size)
    return int(at + value_size)


@inner
def _gather_refs(
    data: U8,
    at: int,
    end: int,
    pending: int,
    symbols: I64,
    count: int,
    arena: U8,
    used: int,
    most: int,
) -> tuple[int, int]:
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
        size = symbols[pending, 1] - symbols[pending, 0] + symbols[ref, 1] - symbols[ref, 0]
        if used + size > most:
            used = most + 1
        elif used + size + LABEL_FRAME > len(arena):
            return -2, 0
        else:
            used = _put_label(data, symbols, pending, ref, arena, used)
        pending = -1
    return used, pending


@inner
def _read_metadata(data: U8, at: int, end: int, found: I64) -> bool:
    """Read a version 2 Metadata into ``found``: type, help and unit reference."""
    found[0] = found[1] = found[2] = 0
    while at < end:
        key, value, _, at = field(data, at, end)
        if at < 0:
            return False
        if key == 0x08:
            found[0] = value
        elif key == 0x18:
            found[1] = value
        elif key == 0x20:
            found[2] = value
    return True


@kernel
def walk_v2(
    data: U8,
    max_block: int,
    max_gathered: int,
    symbols: I64,
    index: U64,
    spans: I64,
    arena: U8,
    counts: I64,
    secret: U64,
    frozen: U8,
    row_slot: U32,
    row_time: I64,
    row_value: F64,
    metas: I64,
    described: U64,
    meta: I64,
    state: I64,
) -> int:
    """Read a version 2 request whose ``symbols`` are scanned.

    ``metas`` takes (slot, type, help reference, unit reference) where a series describes itself
    otherwise than ``described`` (a hash per slot) remembers. ``meta`` is room for three numbers.
    """
    end = len(data)
    at = state[AT]
    rows = state[ROWS]
    count = state[SYMBOLS]
    while at < end:
        begin = at
        state[AT] = begin
        state[ROWS] = rows
        key, inner, stop, at = field(data, at, end)
        if at < 0:
            return BAD_BYTES
        if key != 0x2A:
            continue
        first = rows
        used = counts[1]
        block_end = used
        pending = ZERO - 1
        exemplars, histograms = 0, 0
        meta[0] = meta[1] = meta[2] = 0
        p = inner
        while p < stop:
            here = p
            key, start, p_end, p = field(data, here, stop)
            if p < 0:
                state[AT] = here
                return BAD_BYTES
            if key in (LABELS, UNPACKED_REF):
                if key == UNPACKED_REF:
                    if data[here] != UNPACKED_REF:
                        state[AT] = here
                        return BAD_BYTES
                    start, p_end = here + 1, p
                block_end, pending = _gather_refs(
                    data, start, p_end, pending, symbols, count, arena, block_end, used + max_block
                )
                if block_end == -2:
                    state[NEEDED] = max_block + LABEL_FRAME
                    return NO_ROOM_BLOCKS
                if block_end < 0:
                    state[AT] = here
                    return BAD_REFS
            elif key == SAMPLES:
                if rows == len(row_time):
                    return NO_ROOM_ROWS
                value, time, good = read_sample(data, start, p_end)
                if not good:
                    state[AT] = here
                    return BAD_BYTES
                row_value[rows] = value
                row_time[rows] = time
                rows += 1
            elif key == EXEMPLAR:
                exemplars += 1
            elif key == HISTOGRAM:
                histograms += 1
            elif key == METADATA and not _read_metadata(data, start, p_end, meta):
                state[AT] = here
                return BAD_BYTES
        if pending >= 0 or not (0 <= meta[1] < count and 0 <= meta[2] < count):
            return BAD_REFS
        if state[GATHERED] + block_end - used > max_gathered:
            return TOO_MUCH
        state[GATHERED] += block_end - used
        if rows > first or histograms > 0:
            if block_end - used > max_block:
                if state[LONG_SAMPLES] == 0:
                    state[LONG_AT] = begin
                state[LONG_SAMPLES] += rows - first
                rows = first
            else:
                slot = slot_of(frozen, used, block_end, index, spans, arena, counts, secret)
                if slot < 0 or slot >= len(described):
                    state[NEEDED] = max_block + LABEL_FRAME
                    return NO_ROOM_BLOCKS
                for i in range(first, rows):
                    row_slot[i] = slot
                if histograms > 0 and state[HISTOGRAM_SLOT] == 0:
                    state[HISTOGRAM_SLOT] = slot + 1
                if meta[0] != 0 or meta[1] != 0 or meta[2] != 0:
                    _note_metadata(data, slot, meta, symbols, secret, described, metas, state)
        state[EXEMPLARS] += exemplars
        state[HISTOGRAMS] += histograms
    state[AT] = at
    state[ROWS] = rows
    return DONE


@inner
def _note_metadata(
    data: U8,
    slot: int,
    meta: I64,
    symbols: I64,
    secret: U64,
    described: U64,
    metas: I64,
    state: I64,
) -> None:
    """Keep what a series says of itself, unless it said the same before."""
    text = block_hash(data, symbols[meta[1], 0], symbols[meta[1], 1], secret)
    unit = block_hash(data, symbols[meta[2], 0], symbols[meta[2], 1], secret)
    said = (text * np.uint64(31) + unit) * np.uint64(31) + np.uint64(meta[0]) + np.uint64(1)
    row = state[METAS]
    if described[slot] != said and row < len(metas):
        described[slot] = said
        metas[row, 0] = slot
        for i in range(3):
            metas[row, i + 1] = meta[i]
        state[METAS] = row + 1
