"""Answers, on a simulated host: what was called wrong is raised no more, and again once undone."""

from __future__ import annotations

import pytest

from aiops.flow.test_casework import Host
from twinhelm.aiops.diagnose import RANKER
from twinhelm.aiops.records import find_answers
from twinhelm.core.errors import BadInput, Conflict, NotFound

DAY_MS = 86_400_000


@pytest.fixture
def host(wing):
    made = Host(wing)
    made.run(10)
    made.run(2, burning=True)
    return made


@pytest.fixture
def about(host):
    """The anomaly that the incident is about."""
    (incident,) = host.incidents()
    return f"anomaly/{incident.attributes['lead']}"


def test_a_click_is_kept_with_what_it_looked_like_and_told(host, about):
    wing = host.wing
    made = wing.learning.give(about, right=False, reason=" a nightly job ", by="ann")
    assert (made.answer.of, made.answer.by, made.answer.reason) == (
        "anomaly",
        "ann",
        "a nightly job",
    )
    assert made.answer.facts["kin"] == "host_cpu_busy_ratio"
    assert made.answer.facts["size"] > 1.0
    assert made.changes
    assert wing.kinds()[-1] == "feedback.given"
    with wing.records.reading() as unit:
        assert find_answers(unit, about=about) == [made.answer]


def test_what_was_called_wrong_is_raised_no_more_and_again_once_undone(host, about):
    wing = host.wing
    made = wing.learning.give(about, right=False, by="ann")
    host.run(8)  # it ends, and is in shadow: nothing else has changed
    before = wing.learning.lessons()[0].document()
    wing.learning.apply("anomaly", by="ann")
    host.run(2, burning=True)
    assert [one.flaps for one in host.incidents()] == [0]
    assert any("by answer 1 such is usual" in one.text for one in wing.desk.decisions())
    host.run(8)
    wing.learning.undo(made.answer.id, by="ann")
    assert wing.learning.lessons()[0].document() == before
    host.run(2, burning=True)
    assert sum(one.flaps for one in host.incidents()) + len(host.incidents()) == 2


def test_in_shadow_nothing_changes_but_what_would_have_is_told_once(host, about):
    wing = host.wing
    wing.learning.give(about, right=False, by="ann")
    host.run(4)
    host.run(2, burning=True)
    assert [one.flaps for one in host.incidents()] == [1]
    wing.learning.look()
    wing.learning.look()
    rows = wing.journal.read(kind="lessons.differ")
    assert len({row.subject for row in rows}) == len(rows)
    row = next(row for row in rows if row.subject != about)
    assert "would not count" in row.body["text"]
    assert row.body["answers"] == [1]


def test_what_passes_its_test_is_applied_by_itself_after_its_time_in_shadow(host, about):
    wing = host.wing
    told = []
    wing.learning.published = lambda: told.append(wing.learning.says("baseline/1", "anomaly"))
    wing.learning.give(about, right=False, by="ann")
    wing.learning.look()
    assert told == []
    wing.clock.advance(DAY_MS / 1000 + 1)
    wing.learning.look()
    (version,) = told
    assert version == f"baseline/1+{wing.learning.lessons()[0].version('anomaly')}"
    (row,) = wing.journal.read(kind="lessons.applied")
    assert row.body["because"] == "the back-test cut 1 of 1 wrong ones, lost none"
    assert row.actor == "twinhelm"


def test_what_somebody_took_up_keeps_it_from_being_applied_by_itself(host, about):
    wing = host.wing
    host.run(8)
    host.run(2, burning=True)
    newest = max(host.incidents(), key=lambda one: one.id)
    wing.desk.acknowledge(newest.id, by="bo")
    lead = newest.attributes["lead"]
    assert f"anomaly/{lead}" != about
    wing.learning.give(about, right=False, by="ann")
    wing.clock.advance(DAY_MS / 1000 + 1)
    wing.learning.look()
    assert wing.journal.read(kind="lessons.applied") == []
    (trial,) = wing.learning.trials()
    assert trial.lost == (f"anomaly/{lead}",)


def test_a_suspect_called_wrong_is_believed_less_and_claims_name_the_version(host):
    wing = host.wing
    (incident,) = host.incidents()
    claim = wing.desk.file(incident.id).claims[0]
    assert claim.says == RANKER
    wing.learning.give(claim.id, right=False, by="ann")
    version = wing.learning.apply("suspect", by="ann")
    host.run(1, burning=True)
    now = {one.text: one for one in wing.desk.file(incident.id).claims}
    assert now[claim.text].confidence < claim.confidence
    assert now[claim.text].says == f"{RANKER}+{version}"


def test_signs_that_do_not_belong_together_stay_apart(host):
    wing = host.wing
    (incident,) = host.incidents()
    lead = incident.attributes["lead"]
    other = next(key for key in incident.members if key != lead)
    wing.learning.give(f"incident/{incident.id}/member/{other}", right=False, by="ann")
    wing.learning.apply("grouping", by="ann")
    wing.casework._edges_ms = 0
    host.run(70)
    host.run(2, burning=True)
    newest = max(host.incidents(), key=lambda one: one.id)
    assert newest.id != incident.id
    metric = other.partition(":")[0]
    assert not any(key.startswith(f"{metric}:") for key in newest.members)


def test_the_opposite_is_refused_and_the_same_again_is_no_news(host, about):
    learning = host.wing.learning
    first = learning.give(about, right=False, by="ann")
    assert learning.give(about, right=False, by="bo").answer == first.answer
    with pytest.raises(Conflict, match="ann called"):
        learning.give(about, right=True, by="bo")
    learning.undo(first.answer.id, by="bo")
    assert learning.give(about, right=True, by="bo").answer.id == 2
    assert [one.state for one in learning.answers()] == ["standing", "undone"]


@pytest.mark.parametrize(
    ("about", "wrong"),
    [("nothing", BadInput), ("anomaly/1:2", NotFound), ("incident/1/member/9:9", NotFound),
     ("incident/7/cause/001", NotFound), ("repair/x", NotFound), ("forecast/7", NotFound),
     ("anomaly/../../x", BadInput)],
)  # fmt: skip
def test_what_cannot_be_answered_is_refused(host, about, wrong):
    with pytest.raises(wrong):
        host.wing.learning.give(about, right=True, by="ann")
    assert host.wing.learning.answers() == []


def test_undoing_and_applying_what_is_not_there_is_refused(host, about):
    learning = host.wing.learning
    with pytest.raises(NotFound):
        learning.undo(1, by="ann")
    made = learning.give(about, right=False, by="ann")
    learning.undo(made.answer.id, by="ann")
    with pytest.raises(Conflict):
        learning.undo(made.answer.id, by="ann")
    with pytest.raises(Conflict):
        learning.apply("anomaly", by="ann")
    with pytest.raises(BadInput):
        learning.apply("action", by="ann")


def test_answers_outlive_a_restart(host, about):
    wing = host.wing
    wing.learning.give(about, right=False, by="ann")
    wing.learning.apply("anomaly", by="ann")
    before = wing.learning.lessons()[0].document()
    wing.restart()
    assert wing.learning.lessons()[0].document() == before
