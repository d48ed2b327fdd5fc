"""Which incident belongs to which fault, whose cause was named, and what the sums are."""

from __future__ import annotations

import pytest

from twinhelm.lab.score import FLOORS, Opening, Trial, judge
from twinhelm.lab.score.judge import belongs, names_cause, summarise
from twinhelm.lab.words import Truth


def trial(start=100.0, end=160.0, *, claims=(), verdict="conclusive", number=1, **truth):
    file = None
    if number is not None:
        file = {
            "incident": {"id": number, "verdict": verdict},
            "claims": [
                {"subject": entity, "facts": {"kind": kind}}
                for entity, kind in (
                    each if isinstance(each, tuple) else (each, "service") for each in claims
                )
            ],
        }
    said = Truth(**({"service": "cart"} | truth))
    return Trial("slow-cart", "The cart is slow", said, 1, start, end, file, True)


def opened(seen, number=1, *, flaps=0, over=None):
    return Opening(number, flaps, seen, "trouble", over)


def only(one, *openings):
    (found,) = judge([one], openings)
    return found


@pytest.mark.parametrize(
    ("seen", "mine"), [(99.9, False), (100.0, True), (180.0, True), (180.1, False)]
)
def test_an_incident_is_the_faults_until_20_s_after_its_repair(seen, mine):
    owned = belongs([trial()], [opened(seen)])
    assert (len(owned[0]), len(owned[None])) == ((1, 0) if mine else (0, 1))


def test_after_the_repair_it_is_the_next_faults_once_that_has_begun():
    owned = belongs([trial(0.0, 50.0), trial(60.0, 90.0)], [opened(55.0), opened(65.0)])
    assert [[one.seen_s for one in owned[place]] for place in (0, 1, None)] == [[55.0], [65.0], []]


def test_faults_at_the_same_time_share():
    owned = belongs([trial(0.0, 50.0), trial(10.0, 50.0)], [opened(20.0)])
    assert len(owned[0]) == len(owned[1]) == 1


def test_a_missed_fault_has_no_numbers():
    found = only(trial(number=None))
    assert not found.detected
    assert (found.detect_s, found.rank, found.incident, found.incidents) == (None, None, None, 0)
    assert not found.wrong_blame


def test_suspects_that_speak_of_one_thing_count_once():
    claims = ["service:shop/gateway", "service:shop/gateway", "service:shop/cart"]
    found = only(trial(claims=claims), opened(112.0, over=171.0))
    assert (found.rank, found.detect_s, found.over_s) == (2, 12.0, 11.0)
    assert found.wrong_blame
    assert not only(trial(claims=claims, verdict="inconclusive"), opened(112.0)).wrong_blame


def test_right_blame_is_not_wrong():
    found = only(trial(claims=["service:shop/cart"]), opened(101.0))
    assert found.rank == 1
    assert found.conclusive
    assert not found.wrong_blame


def test_any_incident_is_wrong_where_nothing_is():
    surge = trial(blame=False, claims=["service:shop/cart"], verdict="inconclusive")
    assert only(surge, opened(110.0)).wrong_blame
    assert not only(trial(blame=False, number=None)).wrong_blame


@pytest.mark.parametrize(
    ("claims", "named"),
    [
        ([("service:shop/cart", "change")], True),
        ([("service:shop/cart", "service")], False),
        ([("service:shop/gateway", "change")], False),
    ],
)
def test_a_change_is_named_where_a_change_of_the_cause_is_suspected(claims, named):
    assert only(trial(claims=claims, change="deploy"), opened(110.0)).change_named is named
    assert only(trial(claims=claims), opened(110.0)).change_named is None


@pytest.mark.parametrize(
    ("truth", "entity", "same"),
    [
        (Truth("cart"), "service:shop/cart", True),
        (Truth("cart"), "service:shop/carts", False),
        (Truth("host"), "host:box", True),
        (Truth("host"), "service:shop/host", True),
        (Truth("worker", also=("orders",)), "queue:orders", True),
        (Truth("nightly"), "pipeline:shop/nightly", True),
        (Truth("shopdb"), "", False),
    ],
)
def test_a_truth_is_named_by_the_last_part_of_an_entity(truth, entity, same):
    assert names_cause(truth, entity) is same


def test_the_summary_adds_up():
    verdicts = judge(
        [
            trial(0, 50, claims=["service:shop/cart"], number=1),
            trial(100, 150, claims=["service:shop/gateway", "service:shop/cart"], number=2),
            trial(200, 250, number=None),
            trial(300, 350, number=None, blame=False),
        ],
        [opened(10, 1, over=60), opened(120, 2), opened(130, 3)],
    )
    found = summarise(verdicts, false_incidents=1, quiet_s=1800)
    assert found.faults == 4
    assert found.detected == pytest.approx(2 / 3, abs=1e-3)
    assert found.cause_first == pytest.approx(1 / 3, abs=1e-3)
    assert found.cause_in_three == pytest.approx(2 / 3, abs=1e-3)
    assert (found.detect_s, found.incidents_per_fault, found.wrong_blame) == (15.0, 1.5, 1)
    assert (found.false_per_quiet_hour, found.quiet_hours, found.blamed_nothing) == (2.0, 0.5, 0)
    held = {
        "detected": False,
        "detect_s": True,
        "cause_first": False,
        "false_per_quiet_hour": False,
    }
    assert found.floors == held


def test_nothing_measured_is_no_number():
    found = summarise([], false_incidents=0, quiet_s=0.0)
    assert (found.detected, found.detect_s, found.false_per_quiet_hour) == (None, None, None)
    assert found.floors == dict.fromkeys(FLOORS)
