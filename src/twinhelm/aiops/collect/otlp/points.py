"""Walk OTLP metrics requests into columns, without a Python object per point or known series.

In: a plain ``ExportMetricsServiceRequest`` as a ``uint8`` array. Out: a row per sample of lane,
epoch ms and value. What names a point is put together as blocks in the free end of a
:class:`~twinhelm.aiops.collect.wire.blocks.BlockTable` and looked up there: a resource; a scope;
a metric (its resource and scope, kind, name, unit, description); a point (its metric, attributes
and bounds or quantiles). Each block begins with :data:`HEAD` bytes, four words: its sort, and up
to three numbers. A point has as many *lanes* as it has series, a resource one (``target_info``).

The walk is all or nothing: where an array is too small the caller grows it and starts afresh,
finding the blocks of the first attempt known. Points that cannot be kept are counted by cause.

Source: opentelemetry-proto ``metrics.proto``, ``common.proto``, ``resource.proto`` (1.x).
"""

from typing import NamedTuple

from twinhelm.aiops.collect.otlp import point as one_point
from twinhelm.aiops.collect.otlp.point import COUNTER, HISTOGRAM, put_row, put_samples, read_point
from twinhelm.aiops.collect.wire.blocks import Blocks, add, block_hash, copy, find
from twinhelm.aiops.collect.wire.columns import Rows
from twinhelm.aiops.collect.wire.memory import ZERO, field, inner, kernel, melted, store_u64
from twinhelm.core.arrays import I64, U8

__all__ = [
    "AT", "BAD_BYTES", "CAUSES", "DONE", "EXEMPLARS", "FIRST_CAUSE", "HEAD", "LANES", "NEEDED",
    "NO_ROOM_BLOCKS", "NO_ROOM_LANES", "NO_ROOM_ROWS", "ROWS", "SORT_METRIC", "SORT_POINT",
    "SORT_RESOURCE", "SORT_SCOPE", "STATE_SIZE", "TOO_LONG", "Lanes", "walk_metrics",
]  # fmt: skip

DONE, NO_ROOM_ROWS, NO_ROOM_BLOCKS, NO_ROOM_LANES, BAD_BYTES, TOO_LONG = range(6)
"""Statuses: all read; an array is full (``NEEDED`` more); no valid protobuf at ``AT``;
a resource, scope or metric there is named by more than ``max_block`` bytes."""

AT, ROWS, NEEDED, LANES, EXEMPLARS, FIRST_CAUSE = range(6)
DELTA, EXPONENTIAL, NO_TIME, BAD_POINT, LONG = range(5)
CAUSES = ("delta_temporality", "native_histogram", "no_time", "bad_value", "bad_labels")
STATE_SIZE = FIRST_CAUSE + 3 * len(CAUSES)
"""What ``state`` holds; from ``FIRST_CAUSE`` on, per cause: points, and the byte range of the
first metric they came from. ``LANES`` is how many lanes are given, kept from call to call."""

HEAD = 32
SORT_RESOURCE, SORT_SCOPE, SORT_METRIC, SORT_POINT = 1, 2, 3, 4


class Lanes(NamedTuple):
    """``lane_of`` is a slot's first lane, ``owner_of`` a lane's slot."""

    lane_of: I64
    owner_of: I64


@inner
def _put_head(arena: U8, at: int, sort: int, first: int, second: int, third: int) -> None:
    """Write the four words that a block begins with."""
    store_u64(arena, at, sort)
    store_u64(arena, at + 8, first)
    store_u64(arena, at + 16, second)
    store_u64(arena, at + 24, third)


