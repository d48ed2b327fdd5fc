"""Every fault on a running lab: its symptom is absent, comes with it, and goes with its repair."""

import time

import httpx
import orjson
import pytest

from lab.stage.running import LabRun, Sink
from twinhelm.lab.faults import FAULTS
from twinhelm.lab.plan import SECRET_HEADER, Plan
from twinhelm.lab.words import write_json

PATIENCE_S = 120.0
IN_A_ROW = 2
EVERY_S = 0.4


class Shop:
    """The lab under test, and the changes that it announced."""

    def __init__(self, folder, sink):
        self.sink = sink
        self.run = LabRun(folder, "--to", sink.url, "--interval", "1", "--day", "24").wait_ready()
        self.plan = Plan.load(folder / "plan.json")
        self.send_users()

    def send_users(self, factor=1.0):
        """Send mostly users who order, so that faults of orders show within seconds."""
        write_json(self.plan.config("crowd"), {"buy": 0.9, "factor": factor})

    def measure(self, symptom):
        labels = dict(symptom.labels)
        fields = ("metric", "kind", "above", "below", "text")
        asked = {name: getattr(symptom, name) for name in fields} | {"labels": labels}
        answer = httpx.post(
            f"{self.plan.own_url('agent')}/_lab/ask",
            json={"symptom": asked},
            headers={SECRET_HEADER: self.plan.secret},
            timeout=30,
            trust_env=False,
        )
        assert answer.status_code == 200, answer.text
        return answer.json()["value"]

    def wait(self, symptom, *, shows, unknown_counts, when):
        """Wait until the symptom shows, or does not, some times in a row."""
        deadline = time.monotonic() + PATIENCE_S
        run, values = 0, []
        while run < IN_A_ROW:
            if time.monotonic() > deadline:
                pytest.fail(f"{when}: {symptom} measured {values[-20:]}")
            time.sleep(EVERY_S)
            values.append(self.measure(symptom))
            if values[-1] is None:
                run += unknown_counts
            else:
                run = run + 1 if shown(symptom, values[-1]) == shows else 0

    def switch(self, method, fault):
        answer = self.run.ask(method, f"/faults/{fault.name}")
        assert answer.status_code == 200, answer.text

    def announced(self):
        return [orjson.loads(body) for body in self.sink.at("/api/events")]


def shown(symptom, value):
    return value < symptom.below if symptom.below is not None else value > symptom.above


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    sink = Sink()
    shop = None
    try:
        shop = Shop(tmp_path_factory.mktemp("faults") / "shop", sink)
        yield shop
    finally:
        if shop:
            shop.run.end()
        sink.close()


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_symptom_comes_and_goes(shop, fault):
    # A model's watch looks at its last hundred requests, which must come and go.
    shop.send_users(3.0 if fault.truth.indicator == "drift" else 1.0)
    shop.wait(fault.symptom, shows=False, unknown_counts=True, when="before")
    before = len(shop.announced())
    shop.switch("POST", fault)
    shop.wait(fault.symptom, shows=True, unknown_counts=False, when="while it lasts")
    shop.switch("DELETE", fault)
    shop.wait(fault.symptom, shows=False, unknown_counts=False, when="after the repair")

    told = shop.announced()[before:]
    if not fault.truth.change:
        assert told == []
        return
    assert [event["data"]["kind"] for event in told] == [fault.truth.change] * 2
    right = {fault.truth.service, *fault.truth.also}
    assert {event["subject"].rpartition("/")[2] for event in told} <= right
