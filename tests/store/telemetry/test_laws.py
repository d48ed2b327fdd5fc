"""What every telemetry store does, whatever it is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from peers.memory_telemetry import MemoryTelemetry
from twinhelm.core.clock import FakeClock
from twinhelm.core.errors import BadInput, NotFound
from twinhelm.core.labels import Labels, Matcher, MatchKind, labels_of
from twinhelm.core.ports import TelemetryStore
from twinhelm.core.settings import StoreSettings
from twinhelm.core.telemetry import (
    STALE_NAN_BITS,
    Change,
    LogBlock,
    MetricMeta,
    MetricType,
    SampleBlock,
    SpanBlock,
)
from twinhelm.store.telemetry import open_telemetry

DAY_MS = 86_400_000
NOW = 1_700_000_000_000
SETTINGS = StoreSettings(flush_interval_s=3600, min_free_bytes=0)
EVER = SETTINGS.model_copy(
    update={f"retain_{kind}_days": 1e5 for kind in ("samples", "logs", "spans", "changes")}
)
Move = Callable[[TelemetryStore], None]


def stay(store: TelemetryStore) -> None:
    """Leave rows where they were appended."""


def flush(store: TelemetryStore) -> None:
    store.flush()


def settle(store: TelemetryStore) -> None:
    store.flush()
    store.tidy(NOW + 2 * DAY_MS)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


def make(kind: str, directory: Path, clock: FakeClock, settings: StoreSettings) -> TelemetryStore:
    if kind == "duck":
        return open_telemetry(directory, settings, clock)
    return MemoryTelemetry(clock, settings)


@pytest.fixture(params=["duck", "memory"])
def kind(request: pytest.FixtureRequest) -> str:
    made: str = request.param
    return made


@pytest.fixture
def store(kind: str, tmp_path: Path, clock: FakeClock) -> Iterator[TelemetryStore]:
    made = make(kind, tmp_path / "t", clock, EVER)
    yield made
    made.close()


@pytest.fixture(params=[stay, flush, settle], ids=["pending", "flushed", "settled"])
def move(request: pytest.FixtureRequest) -> Move:
    made: Move = request.param
    return made


def series(name: str, **labels: str) -> Labels:
    return labels_of({"__name__": name, **labels})


def samples(ids: list[int], times: list[int], values: list[float]) -> SampleBlock:
    return SampleBlock(
        np.array(ids, np.uint32), np.array(times, np.int64), np.array(values, np.float64)
    )


def logs(bodies: list[str], *, at_ns: int = 10, stream: Labels = (("app", "a"),)) -> LogBlock:
    n = len(bodies)
    return LogBlock(
        np.arange(at_ns, at_ns + n),
        np.zeros(n, np.int32),
        (stream,),
        np.full(n, 9, np.uint8),
        bodies,
        ['{"k":1}'] * n,
        ["ab"] * n,
        ["cd"] * n,
    )


def spans(names: list[str], *, at_ns: int = 10, trace: str = "t1") -> SpanBlock:
    n = len(names)
    return SpanBlock(
        start_ns=np.arange(at_ns, at_ns + n),
        end_ns=np.arange(at_ns, at_ns + n) + 5,
        resource=np.zeros(n, np.int32),
        resources=((("service.name", "shop"),),),
        trace_id=[trace] * n,
        span_id=[f"s{i}" for i in range(n)],
        parent_id=[""] * n,
        name=names,
        kind=np.full(n, 2, np.uint8),
        status=np.full(n, 1, np.uint8),
        attributes=[""] * n,
    )


def deploy(key: str, time_ms: int, *, title: str = "v1", entity: str = "service:a") -> Change:
    return Change(key, time_ms, "deploy", entity, title, "ci", attributes={"by": "x"})


# Series


def test_ids_are_dense_and_the_same_labels_keep_theirs(store: TelemetryStore) -> None:
    first = store.intern([series("a"), series("b"), series("a")], tenant="t")
    again = store.intern([series("b"), series("c")], tenant="t")
    assert first.tolist() == [0, 1, 0]
    assert again.tolist() == [1, 2]


def test_tenants_do_not_share_series(store: TelemetryStore) -> None:
    ids = [store.intern([series("a")], tenant=tenant)[0] for tenant in ("x", "y")]
    assert ids == [0, 1]
    assert [info.tenant for info in store.find_series([])] == ["x", "y"]
    assert [info.id for info in store.find_series([], tenant="y")] == [1]
    assert (store.series_count(), store.series_count("y"), store.series_count("z")) == (2, 1, 0)


def test_interning_nothing_gives_nothing(store: TelemetryStore) -> None:
    assert store.intern([], tenant="t").tolist() == []
    assert store.find_series([]) == []
    assert store.label_names([]) == []


def test_an_unknown_id_is_not_found(store: TelemetryStore) -> None:
    with pytest.raises(NotFound, match="no series 0"):
        store.series(np.array([0], np.uint32))


@pytest.mark.parametrize(
    ("name", "kind", "value", "expected"),
    [
        ("job", MatchKind.EQUAL, "api", [0, 1]),
        ("job", MatchKind.EQUAL, "", [3]),
        ("job", MatchKind.NOT_EQUAL, "api", [2, 3]),
        ("job", MatchKind.NOT_EQUAL, "", [0, 1, 2]),
        ("job", MatchKind.REGEX, "a.*|db", [0, 1, 2]),
        ("job", MatchKind.REGEX, ".*", [0, 1, 2, 3]),
        ("job", MatchKind.REGEX, "ap", []),
        ("job", MatchKind.NOT_REGEX, "a.*", [2, 3]),
        ("job", MatchKind.NOT_REGEX, ".+", [3]),
        ("nowhere", MatchKind.EQUAL, "x", []),
        ("nowhere", MatchKind.EQUAL, "", [0, 1, 2, 3]),
        ("", MatchKind.EQUAL, "t", []),
    ],
)
def test_matchers_select_as_prometheus_does(
    store: TelemetryStore, name: str, kind: MatchKind, value: str, expected: list[int]
) -> None:
    store.intern(
        [
            series("up", job="api", i="0"),
            series("up", job="api", i="1"),
            series("up", job="db"),
            series("up"),
        ],
        tenant="t",
    )
    matchers = [Matcher(name, kind, value), Matcher("__name__", MatchKind.EQUAL, "up")]
    assert [info.id for info in store.find_series(matchers)] == expected


def test_matching_goes_on_while_series_come(store: TelemetryStore) -> None:
    want = [Matcher("kind", MatchKind.EQUAL, "odd")]
    for first in range(0, 12_000, 3_000):
        sets = [
            series("m", i=str(i), kind="odd" if i % 2 else "even")
            for i in range(first, first + 3_000)
        ]
        store.intern(sets, tenant="t")
        found = [info.id for info in store.find_series(want, limit=100_000)]
        assert found == list(range(1, first + 3_000, 2))
    assert store.label_values("kind", []) == ["even", "odd"]


def test_a_bad_regular_expression_is_refused(store: TelemetryStore) -> None:
    store.intern([series("a", job="x")], tenant="t")
    with pytest.raises(BadInput, match="cannot be read"):
        store.find_series([Matcher("job", MatchKind.REGEX, "(")])


def test_names_and_values_of_labels(store: TelemetryStore) -> None:
    store.intern([series("a", job="x"), series("b", job="y", zone="z")], tenant="t")
    store.intern([series("c", secret="s")], tenant="other")
    only_a = [Matcher("__name__", MatchKind.EQUAL, "a")]
    assert store.label_names([], tenant="t") == ["__name__", "job", "zone"]
    assert store.label_names(only_a) == ["__name__", "job"]
    assert store.label_values("job", []) == ["x", "y"]
    assert store.label_values("job", only_a) == ["x"]
    assert store.label_values("secret", [], tenant="t") == []
    assert store.label_values("nowhere", []) == []


def test_series_are_found_by_when_they_were_heard(store: TelemetryStore, move: Move) -> None:
    store.intern([series("a"), series("b"), series("silent")], tenant="t")
    store.append_samples(samples([0, 0, 1], [NOW - 5, NOW, NOW + 5], [1, 2, 3]))
    move(store)
    info = store.series(np.array([2, 0], np.uint32))
    assert [(i.id, i.first_ms, i.last_ms) for i in info] == [(2, 0, 0), (0, NOW - 5, NOW)]
    assert [i.id for i in store.find_series([], start_ms=NOW + 1)] == [1]
    assert [i.id for i in store.find_series([], end_ms=NOW)] == [0]
    assert [i.id for i in store.find_series([], limit=2)] == [0, 1]
    assert dict(store.last_times()) == {0: NOW, 1: NOW + 5}


# Samples


def test_samples_come_back_by_series_and_time_within_a_closed_range(
    store: TelemetryStore, move: Move
) -> None:
    store.intern([series("a"), series("b"), series("c")], tenant="t")
    store.append_samples(samples([2, 0, 1], [NOW + 3, NOW + 2, NOW + 1], [3, 2, 9]))
    store.append_samples(samples([0, 2, 2], [NOW + 1, NOW + 4, NOW + 5], [1, 4, 5]))
    move(store)
    got = store.read_samples(np.array([0, 2], np.uint32), NOW + 1, NOW + 4)
    assert got.series.tolist() == [0, 0, 2, 2]
    assert (got.time_ms - NOW).tolist() == [1, 2, 3, 4]
    assert got.value.tolist() == [1, 2, 3, 4]


def test_every_bit_of_a_value_comes_back(store: TelemetryStore, move: Move) -> None:
    bits = np.array(
        [STALE_NAN_BITS, 0x7FF8000000000001, 0xFFF0000000000123, 0x7FF0000000000001], np.uint64
    )
    values = np.concatenate(
        [
            bits.view(np.float64),
            [np.inf, -np.inf, -0.0, 0.0, 5e-324, 1.7976931348623157e308, 0.1, 123.45, 2.0**60],
            np.arange(40) * 1.5,
            [-0.0],
            bits.view(np.float64)[:1],
        ]
    )
    n = len(values)
    store.intern([series("a")], tenant="t")
    store.append_samples(SampleBlock(np.zeros(n, np.uint32), NOW + np.arange(n) * 1000, values))
    move(store)
    got = store.read_samples(np.zeros(1, np.uint32), 0, 2**62)
    assert got.value.view(np.uint64).tolist() == values.view(np.uint64).tolist()


def test_rows_before_and_after_a_flush_are_seen_once(store: TelemetryStore, move: Move) -> None:
    store.intern([series("a")], tenant="t")
    store.append_samples(samples([0], [NOW], [1]))
    move(store)
    store.append_samples(samples([0], [NOW + 1], [2]))
    assert store.read_samples(np.zeros(1, np.uint32), 0, 2**62).value.tolist() == [1, 2]
    move(store)
    assert store.read_samples(np.zeros(1, np.uint32), 0, 2**62).value.tolist() == [1, 2]
    assert store.stats().samples == 2


def test_samples_from_the_past_and_far_future_are_kept(store: TelemetryStore, move: Move) -> None:
    times = [NOW - 50 * DAY_MS, NOW - 3 * DAY_MS, NOW - 7_200_000, NOW, NOW + DAY_MS]
    store.intern([series("a")], tenant="t")
    store.append_samples(samples([0] * 5, times[::-1], [5, 4, 3, 2, 1]))
    move(store)
    got = store.read_samples(np.zeros(1, np.uint32), 0, 2**62)
    assert got.time_ms.tolist() == times
    assert got.value.tolist() == [1, 2, 3, 4, 5]


def test_the_caller_may_use_its_arrays_again(store: TelemetryStore) -> None:
    store.intern([series("a")], tenant="t")
    block = samples([0], [NOW], [1])
    store.append_samples(block)
    block.value[0] = 99
    assert store.read_samples(np.zeros(1, np.uint32), 0, 2**62).value.tolist() == [1]


def test_no_samples_are_no_samples(store: TelemetryStore) -> None:
    store.append_samples(SampleBlock.empty())
    assert len(store.read_samples(np.empty(0, np.uint32), 0, 2**62)) == 0
    assert len(store.read_samples(np.array([7], np.uint32), 0, 2**62)) == 0


def test_samples_of_unknown_series_are_refused(store: TelemetryStore) -> None:
    with pytest.raises(BadInput, match="names series 0"):
        store.append_samples(samples([0], [NOW], [1]))


def test_columns_of_unequal_length_are_refused(store: TelemetryStore) -> None:
    store.intern([series("a")], tenant="t")
    with pytest.raises(BadInput, match="1 series, 2 times"):
        store.append_samples(samples([0], [NOW, NOW], [1]))


def test_many_random_samples_come_back(store: TelemetryStore, move: Move) -> None:
    rng = np.random.default_rng(7)
    store.intern([series("m", i=str(i)) for i in range(50)], tenant="t")
    kept = []
    for part in range(3):
        times = NOW - rng.permutation(4_000) * 977 - part
        block = SampleBlock(
            rng.integers(0, 50, 4_000).astype(np.uint32), times, rng.normal(size=4_000).round(3)
        )
        store.append_samples(block)
        kept.append(block)
        move(store)
    rows = sorted(
        (int(s), int(t), float(v))
        for b in kept
        for s, t, v in zip(b.series, b.time_ms, b.value, strict=True)
    )
    got = store.read_samples(np.arange(50, dtype=np.uint32), 0, 2**62)
    assert (
        list(zip(got.series.tolist(), got.time_ms.tolist(), got.value.tolist(), strict=True))
        == rows
    )


# Metadata, logs, spans, changes


def test_the_newest_metadata_wins(store: TelemetryStore, move: Move) -> None:
    store.put_metric_meta([MetricMeta("a"), MetricMeta("b", MetricType.GAUGE, "bytes", "help")])
    move(store)
    store.put_metric_meta([MetricMeta("a", MetricType.COUNTER)])
    assert store.metric_meta()["a"].type is MetricType.COUNTER
    assert store.metric_meta()["b"] == MetricMeta("b", MetricType.GAUGE, "bytes", "help")


def test_logs_come_back_whole(store: TelemetryStore, move: Move) -> None:
    store.append_logs(logs(["first", "nul \0 and ü", ""]), tenant="t")
    move(store)
    got = store.read_logs([], 0, 2**62, newest_first=False)
    assert [record.body for record in got] == ["first", "nul \0 and ü", ""]
    assert got[0].labels == (("app", "a"),)
    assert (got[0].severity, got[0].attributes, got[0].trace_id, got[0].span_id) == (
        9,
        '{"k":1}',
        "ab",
        "cd",
    )


def test_logs_are_filtered_ordered_and_limited(store: TelemetryStore, move: Move) -> None:
    store.append_logs(logs(["x 100% a", "y", "x b"]), tenant="t")
    move(store)
    store.append_logs(logs(["x c"], at_ns=20, stream=(("app", "b"),)), tenant="u")
    app = [Matcher("app", MatchKind.EQUAL, "a")]

    def bodies(matchers: list[Matcher], **how: object) -> list[str]:
        return [r.body for r in store.read_logs(matchers, 10, 20, **how)]  # type: ignore[arg-type]

    assert bodies([], contains="x") == ["x c", "x b", "x 100% a"]
    assert bodies([], contains="x", limit=2) == ["x c", "x b"]
    assert bodies([], contains="0% a") == ["x 100% a"]
    assert bodies(app, newest_first=False) == ["x 100% a", "y", "x b"]
    assert bodies([], tenant="u") == ["x c"]
    assert [r.body for r in store.read_logs([], 11, 12)] == ["x b", "y"]


def test_a_repeated_body_is_not_a_second_copy(
    store: TelemetryStore, move: Move, clock: FakeClock
) -> None:
    assert store.append_logs(logs(["a"]), tenant="t", digest=b"1")
    move(store)
    assert not store.append_logs(logs(["a"]), tenant="t", digest=b"1")
    assert not store.append_spans(spans(["a"]), tenant="t", digest=b"1")
    clock.advance(601)
    assert store.append_logs(logs(["a"]), tenant="t", digest=b"1")
    assert len(store.read_logs([], 0, 2**62)) == 2


def test_spans_come_back_by_start(store: TelemetryStore, move: Move) -> None:
    store.append_spans(spans(["late"], at_ns=30, trace="t2"), tenant="t")
    store.append_spans(spans(["a", "b"]), tenant="t")
    move(store)
    got = store.read_spans([], 0, 2**62)
    assert [span.name for span in got] == ["a", "b", "late"]
    assert (got[0].end_ns, got[0].labels, got[0].kind, got[0].status) == (
        15,
        (("service.name", "shop"),),
        2,
        1,
    )
    assert [s.name for s in store.read_spans([], 0, 2**62, trace_id="t2")] == ["late"]
    shop = [Matcher("service.name", MatchKind.NOT_EQUAL, "shop")]
    assert store.read_spans(shop, 0, 2**62) == []
    assert [s.name for s in store.read_spans([], 11, 30, limit=1)] == ["b"]


def test_a_change_with_a_known_id_replaces_the_first(store: TelemetryStore, move: Move) -> None:
    store.append_changes([deploy("1", 10), deploy("2", 5, entity="host:h")])
    move(store)
    store.append_changes([deploy("1", 20, title="v2")])
    move(store)
    assert [(c.id, c.title) for c in store.read_changes(0, 100)] == [("2", "v1"), ("1", "v2")]
    assert store.read_changes(0, 10, entity="service:a") == []
    assert store.read_changes(20, 20)[0].attributes == {"by": "x"}
    assert [c.id for c in store.read_changes(0, 100, limit=1)] == ["2"]


def test_where_a_change_rests_shows_in_nothing(store: TelemetryStore, move: Move) -> None:
    store.append_changes([replace(deploy("1", 10), attributes={"b": "2", "a": "1"})])
    move(store)
    (found,) = store.read_changes(0, 100)
    assert list(found.attributes.items()) == [("a", "1"), ("b", "2")]


# Retention


def test_tidy_drops_what_retention_says_and_nothing_else(
    kind: str, tmp_path: Path, clock: FakeClock
) -> None:
    store = make(kind, tmp_path, clock, SETTINGS)
    store.intern([series("a")], tenant="t")
    old, young = NOW - 61 * DAY_MS, NOW - 59 * DAY_MS
    store.append_samples(samples([0, 0], [old, young], [1, 2]))
    for days in (15, 13):
        store.append_logs(logs([f"{days}"], at_ns=(NOW - days * DAY_MS) * 10**6), tenant="t")
    for days in (8, 6):
        store.append_spans(spans([f"{days}"], at_ns=(NOW - days * DAY_MS) * 10**6), tenant="t")
    store.append_changes([deploy("1", NOW - 401 * DAY_MS), deploy("2", NOW - 399 * DAY_MS)])
    store.flush()
    store.tidy(NOW)
    assert store.read_samples(np.zeros(1, np.uint32), 0, 2**62).value.tolist() == [2]
    assert [r.body for r in store.read_logs([], 0, 2**62)] == ["13"]
    assert [s.name for s in store.read_spans([], 0, 2**62)] == ["6"]
    assert [c.id for c in store.read_changes(0, 2**62)] == ["2"]
    store.close()
