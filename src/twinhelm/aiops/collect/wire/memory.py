"""Read and write words and protobuf fields in byte arrays, inside compiled kernels.

A kernel sees a request body as a one-dimensional ``uint8`` array. These words are loaded without
asking for alignment, little-endian, as the wire formats here are. **None of them checks bounds**:
a caller has shown that the 8 bytes at ``at`` lie inside the array. ``folded`` is the multiply
that the block hash is made of: the 128-bit product of two words, its halves xor-ed.

``varint`` and ``field`` do check: bytes ``[at, end)`` of ``data`` are the message, and their last
value is the offset of what follows, or -1 where the bytes are no valid protobuf: a length past
the end, an overlong number, field 0, a group. Fields of unknown keys are the caller's to skip.

:func:`kernel` is how every function of this package is compiled: cached on disk, without the
interpreter's lock. Compiling takes a second or two per kernel on the first start of all.

Source: protobuf "Encoding" (wire types 0, 1, 2 and 5; groups are not taken).
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from twinhelm.core.arrays import U8

__all__ = [
    "ZERO", "field", "folded", "inner", "kernel", "load_f64", "load_u64", "melted", "put_varint",
    "store_u64", "varint", "varint_size",
]  # fmt: skip

F = TypeVar("F", bound=Callable[..., Any])

ZERO: Any = np.int64(0)
"""Zero as a kernel's variable should begin: a plain literal is a type of its own in numba, and
whatever is called with it would be compiled once more."""

_IR: Any = vars(cgutils)["ir"]  # The instruction builder that numba brings with it.
_WORD, _WIDE, _REAL = _IR.IntType(64), _IR.IntType(128), _IR.DoubleType()

_LEAN: dict[str, Any] = {
    "nogil": True,
    "no_cfunc_wrapper": True,
    "no_rewrites": True,
    "_nrt": False,
}
"""Leave out what kernels that allocate nothing do not need: it halves compile time."""

_CALLED: dict[str, Any] = {"cache": True}
_INNER: dict[str, Any] = {"no_cpython_wrapper": True}


def kernel(function: F) -> F:
    """Compile ``function`` on first use; it runs without the interpreter's lock."""
    return cast(F, numba.njit(**_LEAN, **_CALLED)(function))


def inner(function: F) -> F:
    """Compile ``function`` for other kernels only: Python cannot call it."""
    return cast(F, numba.njit(**_LEAN, **_INNER)(function))


def melted(function: F) -> F:
    """Compile ``function`` into its callers: for the hottest, where copying arguments shows."""
    return cast(F, numba.njit(forceinline=True, **_LEAN, **_INNER)(function))


def _pointer(
    context: Any, builder: Any, kind: Any, array: Any, at: Any, word: Any
) -> Any:  # pragma: no cover - runs inside the compiler
    """Return the address of byte ``at`` of ``array``, as that of a ``word``."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [at]), word.as_pointer())


def _loader(word: Any, result: Any) -> Any:
    """Make the intrinsic that loads one 8-byte ``word`` at a byte offset."""

    def load(typing: Any, array: Any, at: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            offset = context.cast(builder, args[1], signature.args[1], types.int64)
            address = _pointer(context, builder, signature.args[0], args[0], offset, word)
            return builder.load(address, align=1)

        return result(array, at), emit

    return intrinsic(load)


def _store(typing: Any, array: Any, at: Any, value: Any) -> Any:
    """Write an unsigned 64-bit ``value`` over the 8 bytes at ``at``."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        offset = context.cast(builder, args[1], signature.args[1], types.int64)
        word = context.cast(builder, args[2], signature.args[2], types.uint64)
        address = _pointer(context, builder, signature.args[0], args[0], offset, _WORD)
        builder.store(word, address, align=1)
        return context.get_dummy_value()

    return types.void(array, at, value), emit


def _fold(typing: Any, left: Any, right: Any) -> Any:
    """Multiply two words into 128 bits and xor the halves."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        product = builder.mul(builder.zext(args[0], _WIDE), builder.zext(args[1], _WIDE))
        high = builder.lshr(product, _WIDE(64))
        return builder.trunc(builder.xor(product, high), _WORD)

    return types.uint64(types.uint64, types.uint64), emit


load_u64: Any = _loader(_WORD, types.uint64)
load_f64: Any = _loader(_REAL, types.float64)
store_u64: Any = intrinsic(_store)
folded: Any = intrinsic(_fold)


@inner
def varint(data: U8, at: int, end: int) -> tuple[int, int]:
    """Read one number of at most 10 bytes: (value as int64, offset after it or -1)."""
    value = 0
    shift = 0
    while at < end and shift < 70:
        byte = int(data[at])
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    return 0, -1


@inner
def field(data: U8, at: int, end: int) -> tuple[int, int, int, int]:
    """Read one field: (key, start, stop, offset after it or -1).

    ``key`` is ``number << 3 | wire type``. ``start`` and ``stop`` bound the payload; for a
    varint ``start`` is its value instead.
    """
    key = 0
    if at < end and data[at] < 0x80:
        key = int(data[at])
        at += 1
    else:
        key, at = varint(data, at, end)
    if at < 0 or key < 8 or key > 0xFFFFFFFF:
        return 0, 0, 0, -1
    wire = key & 7
    if wire == 2:
        size = 0
        if at < end and data[at] < 0x80:
            size = int(data[at])
            at += 1
        else:
            size, at = varint(data, at, end)
        if at < 0 or size < 0 or size > end - at:
            return 0, 0, 0, -1
        return key, at, at + size, at + size
    if wire == 0:
        value, at = varint(data, at, end)
        return key, value, 0, at
    size = 8 if wire == 1 else 4
    if wire not in (1, 5) or end - at < size:
        return 0, 0, 0, -1
    return key, at, at + size, at + size


@inner
def put_varint(data: U8, at: int, value: int) -> int:
    """Write a non-negative number (the caller has checked for 10 bytes); the offset after it."""
    while value >= 0x80:
        data[at] = (value & 0x7F) | 0x80
        value >>= 7
        at += 1
    data[at] = value
    return at + 1


@inner
def varint_size(value: int) -> int:
    """Count the bytes that :func:`put_varint` writes for a non-negative number."""
    size = 1
    while value >= 0x80:
        value >>= 7
        size += 1
    return size
