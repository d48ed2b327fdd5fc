"""A runbook fits an incident for reasons that it tells, and takes nothing but what matches."""

from __future__ import annotations

from dataclasses import replace

import pytest

from peers.runbooks import RESTART, Doer, house_actors
from twinhelm.aiops.automate.match import Case, Sign, chosen, fits
from twinhelm.aiops.automate.plan import plan_of
from twinhelm.aiops.automate.runbook import read_runbook
from twinhelm.aiops.types import Incident, IncidentState, Suspect
from twinhelm.core.telemetry import Change

ACTORS = house_actors(Doer())
CART = "service:shop/cart"
SUSPECT = Suspect(1, "service", CART, "process_memory_usage", "Memory of cart", 0.9, ())
SIGN = Sign(CART, "memory", "process_memory_usage", {"service_name": "cart", "pod": "a"})


def book(old="", new=""):
    assert old in RESTART
    return read_runbook(RESTART.replace(old, new), "r.toml", ACTORS)


def case(*suspects, signs=(SIGN,), verdict="conclusive", changes=None, entity=CART):
    incident = Incident(
        7, IncidentState.OPEN, "memory grows", "critical", (entity,), 1, 2, verdict=verdict
    )
    return Case(incident, suspects or (SUSPECT,), tuple(signs), changes or {})


def test_what_fits_says_why_and_gives_the_values():
    fit = fits(book(), case())
    assert (fit.fits, fit.target, dict(fit.values)) == (True, CART, {"service": "cart"})
    assert fit.why[0] == "service:shop/cart is suspected (service, confidence 0.90)"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (case(verdict="inconclusive"), "its verdict is inconclusive"),
        (case(replace(SUSPECT, confidence=0.6)), "is suspected with 0.60, it takes 0.65"),
        (case(signs=[replace(SIGN, resource="disk")]), "signs on service:shop/cart are of disk"),
        (case(replace(SUSPECT, entity="host:a")), "the suspect is host:a"),
        (case(replace(SUSPECT, entity="service:shop/")), "service cannot be had: suspect.name is"),
    ],
)
def test_what_does_not_says_what_is_missing(given, why):
    fit = fits(book(), given)
    assert not fit.fits
    assert any(why in each for each in fit.why)


@pytest.mark.parametrize(
    "name",
    ["cart; reboot", "$(reboot)", "../../etc", "cart\nx", "-rf", "' OR 1=1 --", "<b>cart</b>",
     "{{7*7}}", "{service}", "cart%0d%0aX: y"],
)  # fmt: skip
def test_a_name_that_means_more_than_itself_is_no_value(name):
    entity = f"service:shop/{name}"
    given = case(replace(SUSPECT, entity=entity), signs=[replace(SIGN, entity=entity)])
    assert not fits(book('entity = ["service:[a-z/-]+"]'), given).fits


def test_the_second_suspect_counts_where_the_first_does_not_fit():
    host = Suspect(1, "resource", "host:a", "node_load1", "CPU of host a", 0.95, ())
    assert fits(book(), case(host, SUSPECT)).target == CART


def test_signs_alone_do_where_the_runbook_says_so():
    free = book('resource = ["memory"]',
                'resource = ["memory"]\nverdict = ["inconclusive"]\nconfidence = 0')  # fmt: skip
    given = Case(case(verdict="inconclusive").incident, (), (SIGN,))
    assert fits(free, given).target == CART


def test_a_change_is_matched_by_its_kind_and_gives_its_version():
    deploy = Change("d1", 1, "deploy", CART, "cart 2", "ci", attributes={"version": "2"})
    blamed = replace(SUSPECT, kind="change", indicator="d1")
    text = RESTART.replace('resource = ["memory"]', 'change = ["deploy"]')
    asks = read_runbook(
        text.replace('"suspect.name"', '"change.version"').replace(
            '"[a-z][a-z0-9-]{0,40}"', '"[0-9.]+"'
        ), "r.toml", ACTORS)  # fmt: skip
    assert fits(asks, case(blamed, changes={"d1": deploy})).values == {"service": "2"}
    flag = replace(deploy, kind="flag")
    assert fits(asks, case(blamed, changes={"d1": flag})).why[0] == "the suspected change is flag"
    assert fits(asks, case()).why[0] == "the suspected change is none"


def test_labels_are_those_that_all_signs_of_the_suspect_share():
    asks = book('from = "suspect.name"', 'from = "label.pod"')
    other = replace(SIGN, labels={"service_name": "cart", "pod": "b"})
    assert fits(asks, case()).values == {"service": "a"}
    assert not fits(asks, case(signs=[SIGN, other])).fits


@pytest.mark.parametrize(
    ("text", "pid"),
    [
        ("CPU of host a, used by stress (pid 42)", "42"),
        ("CPU of host a, used by stress (pids 42, 43)", None),
        ("CPU of host a, used by x (pid 1) (pids 7, 8)", None),
    ],
)
def test_a_process_is_the_one_that_the_suspect_ends_with(text, pid):
    asks = book('from = "suspect.name"\npattern = "[a-z][a-z0-9-]{0,40}"',
                'from = "suspect.pid"\npattern = "[0-9]+"')  # fmt: skip
    fit = fits(asks, case(replace(SUSPECT, name=text)))
    assert fit.values.get("service") == pid


def test_the_most_particular_runbook_comes_first():
    vague = book('name = "restart"', 'name = "a-vague-one"')
    keen = book('resource = ["memory"]', 'resource = ["memory"]\nsuspect = ["service"]')
    assert [fit.runbook for fit in chosen([vague, keen], case())] == ["restart", "a-vague-one"]


def test_a_plan_tells_everything_to_the_letter_and_touches_nothing():
    doer = Doer()
    actors = house_actors(doer)
    plan = plan_of(book(), {"service": "cart"}, CART, actors)
    (step,) = plan.steps
    assert (step.says, step.before) == ("Do: stop cart.", ("Do: is cart there.",))
    assert step.undo == "Do: start cart as <did.before>."
    assert (plan.reach, plan.barred, doer.done) == (("service:cart",), (), [])


def test_a_plan_tells_a_value_that_no_step_takes():
    plan = plan_of(book(), {"service": "a\nb"}, CART, ACTORS)
    assert "no step takes" in plan.barred[0]
