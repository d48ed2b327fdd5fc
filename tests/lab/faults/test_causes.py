"""Causes undo what they did and no more, in any state, and announce only what happened."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from twinhelm.lab.faults import causes
from twinhelm.lab.plan import Backend, Plan
from twinhelm.lab.words import LabError, read_json, write_json


@dataclass
class Process:
    version: str = "1.0.0"
    alive: bool = True
    paused: bool = False


@dataclass
class Scene:
    """A stage without a shop: live files are real, processes are words."""

    plan: Plan
    deaf: bool = False
    processes: dict = field(default_factory=lambda: {"cart": Process()})
    told: list = field(default_factory=list)
    defects: list = field(default_factory=list)

    async def announce(self, kind, service, title, **attributes):
        self.told.append((kind, service))

    async def restart(self, name, version=None):
        self.processes[name] = Process(version or self.processes[name].version)

    async def kill(self, name):
        self.processes[name].alive = False

    async def pause(self, name):
        self.processes[name].paused = True

    async def resume(self, name):
        self.processes[name].paused = False

    async def defect(self, service, name, on, **given):
        if self.deaf:
            raise LabError("no answer")
        self.defects.append((name, on, given))

    async def write_config(self, service, values):
        write_json(self.plan.config(service), values)

    async def set_flag(self, name, value):
        write_json(self.plan.flags, {} if value is None else {name: value})


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    plan = Plan(tmp_path, {}, "sqlite:///", Backend(), "secret", "host", versions={"cart": "1.0.0"})
    return Scene(plan)


@pytest.mark.parametrize(
    "cause",
    [
        causes.release("cart", "1.1.0"),
        causes.configuration("cart", "address", lambda _: {"cache_url": "nowhere"}),
        causes.flag("cart", "gift", "Gifts"),
        causes.crowd(factor=3.0),
        causes.outage("cart"),
        causes.freeze("cart"),
    ],
)
def test_undoing_what_was_not_done_does_and_tells_nothing(scene, cause):
    asyncio.run(cause.stop(scene))
    assert scene.told == []
    assert scene.processes == {"cart": Process()}
    assert not scene.plan.flags.exists()
    assert not (scene.plan.folder / "config").exists()


def test_a_release_is_rolled_back_and_both_are_told(scene):
    cause = causes.release("cart", "1.1.0", kind="model")
    asyncio.run(cause.start(scene))
    assert scene.processes["cart"].version == "1.1.0"
    asyncio.run(cause.stop(scene))
    assert scene.processes["cart"].version == "1.0.0"
    assert scene.told == [("model", "cart")] * 2


def test_two_causes_share_a_configuration(scene):
    more, other = causes.crowd(factor=3.0), causes.crowd(click=0.0)
    for act in (more.start, other.start, more.stop):
        asyncio.run(act(scene))
    assert read_json(scene.plan.config("crowd")) == {"click": 0.0}
    asyncio.run(other.stop(scene))
    assert read_json(scene.plan.config("crowd")) == {}
    assert scene.told == []


def test_a_flag_goes_on_and_off(scene):
    cause = causes.flag("cart", "gift", "Gifts")
    asyncio.run(cause.start(scene))
    assert read_json(scene.plan.flags) == {"cart.gift": True}
    asyncio.run(cause.stop(scene))
    assert read_json(scene.plan.flags) == {}
    assert scene.told == [("flag", "cart")] * 2


def test_who_died_or_froze_comes_back(scene):
    for cause in (causes.outage("cart"), causes.freeze("cart")):
        asyncio.run(cause.start(scene))
        assert scene.processes["cart"] != Process()
        asyncio.run(cause.stop(scene))
        assert scene.processes["cart"] == Process()


def test_a_defect_ends_with_its_process_where_nobody_answers(scene):
    cause = causes.defect("cart", "burn", cores=1.0)
    asyncio.run(cause.start(scene))
    assert scene.defects == [("burn", True, {"cores": 1.0})]
    scene.deaf = True
    scene.processes["cart"] = old = Process()
    asyncio.run(cause.stop(scene))
    assert scene.processes["cart"] is not old
    scene.processes["cart"].alive = False
    asyncio.run(cause.stop(scene))
    assert not scene.processes["cart"].alive
