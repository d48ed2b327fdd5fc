"""Casework, on a simulated host: one fault, one incident, and what people said of it stands."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest

from twinhelm.aiops.diagnose import RANKER
from twinhelm.aiops.flow import casework as casework_module
from twinhelm.aiops.types import IncidentState, Received
from twinhelm.core.errors import DatabaseDown
from twinhelm.core.labels import labels_of
from twinhelm.core.telemetry import Alert, Change

STEP_S = 5


class Host:
    """Busy ratio, memory and one process of a host, with noise; :meth:`run` with a fault or not."""

    def __init__(self, wing):
        self.wing = wing
        self.rng = np.random.default_rng(3)
        self.busy, self.load, self.memory = wing.intern(
            "host_cpu_busy_ratio", "host_load1", "host_memory_used_ratio", instance="h"
        ).tolist()
        (self.process,) = wing.intern("process_cpu_ratio", instance="h", process="burner").tolist()

    def run(self, minutes, *, burning=False):
        for _ in range(int(minutes * 60 / STEP_S)):
            self.wing.clock.advance(STEP_S)
            now = self.wing.clock.now_ms()
            noise = self.rng.random(4)
            self.wing.take(
                [
                    (self.busy, now, 0.97 if burning else 0.08 + 0.02 * noise[0]),
                    (self.load, now, (4.0 if burning else 0.3) + 0.05 * noise[1]),
                    (self.memory, now, 0.4 + 0.001 * noise[2]),
                    (self.process, now, (0.95 if burning else 0.0) + 0.001 * noise[3]),
                ]
            )
            self.wing.watch.tick()

    def incidents(self):
        return self.wing.desk.incidents()


@pytest.fixture
def host(wing):
    made = Host(wing)
    made.run(10)
    return made


@pytest.fixture
def burnt(host):
    """A host on which something has burnt CPU for two minutes."""
    host.run(2, burning=True)
    return host


def test_an_idle_host_has_no_incident(host):
    host.run(20)
    assert host.incidents() == []
    assert [kind for kind in host.wing.kinds() if kind.startswith("incident")] == []


def test_ticks_at_which_nothing_was_written_read_no_records(host, monkeypatch):
    host.run(2, burning=True)
    host.run(4)
    asked = []
    reading = type(host.wing.records).reading
    host.wing.casework._edges_ms = host.wing.clock.now_ms() + 600_000
    monkeypatch.setattr(
        type(host.wing.records), "reading", lambda one: asked.append(1) or reading(one)
    )
    host.run(1)
    assert asked == []
    with host.wing.journal.writing("ada"):
        pass
    host.run(1)
    assert asked == [1]


def test_one_fault_is_one_incident_that_is_explained(burnt):
    (incident,) = burnt.incidents()
    assert incident.state is IncidentState.OPEN
    assert f"{burnt.busy}:" in " ".join(incident.members)
    found = burnt.wing.desk.file(incident.id)
    assert found.claims[0].says == RANKER
    assert "burner" in found.claims[0].text
    assert found.anomalies
    assert incident.verdict != "inconclusive"
    assert burnt.wing.kinds()[0] == "incident.opened"
    assert burnt.wing.journal.verify().ok


def test_it_ends_by_itself_and_comes_back_as_the_same(burnt):
    burnt.run(4)
    (over,) = burnt.incidents()
    assert over.state is IncidentState.RESOLVED
    assert over.resolved_ms is not None
    burnt.run(2, burning=True)
    (again,) = burnt.incidents()
    assert (again.id, again.state, again.flaps) == (over.id, IncidentState.REOPENED, 1)
    told = [kind for kind in burnt.wing.kinds() if kind != "incident.updated"]
    assert told == ["incident.opened", "incident.resolved", "incident.reopened"]


def test_an_acknowledged_incident_keeps_its_owner_to_the_end(burnt):
    (incident,) = burnt.incidents()
    burnt.wing.desk.acknowledge(incident.id, by="ada")
    burnt.run(1, burning=True)
    (taken,) = burnt.incidents()
    assert (taken.state, taken.owner) == (IncidentState.ACKNOWLEDGED, "ada")
    burnt.run(4)
    (over,) = burnt.incidents()
    assert (over.state, over.owner) == (IncidentState.RESOLVED, "ada")


@pytest.mark.parametrize("action", ["acknowledge", "resolve"])
def test_what_a_person_does_while_casework_thinks_stands(host, monkeypatch, action):
    """A person acts between the moment incidents are read and the moment they are written."""
    host.run(0.75, burning=True)
    (incident,) = host.incidents()
    acted = []

    def rank(*args, **more):
        found = ranked(*args, **more)
        if not acted:
            acted.append(getattr(host.wing.desk, action)(incident.id, by="ada"))
        return found

    ranked = casework_module.rank
    monkeypatch.setattr(casework_module, "rank", rank)
    while not acted:
        host.run(1 / 12, burning=True)
    (now,) = host.incidents()
    assert (now.state, now.owner) == (acted[0].state, acted[0].owner)


def test_nothing_is_written_while_the_database_is_away_and_all_of_it_after(host):
    host.wing.records.down = True
    for _ in range(24):
        with suppress(DatabaseDown):  # ticks at which there is nothing to write pass
            host.run(1 / 12, burning=True)
    with pytest.raises(DatabaseDown):
        host.run(1 / 12, burning=True)
    host.wing.records.down = False
    assert host.incidents() == []
    host.run(1 / 12, burning=True)
    (incident,) = host.incidents()
    assert host.wing.desk.file(incident.id).claims


def test_a_diagnosis_that_could_not_be_written_is_written_later(host, monkeypatch):
    host.run(0.5, burning=True)
    writing = host.wing.journal.writing
    failing = []

    def refused(actor):
        failing.append(actor)
        raise DatabaseDown("it went away between reading and writing")

    monkeypatch.setattr(host.wing.journal, "writing", refused)
    while not failing:
        try:
            host.run(1 / 12, burning=True)
        except DatabaseDown:
            break
    monkeypatch.setattr(host.wing.journal, "writing", writing)
    host.run(1 / 12, burning=True)
    (incident,) = host.incidents()
    assert host.wing.desk.file(incident.id).claims


def test_decisions_are_kept_with_their_reasons_the_newest_first(burnt):
    decisions = burnt.wing.desk.decisions()
    (incident,) = burnt.incidents()
    assert incident.id in {each.incident for each in decisions}
    assert [each.time_ms for each in decisions] == sorted(
        (each.time_ms for each in decisions), reverse=True
    )
    assert all(each.text for each in decisions)
    assert len(burnt.wing.desk.decisions(limit=1)) == 1


def test_an_incident_that_cannot_be_diagnosed_is_told_all_the_same(host, monkeypatch, caplog):
    def broken(*_args, **_kwargs):
        raise OverflowError("math range error")

    monkeypatch.setattr(casework_module, "rank", broken)
    host.run(2, burning=True)
    (incident,) = host.incidents()
    assert incident.verdict == "inconclusive"
    assert "cannot be diagnosed" in caplog.text
    monkeypatch.undo()
    host.run(1, burning=True)
    assert host.incidents()[0].verdict == "conclusive"


def test_decisions_are_bounded(wing, monkeypatch):
    monkeypatch.setattr(casework_module, "DECISIONS_KEPT", 2)
    Host(wing)
    for number in range(4):
        fire(wing, f"f{number}", alertname=f"A{number}", instance=f"h{number}")
        wing.watch.tick()
    assert len(wing.casework.decisions) == 2


def test_a_crash_in_the_middle_of_an_incident_leaves_it_open(burnt):
    burnt.wing.watch.save()
    burnt.wing.restart()
    burnt.wing.watch.resume()
    again = Host(burnt.wing)
    again.run(2, burning=True)
    (incident,) = again.incidents()
    assert incident.state is IncidentState.OPEN
    assert burnt.wing.kinds().count("incident.opened") == 1


def fire(wing, fingerprint="f1", *, ends_ms=None, starts_ms=None, **labels):
    starts_ms = wing.clock.now_ms() if starts_ms is None else starts_ms
    alert = Alert(
        fingerprint,
        labels_of([("severity", "critical"), *labels.items()]),
        labels_of([("summary", "it is slow")]),
        starts_ms,
        ends_ms,
        "prometheus",
    )
    received = Received(alerts=(alert,))
    wing.intake.take(received, door="alertmanager_api", tenant="default")
    return alert


def test_somebody_elses_alert_opens_an_incident_and_its_end_resolves_it(wing):
    alert = fire(wing, alertname="HighLatency", instance="shop:9100")
    wing.watch.tick()
    (incident,) = wing.desk.incidents()
    assert incident.members == (alert.fingerprint,)
    assert "HighLatency" in incident.title
    (kept,) = wing.desk.file(incident.id).alerts
    assert kept == alert
    # It lasts for hours, longer than the damping time.
    for _ in range(10):
        wing.clock.advance(1800)
        wing.watch.tick()
    assert wing.desk.incidents()[0].state is IncidentState.OPEN
    fire(
        wing,
        alertname="HighLatency",
        instance="shop:9100",
        starts_ms=alert.starts_ms,
        ends_ms=wing.clock.now_ms(),
    )
    wing.watch.tick()
    wing.clock.advance(90)
    wing.watch.tick()
    (over,) = wing.desk.incidents()
    assert over.state is IncidentState.RESOLVED
    assert wing.desk.file(over.id).alerts[0].ends_ms is not None


def test_an_alert_that_ends_while_casework_thinks_stays_ended(wing, monkeypatch):
    alert = fire(wing, alertname="HighLatency", instance="shop:9100")
    ranked = casework_module.rank

    def rank(*args, **more):
        fire(
            wing,
            alertname="HighLatency",
            instance="shop:9100",
            starts_ms=alert.starts_ms,
            ends_ms=wing.clock.now_ms(),
        )
        return ranked(*args, **more)

    monkeypatch.setattr(casework_module, "rank", rank)
    wing.watch.tick()
    with wing.records.reading() as unit:
        record = unit.get("alert", alert.fingerprint)
    assert (record.state, record.parent) == ("resolved", "incident/1")


def test_a_change_shortly_before_is_shown_and_suspected(host):
    now = host.wing.clock.now_ms()
    change = Change("d1", now - 30_000, "deploy", "host:h", "deploy shop 1.2", "ci")
    host.wing.intake.take(Received(changes=(change,)), door="cloudevents", tenant="default")
    host.run(2, burning=True)
    (incident,) = host.incidents()
    found = host.wing.desk.file(incident.id)
    assert found.changes == (change,)
    assert any("deploy shop 1.2" in claim.text for claim in found.claims)
