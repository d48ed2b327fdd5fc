import numpy as np
import pytest

from peers.memory_telemetry import MemoryTelemetry
from twinhelm.core.clock import FakeClock
from twinhelm.core.labels import labels_of
from twinhelm.core.settings import LimitSettings
from twinhelm.core.telemetry import STALE_NAN_BITS, SampleBlock
from twinhelm.web.prometheus.reading import QueryLimit, Reader
from twinhelm.web.prometheus.selector import parse

STALE = float(np.array([STALE_NAN_BITS], np.uint64).view(np.float64)[0])


def reader(rows, **limits):
    """Make a reader over ``{host: [(time_s, value), ...]}`` of the metric m."""
    store = MemoryTelemetry(FakeClock())
    for host, samples in rows.items():
        labels = labels_of({"__name__": "m", "host": host})
        (series,) = store.intern([labels], tenant="default").tolist()
        times = np.array([round(at * 1000) for at, _ in samples], np.int64)
        values = np.array([STALE_NAN_BITS if v is STALE else 0 for _, v in samples], np.uint64)
        floats = np.array([0.0 if v is STALE else v for _, v in samples], np.float64)
        stale = values != 0
        floats.view(np.uint64)[stale] = STALE_NAN_BITS
        store.append_samples(SampleBlock(np.full(len(times), series, np.uint32), times, floats))
    return Reader(store, LimitSettings(**limits), "default")


def at(reader, query, time_s):
    grid = np.array([round(time_s * 1000)], np.int64)
    return {dict(line.labels)["host"]: line.value[0] for line in reader.steps(parse(query), grid)}


def raw(reader, query, time_s):
    lines = reader.samples(parse(query), round(time_s * 1000))
    return {dict(line.labels)["host"]: (line.time_ms / 1000).tolist() for line in lines}


def test_the_newest_sample_at_or_before_the_time_counts():
    found = reader({"a": [(1000, 1), (1010, 2), (1020, 3)]})
    assert at(found, "m", 1015) == {"a": 2}
    assert at(found, "m", 1020) == {"a": 3}
    assert at(found, "m", 999) == {}


def test_a_sample_counts_for_five_minutes_and_no_longer():
    found = reader({"a": [(1000, 1)]})
    assert at(found, "m", 1300) == {"a": 1}
    assert at(found, "m", 1300.001) == {}


def test_a_stale_marker_ends_a_series_until_it_returns():
    found = reader({"a": [(1000, 1), (1010, STALE), (1020, 3)]})
    assert at(found, "m", 1015) == {}
    assert at(found, "m", 1020) == {"a": 3}


def test_a_real_nan_is_a_value():
    found = reader({"a": [(1000, np.nan)]})
    assert list(at(found, "m", 1001)) == ["a"]


def test_a_range_holds_both_ends_and_no_stale_marker():
    found = reader({"a": [(1000, 1), (1010, STALE), (1020, 3), (1060, 4), (1061, 5)]})
    assert raw(found, "m[1m]", 1060) == {"a": [1000, 1020, 1060]}


def test_a_series_of_stale_markers_only_is_not_there():
    found = reader({"a": [(1000, STALE)], "b": [(1000, 1)]})
    assert raw(found, "m[1m]", 1000) == {"b": [1000]}


def test_offset_looks_back_and_at_stands_still():
    found = reader({"a": [(1000, 1), (2000, 2)]})
    assert at(found, "m offset 1000s", 2000) == {"a": 1}
    assert at(found, "m @ 1000", 5000) == {"a": 1}
    assert raw(found, "m[10s] @ 1000", 5000) == {"a": [1000]}


def test_steps_give_each_time_its_own_value():
    found = reader({"a": [(1000, 1), (1010, 2), (1015, STALE), (1030, 4)]})
    grid = np.arange(995_000, 1_035_001, 5000, dtype=np.int64)
    (line,) = found.steps(parse("m"), grid)
    assert (line.time_ms / 1000).tolist() == [1000, 1005, 1010, 1030, 1035]
    assert line.value.tolist() == [1, 1, 2, 4, 4]


def test_series_come_in_the_order_of_their_labels():
    found = reader({"c": [(1000, 1)], "a": [(1000, 2)], "b": [(1000, 3)]})
    assert list(at(found, "m", 1000)) == ["a", "b", "c"]


def test_no_series_is_no_line():
    assert at(reader({}), "m", 1000) == {}


def test_too_many_series_are_refused():
    found = reader({str(i): [(1000, i)] for i in range(4)}, max_query_series=3)
    with pytest.raises(QueryLimit, match="more than 3 series"):
        at(found, "m", 1000)


def test_too_many_samples_are_refused():
    found = reader({"a": [(1000 + i, i) for i in range(11)]}, max_query_samples=10)
    with pytest.raises(QueryLimit, match="more than 10 samples"):
        raw(found, "m[1h]", 2000)


def test_batches_change_nothing():
    rows = {f"{i:03d}": [(1000, i), (1001, i + 1)] for i in range(300)}
    assert raw(reader(rows), "m[1m]", 1010) == {host: [1000, 1001] for host in sorted(rows)}
