"""The desk: what it gathers of the records, keeps, silences and says again; and assessments."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from advise.seen import mending, reader
from peers.memory_records import MemoryRecords
from twinhelm.advise.flow import AdviceDesk, Assessments
from twinhelm.advise.types import DAY_MS, HOUR_MS
from twinhelm.aiops.flow.repairs.kept import put_repair
from twinhelm.aiops.records import put_alert, put_incident
from twinhelm.aiops.types import Incident, IncidentState
from twinhelm.core.clock import FakeClock
from twinhelm.core.errors import BadInput, NotFound
from twinhelm.core.ports import Record
from twinhelm.core.telemetry import Alert, Change
from twinhelm.events.journal import Journal
from twinhelm.events.kinds.machines import AlertReceived, IncidentAcknowledged
from twinhelm.events.kinds.products import BuildStarted

KEY = "repeat-host-db-n-diskfull"
LABELS = (("alertname", "DiskFull"), ("host_name", "db-1"))


class House:
    """Records, a clock that begins at 0, and changes as a list."""

    def __init__(self, folder):
        self.clock = FakeClock(0)
        self.records = MemoryRecords()
        self.journal = Journal(self.records, self.clock)
        self.changes = []
        self.desk = AdviceDesk(
            *(self.records, self.journal, self.clock),
            lambda start, end: [one for one in self.changes if start <= one.time_ms <= end],
            reader(folder),
        )

    def trouble(self, number, day, *, text="prune --host db-1 --older 7d"):
        """An incident of the alert DiskFull, taken by ann, who typed something meanwhile."""
        at = day * DAY_MS
        alert = Alert("f", LABELS, (), at, at + HOUR_MS, "test")
        incident = Incident(number, IncidentState.RESOLVED, "DiskFull fires", "critical",
                            ("host:db-1",), at, at, at + HOUR_MS, members=("f",))  # fmt: skip
        self.clock.move_to(at)
        with self.journal.writing("door:x") as write:
            put_alert(write, alert)
            put_incident(write, incident)
            write.event(AlertReceived("f", "DiskFull", "test", True, at))
        self.clock.move_to(at + HOUR_MS // 2)
        with self.journal.writing("ann") as write:
            write.event(IncidentAcknowledged(number, "ann"))
        self.changes.append(
            Change(f"hand/{number}", at + HOUR_MS * 3 // 4, "other", "host:db-1", text, "hand",
                   attributes={"type": "command", "who": "bob"})
        )  # fmt: skip
        self.clock.move_to(at + HOUR_MS)
        with self.journal.writing("door:x") as write:
            write.event(AlertReceived("f", "DiskFull", "test", False, at))


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path)
    for number, day in enumerate((2, 5, 8, 11, 14, 17), 1):
        made.trouble(number, day)
    made.clock.move_to(30 * DAY_MS)
    return made


def test_repairs_that_people_always_agree_to_become_advice(house):
    with house.journal.writing("ann") as write:
        for day in (3, 6, 9, 12):
            put_repair(write, mending(day))
    found = next(one for one in house.desk.look() if one.claim.facts["source"] == "trusted")
    facts = found.claim.facts
    assert (facts["occurrences"], facts["people"], facts["discipline"]) == (4, ["ann"], "machines")
    assert facts["covered"] == ["repair/3-1", "repair/6-1", "repair/9-1", "repair/12-1"]
    assert facts["hours_month"] > 0.3
    assert facts["draft"]["kind"] == "command"


def kinds(house):
    return [row.kind for row in house.journal.read() if row.kind.startswith("advice")]


def test_what_people_did_for_incidents_becomes_advice_with_evidence(house):
    (one,) = house.desk.look()
    facts = one.claim.facts
    assert (one.key, one.claim.kind, facts["occurrences"]) == (KEY, "advice", 6)
    assert facts["people"] == ["ann", "bob"]
    assert facts["hours"] == pytest.approx(3.0)  # from ann's taking it to its end, each time
    assert facts["covered"] == [f"incident/{number}" for number in range(1, 7)]
    assert 'command = ["/usr/bin/prune","--host","db-1"' in facts["draft"]["text"]
    assert one.claim.evidence_against
    assert kinds(house) == ["advice.given"]


def test_a_look_is_repeatable_and_what_no_longer_holds_goes(house):
    first = house.desk.look()
    assert house.desk.look() == first
    assert kinds(house) == ["advice.given"]
    house.clock.move_to(300 * DAY_MS)
    assert house.desk.look() == []


def test_what_was_dismissed_is_silent_until_it_has_grown(house):
    house.desk.look()
    one = house.desk.dismiss(KEY, reason="a new disk is ordered", by="cee")
    assert (one.dismissed, one.by) == ("a new disk is ordered", "cee")
    (again,) = house.desk.look()
    assert again.dismissed
    assert kinds(house) == ["advice.given", "advice.dismissed"]
    for number, day in enumerate((31, 34, 37, 40), 7):
        house.trouble(number, day)
    (grown,) = house.desk.look()
    assert not grown.dismissed
    row = house.journal.read(kind="advice.given")[-1]
    assert row.body["again"] is True


def test_a_dismissal_needs_a_reason_and_can_be_taken_back(house):
    house.desk.look()
    with pytest.raises(BadInput, match="why it is dismissed"):
        house.desk.dismiss(KEY, reason="  ", by="cee")
    with pytest.raises(NotFound, match="no advice 'x'"):
        house.desk.dismiss("x", reason="y", by="cee")
    house.desk.dismiss(KEY, reason="y", by="cee")
    assert not house.desk.take_up(KEY, by="cee").dismissed
    assert kinds(house)[-1] == "advice.taken_up"


def test_what_the_house_does_by_itself_is_nobodys_toil(tmp_path):
    house = House(tmp_path)
    with house.journal.writing("twinhelm") as write:
        for number in range(5):
            write.event(BuildStarted("churn", number, "schedule"))
            write.event(IncidentAcknowledged(number, "twinhelm"))
    assert house.desk.seen().deeds == ()
    assert house.desk.look() == []


def test_assessments_are_answered_by_evidence_kept_and_compared(house):
    desk = Assessments(house.records, house.journal, house.clock, house.desk.seen)
    begun = {one.name: one for one in desk.begun()}
    assert (begun["oncall"].level, begun["oncall"].by) == (3, "evidence")
    assert begun["problem"].level is None  # there is no product to speak of
    first = desk.save({"blame": 1}, by="ann")
    house.clock.move_to(31 * DAY_MS)
    second = desk.save({"blame": 3}, by="bob")
    assert [one.by for one in desk.saved()] == ["bob", "ann"]
    assert first.scores["culture"] < second.scores["culture"]
    assert house.journal.read(kind="assessment.saved")[-1].actor == "bob"
    with pytest.raises(BadInput):
        desk.save({"blame": 9}, by="ann")
    assert len(desk.saved()) == 2


def test_advice_of_a_record_that_was_altered_by_hand_is_heard_of(house):
    house.desk.look()
    with house.journal.writing("x") as write:
        record = write.get("claim", f"advice/{KEY}")
        assert record is not None
        body = asdict(replace(house.desk.advice()[0].claim, confidence=0.1)) | {"text": 5}
        write.put(Record("claim", record.key, body, "advice", "advice"))
    with pytest.raises(ValueError, match="text"):
        house.desk.advice()
