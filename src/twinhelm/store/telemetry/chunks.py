"""How is one series written? As a chunk: up to ``CHUNK_ROWS`` rows, every bit kept.

In: rows of one series sorted by time, from :mod:`.pages`. Out: bytes, and back::

    chunk  head | first time step:varint | time blocks | values
    head   bits 0-1 value form, bit 2 all value steps zero, bit 3 all time steps equal,
           bits 4-7 decimal places
    values form 0: 8 bytes, XOR blocks; 1: decimal, differences; 2: decimal, differences of
           differences; 3: as 1, with exceptions (count, then place and 8 bytes each)

The first time and the number of rows stand in the page. Decimal means that ``whole /
10**places`` gives back the very same float64, which holds for what was once printed with at
most 15 digits; NaNs, infinities and -0.0 are exceptions. Times are packed as differences of
differences, as in Pelkonen et al., "Gorilla" (VLDB 2015), section 4.1. Cost: about 20 ns a row
to write, 10 to read. Raises ``ValueError`` on bytes that cannot be a chunk.
"""

import numpy as np
from numba import njit

from twinhelm.core.arrays import F64, I64, U8, U64
from twinhelm.store.telemetry.bits import (
    Number,
    get_numbers,
    get_varint,
    put_numbers,
    put_varint,
    unzigzag,
    zigzag,
)

__all__ = ["CHUNK_ROWS", "SCRATCH", "get_chunk", "put_chunk"]

CHUNK_ROWS = 1024
SCRATCH = CHUNK_ROWS * 18 + 4096
"""Bytes that one chunk may take at the most, with room to try a second form."""

_PLACES = 9
_EXACT = float(2**53)
_POWERS = np.array([10.0**k for k in range(_PLACES + 1)])
_ZERO = np.uint64(0)


@njit(cache=True, nogil=True, inline="always")
def _is_decimal(value: float, bits: Number, places: int) -> bool:
    """Tell whether ``rint(value * 10**places) / 10**places`` has exactly these bits."""
    power = _POWERS[places]
    whole = np.rint(value * power)
    return abs(whole) < _EXACT and whole / power == value and (value != 0.0 or bits == _ZERO)


@njit(cache=True, nogil=True)
def _put_raw(out: U8, at: int, bits: Number) -> int:
    for k in range(8):
        out[at + k] = np.uint8((bits >> np.uint64(8 * k)) & np.uint64(255))
    return at + 8


@njit(cache=True, nogil=True)
def _get_raw(data: U8, at: int, end: int) -> Number:
    if at + 8 > end:
        raise ValueError("a value is cut short")
    bits: Number = _ZERO
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
def put_chunk(
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
    """Write rows ``first <= i < last`` from ``out[at]`` on; return the position after them.

    ``out`` needs ``SCRATCH`` bytes from ``at``; ``numbers`` (``CHUNK_ROWS``) and ``spare``
    (``SCRATCH``) are working space.
    """
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
def get_chunk(
    data: U8, at: int, end: int, start: Number, n: Number, times: I64, bits: U64, numbers: U64
) -> None:
    """Read ``n`` rows from ``data[at:end]`` into ``times`` and ``bits``; ``start`` is the first."""
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
    exceptions: Number = 0
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
