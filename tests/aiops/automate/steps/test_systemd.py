"""Units are acted on through systemctl; a stand-in where systemd does not run the machine."""

from __future__ import annotations

import sys

import pytest

from peers.deeds import HOSTILE, deed
from twinhelm.aiops.automate.steps.systemd import RUNNING, Systemd
from twinhelm.core.settings import AutomateSettings

SHOP = AutomateSettings(units=["shop-*.service"])
STAND_IN = f"""#!{sys.executable}
import sys
from pathlib import Path
action, dashes, unit = sys.argv[1:]
assert dashes == "--"
state = Path(__file__).parent / unit
if action == "is-active":
    print(state.read_text() if state.exists() else "inactive")
    sys.exit(0 if state.exists() and state.read_text() == "active" else 3)
if unit == "shop-broken.service":
    sys.exit("Job for shop-broken.service failed because the control process exited")
state.write_text("inactive" if action == "stop" else "active")
"""


@pytest.fixture
def systemd(tmp_path):
    """The actor on a machine that systemd runs, or seems to."""
    (tmp_path / "systemctl").write_text(STAND_IN)
    (tmp_path / "systemctl").chmod(0o755)
    return Systemd(SHOP, find=lambda name: str(tmp_path / name), running=tmp_path)


def test_a_unit_is_restarted_and_its_state_before_is_known(systemd, tmp_path):
    given = {"action": "restart", "unit": "shop-{service}.service"}
    outcome = deed(systemd, given, service="cart")
    assert outcome.ok
    assert outcome.facts == {"was": "inactive"}
    looked = deed(systemd, {**given, "action": "is-active"}, service="cart")
    assert (looked.ok, looked.text) == (True, "shop-cart.service is active")
    assert deed(systemd, {**given, "action": "stop"}, service="cart").facts == {"was": "active"}
    assert not deed(systemd, {**given, "action": "is-active"}, service="cart").ok


def test_a_unit_that_does_not_start_is_an_outcome(systemd):
    outcome = deed(systemd, {"action": "restart", "unit": "shop-broken.service"})
    assert not outcome.ok
    assert "the control process exited" in outcome.text


@pytest.mark.parametrize("value", [*HOSTILE.values(), "a b", "../x", "a\\x2fb"])
def test_what_cannot_name_a_unit_is_barred(systemd, tmp_path, value):
    before = sorted(tmp_path.iterdir())
    outcome = deed(systemd, {"action": "stop", "unit": "shop-{service}.service"}, service=value)
    assert not outcome.ok
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "arguments",
    [
        {"action": "restart", "unit": "--force.service"},
        {"action": "poweroff", "unit": "shop-a.service"},
        {"action": "{a}", "unit": "shop-a.service"},
        {"action": "restart", "unit": "shop-a"},
        {"action": "restart"},
    ],
)
def test_bad_arguments_are_told(systemd, arguments):
    assert systemd.faults(arguments)


def test_a_unit_that_is_not_listed_is_barred(systemd):
    outcome = deed(systemd, {"action": "stop", "unit": "sshd.service"})
    assert "the unit sshd.service is not allowed here" in outcome.text


def test_where_systemd_does_not_run_it_says_so(tmp_path):
    absent = Systemd(SHOP, running=tmp_path / "absent")
    outcome = deed(absent, {"action": "stop", "unit": "shop-a.service"})
    assert "systemd does not run this machine" in outcome.text
    if not RUNNING.is_dir():
        assert Systemd(SHOP).barred({"action": "stop", "unit": "shop-a.service"})
