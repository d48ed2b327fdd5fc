"""The watch: every kept sample is judged once, whatever happens to the process meanwhile."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from twinhelm.aiops.flow.checkpoint import load_parts, save_parts
from twinhelm.aiops.flow.watch import CHECKPOINT
from twinhelm.core.errors import DatabaseDown
from twinhelm.core.telemetry import MetricMeta, MetricType

STEP_S = 5


class Stream:
    """A gauge and a counter of one host, the same for every wing that is fed from it."""

    def __init__(self, wing, *, fault_at=None):
        self.wing = wing
        self.rng = np.random.default_rng(7)
        self.fault_at = fault_at
        self.n = 0
        self.total = 0.0
        self.ids()

    def ids(self):
        """Ask for the ids anew, as decoders do after a restart."""
        self.gauge, self.counter = self.wing.intern(
            "host_cpu_busy_ratio", "host_disk_written_bytes_total", instance="h"
        ).tolist()

    def feed(self, count, *, tick=True):
        judged = 0
        for _ in range(count):
            self.wing.clock.advance(STEP_S)
            busy = 0.1 + 0.02 * self.rng.random()
            if self.fault_at is not None and self.n >= self.fault_at:
                busy = 0.97
            self.total += 1e4 * self.rng.random()
            now = self.wing.clock.now_ms()
            self.wing.take([(self.gauge, now, busy), (self.counter, now, self.total)])
            self.n += 1
            if tick:
                judged += self.wing.watch.tick()
        return judged

    def crash(self):
        """End the process and start the next one."""
        self.wing.restart()
        self.wing.watch.resume()
        self.ids()


def state(wing):
    return wing.watch.detector.snapshot()


def test_a_tick_without_samples_judges_nothing(wing):
    assert wing.watch.tick() == 0
    assert wing.watch.last_tick_ms == wing.clock.now_ms()


def test_every_sample_is_judged_once(wing):
    stream = Stream(wing)
    # The first sample of a counter has no rate.
    assert stream.feed(20) == 39
    assert wing.watch.tick() == 0


@pytest.mark.parametrize("saved_at", [None, 0, 30, 59])
def test_after_a_crash_nothing_is_judged_twice_and_nothing_skipped(new_wing, saved_at):
    whole, broken = new_wing(), new_wing()
    Stream(whole).feed(100)
    stream = Stream(broken)
    if saved_at is not None:
        stream.feed(saved_at)
        broken.watch.save()
        stream.feed(60 - saved_at)
    else:
        stream.feed(60)
    stream.feed(5, tick=False)
    stream.crash()
    stream.feed(35)
    assert state(broken) == state(whole)


def test_crash_after_crash_changes_nothing(new_wing):
    whole, broken = new_wing(), new_wing()
    Stream(whole).feed(90)
    stream = Stream(broken)
    for _ in range(9):
        stream.feed(8)
        stream.feed(2, tick=False)
        stream.crash()
    broken.watch.tick()
    assert state(broken) == state(whole)


def test_what_a_sender_catches_up_on_is_judged_however_old_it_is(new_wing):
    """Hours of backlog come in one go, and the crash is in the middle of it."""
    wings = [new_wing(), new_wing()]
    for wing in wings:
        stream = Stream(wing)
        stream.feed(60)
        wing.watch.save()
        at = wing.clock.now_ms()
        wing.clock.advance(5 * 3600)
        for n in range(200):
            value = 0.1 + 0.02 * stream.rng.random()
            wing.take([(stream.gauge, at + (n + 1) * STEP_S * 1000, value)])
            if n == 100 and wing is wings[1]:
                stream.crash()
            wing.watch.tick()
    seen = [wing.watch.detector.seen_ms().tolist() for wing in wings]
    assert seen[0] == seen[1]
    assert state(wings[0]) == state(wings[1])


def test_a_sample_that_was_kept_and_not_judged_is_judged_after_the_crash(wing):
    stream = Stream(wing)
    stream.feed(30)
    wing.watch.save()
    stream.feed(1, tick=False)
    stream.crash()
    assert wing.watch.detector.seen_ms()[stream.gauge] == wing.clock.now_ms()


def damaged(blob):
    yield b""
    yield b"{}\n"
    yield b"[]\n"
    yield b"null\nxx"
    yield blob[: len(blob) // 2]
    yield blob[:-1] + bytes([blob[-1] ^ 1])
    parts = load_parts(blob)
    yield save_parts({**parts, "detector": b"nonsense"})
    yield save_parts({**parts, "signals": b""})
    yield save_parts({**parts, "anomalies": b'[{"series": 1}]'})
    yield save_parts({**parts, "through_ms": b"noon"})
    yield save_parts({name: data for name, data in parts.items() if name != "tracker"})


def test_a_damaged_checkpoint_starts_afresh_from_the_store(new_wing):
    whole = new_wing()
    Stream(whole).feed(50)
    whole.watch.save()
    for blob in damaged(whole.blobs.get(CHECKPOINT)):
        wing = new_wing()
        stream = Stream(wing)
        stream.feed(50)
        wing.blobs.put(CHECKPOINT, blob)
        stream.crash()
        assert wing.watch.resumed
        assert state(wing) == state(whole)


def test_an_anomaly_that_lasts_outlives_the_crash(wing):
    stream = Stream(wing, fault_at=120)
    stream.feed(140)
    (lasting,) = [one for one in wing.watch.anomalies.values() if one.series == stream.gauge]
    wing.watch.save()
    stream.crash()
    assert lasting.key in wing.watch.anomalies
    assert wing.watch.anomalies[lasting.key].end_ms is None
    stream.feed(3)
    assert [one.key for one in wing.watch.tracker.open if one.series == stream.gauge] == [
        lasting.key
    ]


def test_many_series_read_back_part_by_part_close_nothing_too_early(new_wing, monkeypatch):
    monkeypatch.setattr("twinhelm.aiops.flow.watch.SERIES_AT_ONCE", 1)
    wing = new_wing()
    stream = Stream(wing, fault_at=120)
    stream.feed(125)
    wing.watch.save()
    stream.feed(30, tick=False)
    stream.crash()
    assert stream.gauge in {one.series for one in wing.watch.tracker.open}


def test_the_past_is_learnt_from_and_raises_nothing(wing):
    stream = Stream(wing, fault_at=60)
    stream.feed(120, tick=False)
    wing.restart()
    wing.watch.known.learn_types()
    ids = np.array([stream.gauge, stream.counter], np.uint32)
    assert wing.watch.relearn(ids, 0) == 239
    assert wing.watch.anomalies == {}
    assert wing.watch.relearn(ids, 0) == 239
    assert wing.watch.relearn(np.empty(0, np.uint32), 0) == 0


def test_a_stretch_of_months_is_read_in_windows(wing, monkeypatch):
    monkeypatch.setattr("twinhelm.aiops.flow.watch.WINDOW_MS", 60_000)
    stream = Stream(wing)
    stream.feed(100, tick=False)
    asked = []
    read = wing.telemetry.read_samples
    monkeypatch.setattr(
        wing.telemetry,
        "read_samples",
        lambda ids, start, end: asked.append(end - start) or read(ids, start, end),
    )
    assert wing.watch.relearn(np.array([stream.gauge], np.uint32), 0) == 100
    assert max(asked) < 60_000


def test_while_the_database_is_away_nothing_is_lost(new_wing):
    calm, hit = new_wing(), new_wing()
    for wing in (calm, hit):
        stream = Stream(wing, fault_at=120)
        stream.feed(118)
        wing.records.down = wing is hit
        for _ in range(20):
            try:
                stream.feed(1)
            except DatabaseDown:
                assert wing is hit
        wing.records.down = False
        stream.feed(4)
    assert state(hit) == state(calm)
    assert [one.members for one in hit.desk.incidents()] == [
        one.members for one in calm.desk.incidents()
    ]
    assert len(hit.desk.incidents()) == 1
    (incident,) = hit.desk.incidents()
    assert hit.desk.file(incident.id).claims


def test_a_metric_that_turns_out_to_be_a_counter_is_judged_as_one(wing):
    (odd,) = wing.intern("requests").tolist()
    for n in range(40):
        wing.clock.advance(STEP_S)
        wing.take([(odd, wing.clock.now_ms(), 1000.0 * n)])
        wing.watch.tick()
    meta = MetricMeta("requests", MetricType.COUNTER)
    wing.telemetry.put_metric_meta([meta])
    wing.clock.advance(60)
    wing.watch.tick()
    for n in range(40, 80):
        wing.clock.advance(STEP_S)
        wing.take([(odd, wing.clock.now_ms(), 1000.0 * n)])
        wing.watch.tick()
    scores = wing.watch.detector.observe(wing.block([(odd, wing.clock.now_ms() + 5000, 200.0)]))
    assert scores.expected[0] == pytest.approx(200.0, rel=0.05)


def test_metadata_that_says_nothing_new_forgets_nothing(wing):
    stream = Stream(wing)
    stream.feed(30)
    before = state(wing)
    wing.telemetry.put_metric_meta(
        [
            MetricMeta("host_cpu_busy_ratio", MetricType.GAUGE),
            MetricMeta("host_disk_written_bytes", MetricType.COUNTER),
        ]
    )
    wing.clock.advance(60)
    wing.watch.tick()
    assert state(wing) == before


def test_a_checkpoint_is_written_when_due_and_at_the_end(wing):
    Stream(wing).feed(1)
    wing.clock.advance(wing.detect.checkpoint_s)
    wing.watch.tick()
    assert wing.blobs.get(CHECKPOINT) is not None
    wing.blobs.delete(CHECKPOINT)
    stop = threading.Event()
    stop.set()
    wing.watch.run(stop)
    assert wing.blobs.get(CHECKPOINT) is not None


def test_one_tick_that_fails_is_not_the_last(wing, monkeypatch, caplog):
    stop = threading.Event()
    ticks = []

    def tick():
        ticks.append(1)
        if len(ticks) == 1:
            raise ZeroDivisionError
        if len(ticks) == 2:
            raise DatabaseDown("it is away")
        stop.set()

    quick = wing.watch
    monkeypatch.setattr(type(quick), "tick", lambda self: tick())
    object.__setattr__(quick, "settings", quick.settings.model_copy(update={"tick_s": 0.001}))
    quick.run(stop)
    assert len(ticks) == 3
    assert [record.message for record in caplog.records] == ["tick failed", "tick incomplete"]


def test_series_are_described_also_before_they_are_heard_of(wing):
    (a,) = wing.intern("host_load1", instance="h")
    wing.restart()
    labels, entity, _ = wing.watch.describe(int(a))
    assert dict(labels)["__name__"] == "host_load1"
    assert entity
