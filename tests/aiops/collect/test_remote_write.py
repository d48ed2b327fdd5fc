import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiops.collect.remote_write_messages import Request, WriteRequest, v1, v2
from twinhelm.aiops.collect.remote_write import RemoteWriteDecoder
from twinhelm.aiops.collect.wire import series as series_module
from twinhelm.core.errors import BadInput, TooLarge
from twinhelm.core.labels import labels_of
from twinhelm.core.settings import LimitSettings
from twinhelm.core.telemetry import MetricMeta, MetricType

STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
UP = (("__name__", "up"), ("job", "a"))


class Index:
    """Gives ids in order and remembers what it was asked."""

    def __init__(self, most=1 << 30):
        self.ids = {}
        self.asked = []
        self.most = most

    def __call__(self, labels):
        self.asked.append(list(labels))
        return np.array([self.one(item) for item in labels], np.uint32)

    def one(self, labels):
        if labels not in self.ids and len(self.ids) >= self.most:
            return 0xFFFFFFFF
        return self.ids.setdefault(labels, len(self.ids))


def fresh(most=1 << 30, **limits):
    index = Index(most)
    return RemoteWriteDecoder(index, LimitSettings(**limits), seed=1), index


def rows(received, index):
    """Samples as (labels, time, bits), in order."""
    names = {number: labels for labels, number in index.ids.items()}
    block = received.samples
    bits = block.value.view(np.uint64).tolist()
    return [
        (names[s], t, b)
        for s, t, b in zip(block.series.tolist(), block.time_ms.tolist(), bits, strict=True)
    ]


def bits(value):
    return struct.unpack("<Q", struct.pack("<d", value))[0]


def decode(decoder, raw, version):
    return decoder.decode_v1(raw) if version == 1 else decoder.decode_v2(raw)


BOTH = pytest.mark.parametrize(("pack", "version"), [(v1, 1), (v2, 2)])


@BOTH
def test_values_times_and_labels_come_through_exactly(pack, version):
    decoder, index = fresh()
    values = [0.0, -0.0, 1.5, float("inf"), float("-inf"), float("nan"), STALE, 5e-324]
    times = [0, 1, -1, 1_700_000_000_000, 2**63 - 1, -(2**63), 127, 128]
    raw = pack((UP, list(zip(times, values, strict=True))))
    assert rows(decode(decoder, raw, version), index) == [
        (UP, t, bits(v)) for t, v in zip(times, values, strict=True)
    ]


@BOTH
def test_an_empty_request_and_an_empty_series_bring_nothing(pack, version):
    decoder, index = fresh()
    for raw in (b"", pack(), pack((UP, [])), pack(((), []))):
        received = decode(decoder, raw, version)
        assert len(received.samples) == 0
        assert received.rejected == ()
    assert index.asked == []


@BOTH
def test_a_known_series_is_not_interned_again(pack, version):
    decoder, index = fresh()
    decode(decoder, pack((UP, [(1, 1.0)]), (UP, [(2, 2.0)])), version)
    decode(decoder, pack((UP, [(3, 3.0)])), version)
    assert index.asked == [[UP]]


def test_both_versions_share_what_they_know():
    decoder, index = fresh()
    decoder.decode_v1(v1((UP, [(1, 1.0)])))
    assert decoder.decode_v2(v2((UP, [(2, 1.0)]))).samples.series.tolist() == [0]
    assert len(index.asked) == 1


@BOTH
def test_order_of_labels_and_empty_values_do_not_make_another_series(pack, version):
    decoder, index = fresh()
    raw = pack((UP, [(1, 1.0)]), (UP[::-1], [(2, 1.0)]), ((*UP, ("x", "")), [(3, 1.0)]))
    assert decode(decoder, raw, version).samples.series.tolist() == [0, 0, 0]
    assert index.asked == [[UP]]


@BOTH
@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ((("job", "a"),), "no metric name"),
        ((), "no metric name"),
        ((*UP, ("job", "b")), "repeated"),
        ((*UP, ("", "b")), "without a name"),
        ((*UP, ("x" * 300, "b")), "limits are"),
        ((*UP, ("x", "b" * 5000)), "limits are"),
        ((*UP, *((f"l{i}", "b") for i in range(70))), "limit is 64"),
        ((*UP, ("x", "b" * 2_000_000)), "past all limits"),
    ],
)
def test_bad_labels_are_rejected_alone_every_time(pack, version, labels, says):
    decoder, index = fresh()
    raw = pack((labels, [(1, 1.0), (2, 2.0)]), (UP, [(3, 3.0)]))
    for _ in range(2):
        received = decode(decoder, raw, version)
        assert rows(received, index) == [(UP, 3, bits(3.0))]
        (rejected,) = received.rejected
        assert (rejected.reason, rejected.count) == ("bad_labels", 2)
        assert says in rejected.example
    assert index.asked == [[UP]]


