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
import zlib

import cramjam
import numpy as np

from twinhelm.core.errors import BadInput, TooLarge, Unsupported

__all__ = ["decompress", "unsnapped"]

MAX_GZIP_MEMBERS = 64
"""Members in one body; each costs a copy of what follows, so that many are an attack."""

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
    name = encoding.strip().lower()
    if name in UNPACK:
        return UNPACK[name](body, max_bytes)
    raise Unsupported(
        f"content encoding {encoding[:40]!r} is not taken here",
        hint="use identity, gzip, deflate, snappy or zstd",
    )


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
        raise _damaged("snappy (block format)", error) from error
    if done != size:
        raise _damaged("snappy (block format)", f"it holds {done} bytes and declares {size}")
    return out.toreadonly()


def _identity(body: bytes, max_bytes: int) -> bytes:
    if len(body) > max_bytes:
        raise _too_large("identity", len(body), max_bytes)
    return body


def _too_large(name: str, size: int, max_bytes: int) -> TooLarge:
    return TooLarge(
        f"the {name} body unpacks to {size} bytes or more, the limit is {max_bytes}",
        hint="send smaller requests or raise limits.max_decoded_bytes",
    )


def _damaged(name: str, why: object) -> BadInput:
    return BadInput(
        f"the body is not valid {name}: {why}",
        hint="check that Content-Encoding names how the body is compressed",
    )


def _gunzip(body: bytes, max_bytes: int) -> bytes:
    """Unpack one or more gzip members."""
    parts: list[bytes] = []
    size = 0
    for _ in range(MAX_GZIP_MEMBERS):
        part, body = _zlib_stream(body, 16 + zlib.MAX_WBITS, "gzip", size, max_bytes)
        parts.append(part)
        size += len(part)
        if not body:
            return b"".join(parts)
    raise TooLarge(
        f"the gzip body has more than {MAX_GZIP_MEMBERS} members", hint="compress it as one"
    )


def _inflate(body: bytes, max_bytes: int) -> bytes:
    try:
        out, rest = _zlib_stream(body, zlib.MAX_WBITS, "deflate", 0, max_bytes)
    except BadInput:
        out, rest = _zlib_stream(body, -zlib.MAX_WBITS, "deflate", 0, max_bytes)
    if rest:
        raise _damaged("deflate", f"{len(rest)} bytes follow its end")
    return out


def _zlib_stream(
    body: bytes, wbits: int, name: str, taken: int, max_bytes: int
) -> tuple[bytes, bytes]:
    """Return one stream's plain bytes and what follows it, ``taken`` bytes being out already."""
    stream = zlib.decompressobj(wbits)
    try:
        part = stream.decompress(body, max_bytes - taken + 1)
    except zlib.error as error:
        raise _damaged(name, error) from error
    if taken + len(part) > max_bytes:
        raise _too_large(name, taken + len(part), max_bytes)
    if not stream.eof:
        raise _damaged(name, f"it ends early, after {len(body)} bytes")
    return part, stream.unused_data


def _unsnap(body: bytes, max_bytes: int) -> bytes:
    try:
        _declared(body, max_bytes)
        return bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError as error:
        raise _damaged("snappy (block format)", error) from error


def _declared(body: bytes, max_bytes: int) -> int:
    """Return the size that a snappy block declares, once it is known to be no lie."""
    declared = int(cramjam.snappy.decompress_raw_len(body))
    if declared > max_bytes:
        raise _too_large("snappy", declared, max_bytes)
    if declared > SNAPPY_MAX_EXPANSION * len(body):
        raise _damaged("snappy", f"{len(body)} bytes cannot hold the declared {declared}")
    return declared


def _unzstd(body: bytes, max_bytes: int) -> bytes:
    # Pages of the buffer that nothing is written to are never taken from the machine.
    out = np.empty(max_bytes, np.uint8)
    try:
        size = cramjam.zstd.decompress_into(body, out.data)
    except cramjam.DecompressionError as error:
        if "whole buffer" in str(error):  # The only sign of an overflow that the codec gives.
            raise _too_large("zstd", max_bytes + 1, max_bytes) from error
        raise _damaged("zstd", error) from error
    return out[:size].tobytes()


UNPACK = {
    "": _identity,
    "identity": _identity,
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _inflate,
    "snappy": _unsnap,
    "zstd": _unzstd,
}
