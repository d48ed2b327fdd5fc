import contextlib
import gzip
import zlib

import cramjam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinhelm.aiops.collect.wire.compression import decompress
from twinhelm.aiops.collect.wire.deflate import MAX_GZIP_MEMBERS
from twinhelm.core.errors import BadInput, TooLarge, Unsupported


def raw_deflate(data):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACK = {
    "": lambda data: data,
    "identity": lambda data: data,
    "gzip": gzip.compress,
    "X-GZIP ": gzip.compress,
    "deflate": zlib.compress,
    "snappy": lambda data: bytes(cramjam.snappy.compress_raw(data)),
    "zstd": lambda data: bytes(cramjam.zstd.compress(data)),
}
PACKED = ["gzip", "deflate", "snappy", "zstd"]


@pytest.mark.parametrize("encoding", PACK)
@pytest.mark.parametrize("data", [b"", b"a", b"abc" * 5000, bytes(range(256)) * 40])
def test_unpacks_what_was_packed(encoding, data):
    assert decompress(PACK[encoding](data), encoding, max_bytes=1 << 20) == data


@pytest.mark.parametrize("encoding", PACK)
def test_exactly_the_limit_passes_and_one_more_byte_does_not(encoding):
    data = b"x" * 1000
    assert decompress(PACK[encoding](data), encoding, max_bytes=1000) == data
    with pytest.raises(TooLarge, match="999"):
        decompress(PACK[encoding](data), encoding, max_bytes=999)


@pytest.mark.parametrize("encoding", PACKED)
def test_a_body_cut_short_is_refused(encoding):
    body = PACK[encoding](bytes(range(256)) * 40)
    for cut in (0, 1, len(body) // 2, len(body) - 1):
        with pytest.raises(BadInput):
            decompress(body[:cut], encoding, max_bytes=1 << 20)


def test_bare_deflate_is_taken_too():
    assert decompress(raw_deflate(b"abc" * 99), "deflate", max_bytes=1000) == b"abc" * 99


def test_bytes_after_the_end_are_refused():
    for encoding in ("gzip", "deflate"):
        with pytest.raises(BadInput):
            decompress(PACK[encoding](b"abc") + b"tail", encoding, max_bytes=1000)


def test_gzip_members_join_up_to_a_bound():
    assert decompress(gzip.compress(b"ab") * 3, "gzip", max_bytes=10) == b"ababab"
    with pytest.raises(TooLarge, match="5 bytes or more"):
        decompress(gzip.compress(b"ab") * 3, "gzip", max_bytes=4)
    with pytest.raises(TooLarge, match="members"):
        decompress(gzip.compress(b"") * (MAX_GZIP_MEMBERS + 1), "gzip", max_bytes=10)


def test_a_snappy_bomb_is_refused_by_its_declared_length():
    huge = b"\xff\xff\xff\xff\x0f" + b"\x00" * 50
    with pytest.raises(TooLarge, match="4294967295"):
        decompress(huge, "snappy", max_bytes=1 << 20)


def test_a_snappy_length_that_the_body_cannot_hold_is_refused_before_any_allocation():
    with pytest.raises(BadInput, match="cannot hold"):
        decompress(b"\xff\xff\xff\x07" + b"\x00" * 50, "snappy", max_bytes=1 << 30)


def test_the_densest_honest_snappy_body_passes():
    data = b"\x00" * (8 << 20)
    assert decompress(PACK["snappy"](data), "snappy", max_bytes=8 << 20) == data


def test_an_unknown_encoding_is_unsupported():
    with pytest.raises(Unsupported, match="'br'"):
        decompress(b"", "br", max_bytes=10)


@settings(max_examples=200)
@given(st.sampled_from(PACKED), st.binary(max_size=300), st.binary(max_size=40), st.integers(0))
def test_rubbish_is_refused_or_stays_within_the_bound(encoding, data, patch, where):
    body = bytearray(PACK[encoding](data))
    where %= len(body)
    body[where : where + len(patch)] = patch
    with contextlib.suppress(BadInput, TooLarge):
        assert len(decompress(bytes(body), encoding, max_bytes=200)) <= 200
