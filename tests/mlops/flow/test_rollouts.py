"""A version takes over in judged steps, is taken back at once; never are there two champions."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from peers.memory_records import MemoryRecords
from peers.memory_workflows import MemoryWorkflows
from twinhelm.core.clock import SystemClock
from twinhelm.core.errors import BadInput, Conflict, Denied, NotFound, Unavailable
from twinhelm.events.journal import Journal
from twinhelm.mlops.deploy import Limits, Tally
from twinhelm.mlops.flow.rollouts import Rollouts
from twinhelm.mlops.records import load, put
from twinhelm.mlops.types import Part, Product, ProductVersion, RolloutState, Spec

PATIENCE_S = 30.0


class PlayedServing:
    """Serving without processes: what is held, what is in force, and tallies to be filled."""

    def __init__(self):
        self.held, self.turned, self.tallies = set(), [], {}
        self.refuses = set()

    def limits(self, spec, python=""):
        return Limits()

    def holds(self, product, version):
        return version in self.held

    def hold(self, product, version, folder, limits, *, wait=True):
        if version in self.refuses:
            raise Denied("it does not load")
        self.held.add(version)

    def turn(self, deployment, spec):
        self.turned.append(deployment)
        self.held &= {part.version for part in deployment.parts} | {deployment.before}

    def tally(self, product, version):
        return self.tallies.setdefault(version, Tally()).copy()

    def answer(self, version, *statuses, seconds=0.001, differing=0):
        """Let a version have answered so."""
        tally = self.tallies.setdefault(version, Tally())
        for status in statuses:
            tally.add(status, seconds, 1)
        tally.compared += len(statuses)
        tally.differing += differing


def spec(**rollout):
    usual = {"shares": (0.2, 0.5), "step_s": 0.01, "min_requests": 10}
    product = dict.fromkeys(("use_case", "decides", "owner"), "x") | {"name": "m", "tier": "low"}
    return Spec.model_validate({"product": product, "rollout": usual | rollout})


class Desk:
    """A product ``m`` with approved versions 1 to 3, and its rollouts."""

    def __init__(self, **rollout):
        self.records, clock = MemoryRecords(), SystemClock()
        self.journal = Journal(self.records, clock)
        self.workflows, self.serving, self.live = MemoryWorkflows(clock), PlayedServing(), []
        self.spec = spec(**rollout)
        self.rollouts = Rollouts(
            records=self.records,
            journal=self.journal,
            clock=clock,
            workflows=self.workflows,
            serving=self.serving,
            spec_of=lambda _name: self.spec,
            opened=lambda _name, version: Path(version),
            on_live=lambda *told: self.live.append(told),
        )
        self.rollouts.register()
        with self.journal.writing("ada") as write:
            put(write, Product("m", "x", "ada", "low"))
            for version in "123":
                put(write, ProductVersion("m", version, "approved", 0, "x"))
            put(write, ProductVersion("m", "9", "registered", 0, "x"))

    def start(self, version):
        return self.rollouts.start("m", version, by="ada")

    def crown(self, version="1"):
        name = self.start(version)
        while self.rollout(name).state is RolloutState.RUNNING:
            self.serving.answer(version, *[200] * 20)
            time.sleep(0.01)
        assert self.rollout(name).state is RolloutState.DONE
        self.over(name)
        return name

    def rollout(self, name):
        return next(each for each in self.rollouts.rollouts("m") if each.id == name)

    def over(self, name):
        """Wait until the workflow has ended."""
        until(lambda: self.workflows.status(self.rollout(name).job).state.over)
        return self.rollout(name)

    def at_step(self, name, step):
        until(lambda: self.rollout(name).step >= step)
        until(lambda: self.workflows.status(self.rollout(name).job).step == f"watch {step - 1}")

    @property
    def parts(self):
        return [(p.version, p.role, p.share) for p in self.rollouts.deployment("m").parts]

    def stage(self, version):
        return load(self.records, ProductVersion, f"m/{version}").stage

    def kinds(self):
        return [row.kind for row in self.journal.read(limit=1000)]


def until(said):
    end = time.monotonic() + PATIENCE_S
    while not said():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_the_first_version_ever_goes_live_at_once():
    desk = Desk()
    desk.crown("1")
    assert desk.parts == [("1", "champion", 1.0)]
    assert (desk.stage("1"), desk.live) == ("live", [("m", "1")])
    assert load(desk.records, Product, "m").live == "1"
    assert desk.kinds() == [
        "rollout.started", "deployment.changed", "version.staged", "rollout.ended",
    ]  # fmt: skip


def test_a_canary_advances_step_by_step_to_champion():
    desk = Desk()
    desk.crown("1")
    name = desk.start("2")
    desk.at_step(name, 1)
    assert desk.parts == [("1", "champion", 0.8), ("2", "canary", 0.2)]
    assert desk.stage("2") == "live"
    desk.serving.answer("2", *[200] * 10)
    desk.at_step(name, 2)
    assert desk.parts == [("1", "champion", 0.5), ("2", "canary", 0.5)]
    desk.serving.answer("2", *[200] * 10)
    assert desk.over(name).state is RolloutState.DONE
    assert desk.parts == [("2", "champion", 1.0)]
    assert desk.rollouts.deployment("m").before == "1"
    assert (desk.stage("1"), desk.stage("2")) == ("retired", "live")
    assert desk.serving.held == {"1", "2"}  # the last champion stays warm
    assert desk.live[-1] == ("m", "2")


def test_a_step_is_not_judged_before_enough_requests():
    desk = Desk()
    desk.crown("1")
    name = desk.start("2")
    desk.at_step(name, 1)
    desk.serving.answer("2", *[200] * 9)
    time.sleep(0.2)
    assert desk.rollout(name).step == 1
    desk.rollouts.stop("m", by="ada", reason="over")
    desk.over(name)


@pytest.mark.parametrize(
    ("asked", "answer", "said"),
    [
        ({}, {"statuses": [500] * 5 + [200] * 95}, "5 errors over 100 requests are 5.0%"),
        ({}, {"statuses": [200] * 10, "seconds": 2.0}, "99th percentile over 10 requests was"),
        ({}, {"statuses": [500] * 5}, "5 errors over 5 requests are 100.0%; at most 1.0%"),
        (
            {"kind": "shadow", "max_disagreement": 0.2},
            {"statuses": [200] * 10, "differing": 3},
            "3 of 10 rows differ from the champion's: 30.0%; at most 20.0%",
        ),
    ],
)
def test_worse_is_rolled_back_with_the_numbers(asked, answer, said):
    desk = Desk(**asked)
    desk.crown("1")
    name = desk.start("2")
    desk.at_step(name, 1)
    statuses = answer.pop("statuses")
    desk.serving.answer("2", *statuses, **answer)
    rollout = desk.over(name)
    assert rollout.state is RolloutState.ROLLED_BACK
    assert said in rollout.reason
    assert rollout.measured["requests"] == len(statuses)
    assert desk.parts == [("1", "champion", 1.0)]
    assert desk.serving.turned[-1].champion == "1"
    assert (desk.stage("1"), desk.stage("2")) == ("live", "retired")
    assert desk.live == [("m", "1")]


def test_a_shadow_is_asked_everything_and_answers_nothing():
    desk = Desk(kind="shadow")
    desk.crown("1")
    name = desk.start("2")
    desk.at_step(name, 1)
    assert desk.parts == [("1", "champion", 1.0), ("2", "shadow", 0.0)]
    desk.rollouts.stop("m", by="ada", reason="enough seen")
    assert desk.over(name).reason == "enough seen"
    assert desk.parts == [("1", "champion", 1.0)]


def test_a_version_that_does_not_get_warm_never_answers():
    desk = Desk()
    desk.crown("1")
    desk.serving.refuses.add("2")
    rollout = desk.over(desk.start("2"))
    assert rollout.state is RolloutState.ROLLED_BACK
    assert "does not get warm" in rollout.reason
    assert desk.parts == [("1", "champion", 1.0)]


def test_rollback_is_one_step_to_the_champion_before():
    desk = Desk(kind="direct")
    desk.crown("1")
    desk.crown("2")
    made = desk.rollouts.rollback("m", by="bob", reason="it feels wrong")
    assert (made.champion, made.before) == ("1", "")
    assert desk.serving.turned[-1] == made
    assert (desk.stage("1"), desk.stage("2")) == ("live", "retired")
    assert desk.live[-1] == ("m", "1")
    assert desk.journal.read(limit=1000)[-1].actor == "bob"
    with pytest.raises(Conflict, match="no champion before 1"):
        desk.rollouts.rollback("m", by="bob", reason="again")


def test_rollback_of_a_canary_leaves_the_champion_everything():
    desk = Desk()
    desk.crown("1")
    name = desk.start("2")
    desk.at_step(name, 1)
    desk.rollouts.rollback("m", by="bob", reason="no")
    rollout = desk.over(name)
    assert (rollout.state, rollout.reason) == (RolloutState.ROLLED_BACK, "no")
    assert desk.parts == [("1", "champion", 1.0)]


def test_only_what_is_approved_takes_over_and_only_one_at_a_time():
    desk = Desk()
    with pytest.raises(Conflict, match="m/9 is registered, not approved"):
        desk.start("9")
    with pytest.raises(NotFound):
        desk.start("77")
    desk.crown("1")
    with pytest.raises(Conflict, match="is the champion already"):
        desk.start("1")
    name = desk.start("2")
    with pytest.raises(Conflict, match="rollout m/2/2 is under way"):
        desk.start("3")
    desk.rollouts.stop("m", by="ada", reason="over")
    desk.over(name)


def test_traffic_is_split_by_hand_among_approved_versions():
    desk = Desk()
    desk.crown("1")
    parts = [Part("1", "champion", 0.5), Part("2", "canary", 0.25), Part("3", "canary", 0.25)]
    made = desk.rollouts.route("m", parts, by="ada", reason="A/B")
    assert desk.serving.turned[-1] == made
    assert desk.stage("3") == "live"
    desk.rollouts.route("m", [Part("3", "champion", 1.0)], by="ada", reason="3 won")
    assert [desk.stage(version) for version in "123"] == ["retired", "retired", "live"]
    assert desk.rollouts.deployment("m").before == "1"
    assert desk.live[-1] == ("m", "3")


@pytest.mark.parametrize(
    ("parts", "error", "said"),
    [
        ([Part("1", "champion", 0.5)], BadInput, "add up to 0.5"),
        ([Part("1", "canary", 1.0)], BadInput, "one part must be the champion"),
        ([Part("1", "champion", 0.5), Part("2", "champion", 0.5)], BadInput, "one part"),
        ([Part("1", "champion", 0.5), Part("1", "canary", 0.5)], BadInput, "named once"),
        ([Part("1", "champion", 0.9), Part("2", "shadow", 0.1)], BadInput, "only a shadow"),
        ([Part("9", "champion", 1.0)], Conflict, "not approved"),
    ],
)
def test_a_split_by_hand_that_makes_no_sense_changes_nothing(parts, error, said):
    desk = Desk()
    desk.crown("1")
    with pytest.raises(error, match=said):
        desk.rollouts.route("m", parts, by="ada", reason="")
    assert desk.parts == [("1", "champion", 1.0)]


def test_at_the_start_serving_is_turned_to_the_record():
    desk = Desk(kind="direct")
    desk.crown("1")
    desk.crown("2")
    again = PlayedServing()
    replace(desk.rollouts, serving=again).resume()
    assert again.turned == [desk.rollouts.deployment("m")]
    assert again.held == {"1", "2"}


def test_a_version_that_cannot_be_opened_any_more_stops_no_other():
    desk = Desk(kind="direct")
    desk.crown("1")
    desk.crown("2")
    again = PlayedServing()
    again.refuses.add("1")
    replace(desk.rollouts, serving=again).resume()
    assert again.held == {"2"}


def test_rollback_and_crown_at_the_same_moment_leave_one_champion():
    for _ in range(5):
        desk = Desk(shares=(0.5,), step_s=0.01, min_requests=1)
        desk.crown("1")
        name = desk.start("2")
        desk.at_step(name, 1)
        ready = threading.Barrier(2)

        def back(desk=desk, ready=ready):
            ready.wait()
            desk.rollouts.rollback("m", by="bob", reason="now")

        thread = threading.Thread(target=back)
        thread.start()
        ready.wait()
        desk.serving.answer("2", 200)
        thread.join()
        desk.over(name)
        assert desk.parts == [("1", "champion", 1.0)]
        assert desk.serving.turned[-1].champion == "1"
        assert desk.journal.verify().ok


def test_a_rollout_whose_job_fails_is_rolled_back():
    desk = Desk()
    desk.crown("1")
    name = desk.start("2")
    desk.at_step(name, 1)

    def lost(*_):
        raise Unavailable("the database does not answer")

    desk.serving.tally = lost
    until(lambda: desk.workflows.status(desk.rollout(name).job).state.over)
    assert desk.rollout(name).state is RolloutState.RUNNING
    desk.rollouts.settle()
    ended = desk.rollout(name)
    assert ended.state is RolloutState.ROLLED_BACK
    assert ended.reason == "its job was failed: the database does not answer"
    assert desk.parts == [("1", "champion", 1.0)]
    assert (desk.stage("1"), desk.stage("2")) == ("live", "retired")
    told = desk.journal.verify()
    desk.rollouts.settle()
    assert desk.journal.verify() == told


def test_a_rollout_whose_job_is_cancelled_is_rolled_back():
    desk = Desk()
    desk.crown("1")
    name = desk.start("2")
    desk.at_step(name, 1)
    desk.workflows.cancel(desk.rollout(name).job)
    until(lambda: desk.workflows.status(desk.rollout(name).job).state.over)
    desk.rollouts.settle()
    assert desk.rollout(name).reason == "its job was cancelled: no reason"
    assert desk.parts == [("1", "champion", 1.0)]


def test_a_rollout_without_a_job_is_begun():
    desk = Desk()
    desk.crown("1")
    begin, desk.rollouts.workflows = desk.workflows, Unborn(desk.workflows)
    with pytest.raises(ConnectionError):
        desk.start("2")
    desk.rollouts.workflows = begin
    name = desk.rollouts.rollouts("m")[0].id
    desk.rollouts.settle()
    desk.at_step(name, 1)
    desk.rollouts.stop("m", by="ada", reason="over")
    desk.over(name)


class Unborn:
    """Workflows of a house that dies as it begins one."""

    def __init__(self, workflows):
        self.status = workflows.status

    def start(self, *_, **__):
        raise ConnectionError


def test_what_a_split_by_hand_named_is_retired_by_a_rollback():
    desk = Desk(kind="direct")
    desk.crown("1")
    desk.crown("2")
    parts = [Part("2", "champion", 0.5), Part("3", "canary", 0.5)]
    desk.rollouts.route("m", parts, by="ada", reason="A/B")
    desk.rollouts.rollback("m", by="bob", reason="both are wrong")
    assert desk.parts == [("1", "champion", 1.0)]
    assert [desk.stage(version) for version in "123"] == ["live", "retired", "retired"]


PROGRAM = """
import os, sys, time
from pathlib import Path
from mlops.flow.test_rollouts import PlayedServing, spec
from twinhelm.core.clock import SystemClock
from twinhelm.events.journal import Journal
from twinhelm.events.workflows import Workflows
from twinhelm.mlops.flow.rollouts import Rollouts
from twinhelm.mlops.records import find, put
from twinhelm.mlops.types import Deployment, Part, Product, ProductVersion, Rollout
from twinhelm.store.records import open_records

