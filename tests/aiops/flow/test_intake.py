"""Intake: what is acknowledged is kept once, and nothing good is lost beside something bad."""

from __future__ import annotations

import numpy as np
import pytest

from twinhelm.aiops.types import Received, Rejected
from twinhelm.core.entities import Edge
from twinhelm.core.errors import DatabaseDown, StoreFull
from twinhelm.core.labels import labels_of
from twinhelm.core.telemetry import Alert, Change, LogBlock, MetricMeta, MetricType, SpanBlock


def reasons(receipt):
    return {str(part.reason): part.count for part in receipt.rejected}


def rows_of(series, now, count=5):
    return [(int(series), now - 1000 * (count - n), float(n)) for n in range(count)]


def test_nothing_in_nothing_out(wing):
    assert wing.take([]).samples == 0
    assert wing.offered == []


def test_a_retry_adds_nothing(wing):
    (a,) = wing.intern("a")
    rows = rows_of(a, wing.clock.now_ms())
    assert wing.take(rows).samples == 5
    again = wing.take(rows)
    assert again.samples == 0
    assert reasons(again) == {"duplicate": 1, "late": 4}
    assert wing.stored(a) == rows


def test_a_retry_after_a_restart_adds_nothing(wing):
    (a,) = wing.intern("a")
    rows = rows_of(a, wing.clock.now_ms())
    wing.take(rows)
    wing.restart()
    assert wing.take(rows).samples == 0
    assert wing.stored(a) == rows


def test_late_samples_that_are_new_are_kept_and_not_judged(wing):
    (a,) = wing.intern("a")
    now = wing.clock.now_ms()
    wing.take([(a, now, 1.0)])
    receipt = wing.take([(a, now - 5000, 2.0), (a, now - 5000, 2.0), (a, now, 1.0)])
    assert receipt.samples == 1
    assert wing.stored(a) == [(a, now - 5000, 2.0), (a, now, 1.0)]
    assert sum(len(block) for block in wing.offered) == 1


def test_what_the_store_refused_is_taken_at_the_next_try(wing):
    (a,) = wing.intern("a")
    rows = rows_of(a, wing.clock.now_ms())
    wing.telemetry.full = True
    with pytest.raises(StoreFull):
        wing.take(rows)
    assert wing.offered == []
    wing.telemetry.full = False
    assert wing.take(rows).samples == 5
    assert wing.stored(a) == rows


def test_series_past_the_limit_are_counted_and_the_others_kept(new_wing):
    wing = new_wing(limits={"max_series_per_tenant": 2})
    a, b, c = wing.intern("a", "b", "c")
    now = wing.clock.now_ms()
    receipt = wing.take([(a, now, 1.0), (c, now, 1.0), (b, now, 1.0)])
    assert receipt.samples == 2
    assert reasons(receipt) == {"series_limit": 1}
    assert [row.count for row in wing.intake.rejections.snapshot()] == [1]


def test_a_block_is_offered_after_its_series_were_welcomed_and_after_it_was_kept(wing):
    (a,) = wing.intern("a")
    wing.take([(a, wing.clock.now_ms(), 1.0)])
    assert len(wing.stored(a)) == 1
    assert wing.watch.tick() == 1


def test_what_decoders_rejected_is_counted_beside_what_cleaning_did(wing):
    (a,) = wing.intern("a")
    now = wing.clock.now_ms()
    before = (Rejected("malformed", 3, "half a label"),)
    receipt = wing.take([(a, now, 1.0), (a, now + 3_600_000, 1.0)], rejected=before)
    assert reasons(receipt) == {"malformed": 3, "too_far_ahead": 1}
    counted = wing.meters.rejected.labels("test", "malformed")._value.get()
    assert counted == 3


def logs(bodies, attributes=None):
    n = len(bodies)
    return LogBlock(
        np.arange(n, dtype=np.int64) + 1_700_000_000_000_000_000,
        np.zeros(n, np.int32),
        (labels_of([("service_name", "shop")]),),
        np.zeros(n, np.uint8),
        list(bodies),
        list(attributes or [""] * n),
        [""] * n,
        [""] * n,
    )


def test_secrets_in_log_lines_are_struck_out_before_they_are_kept(wing):
    block = logs(["sign in with password=hunter2"], ['{"authorization": "Bearer abc.def.ghi"}'])
    wing.intake.take(Received(logs=block), door="loki", tenant="default")
    (line,) = wing.telemetry.read_logs([], 0, 2**62)
    assert "hunter2" not in line.body
    assert "abc.def" not in line.attributes
    assert line.body.startswith("sign in with password=")


def test_a_body_that_was_taken_is_no_second_copy(wing):
    received = Received(logs=logs(["one", "two"]))
    for kept in (2, 0):
        receipt = wing.intake.take(received, door="loki", tenant="default", digest=b"x" * 16)
        assert receipt.logs == kept
    assert len(wing.telemetry.read_logs([], 0, 2**62)) == 2


