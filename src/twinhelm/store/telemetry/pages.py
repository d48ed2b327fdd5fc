"""How do samples rest? As pages: sorted by series and time, at most about 4 kB, self-contained.

In: rows sorted by (series, time) from a flush or from settling (:mod:`.settle`). Out: bytes for
the ``pages`` table and, back again, exactly the same bits: every NaN, infinity and -0.0.

A page is a number of chunks; a chunk is up to ``CHUNK_ROWS`` rows of one series::

    page   k:varint | series steps | rows - 1 | lengths | start steps   (k each, packed)
           | chunk ... chunk
    chunk  head | first time step:varint | time blocks | values
    head   bits 0-1 value form, bit 2 all value steps zero, bit 3 all time steps equal,
           bits 4-7 decimal places
    values form 0: 8 bytes, XOR blocks; 1: decimal, differences; 2: decimal, differences of
           differences; 3: as 1, with exceptions (count, then place and 8 bytes each)

Decimal means ``whole / 10**places`` gives back the very same float64, which holds for what was
once printed with at most 15 digits. Times are packed as differences of differences, as in
Pelkonen et al., "Gorilla" (VLDB 2015), section 4.1. Cost: about 60 ns a row to write, 15 to
read. Pages stay under DuckDB's 4,096 bytes for a string that lives within its block.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from twinhelm.core.arrays import F64, I64, U8, U32, U64
from twinhelm.core.telemetry import SampleBlock
from twinhelm.store.telemetry.bits import (
    get_numbers,
    get_varint,
    put_numbers,
    put_varint,
    unzigzag,
    zigzag,
)

__all__ = ["CHUNK_ROWS", "PAGE_BYTES", "Pages", "decode_pages", "encode_pages", "sort_rows"]

CHUNK_ROWS = 1024
PAGE_BYTES = 3900
_CHUNK_BYTES = 3400
_MAX_CHUNKS = 1024
_SCRATCH = CHUNK_ROWS * 18 + 4096
_PLACES = 9
_EXACT = float(2**53)
_POWERS = np.array([10.0**k for k in range(_PLACES + 1)])
_ZERO = np.uint64(0)


@dataclass(frozen=True, slots=True)
class Pages:
    """Encoded pages: page ``i`` is ``data[offset[i]:offset[i + 1]]``.

    ``lo`` and ``hi`` are its first and last series, ``start_ms`` and ``end_ms`` bound its times.
    """

    data: U8
    offset: I64
    lo: U32
    hi: U32
    start_ms: I64
    end_ms: I64
    rows: U32

    def __len__(self) -> int:
        return len(self.lo)


def sort_rows(block: SampleBlock, series_count: int) -> SampleBlock:
    """Sort rows by (series, time), keeping the order of arrival among equals."""
    order = _sort_order(block.series, block.time_ms, series_count)
    return SampleBlock(block.series[order], block.time_ms[order], block.value[order])


def encode_pages(block: SampleBlock) -> Pages:
    """Encode rows that are sorted by (series, time)."""
    return Pages(*_encode(block.series, block.time_ms, block.value.view(np.uint64)))


def decode_pages(
    pages: list[bytes], lo: U32, start_ms: I64, wanted: U32 | None, from_ms: int, to_ms: int
) -> SampleBlock:
    """Decode the rows of ``wanted`` series (ascending; None = all) within a closed time range.

    ``lo`` and ``start_ms`` are the pages' own (:class:`Pages`). Rows come page after page.
    Raises ``ValueError`` where bytes are not a page.
    """
    if not pages:
        return SampleBlock.empty()
    data = np.frombuffer(b"".join(pages), np.uint8)
    offset = np.zeros(len(pages) + 1, np.int64)
    np.cumsum([len(page) for page in pages], out=offset[1:])
    everything = wanted is None
    ids = np.empty(0, np.uint32) if wanted is None else wanted
    series, times, bits = _decode(data, offset, lo, start_ms, ids, everything, from_ms, to_ms)
    return SampleBlock(series, times, bits.view(np.float64))


@njit(cache=True, nogil=True)
def _sort_order(series: U32, times: I64, series_count: int) -> I64:
    n = len(series)
    place = np.zeros(series_count + 1, np.int64)
    for i in range(n):
        place[series[i] + 1] += 1
    for s in range(series_count):
        place[s + 1] += place[s]
    order = np.empty(n, np.int64)
    for i in range(n):
        s = series[i]
        order[place[s]] = i
        place[s] += 1
    first = 0
    for i in range(1, n + 1):
        if i < n and series[order[i]] == series[order[first]]:
            continue
        ascending = True
        for k in range(first + 1, i):
            if times[order[k]] < times[order[k - 1]]:
                ascending = False
                break
        if not ascending:
            part = order[first:i].copy()
            order[first:i] = part[np.argsort(times[part], kind="mergesort")]
        first = i
    return order


@njit(cache=True, nogil=True, inline="always")
def _is_decimal(value: float, bits: int, places: int) -> bool:
    """Tell whether ``rint(value * 10**places) / 10**places`` has exactly these bits."""
    power = _POWERS[places]
    whole = np.rint(value * power)
    return abs(whole) < _EXACT and whole / power == value and (value != 0.0 or bits == _ZERO)


@njit(cache=True, nogil=True)
def _put_raw(out: U8, at: int, bits: int) -> int:
    for k in range(8):
        out[at + k] = np.uint8((bits >> np.uint64(8 * k)) & np.uint64(255))
    return at + 8


@njit(cache=True, nogil=True)
def _get_raw(data: U8, at: int, end: int) -> int:
    if at + 8 > end:
        raise ValueError("a value is cut short")
    bits = _ZERO
    for k in range(8):
        bits |= np.uint64(data[at + k]) << np.uint64(8 * k)
    return bits


@njit(cache=True, nogil=True)
def _decimal_places(values: F64, bits: U64, first: int, last: int) -> tuple[int, int]:
    """Return (decimal places, exceptions); -1 places where too many values are not decimal."""
    places = 0
    exceptions = 0
    allowed = (last - first) // 16
    for i in range(first, last):
        if _is_decimal(values[i], bits[i], places):
            continue
        more = places + 1
        while more <= _PLACES and not _is_decimal(values[i], bits[i], more):
            more += 1
        if more <= _PLACES:
            places = more
        else:
            exceptions += 1
            if exceptions > allowed:
                return -1, exceptions
    exceptions = 0
    for i in range(first, last):
        exceptions += not _is_decimal(values[i], bits[i], places)
    return (places if exceptions <= allowed else -1), exceptions


@njit(cache=True, nogil=True)
def _put_steps(out: U8, at: int, numbers: U64, count: int, shifted: bool) -> tuple[int, bool]:
    """Pack numbers unless all are zero; return (position after, all were zero)."""
    for i in range(count):
        if numbers[i] != _ZERO:
            return put_numbers(out, at, numbers, count, shifted), False
    return at, True


@njit(cache=True, nogil=True)
def _put_values(
    out: U8, at: int, values: F64, bits: U64, first: int, last: int, numbers: U64, spare: U8
) -> tuple[int, int]:
    """Write one chunk's values in the shortest form; return (position after, head bits)."""
    n = last - first
    places, exceptions = _decimal_places(values, bits, first, last)
    if places < 0:
        at = _put_raw(out, at, bits[first])
        for i in range(1, n):
            numbers[i - 1] = bits[first + i] ^ bits[first + i - 1]
        at, flat = _put_steps(out, at, numbers, n - 1, True)
        return at, 4 if flat else 0
    form = 1
    power = _POWERS[places]
    if exceptions:
        form = 3
        at = put_varint(out, at, np.uint64(exceptions))
        for i in range(n):
            if not _is_decimal(values[first + i], bits[first + i], places):
                at = put_varint(out, at, np.uint64(i))
                at = _put_raw(out, at, bits[first + i])
    begin = at
    whole = np.int64(0)
    origin = np.int64(0)
    for i in range(n):
        value = values[first + i]
        now = np.int64(np.rint(value * power)) if exceptions == 0 else whole
        if exceptions and _is_decimal(value, bits[first + i], places):
            now = np.int64(np.rint(value * power))
        if i == 0:
            origin = now
        else:
            numbers[i - 1] = zigzag(now - whole)
        whole = now
    at = put_varint(out, at, zigzag(origin))
    at, flat = _put_steps(out, at, numbers, n - 1, False)
    if form == 1 and not flat and n > 2:
        step = np.int64(0)
        for i in range(n - 1):
            now = unzigzag(numbers[i])
            numbers[i] = zigzag(now - step)
            step = now
        other = put_varint(spare, 0, zigzag(origin))
        other = put_numbers(spare, other, numbers, n - 1, False)
        if other < at - begin:
            out[begin : begin + other] = spare[:other]
            at = begin + other
            form = 2
    return at, form | (4 if flat else 0) | (places << 4)


