from __future__ import annotations

import numpy as np
import pytest

from twinhelm.aiops.clean.signals import Signal, SignalMaker, families, signal_of
from twinhelm.core.errors import NewerFormat
from twinhelm.core.labels import labels_of
from twinhelm.core.telemetry import STALE_NAN_BITS, MetricMeta, MetricType, SampleBlock

STALE = np.array([STALE_NAN_BITS], np.uint64).view(np.float64)[0]


def maker(*names: str) -> SignalMaker:
    made = SignalMaker()
    for i, name in enumerate(names):
        made.declare(i, labels_of({"__name__": name}))
    return made


def feed(made: SignalMaker, times_s: list[float], values: list[float], series: int = 0) -> list:
    given = made.signals(
        SampleBlock(
            np.full(len(values), series, np.uint32),
            (np.array(times_s) * 1000).astype(np.int64),
            np.array(values, np.float64),
        )
    )
    return [(t / 1000, round(v, 6)) for t, v in zip(given.time_ms, given.value, strict=True)]


def test_gauge_passes_and_missing_values_do_not() -> None:
    got = feed(maker("temperature"), [1, 2, 3, 4], [5.0, float("nan"), float("inf"), 6.0])
    assert got == [(1, 5.0), (4, 6.0)]


def test_counter_becomes_rate_per_second() -> None:
    assert feed(maker("x_total"), [0, 10, 20], [0, 50, 50]) == [(10, 5.0), (20, 0.0)]


def test_reset_counts_from_zero() -> None:
    assert feed(maker("x_total"), [0, 10, 20], [100, 200, 30]) == [(10, 10.0), (20, 3.0)]


def test_no_rate_across_a_gap_or_a_stale_end() -> None:
    got = feed(maker("x_total"), [0, 10, 100, 110, 120, 130], [0, 10, 900, 910, STALE, 930])
    assert got == [(10, 1.0), (110, 1.0)]


def test_a_slower_sender_is_found_out() -> None:
    times = [0, 1, 2] + [2 + 10 * k for k in range(1, 6)]
    assert len(feed(maker("x_total"), times, [float(t) for t in times])) >= 5


def test_unsorted_and_repeated_times_give_no_rate() -> None:
    assert feed(maker("x_total"), [10, 10, 5, 20], [0, 9, 9, 10]) == [(20, 1.0)]


def test_undeclared_series_give_no_signal() -> None:
    assert feed(maker("a", "b"), [1], [1.0], series=7) == []


@pytest.mark.parametrize(
    ("name", "kind", "signal"),
    [
        ("http_requests_total", MetricType.UNKNOWN, Signal.COUNTER),
        ("http_request_duration_seconds_bucket", MetricType.HISTOGRAM, Signal.NONE),
        ("http_request_duration_seconds_sum", MetricType.HISTOGRAM, Signal.MEAN),
        ("http_request_duration_seconds_count", MetricType.HISTOGRAM, Signal.COUNTER),
        ("http_request_duration_seconds_sum", MetricType.UNKNOWN, Signal.MEAN),
        ("checks_sum", MetricType.GAUGE, Signal.GAUGE),
        ("joules_sum", MetricType.COUNTER, Signal.COUNTER),
        ("rpc_seconds", MetricType.SUMMARY, Signal.GAUGE),
        ("x_created", MetricType.UNKNOWN, Signal.NONE),
        ("target_info", MetricType.UNKNOWN, Signal.NONE),
        ("process_start_time_seconds", MetricType.GAUGE, Signal.NONE),
        ("events", MetricType.COUNTER, Signal.COUNTER),
        ("pods_total", MetricType.GAUGE, Signal.GAUGE),
        ("node_vmstat_pgfault", MetricType.UNKNOWN, Signal.COUNTER),
        ("node_netstat_Tcp_CurrEstab", MetricType.UNKNOWN, Signal.GAUGE),
        ("phase", MetricType.STATESET, Signal.NONE),
    ],
)
def test_what_a_metric_is_judged_by(name: str, kind: MetricType, signal: Signal) -> None:
    assert signal_of(name, MetricMeta(name, kind)) is signal


def test_metadata_that_comes_later_changes_the_judgement() -> None:
    made = maker("events")
    made.declare(0, labels_of({"__name__": "events"}), MetricMeta("events", MetricType.COUNTER))
    assert feed(made, [0, 10], [0, 50]) == [(10, 5.0)]


def test_family_names() -> None:
    assert families("a_total") == ("a_total", "a")
    assert families("up") == ("up",)


def test_rates_go_on_after_restore() -> None:
    first = maker("x_total")
    feed(first, [0, 10], [0, 10])
    second = SignalMaker()
    assert second.restore(first.snapshot())
    assert feed(second, [20], [40]) == [(20, 3.0)]


SUM, COUNT = "rpc_seconds_sum", "rpc_seconds_count"
WALK = [(0, 1.0, 10.0), (2, 2.0, 20.0), (4, 2.0, 20.0), (6, 5.0, 30.0), (8, 7.0, 31.0)]
"""Times in s, sums, counts."""
MEANS = [(2, 0.1), (6, 0.3), (8, 2.0)]


def rows(walk: list, which: str) -> list:
    """Put a walk in an order of arrival: (series, time, value)."""
    sums = [(0, t, total) for t, total, _ in walk]
    counts = [(1, t, count) for t, _, count in walk]
    if which == "sums first":
        return sums + counts
    if which == "counts first":
        return counts + sums
    pairs = zip(*((sums, counts) if which == "sum, count" else (counts, sums)), strict=True)
    return [row for pair in pairs for row in pair]


