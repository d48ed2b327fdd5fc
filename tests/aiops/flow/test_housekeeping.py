"""Chores: each says in the records and the journal what it saw, and none hinders the others."""

from __future__ import annotations

import threading

import numpy as np

from twinhelm.aiops.flow.housekeeping import Housekeeping
from twinhelm.aiops.types import Received, Rejected, Rejection
from twinhelm.core.errors import DatabaseDown
from twinhelm.core.labels import labels_of
from twinhelm.core.telemetry import Alert
from twinhelm.events.values import load


def kept(wing, kind):
    with wing.records.reading() as unit:
        return unit.find(kind)


def test_the_stop_and_the_resumption_of_taking_are_told_once_each(wing):
    chores = wing.housekeeping
    for full in (False, True, True, False, False):
        wing.telemetry.full = full
        chores.measure()
        wing.clock.advance(5)
    rows = wing.journal.read()
    assert [row.kind for row in rows] == ["store.stopped_taking", "store.resumed_taking"]
    assert rows[0].body["reason"] == "no room"
    assert rows[1].body["stopped_s"] == 10
    assert wing.meters.taking._value.get() == 1


def test_a_stop_that_could_not_be_told_is_told_later(wing):
    wing.telemetry.full = True
    wing.records.down = True
    try:
        wing.housekeeping.measure()
    except DatabaseDown:
        wing.records.down = False
    wing.housekeeping.measure()
    assert wing.kinds() == ["store.stopped_taking"]


def reject(wing, count=2):
    wing.intake.take(
        Received(rejected=(Rejected("malformed", count, "half a label"),)),
        door="loki",
        tenant="default",
    )


def test_what_was_rejected_is_counted_on_over_a_restart(wing):
    reject(wing)
    wing.housekeeping.note_rejections()
    wing.restart()
    reject(wing, 3)
    wing.housekeeping.note_rejections()
    (row,) = kept(wing, "rejection")
    assert load(Rejection, row).count == 5


def test_what_did_not_change_is_not_written_again(wing):
    reject(wing)
    for _ in range(3):
        wing.housekeeping.note_rejections()
    (row,) = kept(wing, "rejection")
    assert row.revision == 1


def test_rejections_wait_for_a_database_that_is_away(wing):
    reject(wing)
    wing.records.down = True
    try:
        wing.housekeeping.note_rejections()
    except DatabaseDown:
        wing.records.down = False
    wing.housekeeping.note_rejections()
    assert load(Rejection, kept(wing, "rejection")[0]).count == 2


def test_alerts_that_fell_silent_end_when_they_promised_to(wing):
    now = wing.clock.now_ms()
    labels = labels_of([("alertname", "A")])
    alert = Alert("f1", labels, (), now, None, "prometheus", until_ms=now + 60_000)
    webhook = Alert("f2", labels, (), now, None, "alertmanager")
    wing.intake.take(Received(alerts=(alert, webhook)), door="alertmanager_api", tenant="default")
    wing.clock.advance(59)
    wing.housekeeping.end_unheard_alerts()
    assert {row.state for row in kept(wing, "alert")} == {"firing"}
    wing.clock.advance(2)
    for _ in range(2):
        wing.housekeeping.end_unheard_alerts()
    states = {row.key: (row.state, row.body["ends_ms"]) for row in kept(wing, "alert")}
    assert states == {"f1": ("resolved", now + 60_000), "f2": ("firing", None)}
    last = wing.journal.read()[-1]
    assert (last.actor, last.body["firing"]) == ("door:silence", False)
    assert len(wing.journal.read()) == 3


def fill(wing, series, minutes, slope):
    """A disk that fills by ``slope`` an hour, or does not."""
    now = wing.clock.now_ms()
    count = minutes
    rng = np.random.default_rng(5)
    times = [now - 60_000 * (count - n) for n in range(count)]
    values = [0.5 + slope * n / 60 + 1e-5 * rng.random() for n in range(count)]
    wing.take([(series, at, value) for at, value in zip(times, values, strict=True)])
    wing.watch.tick()


