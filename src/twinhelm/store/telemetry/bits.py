"""How are columns of whole numbers packed tightly? Bit-packed blocks of 32, dense or sparse.

In: unsigned 64-bit numbers, mostly small (differences, XORs), from :mod:`.pages`. Out: bytes.
A block is one byte ``w`` (bits per number, 0 = all zero), with 0x80 set where a 32-bit map of
the non-zero positions comes first and only those are packed. Where ``shifted``, a second byte
says how many low zero bits every number was shifted by. Cost about 3 ns a number. Readers
check bounds and raise ``ValueError`` on bytes that cannot be a block.

The idea of frame-of-reference packing is Lemire and Boytsov, "Decoding billions of integers
per second through vectorization" (2015), section 4; the sparse form is ours, for metrics that
change now and then.

>>> import numpy as np
>>> out = np.zeros(64, np.uint8)
>>> end = put_numbers(out, 0, np.array([3, 0, 1], np.uint64), 3, False)
>>> back = np.zeros(3, np.uint64)
>>> get_numbers(out, 0, end, back, 3, False) == end, back.tolist()
(True, [3, 0, 1])
"""

from typing import Any

import numpy as np
from numba import njit

from twinhelm.core.arrays import U8, U64

__all__ = [
    "BLOCK", "Number", "get_numbers", "get_varint", "put_numbers", "put_varint", "unzigzag",
    "zigzag",
]  # fmt: skip

BLOCK = 32
Number = Any
"""A whole number inside a kernel: uint64 or int64 to numba, of no one type to a type checker."""

_ONE = np.uint64(1)
_ZERO = np.uint64(0)


@njit(cache=True, nogil=True, inline="always")
def zigzag(number: Number) -> Number:
    """Fold a signed number to an unsigned one with small magnitudes first."""
    return np.uint64((number << 1) ^ (number >> 63))


@njit(cache=True, nogil=True, inline="always")
def unzigzag(number: Number) -> Number:
    """Undo :func:`zigzag`."""
    return np.int64(number >> _ONE) ^ -np.int64(number & _ONE)


@njit(cache=True, nogil=True)
def put_varint(out: U8, at: int, number: Number) -> int:
    """Write an unsigned number, seven bits a byte; return the position after it."""
    rest = np.uint64(number)
    while rest >= np.uint64(128):
        out[at] = np.uint8((rest & np.uint64(127)) | np.uint64(128))
        at += 1
        rest >>= np.uint64(7)
    out[at] = np.uint8(rest)
    return at + 1


@njit(cache=True, nogil=True)
def get_varint(data: U8, at: int, end: int) -> tuple[Number, int]:
    """Read what :func:`put_varint` wrote: (number, position after it)."""
    number = _ZERO
    for k in range(10):
        if at >= end:
            break
        byte = np.uint64(data[at])
        at += 1
        number |= (byte & np.uint64(127)) << np.uint64(7 * k)
        if byte < np.uint64(128):
            return number, at
    raise ValueError("a number is cut short")


@njit(cache=True, nogil=True, inline="always")
def _width(number: Number) -> int:
    width = 0
    rest: Number = number
    while rest != _ZERO:
        rest >>= _ONE
        width += 1
    return width


@njit(cache=True, nogil=True)
def put_numbers(out: U8, at: int, numbers: U64, count: int, shifted: bool) -> int:
    """Pack ``numbers[:count]``; return the position after them.

    ``out`` must have room for ``count * 8 + (count / 32 + 1) * 6`` bytes.
    """
    for first in range(0, count, BLOCK):
        last = min(first + BLOCK, count)
        union = _ZERO
        filled = 0
        for i in range(first, last):
            union |= numbers[i]
            filled += numbers[i] != _ZERO
        if union == _ZERO:
            out[at] = 0
            at += 1
            continue
        shift = 0
        if shifted:
            while (union >> np.uint64(shift)) & _ONE == _ZERO:
                shift += 1
        width = _width(union >> np.uint64(shift))
        sparse = 4 + (filled * width + 7) // 8 < ((last - first) * width + 7) // 8
        out[at] = np.uint8(width | (0x80 if sparse else 0))
        at += 1
        if shifted:
            out[at] = np.uint8(shift)
            at += 1
        if sparse:
            bitmap = 0
            for i in range(first, last):
                bitmap |= (numbers[i] != _ZERO) << (i - first)
            for k in range(4):
                out[at + k] = np.uint8((bitmap >> (8 * k)) & 255)
            at += 4
        held = _ZERO
        bits = 0
        for i in range(first, last):
            number = numbers[i] >> np.uint64(shift)
            if sparse and number == _ZERO:
                continue
            left = width
            while left > 0:
                take = min(8 - bits, left)
                held |= (number & ((_ONE << np.uint64(take)) - _ONE)) << np.uint64(bits)
                number >>= np.uint64(take)
                bits += take
                left -= take
                if bits == 8:
                    out[at] = np.uint8(held)
                    at += 1
                    held = _ZERO
                    bits = 0
        if bits:
            out[at] = np.uint8(held)
            at += 1
    return at


@njit(cache=True, nogil=True)
def get_numbers(data: U8, at: int, end: int, numbers: U64, count: int, shifted: bool) -> int:
    """Unpack ``count`` numbers from ``data[at:end]``; return the position after them."""
    for first in range(0, count, BLOCK):
        last = min(first + BLOCK, count)
        if at >= end:
            raise ValueError("a block is missing")
        head = int(data[at])
        at += 1
        if head == 0:
            for i in range(first, last):
                numbers[i] = _ZERO
            continue
        width = head & 0x7F
        shift: Number = _ZERO
        if shifted:
            if at >= end:
                raise ValueError("a block is cut short")
            shift = np.uint64(data[at])
            at += 1
        bitmap = 0xFFFFFFFF
        present = last - first
        if head & 0x80:
            if at + 4 > end:
                raise ValueError("a block is cut short")
            bitmap = 0
            present = 0
            for k in range(4):
                bitmap |= int(data[at + k]) << (8 * k)
            for k in range(last - first):
                present += (bitmap >> k) & 1
            at += 4
        if width > 64 or at + (present * width + 7) // 8 > end:
            raise ValueError("a block is cut short")
        bits = 0
        for i in range(first, last):
            number = _ZERO
            if (bitmap >> (i - first)) & 1:
                got = 0
                while got < width:
                    take = min(8 - bits, width - got)
                    part = (np.uint64(data[at]) >> np.uint64(bits)) & (
                        (_ONE << np.uint64(take)) - _ONE
                    )
                    number |= part << np.uint64(got)
                    got += take
                    bits += take
                    if bits == 8:
                        at += 1
                        bits = 0
            numbers[i] = number << shift
        if bits:
            at += 1
    return at
