"""What a lab that is up is asked, and what is said where it is not or will not."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from twinhelm.lab.remote import Lab, nearest
from twinhelm.lab.words import LabError, Symptom


@pytest.fixture
def lab(played_lab):
    """The played lab, attached to."""
    with closing(Lab.attach(played_lab.folder)) as found:
        yield found


def test_a_fault_begins_and_ends(lab, played_lab):
    lab.break_("slow-cart")
    assert lab.status()["active"] == [{"fault": "slow-cart", "since_s": 1.0}]
    lab.repair("slow-cart")
    assert played_lab.active == []


def test_all_end_the_last_first(lab, played_lab):
    played_lab.active = ["cache-down", "slow-cart"]
    assert lab.repair_all() == ["slow-cart", "cache-down"]
    assert lab.repair_all() == []


def test_a_fault_twice_and_an_unknown_one_are_told(lab):
    lab.break_("slow-cart")
    with pytest.raises(LabError, match="slow-cart is active"):
        lab.break_("slow-cart")
    with pytest.raises(LabError, match="no fault is called 'slow-card'") as told:
        lab.repair("slow-card")
    assert "did you mean slow-cart?" in told.value.hint


@pytest.mark.parametrize(
    ("value", "above", "below", "shows"),
    [
        (1.0, 0.5, None, True),
        (0.4, 0.5, None, False),
        (0.4, None, 0.5, True),
        (None, 0.5, None, None),
    ],
)
def test_a_symptom_shows_beyond_its_bound(lab, played_lab, value, above, below, shows):
    played_lab.value = value
    symptom = Symptom("up", {"job": "cart"}, "value", above=above, below=below)
    assert lab.shows(symptom) is shows


def test_a_case_is_written_where_it_was_asked_for(lab, played_lab):
    lab.write_case("a", Path("/r/cases/a"), 1.0, 2.0)
    assert played_lab.asked[-1][1:] == (
        "/cases",
        {"case_id": "a", "folder": "/r/cases/a", "start_s": 1.0, "end_s": 2.0},
    )


def test_no_lab_is_told_with_how_to_start_one(played_lab, tmp_path):
    with pytest.raises(LabError, match="no lab is up in") as told:
        Lab.attach(tmp_path / "none")
    assert "twinhelm lab up" in told.value.hint
    # A lab that was killed leaves its file behind.
    file = played_lab.folder / "control.json"
    file.write_text(file.read_text().replace(played_lab.url, "http://127.0.0.1:1"))
    with (
        closing(Lab.attach(played_lab.folder)) as gone,
        pytest.raises(LabError, match="no lab is up"),
    ):
        gone.status()


def test_nearest_names():
    names = ["cache-down", "slow-cart"]
    assert nearest("cache", names).startswith("did you mean cache-down? ")
    assert nearest("zzz", names) == "`twinhelm lab faults` lists all 2"
