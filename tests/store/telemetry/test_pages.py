from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinhelm.core.telemetry import SampleBlock
from twinhelm.store.telemetry.bits import get_numbers, put_numbers
from twinhelm.store.telemetry.pages import Pages, decode_pages, encode_pages, sort_rows

ALL_TIME = (-(2**63), 2**63 - 1)


def raw(pages: Pages) -> list[bytes]:
    return [pages.data[pages.offset[i] : pages.offset[i + 1]].tobytes() for i in range(len(pages))]


def block(series: list[int], times: list[int], bits: list[int]) -> SampleBlock:
    return SampleBlock(
        np.array(series, np.uint32),
        np.array(times, np.int64),
        np.array(bits, np.uint64).view(np.float64),
    )


def assert_comes_back(rows: SampleBlock) -> Pages:
    count = int(rows.series.max()) + 1 if len(rows) else 0
    ordered = sort_rows(rows, count)
    pages = encode_pages(ordered)
    back = decode_pages(raw(pages), pages.lo, pages.start_ms, None, *ALL_TIME)
    assert np.array_equal(back.series, ordered.series)
    assert np.array_equal(back.time_ms, ordered.time_ms)
    assert np.array_equal(back.value.view(np.uint64), ordered.value.view(np.uint64))
    assert int(pages.rows.sum()) == len(rows)
    return pages


row = st.tuples(
    st.integers(0, 5),
    st.integers(-(2**62), 2**62),
    st.one_of(
        st.integers(0, 2**64 - 1),
        st.floats().map(lambda v: int(np.float64(v).view(np.uint64))),
        st.integers(-1000, 1000).map(lambda v: int(np.float64(v / 100).view(np.uint64))),
    ),
)


@settings(max_examples=150)
@given(st.lists(row, max_size=120))
def test_any_rows_come_back(rows: list[tuple[int, int, int]]) -> None:
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], []]
    assert_comes_back(block(*columns))


@settings(max_examples=150)
@given(
    st.lists(st.integers(0, 2**64 - 1).map(lambda v: v >> (v % 64)), max_size=100), st.booleans()
)
def test_any_numbers_come_back(numbers: list[int], shifted: bool) -> None:
    n = len(numbers)
    out = np.zeros(n * 8 + (n // 32 + 1) * 6, np.uint8)
    end = put_numbers(out, 0, np.array(numbers, np.uint64), n, shifted)
    back = np.zeros(n, np.uint64)
    assert get_numbers(out, 0, end, back, n, shifted) == end
    assert back.tolist() == numbers


@settings(max_examples=200)
@given(st.binary(max_size=200), st.integers(0, 199), st.integers(1, 255))
def test_rubbish_is_refused_or_read_but_never_runs_wild(
    rubbish: bytes, place: int, flip: int
) -> None:
    rows = block([0] * 40 + [3] * 40, list(range(80)), list(range(80)))
    pages = encode_pages(rows)
    page = bytearray(raw(pages)[0])
    page[place % len(page)] ^= flip
    for data in (rubbish, bytes(page)):
        try:
            decode_pages([data], pages.lo[:1], pages.start_ms[:1], None, *ALL_TIME)
        except ValueError:
            continue


def test_many_series_of_one_row_fill_pages() -> None:
    n = 20_000
    rows = SampleBlock(
        np.arange(n, dtype=np.uint32), np.full(n, 10**12), np.arange(n, dtype=np.float64)
    )
    pages = assert_comes_back(rows)
    assert len(pages.data) / n < 6
    assert np.diff(pages.offset).max() <= 4096


def test_a_long_constant_series_takes_almost_nothing() -> None:
    n = 10_000
    rows = SampleBlock(np.zeros(n, np.uint32), np.arange(n) * 15_000, np.full(n, 42.0))
    assert len(assert_comes_back(rows).data) < 200


def test_random_floats_take_little_more_than_themselves() -> None:
    n = 10_000
    values = np.random.default_rng(3).normal(size=n)
    rows = SampleBlock(np.zeros(n, np.uint32), np.arange(n) * 15_000, values)
    assert len(assert_comes_back(rows).data) < 8.2 * n


def test_a_stale_marker_does_not_spoil_a_decimal_series() -> None:
    values = np.round(np.cumsum(np.random.default_rng(5).gamma(1.0, size=100)), 2)
    plain = SampleBlock(np.zeros(100, np.uint32), np.arange(100) * 1000, values.copy())
    values[-1:].view(np.uint64)[0] = 0x7FF0000000000002
    stale = SampleBlock(plain.series, plain.time_ms, values)
    assert len(assert_comes_back(stale).data) <= len(assert_comes_back(plain).data) + 24


def test_only_wanted_series_and_times_are_decoded() -> None:
    rows = sort_rows(
        SampleBlock(
            np.tile(np.arange(500, dtype=np.uint32), 100),
            np.repeat(np.arange(100), 500),
            np.arange(50_000, dtype=np.float64),
        ),
        500,
    )
    pages = encode_pages(rows)
    wanted = np.array([0, 7, 499, 600], np.uint32)
    got = decode_pages(raw(pages), pages.lo, pages.start_ms, wanted, 10, 19)
    assert np.unique(got.series).tolist() == [0, 7, 499]
    assert len(got) == 30
    assert (got.time_ms.min(), got.time_ms.max()) == (10, 19)


def test_no_pages_are_no_rows() -> None:
    none = encode_pages(SampleBlock.empty())
    assert len(none) == 0
    assert len(decode_pages([], none.lo, none.start_ms, None, *ALL_TIME)) == 0


def test_a_page_cut_short_is_refused() -> None:
    rows = SampleBlock(np.zeros(50, np.uint32), np.arange(50) ** 2, np.arange(50) * 0.1)
    pages = encode_pages(rows)
    with pytest.raises(ValueError, match=r"fit its page|cut short|missing"):
        decode_pages([raw(pages)[0][:-5]], pages.lo, pages.start_ms, None, *ALL_TIME)
