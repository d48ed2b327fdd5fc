"""Request bodies, written by hand from the specifications."""

from __future__ import annotations

import struct

import cramjam

V1 = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"}
V2 = {
    "Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request",
    "Content-Encoding": "snappy",
}


def varint(number):
    out = b""
    number &= (1 << 64) - 1
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def sample(value, time_ms):
    return b"\x09" + struct.pack("<d", value) + b"\x10" + varint(time_ms)


def snappy(raw):
    return bytes(cramjam.snappy.compress_raw(raw))


def write_v1(rows):
    """Encode ``[(labels, [(value, time_ms), ...]), ...]`` as a version 1 request."""
    request = b""
    for labels, samples in rows:
        series = b"".join(
            field(1, field(1, name.encode()) + field(2, value.encode()))
            for name, value in sorted(labels.items())
        )
        request += field(1, series + b"".join(field(2, sample(*each)) for each in samples))
    return snappy(request)


def write_v2(rows, *, histograms=0):
    """Encode the same as a version 2 request; ``histograms`` adds empty native ones."""
    symbols, series = [""], b""
    for labels, samples in rows:
        refs = b""
        for pair in sorted(labels.items()):
            for word in pair:
                if word not in symbols:
                    symbols.append(word)
                refs += varint(symbols.index(word))
        body = field(1, refs) + b"".join(field(2, sample(*each)) for each in samples)
        body += field(3, b"") * histograms
        series += field(5, body)
    return snappy(b"".join(field(4, word.encode()) for word in symbols) + series)