@BOTH
def test_labels_that_are_not_utf8_are_rejected(pack, version):
    decoder, index = fresh()
    raw = pack(((*UP, ("x", "ABCD")), [(1, 1.0)]), (UP, [(2, 2.0)])).replace(b"ABCD", b"A\xffCD")
    received = decode(decoder, raw, version)
    assert rows(received, index) == [(UP, 2, bits(2.0))]
    assert received.rejected[0].reason == "bad_labels"
    assert "UTF-8" in received.rejected[0].example


@BOTH
def test_a_refused_series_is_counted_and_others_flow(pack, version):
    decoder, index = fresh(most=1)
    other = (("__name__", "down"), ("job", "b"))
    raw = pack((UP, [(1, 1.0)]), (other, [(2, 2.0), (3, 3.0)]))
    for _ in range(2):
        received = decode(decoder, raw, version)
        assert rows(received, index) == [(UP, 1, bits(1.0))]
        (rejected,) = received.rejected
        assert (rejected.reason, rejected.count) == ("series_limit", 2)
        assert rejected.example == 'down{job="b"}'
    assert len(index.asked) == 1


def test_refused_series_are_offered_again_after_a_while(monkeypatch):
    monkeypatch.setattr(series_module, "REFUSED_REQUESTS", 3)
    decoder, index = fresh(most=0)
    raw = v1((UP, [(1, 1.0)]))
    for _ in range(3):
        assert len(decoder.decode_v1(raw).samples) == 0
    index.most = 1
    assert len(decoder.decode_v1(raw).samples) == 1


def test_when_intern_fails_the_same_request_can_come_again():
    decoder, index = fresh()
    index.most = None
    raw = v1((UP, [(1, 1.0)]))
    with pytest.raises(TypeError):
        decoder.decode_v1(raw)
    index.most = 5
    assert decoder.decode_v1(raw).samples.series.tolist() == [0]


@BOTH
def test_native_histograms_and_exemplars_are_counted_and_samples_kept(pack, version):
    decoder, index = fresh()
    raw = pack((UP, [(1, 1.0)], 2, 3), ((("__name__", "h"),), [], 0, 1))
    received = decode(decoder, raw, version)
    assert rows(received, index) == [(UP, 1, bits(1.0))]
    assert [(r.reason, r.count, r.example) for r in received.rejected] == [
        ("native_histogram", 4, 'up{job="a"}'),
        ("exemplar", 2, "exemplars are not kept"),
    ]


def test_version_1_metadata_is_read():
    decoder, _ = fresh()
    metas = decoder.decode_v1(
        v1(metas=[("a_seconds", 3, "How long.", "seconds"), ("b", 99, "", "")] * 2)
    ).metas
    assert metas == (
        MetricMeta("a_seconds", MetricType.HISTOGRAM, "seconds", "How long."),
        MetricMeta("b"),
    )


def test_version_2_metadata_is_said_once_until_it_changes():
    decoder, _ = fresh()
    bucket = (("__name__", "a_bucket"), ("le", "1"))
    raw = v2((bucket, [(1, 1.0)], 0, 0, (3, "How long.", "s")), (UP, [(1, 1.0)], 0, 0, (2, "", "")))
    said = (MetricMeta("a", MetricType.HISTOGRAM, "s", "How long."), MetricMeta("up", "gauge"))
    assert decoder.decode_v2(raw).metas == said
    assert decoder.decode_v2(raw).metas == ()
    again = decoder.decode_v2(v2((UP, [(1, 1.0)], 0, 0, (2, "Now with help.", ""))))
    assert again.metas == (MetricMeta("up", "gauge", "", "Now with help."),)


def test_labels_that_lie_apart_in_a_series_are_joined():
    decoder, index = fresh()
    one = v1(((UP[0],), [(1, 1.0)]))[2:]
    two = v1(((UP[1],), [(2, 2.0)]))[2:]
    raw = b"\x0a" + bytes([len(one + two)]) + one + two
    for _ in range(2):
        assert rows(decoder.decode_v1(raw), index) == [(UP, 1, bits(1.0)), (UP, 2, bits(2.0))]