def test_secrets_in_spans_are_struck_out(wing):
    one = np.ones(1, np.int64)
    block = SpanBlock(
        one, one, np.zeros(1, np.int32), ((("service_name", "shop"),),), ["a" * 32], ["b" * 16],
        [""], ["GET"], one.astype(np.uint8), one.astype(np.uint8),
        ['{"url": "http://ann:hunter2@db/"}'],
    )  # fmt: skip
    assert wing.intake.take(Received(spans=block), door="otlp", tenant="default").spans == 1
    (span,) = wing.telemetry.read_spans([], 0, 2**62)
    assert "hunter2" not in span.attributes


def alert(ends_ms=None, until_ms=None, starts_ms=1_700_000_000_000):
    labels = labels_of([("alertname", "HighLatency"), ("instance", "a:9100")])
    return Alert("f1", labels, (), starts_ms, ends_ms, "prometheus", until_ms=until_ms)


def test_an_alert_is_told_once_when_it_fires_and_once_when_it_ends(wing):
    for each in (
        alert(),
        alert(),
        alert(ends_ms=1_700_000_060_000),
        alert(ends_ms=1_700_000_060_000),
    ):
        wing.intake.take(Received(alerts=(each,)), door="alertmanager_api", tenant="default")
    rows = wing.journal.read(kind="alert.received")
    assert [row.body["firing"] for row in rows] == [True, False]
    assert {row.actor for row in rows} == {"door:alertmanager_api"}


def test_an_edge_is_kept_and_lives_on(wing):
    for seen in (1000, 2000):
        edge = Edge("service:a", "service:b", "calls", "traces", 1.0, seen, 60_000)
        wing.intake.take(Received(edges=(edge,)), door="openlineage", tenant="default")
    with wing.records.reading() as unit:
        (record,) = unit.find("edge")
    assert record.body["last_seen_ms"] == 2000


def test_telemetry_goes_on_while_the_database_is_away(wing):
    (a,) = wing.intern("a")
    wing.records.down = True
    assert wing.take([(a, wing.clock.now_ms(), 1.0)]).samples == 1
    with pytest.raises(DatabaseDown):
        wing.intake.take(Received(alerts=(alert(),)), door="alertmanager_api", tenant="default")


def run(time_ms, end_ms=None, outcome="", **attributes):
    return Change(
        "run/1", time_ms, "pipeline", "pipeline:etl", "pipeline etl", "openlineage", end_ms,
        outcome, attributes,
    )  # fmt: skip


@pytest.mark.parametrize("backwards", [False, True])
def test_the_events_of_one_pipeline_run_become_one_change(wing, backwards):
    told = [run(1000, job="etl"), run(9000, 9000, "success", rows="5")]
    for change in reversed(told) if backwards else told:
        wing.intake.take(Received(changes=(change,)), door="openlineage", tenant="default")
    (joined,) = wing.telemetry.read_changes(0, 10_000)
    assert (joined.time_ms, joined.end_ms, joined.outcome) == (1000, 9000, "success")
    assert joined.attributes == {"job": "etl", "rows": "5"}


def test_history_that_is_there_already_adds_nothing(wing):
    (a,) = wing.intern("a")
    rows = rows_of(a, wing.clock.now_ms())
    received = Received(samples=wing.block(rows))
    for kept in (5, 0):
        assert wing.intake.take_history(received, door="import", tenant="default").samples == kept
    assert wing.stored(a) == rows
    assert wing.offered == []


def test_a_sender_that_repeats_what_history_brought_adds_nothing(wing):
    (a,) = wing.intern("a")
    rows = rows_of(a, wing.clock.now_ms())
    wing.intake.take_history(Received(samples=wing.block(rows)), door="backfill", tenant="default")
    assert wing.take(rows).samples == 0
    assert wing.stored(a) == rows


def test_history_of_the_future_and_of_refused_series_is_counted(new_wing):
    wing = new_wing(limits={"max_series_per_tenant": 1})
    a, b = wing.intern("a", "b")
    now = wing.clock.now_ms()
    block = wing.block([(a, now, 1.0), (a, now + 10**9, 1.0), (b, now, 1.0)])
    receipt = wing.intake.take_history(Received(samples=block), door="import", tenant="default")
    assert receipt.samples == 1
    assert reasons(receipt) == {"series_limit": 1, "too_far_ahead": 1}


def test_empty_history_still_brings_metadata(wing):
    meta = MetricMeta("a", MetricType.GAUGE)
    wing.intake.take_history(Received(metas=(meta,)), door="import", tenant="default")
    assert wing.telemetry.metric_meta() == {"a": meta}


def test_tenants_have_decoders_of_their_own_and_keep_them(wing):
    assert wing.intake.decoders("a") is wing.intake.decoders("a")
    assert wing.intake.decoders("a") is not wing.intake.decoders("b")
