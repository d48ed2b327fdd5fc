"""Walk version 1 remote-write requests into columns, without an object per sample or known series.

In: a plain ``prometheus.WriteRequest`` as a ``uint8`` array. Out: a row per sample of slot in the
:class:`~twinhelm.aiops.collect.wire.blocks.BlockTable`, time in epoch ms and value, in the order
of the request. A series is named by the bytes of its ``labels`` fields.

Each walk returns one of the statuses below; ``state`` (:data:`STATE_SIZE` int64, zero at first)
carries where it stands, so that after ``NO_ROOM_*`` the caller grows that array and calls again:
the walk goes on at the series that did not fit. Every offset is checked before it is read.

Sources: prometheus/prompb ``types.proto`` and ``remote.proto``.
"""

from __future__ import annotations

from twinhelm.aiops.collect.wire.blocks import add, block_hash, find, same
from twinhelm.aiops.collect.wire.fields import field, varint
from twinhelm.aiops.collect.wire.memory import ZERO, inner, kernel, load_f64
from twinhelm.core.arrays import F64, I64, U8, U32, U64

__all__ = [
    "AT",
    "BAD_BYTES",
    "BAD_REFS",
    "DONE",
    "EXEMPLARS",
    "GATHERED",
    "HISTOGRAMS",
    "HISTOGRAM_SLOT",
    "LONG_AT",
    "LONG_SAMPLES",
    "METAS",
    "NEEDED",
    "NO_ROOM_BLOCKS",
    "NO_ROOM_ROWS",
    "OTHER_VERSION",
    "ROWS",
    "STATE_SIZE",
    "SYMBOLS",
    "TOO_MUCH",
    "read_sample",
    "slot_of",
    "walk_v1",
]

DONE, NO_ROOM_ROWS, NO_ROOM_BLOCKS, BAD_BYTES, BAD_REFS, OTHER_VERSION, TOO_MUCH = range(7)
"""Statuses: all read; an array is full (rows; blocks, by ``NEEDED`` bytes); no valid protobuf;
label references outside the symbols or odd in number; a request of the other version; label
references that expand past the bound. Where something is wrong, ``AT`` is its byte offset."""

AT, ROWS, NEEDED, EXEMPLARS, HISTOGRAMS, HISTOGRAM_SLOT = range(6)
METAS, LONG_SAMPLES, LONG_AT, SYMBOLS, GATHERED = range(6, 11)
STATE_SIZE = 11
"""What ``state`` holds. ``HISTOGRAM_SLOT`` is one more than the slot of the first series with
native histograms; ``LONG_*`` count samples whose labels take more than ``max_block`` bytes, the
first at byte ``LONG_AT``; ``METAS`` counts metadata met, of which the array holds the first."""

LABELS, SAMPLES, EXEMPLAR, HISTOGRAM = 0x0A, 0x12, 0x1A, 0x22


@inner
def read_sample(data: U8, at: int, end: int) -> tuple[float, int, bool]:
    """Read one Sample message: (value, epoch ms, whether it is well-formed)."""
    if end - at >= 11 and data[at] == 0x09 and data[at + 9] == 0x10:
        time, after = varint(data, at + 10, end)
        if after == end:
            return load_f64(data, at + 1), time, True
    value = 0.0
    time = 0
    while at < end:
        key, start, _, at = field(data, at, end)
        if at < 0:
            return 0.0, 0, False
        if key == 0x09:
            value = load_f64(data, start)
        elif key == 0x10:
            time = start
    return value, time, True


@inner
def _labels_well_formed(data: U8, start: int, end: int) -> bool:
    """Tell whether a block of ``labels`` fields can be parsed throughout."""
    at = start
    while at < end:
        _, inner, stop, at = field(data, at, end)
        if at < 0:
            return False
        while inner < stop:
            _, _, _, inner = field(data, inner, stop)
            if inner < 0:
                return False
    return True


