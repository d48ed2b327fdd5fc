"""Shapes of what people type, risk, discipline, rank, and the assessment's questions."""

from __future__ import annotations

import pytest

from advise.seen import seen
from twinhelm.advise.assess import answered, questions, scores
from twinhelm.advise.rank import confidence_of, ranked
from twinhelm.advise.types import DAY_MS, Discipline, Found
from twinhelm.advise.words import argv_of, discipline_of, risk_of, shape_of
from twinhelm.core.errors import BadInput


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("systemctl restart shop@1", "sudo systemctl restart shop@27"),
        ("kubectl delete pod cart-7f9cabcd12", "kubectl delete pod cart-91ab88ffee"),
        ("PGUSER=a psql -c 'vacuum t1'", "PGUSER=b psql -c 'vacuum t2'"),
        ("/opt/bin/prune --older 7d", "/usr/bin/prune --older 9d"),
    ],
)
def test_what_varies_leaves_a_star(first, second):
    assert shape_of(first) == shape_of(second) != ""


def test_an_odd_line_is_no_error():
    assert argv_of("echo 'unclosed") == ["echo", "'unclosed"]
    assert shape_of("") == ""
    assert shape_of("sudo") == "sudo"


def test_risk_grows_with_what_is_done_and_to_what():
    restart, drop = risk_of("systemctl restart x"), risk_of("psql -c 'drop table x'")
    assert risk_of("report --mail") < restart < drop < risk_of("drop table", "database:orders")


def test_models_are_processes_and_hosts_are_machines():
    assert discipline_of("dvc repro train", "host:gpu-1")[0] is Discipline.PROCESSES
    assert discipline_of("anything", "model:churn")[0] is Discipline.PROCESSES
    assert discipline_of("systemctl restart x", "host:a")[0] is Discipline.MACHINES


def test_confidence_needs_days_and_agreement():
    assert confidence_of(3, 1.0) < 0.65 < confidence_of(5, 1.0) < confidence_of(20, 1.0) < 1
    assert confidence_of(20, 0.5) < 0.6


def found(key, **more):
    usual = {"hours": 10.0, "same": 1.0, "saved": 1.0, "risk": 0.1}
    times = [day * DAY_MS for day in range(8)]
    return Found(key, "chore", "host:a", key, times, {"ann", ""}, **usual | more)


def test_the_order_is_worth_times_confidence_times_what_risk_leaves():
    all_ = [found("a"), found("risky", risk=0.8), found("unsure", same=0.3), found("b", hours=20.0),
            found("nothing", saved=0.0)]  # fmt: skip
    claims = ranked(all_, seen(), 5)
    assert [one.id for one in claims] == ["advice/b", "advice/a", "advice/unsure", "advice/risky"]
    assert claims[0].facts["people"] == ["ann"]
    assert claims[0].facts["hours_month"] == pytest.approx(20.0)


def test_every_question_is_whole():
    assert 15 <= len(questions()) <= 20
    assert {one.part for one in questions()} == {"use cases", "data", "skills", "culture"}
    for one in questions():
        assert (len(one.steps) == 3) is bool(one.fact) is bool(one.says)


def test_facts_answer_and_people_beat_them():
    made = answered({"framed": 0.6, "ci": 70.0}, {"ci": 0, "blame": 3}, "ann")
    by_name = {one.name: one for one in made}
    assert (by_name["problem"].level, by_name["problem"].by) == (2, "evidence")
    assert by_name["problem"].says == "60% of the products have a product file"
    assert (by_name["ci"].level, by_name["ci"].by) == (0, "ann")
    assert "70 runs" in by_name["ci"].says  # the fact stays beside what somebody said
    assert by_name["owner"].level is None
    assert scores(made) == {"use cases": 2.0, "skills": 0.0, "culture": 3.0}


@pytest.mark.parametrize("given", [{"nothing": 1}, {"ci": 4}, {"ci": -1}])
def test_an_answer_to_nothing_is_refused(given):
    with pytest.raises(BadInput, match="answers no question"):
        answered({}, given, "ann")