@njit(cache=True, nogil=True)
def _put_chunk(
    out: U8,
    at: int,
    times: I64,
    values: F64,
    bits: U64,
    first: int,
    last: int,
    numbers: U64,
    spare: U8,
) -> int:
    n = last - first
    begin = at
    at += 1
    regular = True
    if n > 1:
        step = times[first + 1] - times[first]
        at = put_varint(out, at, zigzag(step))
        for i in range(2, n):
            now = times[first + i] - times[first + i - 1]
            numbers[i - 2] = zigzag(now - step)
            step = now
        at, regular = _put_steps(out, at, numbers, n - 2, False)
    at, head = _put_values(out, at, values, bits, first, last, numbers, spare)
    out[begin] = np.uint8(head | (8 if regular else 0))
    return at


@njit(cache=True, nogil=True)
def _encode(series: U32, times: I64, bits: U64) -> tuple[U8, I64, U32, U32, I64, I64, U32]:
    n = len(series)
    values = bits.view(np.float64)
    out = np.empty(n * 40 + _SCRATCH, np.uint8)
    offset = np.zeros(n + 1, np.int64)
    lo = np.empty(n, np.uint32)
    hi = np.empty(n, np.uint32)
    start = np.empty(n, np.int64)
    end = np.empty(n, np.int64)
    rows = np.empty(n, np.uint32)
    numbers = np.empty(CHUNK_ROWS, np.uint64)
    spare = np.empty(_SCRATCH, np.uint8)
    body = np.empty(PAGE_BYTES + _SCRATCH, np.uint8)
    body_end = 0
    chunk_first = np.empty(_MAX_CHUNKS + 1, np.int64)
    chunk_end = np.empty(_MAX_CHUNKS, np.int64)
    column = np.empty(_MAX_CHUNKS, np.uint64)
    chunks = 0
    pages = 0
    at = 0
    first = 0
    while first < n or chunks:
        size = 0
        last = first
        if first < n:
            last = first + 1
            while last < n and last - first < CHUNK_ROWS and series[last] == series[first]:
                last += 1
            size = _put_chunk(body, body_end, times, values, bits, first, last, numbers, spare)
            size -= body_end
            while size > _CHUNK_BYTES and last - first > 1:
                last = first + (last - first) // 2
                size = _put_chunk(body, body_end, times, values, bits, first, last, numbers, spare)
                size -= body_end
        full = chunks == _MAX_CHUNKS or body_end + size + 4 * (chunks + 1) > PAGE_BYTES
        if chunks and (first >= n or full):
            chunk_first[chunks] = first
            begin = chunk_first[0]
            lo[pages] = series[begin]
            hi[pages] = series[first - 1]
            rows[pages] = first - begin
            start[pages] = times[begin]
            end[pages] = times[begin]
            for i in range(begin, first):
                start[pages] = min(start[pages], times[i])
                end[pages] = max(end[pages], times[i])
            at = put_varint(out, at, np.uint64(chunks))
            before = np.int64(series[begin])
            for c in range(chunks):
                now = np.int64(series[chunk_first[c]])
                column[c] = np.uint64(now - before)
                before = now
            at = put_numbers(out, at, column, chunks, False)
            for c in range(chunks):
                column[c] = np.uint64(chunk_first[c + 1] - chunk_first[c] - 1)
            at = put_numbers(out, at, column, chunks, False)
            for c in range(chunks):
                column[c] = np.uint64(chunk_end[c] - (chunk_end[c - 1] if c else 0))
            at = put_numbers(out, at, column, chunks, False)
            before = start[pages]
            for c in range(chunks):
                now = times[chunk_first[c]]
                column[c] = zigzag(now - before)
                before = now
            at = put_numbers(out, at, column, chunks, False)
            written = chunk_end[chunks - 1]
            out[at : at + written] = body[:written]
            at += written
            body[:size] = body[body_end : body_end + size].copy()
            body_end = 0
            chunks = 0
            pages += 1
            offset[pages] = at
        if first < n:
            chunk_first[chunks] = first
            body_end += size
            chunk_end[chunks] = body_end
            chunks += 1
            first = last
    return (
        out[:at].copy(),
        offset[: pages + 1].copy(),
        lo[:pages].copy(),
        hi[:pages].copy(),
        start[:pages].copy(),
        end[:pages].copy(),
        rows[:pages].copy(),
    )


