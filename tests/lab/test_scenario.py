"""Which faults come when, and that all is repaired whatever ends a walk."""

from __future__ import annotations

from contextlib import closing

import pytest

from twinhelm.lab import scenario as module
from twinhelm.lab.record import Recording
from twinhelm.lab.remote import Lab
from twinhelm.lab.scenario import (
    BUILT_IN,
    Scenario,
    Step,
    dozen,
    pick,
    read_scenario,
    record_walk,
    walk,
)
from twinhelm.lab.words import LabError

BRIEF = Scenario("brief", (Step(("cache-down", "slow-cart"), 0.0, 0.0), Step((), 0.0, 0.0)))


def ignore(*_args):
    """Tell nobody."""


@pytest.fixture
def lab(played_lab):
    with closing(Lab.attach(played_lab.folder)) as found:
        yield found


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_built_in_ones_name_faults_there_are(name, three_faults):
    made = read_scenario(
        name, three_faults | {f"more-{n}": three_faults["slow-cart"] for n in range(9)}
    )
    assert made.seconds > 60
    assert made.title
    assert bool(made.steps[0].faults) is (name != "quiet")
    if name == "two-at-once":
        assert all(len(set(step.faults)) == 2 for step in made.steps)


def test_a_file_is_read(tmp_path, three_faults):
    file = tmp_path / "mine.toml"
    file.write_text(
        'title = "Mine"\n[[step]]\nfaults = ["cache-down", "slow-cart"]\nafter_s = 5\nfor_s = 1.5\n'
        "[[step]]\nfor_s = 10\n"
    )
    made = read_scenario(str(file), three_faults)
    both = Step(("cache-down", "slow-cart"), 5.0, 1.5)
    assert made == Scenario("Mine", (both, Step((), 30.0, 10.0)))
    assert made.seconds == 46.5


@pytest.mark.parametrize(
    ("text", "told", "hint"),
    [
        ("", "has no steps", "[[step]]"),
        ("step = 1", "has no steps", "[[step]]"),
        ("step = [1]", "step 1", "[[step]]"),
        ("x = ", "cannot be read", ""),
        ('[[step]]\nfaults = ["cach-down"]', "no fault is called 'cach-down'", "cache-down"),
        ('[[step]]\nfaults = "cache-down"', "no list of names", "write"),
        ('[[step]]\nfaults = ["surge", "surge"]', "a fault twice", ""),
        ("[[step]]\nfor_s = -1", "the time -1", "0 or more"),
        ("[[step]]\nafter_s = true\nforever = 1", "has forever", "after_s"),
    ],
)
def test_a_wrong_file_is_told(tmp_path, three_faults, text, told, hint):
    file = tmp_path / "wrong.toml"
    file.write_text(text)
    with pytest.raises(LabError) as error:
        read_scenario(str(file), three_faults)
    assert told in error.value.message
    assert hint in error.value.hint


def test_an_unknown_scenario_is_told_with_those_there_are(three_faults):
    with pytest.raises(LabError, match="no scenario 'turn'") as told:
        read_scenario("turn", three_faults)
    assert "tour" in told.value.hint


def test_the_dozen_takes_kinds_in_turn(three_faults):
    many = {f"more-{n}": three_faults["slow-cart"] for n in range(20)}
    chosen = dozen(many | three_faults)
    assert len(chosen) == len(set(chosen)) == 12
    assert {"cache-down", "surge"} <= set(chosen)
    assert chosen == dozen(many | three_faults)
    assert dozen({}) == []


def test_faults_are_picked_by_name(three_faults):
    picked = pick(three_faults, "surge, cache-down,surge", quick=False)
    assert [one.name for one in picked] == ["surge", "cache-down"]
    assert len(pick(three_faults, "", quick=False)) == 3
    with pytest.raises(LabError, match="'surf'") as told:
        pick(three_faults, "surf", quick=False)
    assert "surge" in told.value.hint


def test_a_walk_breaks_and_repairs(lab, played_lab):
    (done,) = walk(lab, BRIEF, ignore)
    assert done.faults == ("cache-down", "slow-cart")
    assert done.start_s <= done.end_s
    methods = [(method, path.rpartition("/")[2]) for method, path, _ in played_lab.asked]
    assert methods == [
        ("POST", "cache-down"),
        ("POST", "slow-cart"),
        ("DELETE", "slow-cart"),
        ("DELETE", "cache-down"),
    ]


def test_a_walk_that_is_cut_short_repairs(lab, played_lab):
    def cut(told, _done, _whole):
        if told.startswith("broken"):
            raise KeyboardInterrupt

    step = Step(("cache-down", "slow-cart"), 0.0, 60.0)
    with pytest.raises(KeyboardInterrupt):
        list(walk(lab, Scenario("", (step,)), cut))
    assert played_lab.active == []


def test_a_fault_that_somebody_else_began_stays_his(lab, played_lab):
    played_lab.active = ["slow-cart"]
    with pytest.raises(LabError, match="slow-cart is active"):
        list(walk(lab, BRIEF, ignore))
    assert played_lab.active == ["slow-cart"]


def test_a_recorded_walk_keeps_truth_and_stretch(
    lab, played_lab, three_faults, tmp_path, monkeypatch
):
    monkeypatch.setattr(module, "LATE_S", 0.0)
    how = {"quiet_s": 0.0, "lead_s": 60.0, "tail_s": 0.0, "tell": ignore}
    folder = tmp_path / "recording"
    assert record_walk(lab, folder, BRIEF, three_faults, **how) == ["01-cache-down+slow-cart"]
    one, two = Recording.open(folder).cases
    assert (one.fault, two.fault, one.truth) == (
        "cache-down",
        "slow-cart",
        three_faults["cache-down"].truth,
    )
    written = [body for _, path, body in played_lab.asked if path == "/cases"]
    assert [body["case_id"] for body in written] == ["01-cache-down+slow-cart"]
    assert written[0]["start_s"] <= one.start_s
    assert written[0]["end_s"] >= one.end_s
    with pytest.raises(LabError, match="holds a recording already"):
        record_walk(lab, folder, BRIEF, three_faults, **how)
