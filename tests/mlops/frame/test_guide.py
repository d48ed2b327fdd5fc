"""The guided questions: honest advice, and a file that can be read."""

from __future__ import annotations

import pytest

from twinhelm.core.errors import BadInput
from twinhelm.mlops.frame import advice, draft, questions, read_spec

LOW = {
    "rule": "no",
    "history": "yes",
    "acted_on": "yes",
    "noticed": "soon",
    "name": "digits",
    "use_case": "Reads digits.",
    "decides": 'Which "digit"\nis entered \\ kept.\x7f',
    "owner": "ada",
    "harm": "nothing",
}
HIGH = {
    **LOW,
    "harm": "serious",
    "affects": "Patients.",
    "reasons": "It orders medical work.",
    "cost": "Two days.",
    "reviewers": "grace, joan",
    "holdout": "holdout.csv",
    "target": "ill",
    "gate": "roc_auc >= 0.9",
}


def read(text):
    return read_spec(text)


def test_the_first_question_is_whether_to_learn_at_all():
    assert questions()[0].name == "rule"
    assert all(one.ask and one.why for one in questions())
    for one in questions():
        assert set(one.stop) | set(one.advice) <= set(one.choices)


@pytest.mark.parametrize(
    "answer", [{"rule": "yes"}, {"history": "no"}, {"acted_on": "no"}, {"noticed": "never"}]
)
def test_what_speaks_against_machine_learning_is_said_first(answer):
    said = advice({**LOW, **answer})
    assert "wrong answer" in said[0]
    assert draft({**LOW, **answer}).startswith(f"# {said[0]}\n# {said[1]}\n")


def test_nothing_is_said_where_nothing_is_to_be_said():
    assert advice(LOW) == ()
    assert advice({}) == ()


def test_a_draft_is_a_product_file():
    spec = read(draft(LOW))
    assert spec.product.decides == 'Which "digit" is entered \\ kept.\x7f'
    assert (spec.product.tier, spec.gates) == ("low", ())


def test_a_draft_at_tier_high_holds_what_the_tier_asks_for():
    spec = read(draft(HIGH))
    assert (spec.product.tier, spec.product.reviewers) == ("high", ("grace", "joan"))
    assert (spec.gates[0].metric, spec.gates[0].at_least) == ("roc_auc", 0.9)
    assert spec.data.target == "ill"


def test_a_draft_of_a_regression_has_a_number_to_learn():
    spec = read(draft({**HIGH, "task": "regression", "gate": "rmse<=2"}))
    assert (spec.data.columns[0].type, spec.gates[0].at_most) == ("number", 2.0)


def test_open_questions_are_named():
    with pytest.raises(BadInput, match=r"affects.*reasons.*cost.*reviewers.*holdout.*target.*gate"):
        draft({**LOW, "harm": "serious"})
    with pytest.raises(BadInput, match="owner: Who"):
        draft({**LOW, "owner": " "})


@pytest.mark.parametrize("answer", [{"rule": "maybe"}, {"colour": "red"}, {"gate": "good enough"}])
def test_answers_to_nothing_are_refused(answer):
    with pytest.raises(BadInput):
        draft({**LOW, **answer})
