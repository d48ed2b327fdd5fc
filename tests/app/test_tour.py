"""The story of the tour: it goes by itself, a person may go faster, and it says what was wrong."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest

from peers.lab import argv_of
from twinhelm.aiops.records import incident_ref, put_claims, put_incident
from twinhelm.aiops.types import Incident, IncidentState
from twinhelm.app import open_house
from twinhelm.app import tour as tour_module
from twinhelm.app.lab import Lab, LabFault
from twinhelm.app.tour import Step, Tour, right
from twinhelm.core.claims import Claim
from twinhelm.core.clock import FakeClock
from twinhelm.core.errors import Conflict, DatabaseDown, NotFound, Unavailable
from twinhelm.core.settings import Settings
from twinhelm.events.kinds.machines import IncidentOpened, IncidentReopened

SHOP = ("host:h", "service:shop/checkout")


class Told:
    """A tour on the stand-in of a lab, with a clock that is moved, and incidents made by hand."""

    def __init__(self, house, folder, *how):
        self.house = house
        self.clock = house.clock
        lab = Lab(folder, "", argv=argv_of(folder, *how))
        self.tour = Tour(lab, house.desk, house.journal, house.clock)
        self.asked = folder / "asked"
        self.tour.start()

    @property
    def story(self):
        return self.tour.story

    def until(self, step):
        """Wait until the story is there."""
        wait(lambda: self.story.step is step)
        return self.story

    def after(self, seconds, step):
        """Let time pass, until the story has come to a step because of it."""
        self.clock.advance(seconds)
        return self.until(step)

    def incident(self, number, *, state=IncidentState.OPEN, entities=SHOP, event=IncidentOpened):
        now = self.clock.now_ms()
        over = now if state is IncidentState.RESOLVED else None
        made = Incident(number, state, "orders fail", "critical", entities, now, now, over)
        with self.house.journal.writing("twinhelm") as write:
            put_incident(write, made)
            if event is IncidentOpened:
                write.event(IncidentOpened(number, made.title, made.severity, entities, (), ()))
            elif event is IncidentReopened:
                write.event(IncidentReopened(number, "the signs came back", 1))

    def claim(self, number, subject, confidence=0.8):
        claim = Claim(
            *(f"incident/{number}/cause/001", "cause", subject, f"It is {subject}", confidence),
            *("suspects/1", self.clock.now_ms()),
        )
        with self.house.journal.writing("twinhelm") as write:
            put_claims(write, incident_ref(number), "cause", (claim,))


def wait(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(tour_module, "TURN_S", 0.01)


@pytest.fixture
def house(tmp_path):
    """A house that was not started, with a clock that is moved."""
    settings = Settings(data=tmp_path / "data", host={"enabled": False})
    made = open_house(settings, clock=FakeClock())
    yield made
    made.stop()


@pytest.fixture
def told_of(house, tmp_path):
    """``told_of(*how)``: a :class:`Told`, ended when the test is over."""
    made = []

    def make(*how):
        made.append(Told(house, tmp_path / "lab", *how))
        return made[-1]

    yield make
    for told in made:
        told.tour.stop()


@pytest.fixture
def told(told_of):
    made = told_of()
    made.until(Step.QUIET)
    return made


def test_untouched_the_whole_story_is_told(told):
    assert told.story.fault.name == "deploy_errors"
    assert told.story.due_ms == told.story.since_ms + 60_000
    begun = told.after(60, Step.FAULT).begun_ms
    told.clock.advance(14)
    told.incident(1)
    assert told.until(Step.INCIDENT).found_ms == begun + 14_000
    told.clock.advance(4)
    told.claim(1, "service:shop/checkout")
    story = told.until(Step.CAUSE)
    assert right(story.claim, story.fault)
    assert story.due_ms == begun + 45_000
    story = told.after(36, Step.REPAIR)
    assert story.repaired_by == "guided tour"
    told.clock.advance(62)
    told.incident(1, state=IncidentState.RESOLVED, event=None)
    story = told.until(Step.RESOLVED)
    assert [(at - begun) // 1000 for at, _ in story.told] == [0, 14, 18, 54, 116]
    assert [text.partition(" ")[0] for _, text in story.told][-1] == "Incident"
    asked = told.asked.read_text().split("\n")
    assert asked.index("POST /faults/deploy_errors") < asked.index("DELETE /faults/deploy_errors")
    file = told.house.desk.file(1)
    assert any("Roll back checkout" in entry.text for entry in file.timeline)


def test_a_person_may_break_repair_and_begin_anew(told):
    told.tour.break_("cache_down", by="ada")
    assert told.story.fault.service == "cache"
    with pytest.raises(Conflict):
        told.tour.break_("deploy_errors", by="ada")
    with pytest.raises(Conflict):
        told.tour.again()
    told.incident(1)
    told.until(Step.INCIDENT)
    told.tour.repair(by="ada")
    assert told.story.repaired_by == "ada"
    with pytest.raises(Conflict):
        told.tour.repair(by="ada")
    told.incident(1, state=IncidentState.RESOLVED, event=None)
    told.until(Step.RESOLVED)
    told.tour.again()
    story = told.story
    assert (story.step, story.fault.name, story.told) == (Step.QUIET, "deploy_errors", ())
    with pytest.raises(NotFound):
        told.tour.break_("no such", by="ada")


def test_an_incident_that_comes_back_is_found_too(told):
    told.incident(1, state=IncidentState.RESOLVED)
    told.after(60, Step.FAULT)
    told.incident(1, state=IncidentState.REOPENED, event=IncidentReopened)
    assert told.until(Step.INCIDENT).incident.id == 1


def test_an_incident_of_the_machine_alone_is_not_the_shops(told):
    told.after(60, Step.FAULT)
    told.incident(1, entities=("host:h",))
    told.incident(2)
    assert told.until(Step.INCIDENT).incident.id == 2


def test_a_shop_that_is_not_quiet_is_waited_for_but_not_for_ever(told):
    told.incident(1)
    told.clock.advance(59)
    wait(lambda: told.story.due_ms == told.story.since_ms + 90_000)
    told.clock.advance(30)
    assert told.story.step is Step.QUIET
    told.after(1, Step.FAULT)


def test_an_incident_that_was_open_counts_once_it_names_the_fault(told):
    told.incident(1)
    told.claim(1, "service:shop/cart")
    told.after(90, Step.FAULT)
    told.clock.advance(9)
    told.claim(1, "service:shop/checkout")
    story = told.until(Step.CAUSE)
    assert story.found_ms == story.begun_ms + 9_000
    assert "was open already" in story.told[1][1]


def test_what_is_not_found_is_said_and_repaired(told):
    told.after(60, Step.FAULT)
    story = told.after(120, Step.RESOLVED)
    assert story.incident is None
    assert "No incident within 120 s" in story.told[1][1]
    assert story.repaired_by == "guided tour"


def test_what_was_found_late_is_left_to_people_for_a_while(told):
    begun = told.after(60, Step.FAULT).begun_ms
    told.clock.advance(80)
    told.incident(1)
    assert told.until(Step.INCIDENT).due_ms == begun + 95_000


def test_another_suspect_is_told_of(told):
    told.after(60, Step.FAULT)
    told.incident(1)
    told.claim(1, "service:shop/payments")
    story = told.until(Step.CAUSE)
    assert not right(story.claim, story.fault)
    told.claim(1, "service:shop/checkout")
    wait(lambda: told.story.claim.subject == "service:shop/checkout")
    assert ["Now the first" in text for _, text in told.story.told] == [False, False, False, True]


def test_a_lab_that_cannot_start_is_told(told_of):
    told = told_of("broken")
    wait(lambda: told.story.trouble)
    assert "no room for a shop" in told.story.trouble
    assert told.story.step is Step.STARTING


def test_a_lab_that_dies_ends_the_story(told):
    told.after(60, Step.FAULT)
    told.tour.lab.stop()
    wait(lambda: told.story.trouble)
    with pytest.raises(Conflict):
        told.tour.repair(by="ada")
    assert told.story.told[0][1].startswith("checkout 2.1.0")


def test_an_order_that_the_lab_refuses_leaves_the_story_where_it_was(told):
    told.tour.lab.break_("cache_down")
    with pytest.raises(Exception, match="is active"):
        told.tour.break_("cache_down", by="ada")
    assert told.story.step is Step.QUIET


def test_a_repair_that_the_lab_did_not_hear_is_asked_for_again(told, monkeypatch):
    def away(*_):
        raise Unavailable("the lab does not answer")

    told.tour.break_("cache_down", by="ada")
    told.incident(1)
    told.until(Step.INCIDENT)
    with monkeypatch.context() as patched:
        patched.setattr(Lab, "repair", away)
        with pytest.raises(Unavailable):
            told.tour.repair(by="ada")
        assert told.story.step is Step.INCIDENT
    assert told.after(tour_module.LEAST_MS / 1000, Step.REPAIR).repaired_by == "guided tour"


def test_a_database_that_is_away_is_shown_and_waited_for(told, monkeypatch):
    def away(*_, **__):
        raise DatabaseDown("it is away")

    with monkeypatch.context() as patched:
        patched.setattr(type(told.house.desk), "incidents", away)
        wait(lambda: "it is away" in told.story.trouble)
    wait(lambda: not told.story.trouble)
    assert told.story.step is Step.QUIET


def test_stopping_ends_the_lab_and_its_thread(told):
    told.tour.stop()
    told.tour.stop()
    assert "twinhelm-tour" not in {thread.name for thread in threading.enumerate()}
    with pytest.raises(Unavailable):
        told.tour.lab.break_("cache_down")


def test_whom_the_truth_names_is_right_and_nobody_else():
    claim = Claim("1", "cause", "queue:orders", "", 0.9, "", 0)
    fault = LabFault("stuck", "", "", "worker", also=("queue:orders",))
    assert right(claim, fault)
    assert right(replace(claim, subject="service:shop/worker"), fault)
    assert not right(replace(claim, subject="service:shop/checkout"), fault)
    assert not right(claim, replace(fault, blame=False))
    machine = replace(fault, service="host")
    assert right(replace(claim, subject="host:some-machine"), machine)