def test_what_will_run_out_is_foretold_and_dropped_when_it_no_longer_will(wing):
    filling, steady = wing.intern(
        "host_filesystem_used_ratio", "host_memory_used_ratio", instance="h", mountpoint="/"
    ).tolist()
    fill(wing, filling, 600, 0.04)
    fill(wing, steady, 600, 0.0)
    wing.housekeeping.look_ahead()
    (row,) = kept(wing, "forecast")
    assert row.key == str(filling)
    (forecast,) = wing.desk.forecasts()
    assert forecast.earliest_ms > wing.clock.now_ms()
    # Somebody made room.
    wing.clock.advance(4 * 86_400)
    wing.housekeeping.look_ahead()
    assert kept(wing, "forecast") == []


def test_what_is_steady_is_looked_at_seldom_and_what_fills_each_time(wing, monkeypatch):
    filling, steady = (
        wing.intern("host_filesystem_used_ratio", instance=name, mountpoint="/")[0].item()
        for name in ("filling", "steady")
    )
    fill(wing, filling, 600, 0.04)
    fill(wing, steady, 600, 0.0)
    looked = []
    pasts = Housekeeping._pasts
    monkeypatch.setattr(
        Housekeeping,
        "_pasts",
        lambda self, likely, now: looked.append(set(likely)) or pasts(self, likely, now),
    )
    for _ in range(11):
        wing.housekeeping.look_ahead()
    assert looked[0] == {filling, steady}
    assert all(filling in each for each in looked)
    assert sum(steady in each for each in looked[1:]) == 2
    assert [row.key for row in kept(wing, "forecast")] == [str(filling)]


def test_with_nothing_to_foretell_nothing_is_written(wing):
    wing.housekeeping.look_ahead()
    assert kept(wing, "forecast") == []


def test_topology_goes_to_the_records(wing):
    (a,) = wing.intern("process_cpu_ratio", instance="h", process="nginx").tolist()
    wing.take([(a, wing.clock.now_ms(), 1.0)])
    wing.watch.tick()
    wing.housekeeping.note_topology()
    assert kept(wing, "edge")
    assert {row.key for row in kept(wing, "entity")} >= {
        row.body["source"] for row in kept(wing, "edge")
    }


def test_the_store_is_tidied_by_the_clock(wing, monkeypatch):
    told = []
    monkeypatch.setattr(wing.telemetry, "tidy", told.append)
    wing.housekeeping.tidy()
    assert told == [wing.clock.now_ms()]


class Turns:
    """An event whose ``wait`` moves the clock instead of waiting, and ends after some turns."""

    def __init__(self, wing, turns, seconds):
        self.wing, self.turns, self.seconds = wing, turns, seconds

    def wait(self, _):
        self.wing.clock.advance(self.seconds)
        self.turns -= 1
        return self.turns < 0


def test_one_chore_that_fails_keeps_none_of_the_others_back(wing, monkeypatch, caplog):
    done = []

    def failing(error):
        def chore(self):
            raise error

        return chore

    monkeypatch.setattr(Housekeeping, "measure", failing(DatabaseDown("it is away")))
    monkeypatch.setattr(Housekeeping, "look_ahead", failing(ZeroDivisionError()))
    monkeypatch.setattr(Housekeeping, "note_topology", lambda self: done.append("topology"))
    monkeypatch.setattr(Housekeeping, "tidy", lambda self: done.append("tidy"))
    wing.housekeeping.run(Turns(wing, 2, 700))
    assert done == ["topology", "tidy"] * 2
    assert {record.message for record in caplog.records} == {"chore put off", "chore failed"}


def test_at_the_end_what_was_rejected_is_written_down(wing):
    reject(wing)
    stop = threading.Event()
    stop.set()
    wing.housekeeping.run(stop)
    assert len(kept(wing, "rejection")) == 1


def test_chores_are_due_by_the_clock(wing, monkeypatch):
    done = []
    monkeypatch.setattr(Housekeeping, "look_ahead", lambda self: done.append(self.clock.now_ms()))
    first = wing.clock.now_ms()
    for _ in range(125):
        wing.housekeeping.do_due()
        wing.clock.advance(1)
    assert done == [first + 60_000, first + 120_000]
