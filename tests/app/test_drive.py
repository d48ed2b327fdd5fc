"""A driven house: nothing happens until its clock is moved, and then all that falls due."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from twinhelm.aiops.flow.watch import CHECKPOINT
from twinhelm.aiops.types import Received
from twinhelm.app import drive, open_house
from twinhelm.app.drive import Moved
from twinhelm.core.errors import BadInput, Conflict, DatabaseDown, NotFound, Unavailable
from twinhelm.core.labels import labels_of
from twinhelm.core.roles import Role
from twinhelm.core.settings import Settings
from twinhelm.core.telemetry import SampleBlock

START_MS = 1_600_000_000_000


@pytest.fixture
def settings(tmp_path):
    return Settings(data=tmp_path / "data", server={"driven": True}, detect={"tick_s": 2.0})


@pytest.fixture
def opened(settings):
    """``opened()``: a driven house that was started, stopped when the test is over."""
    houses = []

    def open_one():
        houses.append(open_house(settings))
        houses[-1].start()
        return houses[-1]

    yield open_one
    for house in houses:
        house.stop()


@pytest.fixture
def house(opened):
    return opened()


def send(house, values):
    """Send one series, a sample a second up to now."""
    ids = house.intake.decoders("default").intern([labels_of([("__name__", "load")])])
    times = house.clock.now_ms() - 1000 * np.arange(len(values))[::-1]
    block = SampleBlock(np.repeat(ids, len(values)), times, np.array(values, dtype=float))
    return house.intake.take(Received(samples=block), door="test", tenant="default")


def test_the_first_move_sets_the_time_and_takes_no_tick(house):
    assert house.ready
    assert house.host is None
    assert house.clock.now_ms() == 0
    assert house.drive.move_to(START_MS) == Moved(START_MS, 0, 0)
    assert house.watch.last_tick_ms == 0


def test_runbooks_are_there_to_be_tried_on_what_is_replayed(house):
    assert "memory-leak" in [book.name for book in house.repairs.books.all()]
    assert not house.repairs.desk.list()


def test_no_model_answers_and_callers_are_not_told_to_come_again(house):
    with pytest.raises(NotFound, match="no version"):
        house.models.serving.about("digits")


def test_each_tick_that_falls_between_is_taken_at_its_own_time(house, monkeypatch):
    house.drive.move_to(START_MS)
    ticks = []
    monkeypatch.setattr(
        type(house.watch), "tick", lambda watch: ticks.append(watch.clock.now_ms()) or 1
    )
    moves = [house.drive.move_to(START_MS + after) for after in (1_999, 2_000, 2_000, 7_000)]
    assert [move.ticks for move in moves] == [0, 1, 0, 2]
    assert [move.judged for move in moves] == [0, 1, 0, 2]
    assert ticks == [START_MS + 2_000, START_MS + 4_000, START_MS + 6_000]
    assert house.clock.now_ms() == START_MS + 7_000


def test_what_came_in_is_judged_by_the_move_and_by_nothing_else(house):
    house.drive.move_to(START_MS)
    assert send(house, [1.0] * 30).samples == 30
    assert house.meters.judged._value.get() == 0
    assert house.drive.move_to(START_MS + 2_000) == Moved(START_MS + 2_000, 1, 30)
    names = {thread.name for thread in threading.enumerate()}
    assert not names & {"twinhelm-watch", "twinhelm-host", "twinhelm-housekeeping"}


def test_chores_are_done_when_they_are_due(house, monkeypatch):
    done = []
    chores = type(house.housekeeping)
    monkeypatch.setattr(chores, "look_ahead", lambda one: done.append(one.clock.now_ms()))
    house.drive.move_to(START_MS)
    house.drive.move_to(START_MS + 150_000)
    assert done == [START_MS + 60_000, START_MS + 120_000]


def test_the_clock_never_goes_back(house):
    house.drive.move_to(START_MS)
    with pytest.raises(Conflict, match="cannot go back"):
        house.drive.move_to(START_MS - 1)
    assert house.clock.now_ms() == START_MS


def test_a_leap_too_far_is_refused(house, monkeypatch):
    monkeypatch.setattr(drive, "MOST_TICKS", 10)
    house.drive.move_to(START_MS)
    assert house.drive.move_to(START_MS + 20_000).ticks == 10
    with pytest.raises(BadInput, match="10 ticks"):
        house.drive.move_to(START_MS + 42_000)


def test_a_tick_that_fails_is_told_and_taken_again(house, monkeypatch):
    house.drive.move_to(START_MS)
    tick = type(house.watch).tick

    def fails(_):
        raise DatabaseDown("it is away")

    with monkeypatch.context() as patched:
        patched.setattr(type(house.watch), "tick", fails)
        with pytest.raises(DatabaseDown):
            house.drive.move_to(START_MS + 4_000)
    assert house.clock.now_ms() == START_MS + 2_000
    monkeypatch.setattr(type(house.watch), "tick", tick)
    assert house.drive.move_to(START_MS + 4_000).ticks == 2


def test_a_move_under_way_ends_when_the_house_is_stopped(house, monkeypatch):
    house.drive.move_to(START_MS)
    begun = threading.Event()
    told = []

    def move():
        try:
            house.drive.move_to(START_MS + 1_000_000_000)
        except Unavailable as error:
            told.append(error)

    monkeypatch.setattr(type(house.watch), "tick", lambda _: begun.set() or 0)
    mover = threading.Thread(target=move)
    mover.start()
    assert begun.wait(10)
    house.stop()
    mover.join(10)
    assert len(told) == 1


def test_what_was_learnt_is_kept_and_time_goes_on_where_it_was(opened):
    first = opened()
    first.drive.move_to(START_MS)
    send(first, [1.0] * 30)
    first.drive.move_to(START_MS + 600_000)
    assert first.blobs.get(CHECKPOINT) is None
    first.stop()
    again = opened()
    assert again.clock.now_ms() == START_MS
    assert again.watch.detector.seen_ms().tolist() == [START_MS]
    with pytest.raises(Conflict):
        again.drive.move_to(START_MS - 1)


def test_people_live_by_the_machines_clock(house):
    house.identities.create_token("prom", [Role.VIEWER], by="test")
    (token,) = house.identities.tokens()
    assert token.created_ms > START_MS
