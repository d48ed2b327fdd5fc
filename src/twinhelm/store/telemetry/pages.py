"""How do samples rest? As pages: sorted by series and time, at most about 4 kB, self-contained.

In: rows sorted by (series, time) from a flush or from settling (:mod:`.settle`). Out: bytes for
the ``pages`` table and, back again, exactly the same bits: every NaN, infinity and -0.0.

A page is a number of chunks (:mod:`.chunks`), each of one series; a series may have several::

    page   k:varint | series steps | rows - 1 | lengths | start steps   (k each, packed)
           | chunk ... chunk

Pages stay under DuckDB's 4,096 bytes for a string that lives within its block.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from twinhelm.core.arrays import I64, U8, U32, U64
from twinhelm.core.telemetry import SampleBlock
from twinhelm.store.telemetry.bits import (
    Number,
    get_numbers,
    get_varint,
    put_numbers,
    put_varint,
    unzigzag,
    zigzag,
)
from twinhelm.store.telemetry.chunks import CHUNK_ROWS, SCRATCH, get_chunk, put_chunk

__all__ = ["PAGE_BYTES", "Pages", "decode_pages", "encode_pages", "sort_rows"]

PAGE_BYTES = 3900
_CHUNK_BYTES = 3400
_MAX_CHUNKS = 1024


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
    bits = block.value.view(np.uint64)
    series, times, placed = _sorted(block.series, block.time_ms, bits, series_count)
    return SampleBlock(series, times, placed.view(np.float64))


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
def _sorted(series: U32, times: I64, bits: U64, series_count: int) -> tuple[U32, I64, U64]:
    """Put rows together by series, in order of arrival, then mend series out of order, if any."""
    n = len(series)
    place = np.zeros(series_count + 1, np.int64)
    for i in range(n):
        place[series[i] + 1] += 1
    out_series = np.empty(n, np.uint32)
    for s in range(series_count):
        first = place[s]
        place[s + 1] += first
        out_series[first : place[s + 1]] = s
    out_times = np.empty(n, np.int64)
    out_bits = np.empty(n, np.uint64)
    for i in range(n):
        s = series[i]
        at = place[s]
        place[s] = at + 1
        out_times[at] = times[i]
        out_bits[at] = bits[i]
    first = 0
    ascending = True
    for i in range(1, n + 1):
        if i < n and out_series[i] == out_series[first]:
            ascending &= out_times[i] >= out_times[i - 1]
            continue
        if not ascending:
            order = np.argsort(out_times[first:i], kind="mergesort")
            out_times[first:i] = out_times[first:i][order]
            out_bits[first:i] = out_bits[first:i][order]
        first = i
        ascending = True
    return out_series, out_times, out_bits


@njit(cache=True, nogil=True)
def _encode(series: U32, times: I64, bits: U64) -> tuple[U8, I64, U32, U32, I64, I64, U32]:
    n = len(series)
    values = bits.view(np.float64)
    out = np.empty(n * 40 + SCRATCH, np.uint8)
    offset = np.zeros(n + 1, np.int64)
    lo = np.empty(n, np.uint32)
    hi = np.empty(n, np.uint32)
    start = np.empty(n, np.int64)
    end = np.empty(n, np.int64)
    rows = np.empty(n, np.uint32)
    numbers = np.empty(CHUNK_ROWS, np.uint64)
    spare = np.empty(SCRATCH, np.uint8)
    body = np.empty(PAGE_BYTES + SCRATCH, np.uint8)
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
            size = put_chunk(body, body_end, times, values, bits, first, last, numbers, spare)
            size -= body_end
            while size > _CHUNK_BYTES and last - first > 1:
                last = first + (last - first) // 2
                size = put_chunk(body, body_end, times, values, bits, first, last, numbers, spare)
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
            before: Number = np.int64(series[begin])
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
    filled: Number = 0
    steps = np.empty(_MAX_CHUNKS, np.uint64)
    sizes = np.empty(_MAX_CHUNKS, np.uint64)
    lengths = np.empty(_MAX_CHUNKS, np.uint64)
    starts = np.empty(_MAX_CHUNKS, np.uint64)
    numbers = np.empty(CHUNK_ROWS, np.uint64)
    times = np.empty(CHUNK_ROWS, np.int64)
    bits = np.empty(CHUNK_ROWS, np.uint64)
    for page in range(len(offset) - 1):
        end: Number = offset[page + 1]
        folded, at = get_varint(data, offset[page], end)
        if folded > np.uint64(_MAX_CHUNKS):
            raise ValueError("a page has too many chunks")
        chunks: Number = np.int64(folded)
        at = get_numbers(data, at, end, steps, chunks, False)
        at = get_numbers(data, at, end, sizes, chunks, False)
        at = get_numbers(data, at, end, lengths, chunks, False)
        at = get_numbers(data, at, end, starts, chunks, False)
        series: Number = np.int64(lo[page])
        start: Number = page_start[page]
        seek: Number = 0 if everything else np.searchsorted(wanted, lo[page])
        for c in range(chunks):
            series += np.int64(steps[c])
            start += unzigzag(starts[c])
            rows: Number = np.int64(sizes[c]) + 1
            stop: Number = at + np.int64(lengths[c])
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
                get_chunk(data, at, stop, start, rows, times, bits, numbers)
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
