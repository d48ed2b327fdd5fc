"""A real shop breaks, and the house repairs it: seen, diagnosed, repaired by runbook, verified.

By default two faults; all five with ``TWINHELM_ALL_REPAIRS=1``. A wrong repair is found to be
useless, taken back and told of.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import httpx
import pytest

from lab.stage.running import alive, descendants
from peers.processes import Peer, free_port
from peers.server import Twinhelm
from twinhelm.core.json import dumps
from twinhelm.lab.faults import FAULTS as LAB_FAULTS
from twinhelm.lab.remote import Lab
from twinhelm.lab.words import LabError, read_json

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="processes are read from /proc"),
    pytest.mark.timeout(1800),
    pytest.mark.alone,
]

PATIENCE_S = 400.0
WARM_S = 100.0
FAULTS = {
    "memory_leak": "restart-leaking",
    "bad_deploy_slow_search": "roll-back",
    "dependency_down": "restart-down",
    "stuck_worker": "restart-down",
    "disk_full": "delete-archive",
}
CHOSEN = FAULTS if os.environ.get("TWINHELM_ALL_REPAIRS") else ["memory_leak", "dependency_down"]
WRONG = """
[runbook]
name = "wrong"
says = "Restart what is not broken."
level = "act"

[when]
resource = ["descriptors"]
entity = ["service:shop/shipping"]
confidence = 0.3

[[steps]]
name = "restart"
do = "http"
arguments = { method = "POST", url = "URL/services/payments/restart", headers = { Authorization = "secret:lab" }, touches = ["service:shop/payments"] }
undo = { do = "http", arguments = { method = "POST", url = "URL/services/payments/restart", headers = { Authorization = "secret:lab" }, touches = ["service:shop/payments"] } }

[verify]
within_s = 20

[limits]
reach = 2
"""  # noqa: E501


class Shop:
    """A house, and the lab beside it that the house may repair."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "shop"
        control = free_port()
        self.doors = f"http://127.0.0.1:{control}/operator"
        env = {
            **os.environ,
            "TWINHELM_AUTOMATE__RUNBOOKS": str(self.folder / "runbooks"),
            "TWINHELM_AUTOMATE__URLS": dumps([f"{self.doors}/"]).decode(),
        }
        self.house = Twinhelm(folder / "house", "--no-host", env=env, patience_s=240)
        argv = [
            *(str(Path(sys.executable).with_name("twinhelm")), "lab", "up"),
            *("--to", self.house.url, "--folder", str(self.folder)),
            *("--control-port", str(control), "--database", "sqlite"),
        ]
        self.lab: Lab | None = None
        self.peer = Peer(
            argv, url="", log=folder / "lab.log", ready=self._ready, patience_s=PATIENCE_S
        )

    def start(self) -> None:
        """Bring both up, and let the house watch the shop while it is well."""
        self.house.start()
        self.peer.start()
        token = read_json(self.folder / "control.json")["operator"]
        secret = self.house.data / "secrets" / "lab"
        secret.parent.mkdir(exist_ok=True)
        secret.touch(mode=0o600)
        secret.write_text(f"Bearer {token}")
        time.sleep(WARM_S)  # the detectors must have seen what is usual; nothing tells them

    def stop(self) -> None:
        """End both, and see that nothing stays."""
        family = descendants(self.peer.pid) if self.peer.running else []
        if self.lab is not None:
            self.lab.close()
        self.peer.stop()
        self.house.stop()
        assert not alive(family)

    def ask(self, path: str, **params: object) -> object:
        """Ask the house's own API."""
        url = f"{self.house.url}/api/twinhelm/v1/{path}"
        answer = httpx.get(
            url, params=params, headers=self.house.headers(), trust_env=False, timeout=60
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def repairs(self, since_s: float) -> list[dict[str, object]]:
        """The repairs that were asked for since then."""
        return [each for each in self.ask("repairs") if each["asked_ms"] / 1000 >= since_s]

    def _ready(self) -> bool:
        try:
            self.lab = self.lab or Lab.attach(self.folder)
            return self.lab.status()["ready"]
        except LabError:
            return False


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    shop = Shop(tmp_path_factory.mktemp("repairs"))
    try:
        shop.start()
        yield shop
    finally:
        shop.stop()


def until(holds, what):
    deadline = time.monotonic() + PATIENCE_S
    while not (found := holds()):
        assert time.monotonic() < deadline, what()
        time.sleep(1)
    return found


def over(shop):
    """Whether no incident lasts."""
    return all(each["state"] == "resolved" for each in shop.ask("incidents")["incidents"])


@pytest.mark.parametrize("fault", CHOSEN)
def test_a_fault_is_seen_diagnosed_repaired_and_verified(shop, fault):
    until(lambda: over(shop), lambda: shop.ask("incidents"))
    began = time.time()  # noqa: TID251 - as the house tells it, by the machine's clock
    shop.lab.break_(fault)
    try:

        def verified():
            found = shop.repairs(began)
            return [each for each in found if each["state"] == "verified"]

        (repair, *_) = until(verified, lambda: (shop.repairs(began), shop.ask("incidents")))
        assert repair["runbook"] == FAULTS[fault]
        assert [step["state"] for step in repair["steps"]] == ["done"]
        until(lambda: over(shop), lambda: shop.ask("incidents"))
        # The shop is well by its own account, not only by what the house says of it.
        symptom = LAB_FAULTS[fault].symptom
        until(lambda: not shop.lab.shows(symptom), lambda: symptom)
        print(f"{fault}: well again {repair['calm_ms'] / 1000 - began:.0f} s after it began")  # noqa: T201
    finally:
        shop.lab.repair(fault)


def test_a_wrong_repair_is_useless_taken_back_and_told_of(shop):
    until(lambda: over(shop), lambda: shop.ask("incidents"))
    wrong = shop.folder / "runbooks" / "wrong.toml"
    wrong.write_text(WRONG.replace("URL", shop.doors))
    names = {each["name"] for each in shop.ask("runbooks")}
    until(lambda: "wrong" in {each["name"] for each in shop.ask("runbooks")}, lambda: names)
    began = time.time()  # noqa: TID251 - as the house tells it, by the machine's clock
    shop.lab.break_("descriptor_leak")
    try:

        def ended():
            found = [each for each in shop.repairs(began) if each["runbook"] == "wrong"]
            return [each for each in found if each["ended_ms"]]

        (repair, *_) = until(ended, lambda: shop.repairs(began))
        assert repair["state"] == "useless"
        assert [step["state"] for step in repair["steps"]] == ["undone"]
        assert repair["checks"][0].startswith("not: the signs have ended")
        told = shop.ask(f"repairs/{repair['id']}")["journal"]
        (end,) = [row for row in told if row["kind"] == "repair.ended"]
        assert end["body"]["escalated"]
    finally:
        wrong.unlink()
        shop.lab.repair("descriptor_leak")
