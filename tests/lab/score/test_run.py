"""What one repeat does and in which order, with a played lab and server in a hurry."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from itertools import count

import orjson
import pytest

from twinhelm.lab.score import Pace, Tally, run, run_once
from twinhelm.lab.score.judge import judge
from twinhelm.lab.words import LabError

HURRIED = Pace(0.1, 0.1, 0.05, 0.3, 0.02, 0.1, 0.1, 0.2, 60)


class Server:
    """Raises an incident while ``lab`` is broken, but for the faults in ``blind``."""

    url = "http://a"

    def __init__(self):
        self.lab, self.blind, self.known, self.numbers = None, (), {}, count(1)
        self.endless = False

    def incidents(self):
        broken = [name for name in self.lab.active if name not in self.blind]
        if broken and not any(one["state"] == "open" for one in self.known.values()):
            number = next(self.numbers)
            one = {"id": number, "flaps": 0, "state": "open", "title": broken[0]}
            self.known[number] = one
        for one in self.known.values():
            one["state"] = "open" if self.endless or one["title"] in broken else "resolved"
        return list(self.known.values())

    def file(self, number):
        claims = [{"subject": "service:shop/cart", "facts": {"kind": "service"}}]
        return orjson.dumps({"incident": {"id": number, "verdict": "conclusive"}, "claims": claims})


class Lab:
    """Notes what was done; a fault in ``bad`` cannot begin."""

    def __init__(self):
        self.active, self.done, self.bad, self.gone = [], [], (), False

    def break_(self, name):
        if name in self.bad:
            raise LabError(f"{name} cannot begin")
        self.active.append(name)
        self.done.append(name)

    def repair(self, name):
        self.active.remove(name)

    def repair_all(self):
        self.active.clear()

    def status(self):
        if self.gone:
            raise LabError("no lab is up")

    def shows(self, _symptom):
        return True


@pytest.fixture
def stage(monkeypatch):
    """The played_lab pair; ``ended`` lists what was ended, the lab first."""
    lab, server, ended = Lab(), Server(), []
    server.lab = lab

    @contextmanager
    def child(what, name):
        try:
            yield what
        finally:
            ended.append(name)

    monkeypatch.setattr(run.house, "started", lambda _data, **told: child(server, "server"))
    monkeypatch.setattr(run.remote, "started", lambda *_flags, **told: child(lab, "lab"))
    monkeypatch.setattr(run, "LOOK_S", 0.005)
    monkeypatch.setattr(run, "CHANGE_S", 0.1)
    return lab, server, ended


def measure(three_faults, tmp_path, *, pace=HURRIED, seed=1, tell=lambda *_: None, repeat=1):
    tally = Tally(repeat)
    run_once(list(three_faults.values()), pace, tally, seed=seed, folder=tmp_path, tell=tell)
    return tally


def test_every_fault_comes_once_and_is_repaired(stage, three_faults, tmp_path):
    lab, server, ended = stage
    server.blind = ("surge",)
    tally = measure(three_faults, tmp_path)
    assert sorted(lab.done) == sorted(three_faults)
    assert lab.active == []
    assert ended == ["lab", "server"]
    by_name = {trial.fault: trial for trial in tally.trials}
    assert by_name["surge"].file is None
    assert by_name["slow-cart"].file["claims"]
    assert by_name["slow-cart"].shown
    # Found faults are not kept for longer than they must be.
    lasted = {name: trial.end_s - trial.start_s for name, trial in by_name.items()}
    assert lasted["slow-cart"] < HURRIED.longest_s <= lasted["surge"]
    assert len(tally.openings) == 2
    assert tally.quiet_s >= HURRIED.first_s + HURRIED.last_s
    assert tally.complete
    assert tally.busy is None or 0 <= tally.busy <= 1


def test_with_repair_a_fault_is_kept_until_the_house_has_verified_its_own(
    stage, three_faults, tmp_path, monkeypatch
):
    lab, server, _ = stage
    asked = []

    def repairs(since_s):
        asked.append(since_s)
        if asked.count(since_s) < 3:
            return [{"state": "running", "started_ms": 1, "calm_ms": 0}]
        done = {"state": "verified", "started_ms": 1, "calm_ms": int(since_s * 1000) + 40_000}
        return [done, {"state": "useless", "started_ms": 1, "calm_ms": 0}]

    server.repairs = repairs
    monkeypatch.setattr(lab, "shows", lambda _symptom: False, raising=False)
    tally = Tally(1)
    run_once(
        [three_faults["slow-cart"]], HURRIED, tally, seed=1, folder=tmp_path,
        tell=lambda *_: None, repair=True,
    )  # fmt: skip
    (verdict,) = judge(tally.trials, tally.openings)
    assert asked.count(asked[0]) >= 3
    assert (verdict.repaired, verdict.wrong_repairs) == (True, 1)
    assert abs(verdict.repair_s - 40.0) < 1
    (still,) = judge([replace(tally.trials[0], mended=False)], tally.openings)
    assert (still.repaired, still.repair_s, still.wrong_repairs) == (False, None, 2)


def test_the_order_is_the_seeds(stage, three_faults, tmp_path):
    lab, _, _ = stage
    orders = []
    for seed, repeat in ((1, 1), (1, 1), (1, 2), (2, 1), (3, 1), (4, 1)):
        lab.done.clear()
        measure(three_faults, tmp_path, seed=seed, repeat=repeat)
        orders.append(tuple(lab.done))
    assert orders[0] == orders[1]
    assert len(set(orders)) > 1


def test_a_fault_that_cannot_begin_is_told_and_the_rest_goes_on(stage, three_faults, tmp_path):
    stage[0].bad = ("slow-cart",)
    tally = measure(three_faults, tmp_path)
    assert tally.failed == {"slow-cart": "slow-cart cannot begin"}
    assert len(tally.trials) == 2


def test_a_lab_that_has_gone_ends_it(stage, three_faults, tmp_path):
    lab, _, ended = stage
    lab.bad, lab.gone = tuple(three_faults), True
    with pytest.raises(LabError, match="no lab is up"):
        measure(three_faults, tmp_path)
    assert ended == ["lab", "server"]


def test_what_there_is_no_time_for_is_left_out(stage, three_faults, tmp_path):
    tally = measure(
        three_faults, tmp_path, pace=Pace(0.1, 0.1, 0.05, 0.3, 0.02, 0.1, 0.1, 0.2, 0.1)
    )
    assert len(tally.left_out) == 3
    assert not tally.complete


def test_recoveries_take_no_longer_than_the_faults_to_come_can_spare(stage, three_faults, tmp_path):
    stage[1].endless = True
    pace = Pace(0.05, 0.05, 0.01, 0.1, 0.02, 5.0, 0.05, 0.1, 2.0)
    tally = measure(three_faults, tmp_path, pace=pace)
    assert len(tally.trials) == 3
    assert tally.complete


def test_an_incident_of_the_warm_up_counts_for_nothing(stage, three_faults, tmp_path):
    lab, _, _ = stage

    def early(told, _done, _whole):
        if told == "warming up":
            lab.active[:] = ["warm"]
        elif "warm" in lab.active:
            lab.active.remove("warm")

    tally = measure(three_faults, tmp_path, tell=early)
    assert [one.title for one in tally.warm_up] == ["warm"]
    assert len(tally.openings) == 3


def test_cut_short_it_holds_what_was_measured(stage, three_faults, tmp_path):
    _, _, ended = stage

    def cut(told, _done, _whole):
        if told.startswith("breaking 2 of 3"):
            raise KeyboardInterrupt

    tally = Tally(1)
    with pytest.raises(KeyboardInterrupt):
        run_once(list(three_faults.values()), HURRIED, tally, seed=1, folder=tmp_path, tell=cut)
    assert len(tally.trials) == len(tally.openings) == 1
    assert not tally.complete
    assert ended == ["lab", "server"]