@melted
def _slot(lanes: int, end: int, blocks: Blocks, known: Lanes, state: I64) -> int:
    """Find or add the block from the arena's free end to ``end``; its slot, or a status below 0.

    A new block is given ``lanes`` lanes. The status is negated.
    """
    used = blocks.counts[1]
    hashed = block_hash(blocks.frozen, used, end, blocks.secret)
    slot = find(blocks.frozen, used, end, hashed, blocks.chains, blocks.spans, blocks.arena)
    if slot >= 0:
        return slot
    if state[LANES] + lanes > len(known.owner_of):
        state[NEEDED] = lanes
        return -NO_ROOM_LANES
    slot = add(blocks.frozen, used, end, hashed, blocks)
    if slot < 0:
        state[NEEDED] = end - used
        return -NO_ROOM_BLOCKS
    known.lane_of[slot] = state[LANES]
    for i in range(lanes):
        known.owner_of[state[LANES] + i] = slot
    state[LANES] += lanes
    return slot


@inner
def _owner(
    data: U8, at: int, end: int, sort: int, lanes: int, max_block: int, blocks: Blocks,
    known: Lanes, state: I64,
) -> int:  # fmt: skip
    """Find or add the resource or scope in ``[at, end)``, the last field 1; a slot or a status."""
    first = last = ZERO
    while at < end:
        key, start, stop, at = field(data, at, end)
        if at < 0:
            return -BAD_BYTES
        if key == 0x0A:
            first, last = start, stop
    used = blocks.counts[1]
    size = last - first
    if size > max_block:
        return -TOO_LONG
    if used + HEAD + size > len(blocks.arena):
        state[NEEDED] = HEAD + size
        return -NO_ROOM_BLOCKS
    _put_head(blocks.arena, used, sort, ZERO, ZERO, ZERO)
    copy(data, first, blocks.arena, used + HEAD, size)
    return _slot(lanes, used + HEAD + size, blocks, known, state)


@inner
def _count_cause(cause: int, start: int, stop: int, state: I64) -> None:
    """Count one point that is not kept, remembering the metric of the first."""
    at = FIRST_CAUSE + 3 * cause
    if state[at] == 0:
        state[at + 1] = start
        state[at + 2] = stop
    state[at] += 1


@inner
def _read_metric(data: U8, at: int, end: int, arena: U8, used: int, found: I64) -> int:
    """Read what a metric is, copying the fields that name it to ``used``.

    Returns where they end, -1 for bad protobuf, -2 where ``arena`` is full. ``found`` takes
    kind (-1 none, -2 delta, -3 exponential) and the byte range of the metric's data.
    """
    found[0] = -1
    while at < end:
        begin = at
        key, start, stop, at = field(data, begin, end)
        if at < 0:
            return -1
        if key == 0x0A or key == 0x12 or key == 0x1A:
            if used + at - begin > len(arena):
                return -2
            copy(data, begin, arena, used, at - begin)
            used += at - begin
        elif key in (0x2A, 0x3A, 0x4A, 0x52, 0x5A):
            found[1] = start
            found[2] = stop
            temporality = 0
            monotonic = 0
            while start < stop:
                inner_key, value, _, start = field(data, start, stop)
                if start < 0:
                    return -1
                if inner_key == 0x10:
                    temporality = value
                elif inner_key == 0x18:
                    monotonic = value
            if key == 0x2A:
                found[0] = one_point.GAUGE
            elif key == 0x5A:
                found[0] = one_point.SUMMARY
            elif key == 0x52:
                found[0] = -3
            elif temporality != 2:
                found[0] = -2
            elif key == 0x4A:
                found[0] = HISTOGRAM
            else:
                found[0] = COUNTER if monotonic != 0 else one_point.UPDOWN
    return used


