"""Walk remote-write requests into columns, without an object per sample or known series.

In: a plain ``prometheus.WriteRequest`` (version 1) or ``io.prometheus.write.v2.Request`` as a
``uint8`` array. Out: a row per sample of slot in the
:class:`~twinhelm.aiops.collect.wire.blocks.BlockTable`, time in epoch ms and value, in the order
of the request. A series is named by the bytes of its ``labels`` fields. Version 2 names labels by
reference to a list of symbols, which differs from request to request; so the labels are written
out, in the free end of the arena, as version 1 would send them: one table serves both versions,
and a new series already lies where it is to stay. What references may expand to is bounded
twice: ``max_block`` bytes a series, ``max_gathered`` in all.

Each walk returns one of the statuses below; ``state`` (:data:`STATE_SIZE` int64, zero at first)
carries where it stands, so that after ``NO_ROOM_*`` the caller grows that array and calls again:
the walk goes on at the series that did not fit. Every offset is checked before it is read.

Sources: prometheus/prompb ``types.proto`` and ``remote.proto``; its
``io/prometheus/write/v2/types.proto`` (2.0-rc.4).
"""

import numpy as np

from twinhelm.aiops.collect.wire.blocks import Blocks, add, block_hash, copy, find, same
from twinhelm.aiops.collect.wire.columns import Rows
from twinhelm.aiops.collect.wire.memory import ZERO, field, inner, kernel, load_f64, varint
from twinhelm.aiops.collect.wire.symbols import LABEL_FRAME, put_references
from twinhelm.core.arrays import I64, U8, U64

__all__ = [
    "AT", "BAD_BYTES", "BAD_REFS", "DONE", "EXEMPLARS", "HISTOGRAMS", "HISTOGRAM_SLOT", "LONG_AT",
    "LONG_SAMPLES", "METAS", "NEEDED", "NO_ROOM_BLOCKS", "NO_ROOM_ROWS", "OTHER_VERSION", "ROWS",
    "STATE_SIZE", "SYMBOLS", "TOO_MUCH", "scan_symbols", "walk_v1", "walk_v2",
]  # fmt: skip

DONE, NO_ROOM_ROWS, NO_ROOM_BLOCKS, BAD_BYTES, BAD_REFS, OTHER_VERSION, TOO_MUCH = range(7)
"""Statuses: all read; an array is full (rows; blocks, by ``NEEDED`` bytes); no valid protobuf;
label references outside the symbols or odd in number; a request of the other version; label
references that expand past the bound. Where something is wrong, ``AT`` is its byte offset."""

AT, ROWS, NEEDED, EXEMPLARS, HISTOGRAMS, HISTOGRAM_SLOT, METAS = range(7)
LONG_SAMPLES, LONG_AT, SYMBOLS, GATHERED, TYPE, HELP, UNIT, STATE_SIZE = range(7, 15)
"""What ``state`` holds. ``HISTOGRAM_SLOT`` is one more than the slot of the first series with
native histograms; ``LONG_*`` count samples whose labels take more than ``max_block`` bytes, the
first at byte ``LONG_AT``; ``METAS`` counts metadata met, of which the array holds the first.
``TYPE``, ``HELP`` and ``UNIT`` are what version 2 says of the series at hand."""

LABELS, SAMPLES = 0x0A, 0x12


@inner
def _put_sample(data: U8, at: int, end: int, row: int, rows: Rows) -> int:
    """Read one Sample message into a row: DONE, NO_ROOM_ROWS or BAD_BYTES."""
    if row == len(rows.time):
        return NO_ROOM_ROWS
    if end - at >= 11 and data[at] == 0x09 and data[at + 9] == 0x10:
        time, after = varint(data, at + 10, end)
        if after == end:
            rows.value[row] = load_f64(data, at + 1)
            rows.time[row] = time
            return DONE
    value = 0.0
    time = 0
    while at < end:
        key, start, _, at = field(data, at, end)
        if at < 0:
            return BAD_BYTES
        if key == 0x09:
            value = load_f64(data, start)
        elif key == 0x10:
            time = start
    rows.value[row] = value
    rows.time[row] = time
    return DONE


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
def _slot_of(data: U8, start: int, end: int, blocks: Blocks) -> int:
    """Return the slot of a label block; -1 where there is no room for it, -2 where it is bad."""
    hashed = block_hash(data, start, end, blocks.secret)
    slot = find(data, start, end, hashed, blocks.chains, blocks.spans, blocks.arena)
    if slot >= 0:
        return slot
    if not _labels_well_formed(data, start, end):
        return -2
    return add(data, start, end, hashed, blocks)


