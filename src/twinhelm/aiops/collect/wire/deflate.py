"""Unpack gzip and deflate by Python's own zlib, up to a bound and no further.

In: a body as it came over HTTP and its ``Content-Encoding``; out: the plain bytes. It stands by
itself because whoever only serves models needs no other codec (:mod:`.compression` adds them).
Pure; cost is that of the codec plus one copy. Sources: RFC 1950-1952 (zlib, deflate, gzip).

>>> import zlib
>>> inflate(zlib.compress(b"abc"), "deflate", max_bytes=10)
b'abc'
"""

import zlib
from collections.abc import Callable, Mapping

from twinhelm.core.errors import BadInput, TooLarge, Unsupported

__all__ = ["INFLATE", "damaged", "inflate", "too_large"]

Unpack = Callable[[bytes, int], bytes]
MAX_GZIP_MEMBERS = 64
"""Members in one body; each costs a copy of what follows, so that many are an attack."""


def inflate(
    body: bytes, encoding: str, *, max_bytes: int, by: Mapping[str, Unpack] | None = None
) -> bytes:
    """Unpack ``body``, which yields at most ``max_bytes``.

    ``encoding`` is empty, identity, gzip or deflate, or one that ``by`` knows. Raises
    :class:`Unsupported` for any other (415), :class:`TooLarge` past the bound (413) and
    :class:`BadInput` where the body is damaged (400).
    """
    known = by or INFLATE
    if unpack := known.get(encoding.strip().lower()):
        return unpack(body, max_bytes)
    said = f"content encoding {encoding[:40]!r} is not taken here"
    raise Unsupported(said, hint=f"use {', '.join(filter(None, known))}")


def _identity(body: bytes, max_bytes: int) -> bytes:
    if len(body) > max_bytes:
        raise too_large("identity", len(body), max_bytes)
    return body


def too_large(name: str, size: int, max_bytes: int) -> TooLarge:
    """Make the error of a body that unpacks past the bound."""
    return TooLarge(
        f"the {name} body unpacks to {size} bytes or more, the limit is {max_bytes}",
        hint="send smaller requests or raise limits.max_decoded_bytes",
    )


def damaged(name: str, why: object) -> BadInput:
    """Make the error of a body that is not what its encoding says."""
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
        raise damaged("deflate", f"{len(rest)} bytes follow its end")
    return out


def _zlib_stream(
    body: bytes, wbits: int, name: str, taken: int, max_bytes: int
) -> tuple[bytes, bytes]:
    """Return one stream's plain bytes and what follows it, ``taken`` bytes being out already."""
    stream = zlib.decompressobj(wbits)
    try:
        part = stream.decompress(body, max_bytes - taken + 1)
    except zlib.error as error:
        raise damaged(name, error) from error
    if taken + len(part) > max_bytes:
        raise too_large(name, taken + len(part), max_bytes)
    if not stream.eof:
        raise damaged(name, f"it ends early, after {len(body)} bytes")
    return part, stream.unused_data


INFLATE = {
    "": _identity, "identity": _identity, "gzip": _gunzip, "x-gzip": _gunzip, "deflate": _inflate,
}  # fmt: skip
