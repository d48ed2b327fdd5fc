"""The shop's operators restart, roll back and tidy, and know nothing of faults."""

from __future__ import annotations

import httpx
import pytest

from twinhelm.lab.words import read_json

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def door(lab):
    """Ask an operator's door; returns status and answer."""
    said = read_json(lab.folder / "control.json")

    def ask(method, path, token=said["operator"]):
        headers = {"Authorization": f"Bearer {token}".encode("latin-1")}
        url = f"{said['url']}/operator{path}"
        answer = httpx.request(method, url, headers=headers, trust_env=False, timeout=90)
        told = answer.headers.get("content-type") == "application/json"
        return answer.status_code, answer.json() if told else None

    return ask


def test_a_service_is_restarted_in_the_same_version(lab, door):
    before = {each["name"]: each for each in lab.status()["processes"]}["cart"]
    assert door("GET", "/services/cart")[1]["well"]
    status, said = door("POST", "/services/cart/restart")
    assert (status, said["version"], said["well"]) == (200, before["version"], True)
    after = {each["name"]: each for each in lab.status()["processes"]}["cart"]
    assert after["pid"] != before["pid"]


def test_a_release_is_rolled_back_and_forth(lab, door):
    assert door("POST", "/services/checkout/rollback")[0] == 409
    lab.ask("POST", "/faults/bad_deploy_errors")
    try:
        assert door("GET", "/services/checkout")[1]["version"] == "2.1.0"
        status, said = door("POST", "/services/checkout/rollback")
        assert (status, said["version"], said["previous"]) == (200, "2.0.3", "2.1.0")
        assert door("POST", "/services/checkout/rollback")[1]["version"] == "2.1.0"
    finally:
        lab.ask("DELETE", "/faults/bad_deploy_errors")
    assert door("GET", "/services/checkout")[1]["version"] == "2.0.3"


def test_a_file_of_the_volume_is_deleted_and_no_other(lab, door):
    old = lab.folder / "volume" / "left.old"
    old.write_bytes(b"x" * 10)
    assert {"name": "left.old", "bytes": 10} in door("GET", "/volume")[1]
    assert door("DELETE", "/volume/left.old") == (200, {"deleted": "left.old"})
    assert not old.exists()
    assert door("DELETE", "/volume/left.old")[0] == 409
    for path in ("/volume/..%2fplan.json", "/volume/%2e%2e%2fplan.json"):
        assert door("DELETE", path)[0] in (404, 409)
    assert (lab.folder / "plan.json").exists()


@pytest.mark.parametrize("token", ["x", "ünicode"])
def test_whoever_lacks_the_token_is_refused(door, token):
    assert door("POST", "/services/cart/restart", token)[0] == 403


def test_what_is_no_service_is_refused(door):
    for name in ("agent", "crowd", "none"):
        assert door("POST", f"/services/{name}/restart")[0] == 409