@kernel
def walk_metrics(
    data: U8, max_block: int, blocks: Blocks, known: Lanes, rows: Rows, found: I64, point: I64,
    state: I64,
) -> int:  # fmt: skip
    """Read a metrics request.

    ``state`` is zero at each attempt but for ``LANES``. ``found`` and ``point`` are room for 3
    and ``POINT_SIZE`` numbers.
    """
    end = len(data)
    row = at = none = ZERO
    one = ZERO + 1
    while at < end:
        state[AT] = at
        key, r_start, r_stop, at = field(data, at, end)
        if at < 0:
            return BAD_BYTES
        if key != 0x0A:
            continue
        resource = _owner(
            data, r_start, r_stop, ZERO + SORT_RESOURCE, one, max_block, blocks, known, state
        )
        if resource < 0:
            return -resource
        newest = none
        s_at = r_start
        while s_at < r_stop:
            key, s_start, s_stop, s_at = field(data, s_at, r_stop)
            if key != 0x12:
                continue
            scope = _owner(
                data, s_start, s_stop, ZERO + SORT_SCOPE, none, max_block, blocks, known, state
            )
            if scope < 0:
                return -scope
            m_at = s_start
            while m_at < s_stop:
                key, m_start, m_stop, m_at = field(data, m_at, s_stop)
                if key != 0x12:
                    continue
                state[AT] = m_start
                used = blocks.counts[1]
                room = len(blocks.arena) - used
                block_end = ZERO - 2
                if room >= HEAD:
                    block_end = _read_metric(
                        data, m_start, m_stop, blocks.arena, used + HEAD, found
                    )
                if block_end == -2 and room < HEAD + max_block:
                    state[NEEDED] = HEAD + max_block
                    return NO_ROOM_BLOCKS
                if block_end == -1:
                    return BAD_BYTES
                if block_end < 0 or block_end - used > max_block:
                    return TOO_LONG
                kind, p_at, d_stop = found[0], found[1], found[2]
                if kind == -1:
                    continue
                metric = none
                if kind >= 0:
                    _put_head(blocks.arena, used, ZERO + SORT_METRIC, resource, scope, kind)
                    metric = _slot(none, block_end, blocks, known, state)
                    if metric < 0:
                        return -metric
                while p_at < d_stop:
                    key, p_start, p_stop, p_at = field(data, p_at, d_stop)
                    if key != 0x0A:
                        continue
                    if kind < 0:
                        cause = DELTA if kind == -2 else EXPONENTIAL
                        _count_cause(cause, m_start, m_stop, state)
                        continue
                    if p_stop - p_start > 2 * max_block:
                        _count_cause(LONG, m_start, m_stop, state)
                        continue
                    used = blocks.counts[1]
                    needed = HEAD + 6 * (p_stop - p_start)
                    if used + needed > len(blocks.arena):
                        state[NEEDED] = needed
                        return NO_ROOM_BLOCKS
                    state[AT] = p_start
                    block_end = read_point(
                        data, p_start, p_stop, kind, blocks.arena, used + HEAD, point
                    )
                    if block_end < 0:
                        return BAD_BYTES
                    state[EXEMPLARS] += point[one_point.POINT_EXEMPLARS]
                    steps = point[one_point.STEPS]
                    lanes = one
                    whole = steps <= one_point.MAX_STEPS
                    if kind <= COUNTER:
                        whole = point[one_point.VALUE_AT] >= 0 or point[one_point.FLAGS] == 1
                    elif kind == HISTOGRAM:
                        whole &= point[one_point.BOUNDS] + 1 == max(steps, 1)
                        lanes = max(steps, 1) + 2
                    else:
                        lanes = steps + 2
                    if not whole or point[one_point.TIME] == 0 or block_end - used > max_block:
                        cause = LONG if whole else BAD_POINT
                        if whole and point[one_point.TIME] == 0:
                            cause = NO_TIME
                        _count_cause(cause, m_start, m_stop, state)
                        continue
                    if row + lanes + 1 > len(rows.time):
                        return NO_ROOM_ROWS
                    _put_head(blocks.arena, used, ZERO + SORT_POINT, metric, lanes, none)
                    slot = _slot(lanes, block_end, blocks, known, state)
                    if slot < 0:
                        return -slot
                    newest = max(newest, point[one_point.TIME])
                    lane = known.lane_of[slot]
                    row = put_samples(data, p_start, p_stop, kind, point, lane, row, rows)
        if newest > 0:
            row = put_row(known.lane_of[resource], newest, 1.0, row, rows)
    state[ROWS] = row
    return DONE
