"""Read one OTLP data point inside a compiled walk: what names it, and its samples.

``kind`` is the number of :class:`~twinhelm.aiops.collect.otlp.series.Kind`. Two passes over
the point's bytes: :func:`read_point` checks every field and says what is there, then
:func:`put_samples`, for whose rows there must be room, writes the samples.

Source: opentelemetry-proto ``metrics.proto`` (1.x).
"""

import numpy as np

from twinhelm.aiops.collect.wire.blocks import copy
from twinhelm.aiops.collect.wire.columns import Rows
from twinhelm.aiops.collect.wire.memory import field, inner, load_f64, load_u64, melted, store_u64
from twinhelm.core.arrays import I64, U8

__all__ = [
    "BOUNDS", "COUNTER", "FLAGS", "GAUGE", "HISTOGRAM", "MAX_STEPS", "POINT_EXEMPLARS",
    "POINT_SIZE", "STEPS", "SUMMARY", "TIME", "UPDOWN", "VALUE_AT", "put_row", "put_samples",
    "read_point",
]  # fmt: skip

GAUGE, UPDOWN, COUNTER, HISTOGRAM, SUMMARY = 0, 1, 2, 3, 4
MAX_STEPS = 2048
"""Buckets or quantiles of one point; more are no histogram that anybody reads."""

TIME, FLAGS, VALUE_AT, IS_INT, COUNT_AT, SUM_AT, STEPS, BOUNDS, POINT_EXEMPLARS = range(9)
POINT_SIZE = 9
"""What reading a point yields; offsets are -1 where the field is absent."""

STALE = np.uint64(0x7FF0000000000002).view(np.float64)


@inner
def read_point(data: U8, at: int, end: int, kind: int, arena: U8, used: int, point: I64) -> int:
    """Read one data point; the fields that name it are copied to ``used``: where they end, or -1.

    The caller has checked for six times the point's bytes of room.
    """
    for i in range(POINT_SIZE):
        point[i] = 0
    point[VALUE_AT] = point[COUNT_AT] = point[SUM_AT] = -1
    attributes, flags, exemplars = 0x3A, 0x40, 0x2A
    if kind == HISTOGRAM:
        attributes, flags, exemplars = 0x4A, 0x50, 0x42
    lowest = -np.inf
    while at < end:
        begin = at
        key, start, stop, at = field(data, begin, end)
        if at < 0:
            return -1
        keep = key == attributes
        if key == 0x19:
            point[TIME] = np.int64(load_u64(data, start) // np.uint64(1_000_000))
        elif key == flags:
            point[FLAGS] = start & 1
        elif kind <= COUNTER:
            if key == 0x21 or key == 0x31:
                point[VALUE_AT] = start
                point[IS_INT] = key == 0x31
            elif key == exemplars:
                point[POINT_EXEMPLARS] += 1
        elif key == 0x21:
            point[COUNT_AT] = start
        elif key == 0x29:
            point[SUM_AT] = start
        elif kind == SUMMARY:
            if key == 0x32:
                quantile = np.uint64(0)
                while start < stop:
                    key, value_at, _, start = field(data, start, stop)
                    if start < 0:
                        return -1
                    if key == 0x09:
                        quantile = load_u64(data, value_at)
                arena[used] = 0x32
                arena[used + 1] = 0x09
                arena[used + 2] = 0x09
                store_u64(arena, used + 3, quantile)
                used += 11
                point[STEPS] += 1
        elif key == 0x32 or key == 0x31:
            if (stop - start) & 7:
                return -1
            point[STEPS] += (stop - start) >> 3
        elif key == 0x3A or key == 0x39:
            if (stop - start) & 7:
                return -1
            keep = True
            while start < stop:
                bound = load_f64(data, start)
                if not lowest < bound < np.inf:
                    point[BOUNDS] = -MAX_STEPS * 1_000_000  # Never matches the buckets.
                lowest = bound
                point[BOUNDS] += 1
                start += 8
        elif key == exemplars:
            point[POINT_EXEMPLARS] += 1
        if keep:
            copy(data, begin, arena, used, at - begin)
            used += at - begin
    return used


@melted
def put_row(lane: int, time: int, value: float, row: int, rows: Rows) -> int:
    """Write one sample; the row after it."""
    rows.lane[row] = lane
    rows.time[row] = time
    rows.value[row] = value
    return row + 1


@melted
def put_samples(
    data: U8, at: int, end: int, kind: int, point: I64, lane: int, row: int, rows: Rows
) -> int:
    """Write the samples of one point, for whose lanes there is room; the row after them."""
    time = point[TIME]
    stale = point[FLAGS] == 1
    if kind <= COUNTER:
        value = float(STALE)
        if not stale:
            value = float(load_f64(data, point[VALUE_AT]))
            if point[IS_INT] == 1:
                value = float(np.int64(load_u64(data, point[VALUE_AT])))
        return put_row(lane, time, value, row, rows)
    count = 0.0 if point[COUNT_AT] < 0 else np.float64(load_u64(data, point[COUNT_AT]))
    total = 0.0 if point[SUM_AT] < 0 else load_f64(data, point[SUM_AT])
    steps = point[STEPS]
    if kind == HISTOGRAM:
        steps = max(steps, 1) - 1  # The last bucket is +Inf, which is the count.
    below = np.uint64(0)
    step = 0
    while at < end and step < steps:
        key, start, stop, at = field(data, at, end)
        if kind == HISTOGRAM and (key == 0x32 or key == 0x31):
            while start < stop and step < steps:
                below += load_u64(data, start)
                value = STALE if stale else np.float64(below)
                row = put_row(lane + step, time, value, row, rows)
                step += 1
                start += 8
        elif kind == SUMMARY and key == 0x32:
            value = 0.0
            while start < stop:
                key, value_at, _, start = field(data, start, stop)
                if key == 0x11:
                    value = load_f64(data, value_at)
            value = STALE if stale else value
            row = put_row(lane + step, time, value, row, rows)
            step += 1
    lane += steps
    if stale:
        count = total = STALE
    if kind == HISTOGRAM:
        row = put_row(lane, time, count, row, rows)
        lane += 1
    row = put_row(lane, time, count, row, rows)
    if kind == SUMMARY or point[SUM_AT] >= 0:
        row = put_row(lane + 1, time, total, row, rows)
    return row