def walk_through(made: SignalMaker, given: list, *, block: int = 1000) -> list:
    """Feed rows in blocks; return the signals of series 0, times in s."""
    got = []
    for at in range(0, len(given), block):
        series, times, values = zip(*given[at : at + block], strict=True)
        out = made.signals(
            SampleBlock(
                np.array(series, np.uint32),
                (np.array(times) * 1000).astype(np.int64),
                np.array(values, np.float64),
            )
        )
        triples = zip(out.series, out.time_ms, out.value, strict=True)
        got += [(t / 1000, round(v, 6)) for one, t, v in triples if one == 0]
    return got


@pytest.mark.parametrize(
    ("which", "block"),
    [
        *((which, block) for which in ("sum, count", "count, sum") for block in (1, 2, 3, 1000)),
        # A whole history in other blocks than its twin's keeps its newest only.
        ("sums first", 1000),
        ("counts first", 1000),
    ],
)
def test_a_sum_is_judged_as_the_mean_whichever_comes_first(which: str, block: int) -> None:
    given = rows(WALK, which)
    assert walk_through(maker(SUM, COUNT), given, block=block) == MEANS


def test_a_count_is_judged_as_traffic_beside_the_mean() -> None:
    made = maker(SUM, COUNT)
    walk_through(made, rows(WALK[:1], "sum, count"))
    out = made.signals(
        SampleBlock(np.array([0, 1], np.uint32), np.array([2000, 2000]), np.array([2.0, 20.0]))
    )
    assert dict(zip(out.series.tolist(), out.value.tolist(), strict=True)) == {0: 0.1, 1: 5.0}


def test_a_histogram_that_began_anew_tells_the_mean_since() -> None:
    walk = [*WALK, (10, 0.5, 2.0), (12, 1.5, 4.0)]
    assert walk_through(maker(SUM, COUNT), rows(walk, "sum, count"))[3:] == [(10, 0.25), (12, 0.5)]


def test_a_mean_begins_anew_after_a_stale_end() -> None:
    walk = [*WALK, (10, STALE, STALE), (12, 99.0, 100.0), (14, 100.0, 102.0)]
    got = walk_through(maker(SUM, COUNT), rows(walk, "count, sum"))
    assert got == [*MEANS, (14, 0.5)]


def test_one_that_is_missing_is_made_up_for_by_the_next() -> None:
    given = [row for row in rows(WALK, "sum, count") if row[:2] != (1, 6)]
    assert walk_through(maker(SUM, COUNT), given) == [(2, 0.1), (8, round(5 / 11, 6))]


def test_a_sum_without_its_count_is_not_judged() -> None:
    assert feed(maker(SUM), [0, 2], [1.0, 2.0]) == []


def test_twins_have_the_same_labels() -> None:
    made = SignalMaker()
    for series, (name, job) in enumerate([(SUM, "a"), (COUNT, "b"), (COUNT, "a"), (SUM, "b")]):
        made.declare(series, labels_of({"__name__": name, "job": job}))
    asked = np.array([0, 3, 900], np.uint32)
    assert made.with_twins(asked).tolist() == [0, 1, 2, 3, 900]
    assert made.with_twins(asked[:0]).tolist() == []


def test_a_twin_that_turns_out_to_be_a_gauge_is_let_go() -> None:
    made = maker(SUM, COUNT)
    for series, name in enumerate((SUM, COUNT)):
        made.declare(series, labels_of({"__name__": name}), MetricMeta(name, MetricType.GAUGE))
    assert made.with_twins(np.array([0], np.uint32)).tolist() == [0]
    assert feed(made, [0, 2], [1.0, 2.0]) == [(0, 1.0), (2, 2.0)]


def test_means_go_on_after_restore_and_are_walked_again_after_forgetting() -> None:
    first, second = maker(SUM, COUNT), SignalMaker()
    given = rows(WALK, "sum, count")
    walk_through(first, given[:7])  # the newest sum waits for its count
    assert second.restore(first.snapshot())
    assert walk_through(second, given[7:]) == [(6, 0.3), (8, 2.0)]
    second.forget(np.array([0, 1], np.uint32))
    assert walk_through(second, given) == MEANS


def test_an_older_snapshot_is_not_taken() -> None:
    data = maker(SUM).snapshot()
    assert not SignalMaker().restore(data[:4] + b"\x01" + data[5:])


def test_damaged_snapshot_changes_nothing_and_newer_is_refused() -> None:
    made = maker("x_total")
    data = made.snapshot()
    assert not made.restore(b"")
    assert not made.restore(data[:-1])
    assert not made.restore(b"x" * len(data))
    with pytest.raises(NewerFormat):
        made.restore(data[:4] + b"\x09" + data[5:])
    assert feed(made, [0, 10], [0, 10]) == [(10, 1.0)]


def test_series_without_a_signal_are_mute_and_unknown_ones_are_not() -> None:
    made = SignalMaker()
    for series, name in enumerate(["load", "x_total", "x_bucket", "build_info"]):
        made.declare(series, (("__name__", name),))
    asked = np.array([0, 1, 2, 3, 4, 2**31], np.uint32)
    assert made.mute(asked).tolist() == [False, False, True, True, False, False]
    assert made.mute(asked[:0]).tolist() == []