@BOTH
def test_labels_that_begin_like_the_expected_series_are_another_series(pack, version):
    decoder, index = fresh()
    long = (*UP, ("zone", "z"))
    decode(decoder, pack((UP, [(1, 1.0)]), (long, [(1, 1.0)])), version)
    for order in ([long, UP], [long, long], [UP, long], [UP, UP]):
        raw = pack(*((labels, [(2, 2.0)]) for labels in order))
        assert [row[0] for row in rows(decode(decoder, raw, version), index)] == order


def test_a_series_whose_first_labels_are_a_known_series_is_not_taken_for_it():
    decoder, index = fresh()
    part = v1(((UP[0],), [(1, 1.0)]))
    decoder.decode_v1(part)
    apart = part[2:] + v1(((UP[1],), [(2, 2.0)]))[2:]
    received = decoder.decode_v1(b"\x0a" + bytes([len(apart)]) + apart)
    assert rows(received, index) == [(UP, 1, bits(1.0)), (UP, 2, bits(2.0))]


def test_unpacked_and_split_references_are_read():
    decoder, index = fresh()
    head = b"".join(b"\x22" + bytes([len(s)]) + s for s in (b"", b"__name__", b"up", b"job", b"a"))
    refs = b"\x08\x01\x08\x02\x0a\x01\x03\x0a\x01\x04" + b"\x12\x02\x10\x07"
    raw = b"\x2a" + bytes([len(refs)]) + refs + head
    assert rows(decoder.decode_v2(raw), index) == [(UP, 7, 0)]


def test_symbols_must_begin_with_the_empty_one():
    decoder, _ = fresh()
    request = Request(symbols=["a"])
    with pytest.raises(BadInput, match="empty string"):
        decoder.decode_v2(request.SerializeToString())


@pytest.mark.parametrize("refs", [[1], [1, 99], [99, 1], [1, 2, 1], [2**32 - 1, 1]])
def test_references_outside_the_symbols_or_odd_in_number_are_refused(refs):
    decoder, _ = fresh()
    request = Request(symbols=["", "__name__", "up"])
    request.timeseries.add(labels_refs=refs).samples.add(value=1, timestamp=1)
    with pytest.raises(BadInput, match="symbols"):
        decoder.decode_v2(request.SerializeToString())


def test_metadata_references_outside_the_symbols_are_refused():
    decoder, _ = fresh()
    request = Request(symbols=["", "__name__", "up"])
    request.timeseries.add(labels_refs=[1, 2]).metadata.help_ref = 3
    with pytest.raises(BadInput, match="symbols"):
        decoder.decode_v2(request.SerializeToString())


def test_a_body_of_the_other_version_is_refused_not_silently_empty():
    decoder, _ = fresh()
    with pytest.raises(BadInput, match="other version"):
        decoder.decode_v1(v2((UP, [(1, 1.0)])))
    with pytest.raises(BadInput, match="other version"):
        decoder.decode_v2(v1((UP, [(1, 1.0)])))


def test_references_that_expand_without_end_are_refused():
    decoder, _ = fresh(max_decoded_bytes=1 << 20)
    request = Request(symbols=["", "__name__", "x" * 100_000])
    for _ in range(100):
        request.timeseries.add(labels_refs=[1, 2]).samples.add(value=1, timestamp=1)
    with pytest.raises(TooLarge, match="expand"):
        decoder.decode_v2(request.SerializeToString())


def test_a_series_of_very_many_references_takes_bounded_memory():
    decoder, _ = fresh()
    request = Request(symbols=["", "__name__", "x" * 100_000])
    request.timeseries.add(labels_refs=[1, 2] * 100_000).samples.add(value=1, timestamp=1)
    received = decoder.decode_v2(request.SerializeToString())
    assert received.rejected[0].reason == "bad_labels"
    assert len(decoder._series.table.arena) < 8 << 20


@BOTH
def test_every_truncation_is_refused_or_means_less(pack, version):
    decoder, _ = fresh()
    raw = pack((UP, [(1, 1.0), (2, 2.0)]), ((*UP, ("x", "y")), [(1_700_000_000_000, 1.0)]))
    whole = len(decode(decoder, raw, version).samples)
    refused = 0
    for cut in range(len(raw)):
        try:
            assert len(decode(decoder, raw[:cut], version).samples) < whole
        except BadInput:
            refused += 1
    assert refused > len(raw) // 2


