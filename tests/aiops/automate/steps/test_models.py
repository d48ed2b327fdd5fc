"""A model is taken back by the MLOps wing's own rollback, where the settings list it."""

from __future__ import annotations

from peers.deeds import HOSTILE, deed
from twinhelm.aiops.automate.steps import Limit
from twinhelm.aiops.automate.steps.models import ModelRollback
from twinhelm.core.errors import Conflict
from twinhelm.core.settings import AutomateSettings

GIVEN = {"product": "{product}"}


def actor(back):
    return ModelRollback(AutomateSettings(products=["credit*"]), back)


def test_the_version_before_answers_again():
    outcome = deed(actor(lambda name: {"before": "2", "now": "1"}), GIVEN, product="credit-risk")
    assert (outcome.ok, outcome.text) == (True, "1 answers again, not 2")
    assert outcome.facts == {"before": "2", "now": "1"}
    assert actor(None).reach({"product": "credit"}) == ("model:credit",)


def test_what_the_wing_refuses_is_an_outcome():
    def none_before(name):
        raise Conflict(f"{name} has had no champion before")

    assert "no champion before" in deed(actor(none_before), GIVEN, product="credit").text


def test_what_is_not_listed_or_no_name_is_barred_and_a_stop_holds():
    asked = []
    roll = actor(lambda name: asked.append(name) or {})
    assert not deed(roll, GIVEN, product="fraud").ok
    for value in HOSTILE.values():
        assert not deed(roll, GIVEN, product=value).ok
    assert not roll.act({"product": "credit"}, Limit(60, lambda: "stopped by ann")).ok
    assert asked == []
