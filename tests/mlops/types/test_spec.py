"""What a product file may say: unknown names and impossible values are refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from twinhelm.mlops.types import Check as Looked
from twinhelm.mlops.types import Deployment, Part, Spec, Validation, Verdict, rows_of

PURPOSE = {"name": "churn", "use_case": "a", "decides": "b", "owner": "ada", "tier": "low"}


def spec(**parts):
    return Spec.model_validate({"product": PURPOSE, **parts})


def test_a_purpose_alone_is_a_whole_file():
    made = spec()
    assert (made.rollout.kind, made.gates, made.data.target) == ("canary", (), "")


def test_the_target_is_the_column_with_that_role():
    columns = [{"name": "a", "type": "number"}, {"name": "y", "type": "category", "role": "target"}]
    made = spec(data={"columns": columns})
    assert made.data.target == "y"
    assert [each.name for each in made.data.features] == ["a"]


@pytest.mark.parametrize(
    "parts",
    [
        {"product": {**PURPOSE, "name": "Not A Name"}},
        {"product": {**PURPOSE, "tier": "medium"}},
        {"gates": [{"metric": "accuracy", "atleast": 1}]},
        {"rollout": {"shares": [0.0]}},
        {"monitor": {"log": 1.5}},
        {"retrain": {"on": ["boredom"]}},
    ],
    ids=["name", "tier", "typo", "no share", "more than all", "trigger"],
)
def test_what_cannot_be_meant_is_refused(parts):
    with pytest.raises(ValidationError):
        Spec.model_validate({"product": PURPOSE, **parts})


def test_nobody_is_champion_of_an_empty_deployment():
    assert Deployment("churn", (), 0).champion == ""
    assert Deployment("churn", (Part("2", "champion", 1.0),), 0).champion == "2"


@pytest.mark.parametrize(
    ("verdicts", "passed"),
    [([], True), ([Verdict.PASS], True), ([Verdict.PASS, Verdict.UNKNOWN], False)],
    ids=["nothing", "all", "not all known"],
)
def test_a_validation_passes_where_every_check_does(verdicts, passed):
    checks = tuple(Looked("x", each, "") for each in verdicts)
    assert Validation("churn", "1", 0, checks, ()).passed is passed


def test_a_table_without_columns_has_no_rows():
    assert rows_of({}) == 0