@pytest.mark.parametrize(
    "raw",
    [
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x0a" + b"\xff" * 30,
        b"\x00",
        b"\x0b",
        b"\x0c",
        b"\xff" * 40,
    ],
)
def test_lengths_and_keys_that_cannot_be_are_refused(raw):
    decoder, _ = fresh()
    with pytest.raises(BadInput, match="from 0 on"):
        decoder.decode_v1(raw)


def test_the_offset_of_what_is_wrong_is_told():
    decoder, _ = fresh()
    raw = v1((UP, [(1, 1.0)]))
    with pytest.raises(BadInput, match=f"from {len(raw)} on"):
        decoder.decode_v1(raw + b"\x0a\x7f")


@BOTH
def test_many_series_make_every_array_grow(pack, version):
    decoder, index = fresh()
    many = [((("__name__", "m"), ("i", str(i))), [(i, 0.0)] * (i % 40)) for i in range(3000)]
    received = decode(decoder, pack(*many), version)
    wanted = [(labels_of(labels), t, 0) for labels, samples in many for t, _ in samples]
    assert rows(received, index) == wanted
    again = decode(decoder, pack(*many[::-1]), version)
    assert sorted(again.samples.series.tolist()) == sorted(received.samples.series.tolist())
    assert len(index.asked) == 1


@BOTH
def test_churn_turns_generations_and_keeps_ids(pack, version, monkeypatch):
    monkeypatch.setattr(series_module, "LEAST_GENERATION", 100)
    decoder, index = fresh(max_series_per_tenant=50)
    first = decode(decoder, pack((UP, [(1, 1.0)], 0, 0)), version).samples.series.tolist()
    for turn in range(20):
        churn = [((("__name__", "m"), ("i", f"{turn}.{i}")), [(1, 1.0)]) for i in range(60)]
        received = decode(decoder, pack((UP, [(1, 1.0)]), *churn), version)
        assert received.samples.series[0] == first[0]
        assert len(decoder._series.table) <= 200
    assert sum(UP in asked for asked in index.asked) == 1


def test_one_request_may_not_bring_endless_new_series(monkeypatch):
    monkeypatch.setattr(series_module, "LEAST_GENERATION", 100)
    decoder, _ = fresh(max_series_per_tenant=50)
    many = [((("__name__", "m"), ("i", str(i))), [(1, 1.0)]) for i in range(2000)]
    with pytest.raises(TooLarge, match="new series"):
        decoder.decode_v1(v1(*many))
    assert len(decoder.decode_v1(v1(many[0])).samples) == 1


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
names = st.text("abcxyz_", min_size=1, max_size=8)
series = st.tuples(
    st.dictionaries(names, texts, max_size=6).map(
        lambda d: ({"__name__": "m"} | d) if d.get("__name__", "m") else {**d, "__name__": "m"}
    ),
    st.lists(
        st.tuples(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=True, allow_infinity=True)),
        max_size=5,
    ),
).map(lambda pair: (tuple(pair[0].items()), pair[1]))


@settings(max_examples=150)
@given(st.lists(series, max_size=12))
def test_whatever_the_reference_encodes_is_decoded_to_the_same(many):
    decoder, index = fresh()
    wanted = [
        (labels_of(labels), time, bits(value))
        for labels, samples in many
        for time, value in samples
    ]
    reference = [
        (labels_of((label.name, label.value) for label in one.labels), s.timestamp, bits(s.value))
        for one in WriteRequest.FromString(v1(*many)).timeseries
        for s in one.samples
    ]
    assert reference == wanted
    assert rows(decoder.decode_v1(v1(*many)), index) == wanted
    assert rows(decoder.decode_v2(v2(*many)), index) == wanted


@settings(max_examples=200)
@given(
    st.sampled_from([1, 2]),
    st.lists(series, max_size=4),
    st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=6),
    st.binary(max_size=30),
)
def test_damaged_bytes_are_refused_or_decoded_but_never_crash(version, many, flips, tail):
    decoder, _ = fresh()
    raw = bytearray((v1 if version == 1 else v2)(*many) + tail)
    for where, byte in flips:
        if raw:
            raw[where % len(raw)] = byte
    for version_taken in (1, 2):
        try:
            received = decode(decoder, bytes(raw), version_taken)
        except (BadInput, TooLarge):
            continue
        assert len(received.samples.series) == len(received.samples.time_ms)
        assert len(received.samples) <= len(raw)


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_or_decoded_but_never_crash(raw):
    decoder, _ = fresh()
    for version in (1, 2):
        try:
            received = decode(decoder, raw, version)
        except (BadInput, TooLarge):
            continue
        assert len(received.samples) <= len(raw)
