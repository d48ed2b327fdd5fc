r"""Writes samples as Prometheus remote write 1.0: protobuf by hand, in a Snappy block.

What stands before each sample of a series (its labels and the lengths) never changes, so it is
made once per series; a sample then costs a concatenation. Source: remote write 1.0,
``prometheus.WriteRequest``.

>>> series({"__name__": "up"})[6:]
b'__name__\x12\x02up\x12\x10\t'
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping

import cramjam

__all__ = ["HEADERS", "STALE", "series", "stamp", "write_request"]

HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
    "User-Agent": "twinhelm-lab-agent",
}
STALE = struct.pack("<Q", 0x7FF0_0000_0000_0002)
"""The value that says that a series has ended."""
SAMPLE_BYTES = 16
"""Of a value (9) and a time between 1971 and 2109 (7)."""


def series(labels: Mapping[str, str]) -> bytes:
    """Return what stands before each value of a series; empty labels are left out.

    A sample is that, the value as a little-endian double, and its :func:`stamp`.
    """
    said = b"".join(
        _field(0x0A, _field(0x0A, name.encode()) + _field(0x12, value.encode()))
        for name, value in sorted(labels.items())
        if value
    )
    whole = len(said) + 2 + SAMPLE_BYTES
    return b"\x0a" + _varint(whole) + said + b"\x12" + bytes((SAMPLE_BYTES,)) + b"\x09"


def stamp(time_ms: int) -> bytes:
    """Return what ends a sample: its time, UTC epoch milliseconds."""
    return b"\x10" + _varint(time_ms)


def write_request(samples: Iterable[bytes]) -> bytes:
    """Return the body of a request."""
    return bytes(cramjam.snappy.compress_raw(b"".join(samples)))


def _field(tag: int, value: bytes) -> bytes:
    return bytes((tag,)) + _varint(len(value)) + value


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