@njit(cache=True, nogil=True)
def _get_chunk(
    data: U8, at: int, end: int, start: int, n: int, times: I64, bits: U64, numbers: U64
) -> None:
    if at >= end:
        raise ValueError("a chunk is missing")
    head = data[at]
    form = head & 3
    at += 1
    times[0] = start
    if n > 1:
        folded, at = get_varint(data, at, end)
        step = unzigzag(folded)
        times[1] = start + step
        if not head & 8:
            at = get_numbers(data, at, end, numbers, n - 2, False)
        for i in range(2, n):
            if not head & 8:
                step += unzigzag(numbers[i - 2])
            times[i] = times[i - 1] + step
    if form == 0:
        bits[0] = _get_raw(data, at, end)
        at += 8
        if not head & 4:
            at = get_numbers(data, at, end, numbers, n - 1, True)
        for i in range(1, n):
            bits[i] = bits[i - 1] if head & 4 else bits[i - 1] ^ numbers[i - 1]
        return
    exceptions = 0
    listed = at
    if form == 3:
        folded, at = get_varint(data, at, end)
        exceptions = np.int64(folded)
        listed = at
        for _ in range(exceptions):
            folded, at = get_varint(data, at, end)
            at += 8
    places = head >> 4
    if places > _PLACES:
        raise ValueError("a chunk has too many decimal places")
    power = _POWERS[places]
    folded, at = get_varint(data, at, end)
    whole = unzigzag(folded)
    if not head & 4:
        at = get_numbers(data, at, end, numbers, n - 1, False)
    values = bits.view(np.float64)
    values[0] = whole / power
    step = np.int64(0)
    for i in range(1, n):
        if not head & 4:
            now = unzigzag(numbers[i - 1])
            step = step + now if form == 2 else now
        whole += step
        values[i] = whole / power
    for _ in range(exceptions):
        folded, listed = get_varint(data, listed, end)
        place = np.int64(folded)
        if place >= n or place < 0:
            raise ValueError("an exception lies outside its chunk")
        bits[place] = _get_raw(data, listed, end)
        listed += 8


