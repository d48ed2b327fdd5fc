"""Unpack request bodies without letting a small body become a huge one.

In: the body as it came over HTTP and its ``Content-Encoding``; out: the plain bytes, for any
decoder in :mod:`twinhelm.aiops.collect`. Lengths are in bytes.

A declared length (snappy) is checked before a single byte is set aside, and against the most
that the format can expand to; formats that declare nothing are unpacked up to the bound and no
further. Pure; cost is that of the codec plus one copy.

Sources: RFC 1950-1952 (zlib, deflate, gzip), RFC 8878 (zstd), google/snappy
``format_description.txt`` (the block format, which remote write uses; not the framed one).

>>> import zlib
>>> decompress(zlib.compress(b"abc"), "deflate", max_bytes=10)
b'abc'
"""

import threading

import cramjam
import numpy as np

from twinhelm.aiops.collect.wire.deflate import INFLATE, damaged, inflate, too_large

__all__ = ["decompress", "unsnapped"]

SNAPPY_MAX_EXPANSION = 22
"""A snappy copy of 3 bytes yields at most 64; no honest body declares more than this ratio."""


KEPT_BYTES = 4 << 20
"""The largest buffer that a thread keeps for its next body."""

_mine = threading.local()


def decompress(body: bytes, encoding: str, *, max_bytes: int) -> bytes:
    """Unpack ``body``, which yields at most ``max_bytes``.

    ``encoding`` is a ``Content-Encoding``: empty, identity, gzip, deflate, snappy (block format)
    or zstd. Raises :class:`Unsupported` for any other (415), :class:`TooLarge` past the bound
    (413) and :class:`BadInput` where the body is damaged or cut short (400).
    """
    return inflate(body, encoding, max_bytes=max_bytes, by=UNPACK)


def unsnapped(body: bytes, *, max_bytes: int) -> memoryview:
    r"""Unpack a snappy block into a buffer that this thread lends until its next call.

    For the hot path: memory that is already there is several times as quick to fill as fresh
    memory. Raises as :func:`decompress` does.

    >>> bytes(unsnapped(b"\x03\x08abc", max_bytes=10))
    b'abc'
    """
    try:
        size = _declared(body, max_bytes)
        buffer = getattr(_mine, "buffer", None)
        if buffer is None or len(buffer) < size:
            buffer = np.empty(max(size, KEPT_BYTES // 8), np.uint8)
            if size <= KEPT_BYTES:
                _mine.buffer = buffer
        out = buffer.data[:size]
        done = cramjam.snappy.decompress_raw_into(body, out) if size else 0
    except cramjam.DecompressionError as error:
        raise damaged("snappy (block format)", error) from error
    if done != size:
        raise damaged("snappy (block format)", f"it holds {done} bytes and declares {size}")
    return out.toreadonly()


def _unsnap(body: bytes, max_bytes: int) -> bytes:
    try:
        _declared(body, max_bytes)
        return bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError as error:
        raise damaged("snappy (block format)", error) from error


def _declared(body: bytes, max_bytes: int) -> int:
    """Return the size that a snappy block declares, once it is known to be no lie."""
    declared = int(cramjam.snappy.decompress_raw_len(body))
    if declared > max_bytes:
        raise too_large("snappy", declared, max_bytes)
    if declared > SNAPPY_MAX_EXPANSION * len(body):
        raise damaged("snappy", f"{len(body)} bytes cannot hold the declared {declared}")
    return declared


def _unzstd(body: bytes, max_bytes: int) -> bytes:
    # Pages of the buffer that nothing is written to are never taken from the machine.
    out = np.empty(max_bytes, np.uint8)
    try:
        size = cramjam.zstd.decompress_into(body, out.data)
    except cramjam.DecompressionError as error:
        if "whole buffer" in str(error):  # The only sign of an overflow that the codec gives.
            raise too_large("zstd", max_bytes + 1, max_bytes) from error
        raise damaged("zstd", error) from error
    return out[:size].tobytes()


UNPACK = {**INFLATE, "snappy": _unsnap, "zstd": _unzstd}
