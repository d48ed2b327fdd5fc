from __future__ import annotations

import pytest

STEP_S, WARM = 5, 60


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_idle_half_hour_raises_nothing_and_says_why_not(host, seed: int) -> None:
    story = host(30, seed=seed)
    assert story.anomalies, "the simulated detector must have something to be wrong about"
    assert story.incidents == {}
    explained = {decision.subject for decision in story.decisions}
    assert explained >= {a.key for a in story.anomalies.values()}


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("fault", ["cpu", "memory", "disk"])
def test_each_fault_is_one_incident_within_a_minute(host, fault: str, seed: int) -> None:
    story = host(10, (fault, 36, 60), seed=seed)
    assert len(story.incidents) == 1
    one = story.incidents[1]
    assert one.attributes["resource"] == fault
    assert story.first_seen_s[1] - (WARM + 36) * STEP_S <= 60
    assert len(one.members) > 1
    assert one.entities == ("host:a",)


def test_after_the_fault_the_incident_resolves_by_itself(host) -> None:
    one = host(10, ("cpu", 36, 60)).incidents[1]
    assert one.state == "resolved"
    assert one.resolved_ms is not None


def test_full_disk_stays_an_incident_while_it_stays_full(host) -> None:
    assert host(10, ("disk", 36, 60)).incidents[1].state == "open"


def test_three_faults_after_each_other_are_three_incidents(host) -> None:
    story = host(20, ("cpu", 36, 54), ("memory", 90, 108), ("disk", 150, 170))
    assert [one.attributes["resource"] for one in story.incidents.values()] == [
        "cpu",
        "memory",
        "disk",
    ]


def test_a_fault_that_comes_back_reopens_its_incident(host) -> None:
    story = host(15, ("cpu", 36, 54), ("cpu", 100, 118))
    (one,) = story.incidents.values()
    assert one.flaps == 1


def test_the_title_says_what_how_much_and_how_much_usually(host) -> None:
    title = host(6, ("cpu", 36, 60)).incidents[1].title
    assert title.startswith("CPU of host a is busy at ")
    assert "usually" in title
    assert "%" in title


def test_low_sensitivity_lets_a_small_fault_pass(host) -> None:
    assert len(host(8, ("disk", 36, 60), sensitivity=0.0).incidents) <= 1
    assert host(8, sensitivity=1.0).anomalies