@njit(cache=True, nogil=True)
def _decode(
    data: U8,
    offset: I64,
    lo: U32,
    page_start: I64,
    wanted: U32,
    everything: bool,
    from_ms: int,
    to_ms: int,
) -> tuple[U32, I64, U64]:
    room = CHUNK_ROWS * 4
    out_series = np.empty(room, np.uint32)
    out_times = np.empty(room, np.int64)
    out_bits = np.empty(room, np.uint64)
    filled = 0
    steps = np.empty(_MAX_CHUNKS, np.uint64)
    sizes = np.empty(_MAX_CHUNKS, np.uint64)
    lengths = np.empty(_MAX_CHUNKS, np.uint64)
    starts = np.empty(_MAX_CHUNKS, np.uint64)
    numbers = np.empty(CHUNK_ROWS, np.uint64)
    times = np.empty(CHUNK_ROWS, np.int64)
    bits = np.empty(CHUNK_ROWS, np.uint64)
    for page in range(len(offset) - 1):
        end = offset[page + 1]
        folded, at = get_varint(data, offset[page], end)
        if folded > np.uint64(_MAX_CHUNKS):
            raise ValueError("a page has too many chunks")
        chunks = np.int64(folded)
        at = get_numbers(data, at, end, steps, chunks, False)
        at = get_numbers(data, at, end, sizes, chunks, False)
        at = get_numbers(data, at, end, lengths, chunks, False)
        at = get_numbers(data, at, end, starts, chunks, False)
        series = np.int64(lo[page])
        start = page_start[page]
        seek = 0 if everything else np.searchsorted(wanted, lo[page])
        for c in range(chunks):
            series += np.int64(steps[c])
            start += unzigzag(starts[c])
            rows = np.int64(sizes[c]) + 1
            stop = at + np.int64(lengths[c])
            if rows > CHUNK_ROWS or rows < 1 or stop > end or stop < at:
                raise ValueError("a chunk does not fit its page")
            if not everything:
                while seek < len(wanted) and wanted[seek] < series:
                    seek += 1
                if seek == len(wanted):
                    break
                if wanted[seek] != series:
                    at = stop
                    continue
            if start <= to_ms:
                _get_chunk(data, at, stop, start, rows, times, bits, numbers)
                if filled + rows > room:
                    room = (filled + rows) * 2
                    more_series = np.empty(room, np.uint32)
                    more_times = np.empty(room, np.int64)
                    more_bits = np.empty(room, np.uint64)
                    more_series[:filled] = out_series[:filled]
                    more_times[:filled] = out_times[:filled]
                    more_bits[:filled] = out_bits[:filled]
                    out_series, out_times, out_bits = more_series, more_times, more_bits
                for i in range(rows):
                    if from_ms <= times[i] <= to_ms:
                        out_series[filled] = series
                        out_times[filled] = times[i]
                        out_bits[filled] = bits[i]
                        filled += 1
            at = stop
    return out_series[:filled], out_times[:filled], out_bits[:filled]
