"""Faults begin once, end once, and are undone whatever happens; on a stage without processes."""

import asyncio

import httpx
import pytest

from twinhelm.lab.plan import SECRET_HEADER
from twinhelm.lab.stage import Options, Stage
from twinhelm.lab.stage.control import Control
from twinhelm.lab.words import Fault, LabError, Symptom, Truth


class Broken:
    """Remembers what is broken; ``fails`` names what cannot be done."""

    def __init__(self, fails=""):
        self.done = []
        self.fails = fails

    def fault(self, name):
        async def act(word):
            self.done.append(f"{word} {name}")
            if word == self.fails:
                raise LabError(f"{word} does not work")

        return Fault(
            name, f"Title of {name}.", f"Repair of {name}.", Truth("cart", indicator="cpu"),
            Symptom("up", {}, "value", above=0.0),
            lambda _stage: act("start"), lambda _stage: act("stop"),
        )  # fmt: skip


def stage(tmp_path, broken, say=lambda _line: None):
    faults = {name: broken.fault(name) for name in ("one", "two")}
    return Stage(Options(tmp_path, database="sqlite"), faults=faults, say=say)


def test_a_fault_begins_once_and_ends_once(tmp_path):
    async def run():
        broken = Broken()
        lab = stage(tmp_path, broken)
        await lab.break_("one")
        await lab.break_("two")
        with pytest.raises(LabError, match="one is active already"):
            await lab.break_("one")
        await lab.repair("one")
        with pytest.raises(LabError, match="one is not active"):
            await lab.repair("one")
        with pytest.raises(KeyError):
            await lab.break_("three")
        assert list(lab.active) == ["two"]
        assert broken.done == ["start one", "start two", "stop one"]

    asyncio.run(run())


def test_a_fault_that_cannot_begin_is_undone(tmp_path):
    async def run():
        broken = Broken(fails="start")
        lab = stage(tmp_path, broken)
        with pytest.raises(LabError, match="start does not work"):
            await lab.break_("one")
        assert broken.done == ["start one", "stop one"]
        assert lab.active == {}

    asyncio.run(run())


def test_the_end_repairs_the_last_fault_first_and_goes_on_where_one_cannot_be(tmp_path):
    async def run(fails):
        lines = []
        broken = Broken(fails)
        lab = stage(tmp_path, broken, lines.append)
        lab.prepare()
        await lab.break_("one")
        await lab.break_("two")
        await lab.stop()
        await lab.stop()
        assert broken.done[2:] == ["stop two", "stop one"]
        return lines

    assert asyncio.run(run(""))[-1] == "repaired: Repair of one."
    assert "two was not repaired before the end" in asyncio.run(run("stop"))[-2]


def test_control_says_what_is_wrong_with_a_request(tmp_path):
    async def run():
        lab = stage(tmp_path, Broken())
        lab.prepare()
        control = Control(lab)
        app = httpx.ASGITransport(control._app())
        async with httpx.AsyncClient(transport=app, base_url="http://lab") as client:
            client.headers[SECRET_HEADER] = lab.plan.secret
            await asked(client, lab)
            client.headers[SECRET_HEADER] = "guess"
            assert (await client.post("/stop")).status_code == 403
            assert not control.stopping.is_set()
        await lab.stop()

    async def asked(client, lab):
        async def ask(method, path):
            answer = await client.request(method, path)
            return answer.status_code, answer.json().get("error", "")

        async def status():
            return (await client.get("/status")).json()

        assert await ask("POST", "/faults/one") == (503, "the lab is starting")
        assert (await status())["ready"] is False
        lab.ready = True
        assert await ask("POST", "/faults/none") == (404, "no fault is called 'none'")
        assert await ask("DELETE", "/faults/one") == (409, "one is not active")
        assert await ask("POST", "/faults/one") == (200, "")
        assert await ask("POST", "/faults/one") == (409, "one is active")
        assert [each["fault"] for each in (await status())["active"]] == ["one"]
        assert await ask("DELETE", "/faults/one") == (200, "")
        listed = (await client.get("/faults")).json()
        assert [(each["name"], each["repair"]) for each in listed] == [
            ("one", "Repair of one."), ("two", "Repair of two.")
        ]  # fmt: skip
        assert listed[0]["truth"]["indicator"] == "cpu"
        assert (await ask("POST", "/cases"))[0] == 400

    asyncio.run(run())