folder, die = Path(sys.argv[1]), sys.argv[2]
records = open_records(f"sqlite:///{folder}/records.sqlite")
journal = Journal(records, SystemClock())
workflows = Workflows(f"sqlite:///{folder}/workflows.sqlite")
serving = PlayedServing()

def dying(name, work):
    seen = []
    def done(*args, **kwargs):
        seen.append(args)
        if die == f"{name} {len(seen)}":
            os._exit(9)
        return work(*args, **kwargs)
    return done

serving.turn, serving.hold = dying("turn", serving.turn), dying("hold", serving.hold)
rollouts = Rollouts(records, journal, SystemClock(), workflows, serving,
    lambda name: spec(shares=(0.5,), min_requests=0), lambda name, version: Path(version),
    dying("live", lambda *told: None))
rollouts.register()
with journal.writing("ada") as write:
    if not find(write, Product):
        put(write, Product("m", "x", "ada", "low", live="1"))
        put(write, ProductVersion("m", "1", "live", 0, "x"))
        put(write, ProductVersion("m", "2", "approved", 0, "x"))
        put(write, Deployment("m", (Part("1", "champion", 1.0),), 0))
workflows.resume()
rollouts.resume()
with records.reading() as unit:
    known = find(unit, Rollout)
if not known:
    rollouts.start("m", "2", by="ada")
while not workflows.status("rollout-m-2-1").state.over:
    time.sleep(0.01)
print(rollouts.deployment("m").parts, rollouts.rollouts("m")[0].state, journal.verify().ok)
print(serving.turned[-1].champion, [row.kind for row in journal.read()])
workflows.close()
"""


@pytest.mark.parametrize("die", ["hold 1", "hold 2", "turn 1", "turn 2", "turn 3", "live 1"])
def test_killed_anywhere_it_goes_on_and_ends_with_one_champion(tmp_path, die):
    run = lambda *args: subprocess.run(  # noqa: E731
        [sys.executable, "-c", PROGRAM, str(tmp_path), *args],
        cwd=Path(__file__).parents[2], env={"PYTHONPATH": "."}, capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    assert run(die).returncode == 9
    ended = run("never")
    assert ended.returncode == 0, ended.stderr
    first, second = ended.stdout.splitlines()
    assert first == "(Part(version='2', role='champion', share=1.0),) done True"
    assert second.startswith("2 ")
    for kind in ("rollout.started", "rollout.advanced", "rollout.ended"):
        assert second.count(kind) == 1
