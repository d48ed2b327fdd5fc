"""The desk: questions change nothing, actions are one transaction each and are told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from twinhelm.aiops.records import put_forecast, put_incident
from twinhelm.aiops.types import Forecast, Incident, IncidentState, Received, Resource
from twinhelm.core.errors import BadInput, Conflict, NotFound
from twinhelm.core.telemetry import Change


@pytest.fixture
def desk(wing):
    """A desk with two incidents, the second one resolved."""
    with wing.journal.writing("test") as write:
        for number, state in ((1, IncidentState.OPEN), (2, IncidentState.RESOLVED)):
            start = wing.clock.now_ms() + number
            put_incident(
                write,
                Incident(number, state, f"trouble {number}", "warning", ("host:h",), start, start),
            )
    return wing.desk


def test_incidents_are_listed_the_newest_first_by_state_and_page(desk):
    assert [one.id for one in desk.incidents()] == [2, 1]
    assert [one.id for one in desk.incidents(states=[IncidentState.OPEN])] == [1]
    assert [one.id for one in desk.incidents(limit=1)] == [2]
    assert desk.incidents(states=[]) == []


def test_every_state_is_counted(desk):
    assert desk.counts() == {"open": 1, "acknowledged": 0, "resolved": 1, "reopened": 0}


def test_taking_an_incident_is_told_in_the_name_of_who_took_it(desk, wing):
    assert desk.acknowledge(1, by="ada").owner == "ada"
    row = wing.journal.read(subject="incident/1")[-1]
    assert (row.kind, row.actor) == ("incident.acknowledged", "ada")
    assert wing.journal.verify().ok


def test_what_is_over_can_be_neither_taken_nor_closed(desk):
    for action in (desk.acknowledge, desk.resolve):
        with pytest.raises(Conflict):
            action(2, by="ada")


def test_closing_says_who_and_why(desk, wing):
    closed = desk.resolve(1, by="ada", note="disk replaced")
    assert closed.resolved_ms == wing.clock.now_ms()
    (entry,) = [one for one in desk.file(1).timeline if one.kind == "action"]
    assert entry.who == "ada"
    assert "disk replaced" in entry.text


def test_there_is_no_third(desk):
    for ask in (desk.file, lambda number: desk.acknowledge(number, by="ada")):
        with pytest.raises(NotFound):
            ask(3)
    with pytest.raises(NotFound):
        desk.comment(3, by="ada", text="hello")


@pytest.mark.parametrize("text", ["", "  \n", "x" * 4001])
def test_a_comment_says_something_and_not_too_much(desk, text):
    with pytest.raises(BadInput):
        desk.comment(1, by="ada", text=text)


def test_a_comment_stands_in_the_timeline(desk):
    desk.comment(1, by="ada", text=" looking at it ")
    assert "looking at it" in desk.file(1).timeline[-1].text


def test_an_action_that_fails_leaves_nothing(desk, wing):
    before = wing.journal.head()
    with pytest.raises(Conflict):
        desk.resolve(2, by="ada")
    assert wing.journal.head() == before


def test_the_band_is_what_the_detector_would_have_expected(wing):
    (gauge,) = wing.intern("host_cpu_busy_ratio", instance="h").tolist()
    start = wing.clock.now_ms()
    rng = np.random.default_rng(1)
    rows = [(gauge, start + 5000 * n, 0.1 + 0.01 * rng.random()) for n in range(200)]
    rows[-1] = (gauge, rows[-1][1], 0.9)
    wing.clock.advance(1000)
    wing.take(rows)
    band = wing.desk.band(gauge, rows[100][1], rows[-1][1])
    assert len(band.time_ms) == 100
    assert set(band.series.tolist()) == {gauge}
    inside = (band.low <= band.signal) & (band.signal <= band.high)
    assert inside[:-1].mean() > 0.9
    assert not inside[-1]


def test_the_band_of_a_silent_series_is_empty_and_of_none_there_is_none(wing):
    (gauge,) = wing.intern("host_load1", instance="h").tolist()
    assert len(wing.desk.band(gauge, 0, wing.clock.now_ms()).time_ms) == 0
    with pytest.raises(NotFound):
        wing.desk.band(gauge + 1, 0, 1)


def test_forecasts_are_listed_the_soonest_first(desk, wing):
    with wing.journal.writing("test") as write:
        for series, likely in ((1, 900), (2, 500)):
            put_forecast(
                write,
                Forecast(
                    series, (), "host:h", Resource.DISK, 1.0, 0.5, 1, likely, None, 0.5, 0.5, "soon"
                ),
                wing.clock.now_ms(),
            )
    assert [one.series for one in desk.forecasts()] == [2, 1]


def test_good_runs_that_go_on_all_the_time_are_no_news(desk, wing):
    start = desk.file(1).incident.started_ms
    runs = [
        Change(f"r{at}", start + at * 1000, "pipeline", "pipeline:etl", "etl ran", "ol",
               outcome="failure" if at == -10 else "success")
        for at in (-40, -30, -20, -10, 10)
    ]  # fmt: skip
    own = [replace(one, id=f"own {one.id}", entity="host:h") for one in runs]
    wing.clock.advance(60)
    wing.intake.take(Received(changes=(*runs, *own)), door="openlineage", tenant="default")
    found = [one.id for one in desk.file(1).changes]
    assert [one for one in found if not one.startswith("own")] == ["r-20", "r-10"]
    assert len(found) == 2 + len(own)