@inner
def _settle(slot: int, first: int, row: int, rows: Rows, histograms: int, state: I64) -> None:
    """Say which series the rows ``[first, row)`` and some native histograms are of."""
    for i in range(first, row):
        rows.lane[i] = slot
    if histograms > 0 and state[HISTOGRAM_SLOT] == 0:
        state[HISTOGRAM_SLOT] = slot + 1
    state[HISTOGRAMS] += histograms


@inner
def _count_long(begin: int, samples: int, state: I64) -> None:
    """Count samples whose labels pass all limits."""
    if state[LONG_SAMPLES] == 0:
        state[LONG_AT] = begin
    state[LONG_SAMPLES] += samples


@inner
def _join_labels(data: U8, at: int, end: int, arena: U8, used: int) -> int:
    while at < end:
        begin = at
        key, _, _, at = field(data, at, end)
        if key == LABELS:
            copy(data, begin, arena, used, at - begin)
            used += at - begin
    return used


@inner
def _put_meta_v1(data: U8, at: int, end: int, metas: I64, row: int) -> bool:
    """Read a MetricMetadata: its type, and the byte ranges of name, help and unit."""
    metas[row] = 0
    while at < end:
        key, start, stop, at = field(data, at, end)
        if at < 0:
            return False
        if key == 0x08:
            metas[row, 0] = start
        column = ZERO + (1 if key == 0x12 else 3 if key == 0x22 else 5 if key == 0x2A else 0)
        if column > 0:
            metas[row, column] = start
            metas[row, column + 1] = stop
    return True


@kernel
def walk_v1(
    data: U8, max_block: int, blocks: Blocks, rows: Rows, metas: I64, state: I64
) -> int:  # fmt: skip
    """Read a version 1 request.

    ``metas`` takes, for each MetricMetadata, its type and the byte ranges of its texts.
    """
    end = len(data)
    at = state[AT]
    row = state[ROWS]
    guess = blocks.counts[0]
    while at < end:
        begin = at
        state[AT] = begin
        state[ROWS] = row
        key, inner, stop, at = field(data, at, end)
        if at < 0 or key == 0x22 or key == 0x2A:
            return BAD_BYTES if at < 0 else OTHER_VERSION
        if key == 0x1A:
            if state[METAS] < len(metas) and not _put_meta_v1(
                data, inner, stop, metas, state[METAS]
            ):
                return BAD_BYTES
            state[METAS] += 1
        if key != 0x0A:
            continue
        first = row
        block, block_end, scattered = inner, inner, False
        exemplars, histograms = 0, 0
        p = inner
        # Senders keep their order, so that most often the block is that of the next slot.
        slot = ZERO - 1
        if guess < blocks.counts[0]:
            size = blocks.spans[guess, 1] - blocks.spans[guess, 0]
            if size <= stop - inner and same(
                data, inner, blocks.arena, blocks.spans[guess, 0], size
            ):
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
                    slot, p, row, exemplars, histograms = -1, inner, first, 0, 0
                    continue
                if block_end == block:
                    block = here
                elif block_end != here:
                    scattered = True
                block_end = p
            elif key == SAMPLES:
                status = _put_sample(data, start, p_end, row, rows)
                if status != DONE:
                    if status == BAD_BYTES:
                        state[AT] = here
                    return status
                row += 1
            elif key == 0x1A:
                exemplars += 1
            elif key == 0x22:
                histograms += 1
        if row == first and histograms == 0:
            pass
        elif slot < 0 and block_end - block > max_block:
            _count_long(begin, row - first, state)
            row = first
        else:
            if slot < 0 and scattered:
                used = blocks.counts[1]
                if used + (stop - inner) > len(blocks.arena):
                    state[NEEDED] = stop - inner
                    return NO_ROOM_BLOCKS
                joined = _join_labels(data, inner, stop, blocks.arena, used)
                slot = _slot_of(blocks.frozen, used, joined, blocks)
            elif slot < 0:
                slot = _slot_of(data, block, block_end, blocks)
            if slot < 0:
                state[NEEDED] = block_end - block
                return NO_ROOM_BLOCKS if slot == -1 else BAD_BYTES
            guess = slot + 1
            _settle(slot, first, row, rows, histograms, state)
        state[EXEMPLARS] += exemplars
    state[AT] = at
    state[ROWS] = row
    return DONE


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
def _read_meta_v2(data: U8, at: int, end: int, state: I64) -> bool:
    """Read a version 2 Metadata: type, help and unit reference."""
    state[TYPE] = state[HELP] = state[UNIT] = 0
    while at < end:
        key, value, _, at = field(data, at, end)
        if at < 0:
            return False
        if key == 0x08:
            state[TYPE] = value
        elif key == 0x18:
            state[HELP] = value
        elif key == 0x20:
            state[UNIT] = value
    return True


