"""Derive: spans, lines and runs that were kept become series like any other, by the given clock."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from twinhelm.aiops.flow import derive as derive_module
from twinhelm.aiops.types import Received
from twinhelm.core.entities import Edge
from twinhelm.core.labels import Matcher, MatchKind, labels_of, metric_name
from twinhelm.core.telemetry import STALE_NAN_BITS, Change, LogBlock, SpanBlock
from twinhelm.events.values import load

STALE = np.array([STALE_NAN_BITS], np.uint64).view(np.float64)[0]


def spans(wing, *rows, tenant="default"):
    """Take spans of (service, kind, ms before now that it ended, ms it took, id, parent)."""
    services = sorted({row[0] for row in rows})
    resources = tuple(
        labels_of({"service_name": name, "service_namespace": "shop"}) for name in services
    )
    now = wing.clock.now_ms()
    ends = np.array([now - row[2] for row in rows], np.int64)
    block = SpanBlock(
        (ends - [row[3] for row in rows]) * 1_000_000,
        ends * 1_000_000,
        np.array([services.index(row[0]) for row in rows], np.int32),
        resources,
        ["1" * 32] * len(rows),
        [row[4] if len(row) > 4 else f"{n:016x}" for n, row in enumerate(rows, 1)],
        [row[5] if len(row) > 5 else "" for row in rows],
        ["GET /x"] * len(rows),
        np.array([{"server": 2, "client": 3}[row[1]] for row in rows], np.uint8),
        np.zeros(len(rows), np.uint8),
        [""] * len(rows),
    )
    return wing.intake.take(Received(spans=block), door="otlp", tenant=tenant)


def lines(wing, severity, count):
    now = np.full(count, wing.clock.now_ms() * 1_000_000)
    block = LogBlock(
        now, np.zeros(count, np.int32), (labels_of({"job": "shop/cart"}),),
        np.full(count, severity, np.uint8), ["x"] * count, *([[""] * count] * 3),
    )  # fmt: skip
    wing.intake.take(Received(logs=block), door="loki", tenant="default")


def run(number, start_ms, end_ms, outcome="success", **attributes):
    return Change(
        f"run/{number}", start_ms, "pipeline", "pipeline:shop/nightly", "x", "openlineage",
        end_ms, outcome, attributes,
    )  # fmt: skip


def told(wing, name, tenant="default", **labels):
    """Read one derived series back as ``{time_ms: value}``; None where it does not exist."""
    wanted = [Matcher(each, MatchKind.EQUAL, value)
              for each, value in {"__name__": name, "operation": "", **labels}.items()]  # fmt: skip
    found = wing.telemetry.find_series(wanted, tenant=tenant)
    if not found:
        return None
    (one,) = found
    return {time_ms: value for _, time_ms, value in wing.stored(one.id)}


def pass_by(wing, seconds):
    for _ in range(seconds):
        wing.clock.advance(1)
        wing.watch.tick()


@pytest.fixture
def wing(new_wing):
    wing = new_wing()
    wing.watch.tick()
    return wing


def test_nothing_heard_makes_no_series(wing):
    pass_by(wing, 30)
    assert wing.telemetry.series_count() == 0


def test_spans_become_series_once_their_senders_had_their_time(wing):
    start = wing.clock.now_ms()
    wing.clock.advance(1)
    spans(wing, ("catalog", "server", 0, 100), ("catalog", "server", 500, 300))
    pass_by(wing, 6)
    assert told(wing, "traces_requests_per_second") is None
    pass_by(wing, 1)
    assert told(wing, "traces_requests_per_second", service_name="catalog") == {start + 2000: 1.0}
    assert told(wing, "traces_duration_mean_seconds") == {start + 2000: pytest.approx(0.2)}
    (info,) = wing.telemetry.find_series(
        [Matcher("__name__", MatchKind.EQUAL, "traces_errors_ratio")]
    )
    assert wing.watch.describe(info.id)[1] == "service:shop/catalog"
    assert wing.telemetry.metric_meta()["traces_errors_ratio"].type == "gauge"
    assert wing.meters.received.labels("derived", "samples")._value.get() > 0


def test_what_comes_too_late_is_counted_and_kept(wing):
    wing.clock.advance(20)
    wing.watch.tick()
    assert spans(wing, ("catalog", "server", 15_000, 100)).spans == 1
    pass_by(wing, 10)
    assert wing.telemetry.series_count() == 0
    assert wing.meters.left_out.labels("spans", "late")._value.get() == 1


def test_a_run_that_is_told_twice_is_derived_from_once(wing):
    now = wing.clock.now_ms()
    block = Received(changes=(run(1, now, now + 2),))
    for _ in range(2):
        wing.intake.take(block, door="openlineage", tenant="default", digest=b"x" * 16)
        pass_by(wing, 1)
    assert wing.intake.rejections.snapshot() == []


def test_log_lines_become_series(wing):
    lines(wing, 17, 3)
    lines(wing, 9, 5)
    pass_by(wing, 8)
    assert list(told(wing, "logs_lines_per_second", service_name="cart").values()) == [4.0]
    assert list(told(wing, "logs_errors_per_second").values()) == [1.5]


def test_edges_go_to_the_records_within_a_minute_and_live_on(wing):
    for _ in range(2):
        spans(
            wing,
            ("gateway", "client", 0, 50, "a" * 16),
            ("catalog", "server", 10, 30, "b" * 16, "a" * 16),
        )
        pass_by(wing, 10)
        wing.housekeeping.note_topology()
    with wing.records.reading() as unit:
        (edge,) = [load(Edge, record) for record in unit.find("edge")]
        entities = {record.key for record in unit.find("entity")}
    assert (edge.source, edge.target, edge.kind, edge.told_by) == (
        "service:shop/gateway", "service:shop/catalog", "calls", "traces"
    )  # fmt: skip
    assert (edge.confidence, edge.ttl_ms) == (0.95, 3_600_000)
    assert wing.clock.now_ms() - edge.last_seen_ms < 12_000
    assert entities == {edge.source, edge.target}


def test_tenants_stay_apart(wing):
    spans(wing, ("catalog", "server", 0, 100))
    spans(wing, ("catalog", "server", 0, 300), tenant="other")
    pass_by(wing, 8)
    values = [told(wing, "traces_duration_mean_seconds", tenant) for tenant in ("default", "other")]
    assert [list(one.values()) for one in values] == [[pytest.approx(0.1)], [pytest.approx(0.3)]]


def test_runs_become_series_and_go_on_after_a_restart(wing):
    start = wing.clock.now_ms()
    for n in range(1, 4):
        change = run(n, start - 60_000 + 20_000 * n - 5000, start - 60_000 + 20_000 * n)
        wing.intake.take(Received(changes=(change,)), door="openlineage", tenant="default")
        wing.watch.tick()
    assert list(told(wing, "pipeline_run_seconds").values()) == [5.0] * 3
    pass_by(wing, 10)
    wing.restart()
    wing.watch.resume()
    pass_by(wing, 30)
    late = told(wing, "pipeline_late_ratio")
    assert late[start + 30_000 // 2000 * 2000 - start % 2000] == pytest.approx(1.5, abs=0.1)
    assert len(late) in (19, 20)  # the tick at which the process died may be missed
    assert list(told(wing, "pipeline_failed").values()) == [0.0] * 3


def test_a_run_that_ends_right_after_a_restart_is_told_of(wing):
    now = wing.clock.now_ms()
    opened = run(1, now, None, "running")
    wing.intake.take(Received(changes=(opened,)), door="openlineage", tenant="default")
    wing.watch.tick()
    wing.restart()
    wing.clock.advance(7)
    done = run(1, now + 7000, now + 7000)
    wing.intake.take(Received(changes=(done,)), door="openlineage", tenant="default")
    wing.watch.tick()
    assert told(wing, "pipeline_run_seconds") == {now + 7000: 7.0}


def test_a_changed_schema_becomes_a_change(wing):
    now = wing.clock.now_ms()
    for n, columns in enumerate(("id INT", "id TEXT"), 1):
        change = run(n, now + n, now + n + 1, **{"schema:db/t": columns})
        wing.intake.take(Received(changes=(change,)), door="openlineage", tenant="default")
        wing.watch.tick()
    (found,) = wing.telemetry.read_changes(0, now + 10, entity="dataset:db/t")
    assert (found.kind, found.title) == ("schema", "columns of db/t changed: id INT -> TEXT")


def feed(wing, seconds, *, took=lambda n: 50.0, ticks=True, rng=None):
    """Serve about ten requests a second for so long."""
    rng = rng or np.random.default_rng(3)
    for n in range(seconds):
        wing.clock.advance(1)
        count = 8 + int(rng.integers(0, 5))
        rows = [(int(rng.integers(0, 900)), took(n) * rng.uniform(0.7, 1.3)) for _ in range(count)]
        spans(wing, *[("catalog", "server", *row) for row in rows])
        if ticks:
            wing.watch.tick()


def test_a_service_is_judged_after_less_than_a_minute(wing):
    feed(wing, 57)
    (series,) = wing.telemetry.find_series(
        [Matcher("__name__", MatchKind.EQUAL, "traces_duration_mean_seconds"),
         Matcher("operation", MatchKind.EQUAL, "")]
    )  # fmt: skip
    late = wing.block([(series.id, wing.clock.now_ms(), 0.5)])
    scores = wing.watch.detector.observe(late)
    assert np.isfinite(scores.low[0])
    assert scores.flagged[0]


def test_a_slow_service_becomes_an_anomaly(wing):
    rng = np.random.default_rng(4)
    feed(wing, 180, rng=rng)
    assert wing.watch.anomalies == {}
    feed(wing, 40, took=lambda n: 500.0, rng=rng)
    names = {metric_name(one.labels) for one in wing.watch.anomalies.values()}
    assert "traces_duration_mean_seconds" in names


def test_the_same_input_gives_the_same_series(new_wing):
    wings = [new_wing(), new_wing()]
    for wing in wings:
        wing.watch.tick()
        feed(wing, 40)
    kept = [
        {info.labels: wing.stored(info.id) for info in wing.telemetry.find_series([])}
        for wing in wings
    ]
    assert kept[0] == kept[1]
    assert wings[0].watch.detector.snapshot() == wings[1].watch.detector.snapshot()


def test_derived_samples_that_were_kept_are_judged_after_a_crash(new_wing):
    whole, broken = new_wing(), new_wing()
    for wing in (whole, broken):
        wing.watch.tick()
        rng = np.random.default_rng(3)
        feed(wing, 60, rng=rng)
        if wing is broken:
            wing.watch.save()
        feed(wing, 10, rng=rng)
        pass_by(wing, 10)
    broken.restart()
    broken.watch.resume()
    assert broken.watch.detector.seen_ms().tolist() == whole.watch.detector.seen_ms().tolist()


def test_a_series_that_ended_is_marked_so(wing):
    spans(wing, ("catalog", "server", 0, 100))
    pass_by(wing, 320)
    values = list(told(wing, "traces_requests_per_second").values())
    assert values[0] == 0.5
    assert set(values[1:-1]) == {0.0}
    assert np.array(values[-1:]).view(np.uint64)[0] == STALE_NAN_BITS
    assert len(values) == 151


def test_what_cannot_be_derived_stops_neither_the_rest_nor_the_tick(wing, caplog):
    wing.telemetry.full = True
    bad = SpanBlock(*[
        ["no hex"] if name == "span_id" else getattr(one, name)
        for one in [block_of_one(wing)] for name in SpanBlock.__slots__
    ])  # fmt: skip
    wing.derive.hear(Received(spans=bad), "default")
    spans(wing, ("catalog", "server", 0, 100))
    with caplog.at_level(logging.WARNING):
        pass_by(wing, 8)
    assert {record.message for record in caplog.records} == {"not derived"}
    wing.telemetry.full = False
    spans(wing, ("catalog", "server", 0, 100))
    pass_by(wing, 8)
    assert told(wing, "traces_requests_per_second")


def block_of_one(wing):
    heard = []
    wing.intake.heard, before = lambda kept, tenant: heard.append(kept.spans), wing.intake.heard
    spans(wing, ("catalog", "server", 0, 100))
    wing.intake.heard = before
    return heard[0]


def test_what_waits_for_a_tick_is_bounded(wing, monkeypatch):
    monkeypatch.setattr(derive_module, "MOST_WAITING", 3)
    for _ in range(2):
        spans(wing, ("catalog", "server", 0, 100), ("catalog", "server", 0, 100))
    assert wing.meters.left_out.labels("spans", "full")._value.get() == 2
    pass_by(wing, 8)
    assert list(told(wing, "traces_requests_per_second").values()) == [1.0]


def test_a_clock_that_steps_back_closes_no_window_twice(wing):
    feed(wing, 20)
    wing.clock.advance(-10)
    feed(wing, 30)
    assert wing.intake.rejections.snapshot() == []


def test_a_histogram_is_judged_by_mean_and_traffic_also_after_a_crash(new_wing):
    whole, broken = new_wing(), new_wing()
    for wing in (whole, broken):
        names = "http_request_duration_seconds_sum", "http_request_duration_seconds_count"
        total, count = 0.0, 0.0
        rng = np.random.default_rng(1)
        for n in range(80):
            if wing is broken and n in (30, 55):
                if n == 30:
                    wing.watch.save()
                wing.restart()
                wing.watch.resume()
            series = wing.intern(*names, job="cart").tolist()
            wing.clock.advance(5)
            total, count = total + rng.uniform(1, 2), count + 10
            now = wing.clock.now_ms()
            wing.take([(series[n % 2], now, (total, count)[n % 2])])
            wing.take([(series[1 - n % 2], now, (total, count)[1 - n % 2])])
            if n % 10 < 7:
                wing.watch.tick()
        wing.watch.tick()
        wing.watch.save()
    series = whole.intern(*names, job="cart").tolist()
    assert whole.watch.detector.snapshot() == broken.watch.detector.snapshot()
    now = whole.clock.now_ms()
    band = whole.desk.band(series[0], now - 60_000, now)
    assert 0.1 < band.signal.min() <= band.signal.max() < 0.2
    assert whole.desk.band(series[1], now - 60_000, now).signal == pytest.approx(2.0)