@inner
def slot_of(
    data: U8,
    start: int,
    end: int,
    index: U64,
    spans: I64,
    arena: U8,
    counts: I64,
    secret: U64,
) -> int:
    """Return the slot of a label block; -1 where there is no room for it, -2 where it is bad."""
    hashed = block_hash(data, start, end, secret)
    slot = find(data, start, end, hashed, index, spans, arena)
    if slot >= 0:
        return slot
    if not _labels_well_formed(data, start, end):
        return -2
    return add(data, start, end, hashed, index, spans, arena, counts)


@inner
def _join_labels(data: U8, at: int, end: int, arena: U8, used: int) -> int:
    """Copy the ``labels`` fields of one series, which lie apart, to ``used``; where they end."""
    while at < end:
        begin = at
        key, _, _, at = field(data, at, end)
        if key == LABELS:
            for i in range(begin, at):
                arena[used] = data[i]
                used += 1
    return used


@kernel
def walk_v1(
    data: U8,
    max_block: int,
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
    state: I64,
) -> int:
    """Read a version 1 request; ``metas`` takes the byte range of each MetricMetadata."""
    end = len(data)
    at = state[AT]
    rows = state[ROWS]
    guess = counts[0]
    while at < end:
        begin = at
        state[AT] = begin
        state[ROWS] = rows
        key, inner, stop, at = field(data, at, end)
        if at < 0 or key == 0x22 or key == 0x2A:
            return BAD_BYTES if at < 0 else OTHER_VERSION
        if key == 0x1A:
            if state[METAS] < len(metas):
                metas[state[METAS], 0] = inner
                metas[state[METAS], 1] = stop
            state[METAS] += 1
        if key != 0x0A:
            continue
        first = rows
        block, block_end, scattered = inner, inner, False
        exemplars, histograms = 0, 0
        p = inner
        # Senders keep their order, so that most often the block is that of the next slot.
        slot = ZERO - 1
        if guess < counts[0]:
            size = spans[guess, 1] - spans[guess, 0]
            if size <= stop - inner and same(data, inner, arena, spans[guess, 0], size):
                slot = guess
                p = inner + size
        while p < stop:
            here = p
            key, start, p_end, p = field(data, here, stop)
            if p < 0:
                state[AT] = here
                return BAD_BYTES
            if key == LABELS:
                if slot >= 0:  # The guess was but the first part of the labels: begin again.
                    slot, p, rows, exemplars, histograms = -1, inner, first, 0, 0
                    continue
                if block_end == block:
                    block = here
                elif block_end != here:
                    scattered = True
                block_end = p
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
        if rows > first or histograms > 0:
            if slot < 0 and block_end - block > max_block:
                if state[LONG_SAMPLES] == 0:
                    state[LONG_AT] = begin
                state[LONG_SAMPLES] += rows - first
                state[EXEMPLARS] += exemplars
                rows = first
                continue
            if slot < 0 and scattered:
                used = counts[1]
                if used + (stop - inner) > len(arena):
                    state[NEEDED] = stop - inner
                    return NO_ROOM_BLOCKS
                joined = _join_labels(data, inner, stop, arena, used)
                slot = slot_of(frozen, used, joined, index, spans, arena, counts, secret)
            elif slot < 0:
                slot = slot_of(data, block, block_end, index, spans, arena, counts, secret)
            if slot < 0:
                state[NEEDED] = block_end - block
                return NO_ROOM_BLOCKS if slot == -1 else BAD_BYTES
            guess = slot + 1
            for i in range(first, rows):
                row_slot[i] = slot
            if histograms > 0 and state[HISTOGRAM_SLOT] == 0:
                state[HISTOGRAM_SLOT] = slot + 1
        state[EXEMPLARS] += exemplars
        state[HISTOGRAMS] += histograms
    state[AT] = at
    state[ROWS] = rows
    return DONE