@inner
def _put_meta_v2(
    data: U8, slot: int, symbols: I64, secret: U64, described: U64, metas: I64, state: I64
) -> None:
    """Keep what a series says of itself, unless it said the same before."""
    help_, unit = state[HELP], state[UNIT]
    text = block_hash(data, symbols[help_, 0], symbols[help_, 1], secret)
    named = block_hash(data, symbols[unit, 0], symbols[unit, 1], secret)
    said = (text * np.uint64(31) + named) * np.uint64(31) + np.uint64(state[TYPE]) + np.uint64(1)
    row = state[METAS]
    if described[slot] != said and row < len(metas):
        described[slot] = said
        metas[row, 0] = slot
        for i in range(3):
            metas[row, i + 1] = state[TYPE + i]
        state[METAS] = row + 1


@kernel
def walk_v2(
    data: U8, max_block: int, blocks: Blocks, rows: Rows, metas: I64, state: I64,
    max_gathered: int, symbols: I64, described: U64,
) -> int:  # fmt: skip
    """Read a version 2 request whose ``symbols`` are scanned.

    ``metas`` takes (slot, type, help reference, unit reference) where a series describes itself
    otherwise than ``described`` (a hash per slot) remembers.
    """
    end = len(data)
    at = state[AT]
    row = state[ROWS]
    count = state[SYMBOLS]
    while at < end:
        begin = at
        state[AT] = begin
        state[ROWS] = row
        key, inner, stop, at = field(data, at, end)
        if at < 0:
            return BAD_BYTES
        if key != 0x2A:
            continue
        first = row
        used = blocks.counts[1]
        block_end = used
        pending = ZERO - 1
        exemplars, histograms = 0, 0
        state[TYPE] = state[HELP] = state[UNIT] = 0
        p = inner
        while p < stop:
            here = p
            key, start, p_end, p = field(data, here, stop)
            if p < 0:
                state[AT] = here
                return BAD_BYTES
            if key == LABELS or key == 0x08:
                if key == 0x08:  # A reference of its own, not packed with others.
                    if data[here] != 0x08:
                        state[AT] = here
                        return BAD_BYTES
                    start, p_end = here + 1, p
                block_end, pending = put_references(
                    data, start, p_end, pending, symbols, count, blocks.arena, block_end,
                    used + max_block,
                )  # fmt: skip
                if block_end == -2:
                    state[NEEDED] = max_block + LABEL_FRAME
                    return NO_ROOM_BLOCKS
                if block_end < 0:
                    state[AT] = here
                    return BAD_REFS
            elif key == SAMPLES:
                status = _put_sample(data, start, p_end, row, rows)
                if status != DONE:
                    if status == BAD_BYTES:
                        state[AT] = here
                    return status
                row += 1
            elif key == 0x22:
                exemplars += 1
            elif key == 0x1A:
                histograms += 1
            elif key == 0x2A and not _read_meta_v2(data, start, p_end, state):
                state[AT] = here
                return BAD_BYTES
        if pending >= 0 or not (0 <= state[HELP] < count and 0 <= state[UNIT] < count):
            return BAD_REFS
        if state[GATHERED] + block_end - used > max_gathered:
            return TOO_MUCH
        gathered = block_end - used
        if row == first and histograms == 0:
            pass
        elif gathered > max_block:
            _count_long(begin, row - first, state)
            row = first
        else:
            slot = _slot_of(blocks.frozen, used, block_end, blocks)
            if slot < 0 or slot >= len(described):
                state[NEEDED] = max_block + LABEL_FRAME
                return NO_ROOM_BLOCKS
            _settle(slot, first, row, rows, histograms, state)
            if state[TYPE] != 0 or state[HELP] != 0 or state[UNIT] != 0:
                _put_meta_v2(data, slot, symbols, blocks.secret, described, metas, state)
        state[GATHERED] += gathered
        state[EXEMPLARS] += exemplars
    state[AT] = at
    state[ROWS] = row
    return DONE
