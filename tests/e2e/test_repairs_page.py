"""A repair from a real browser: two people agree to it, it is done, it helps; another is halted.

A real server meets alerts, a runbook of a folder is for them, its step runs a real program. The
first repair is dangerous: grace agrees on the page, then eve, and it ends verified, with its time.
The second waits in its program, and whoever sees that on any page halts it there.
"""

from __future__ import annotations

import os
import stat
import sys
from datetime import UTC, datetime

import httpx
import pytest

from peers.processes import family, gone
from peers.runbooks import of_numbers, step
from peers.server import Twinhelm
from twinhelm.core import json
from twinhelm.core.clock import SystemClock

API = "/api/twinhelm/v1"
PASSWORD = "correct horse battery"
PATIENCE_MS = 120_000

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="its gate is a named pipe"),
    pytest.mark.peer("chromium"),
    pytest.mark.timeout(400),
]

DEED = f"""#!{sys.executable}
import pathlib, sys
here = pathlib.Path(__file__).parent
with open(here / "deeds", "a") as file:
    file.write(" ".join(sys.argv[1:]) + "\\n")
gate = here / f"gate-{{sys.argv[2]}}"
if sys.argv[1] == "mend" and gate.is_fifo():
    gate.read_bytes()
"""


@pytest.fixture
def folder(tmp_path):
    """Where the program lies that mends, and writes down what it did."""
    made = tmp_path / "deeds"
    made.mkdir()
    deed = made / "deed"
    deed.write_text(DEED)
    deed.chmod(deed.stat().st_mode | stat.S_IXUSR)
    return made


@pytest.fixture
def server(tmp_path, folder):
    """A server whose folder of runbooks holds one."""
    books = tmp_path / "books"
    books.mkdir()
    touches = ', touches = ["other:thing-{number}"]'
    mend = step(folder / "deed", "mend", touches, "unmend")
    (books / "mend.toml").write_text(of_numbers("mend", "Broken", mend, more="dangerous = true"))
    env = {
        "TWINHELM_AUTOMATE__COMMANDS": json.dumps([str(folder / "deed")]).decode(),
        "TWINHELM_AUTOMATE__RUNBOOKS": str(books),
    }
    made = Twinhelm(tmp_path / "data", "--no-host", env=env, patience_s=120)
    try:
        made.start()
        yield made
    finally:
        made.stop(patience_s=60)


@pytest.fixture
def web(server):
    """A client; olga operates, grace and eve approve."""
    with httpx.Client(base_url=server.url, timeout=120, trust_env=False) as client:
        for name, role in (("olga", "operator"), ("grace", "approver"), ("eve", "approver")):
            said = {"name": name, "roles": [role], "password": PASSWORD}
            client.post(f"{API}/people", json=said, headers=server.headers()).raise_for_status()
        yield client


def alert(web, number, *, over=False):
    """Tell of an alert, or that it ended a minute ago."""
    now = SystemClock().now_ms() / 1000
    said = {
        "labels": {"alertname": "Broken", "severity": "critical", "number": str(number),
                   "instance": f"thing-{number}:1"},
        "annotations": {"summary": "it is broken"},
        "startsAt": datetime.fromtimestamp(now - 300, UTC).isoformat(),
    }  # fmt: skip
    if over:
        said["endsAt"] = datetime.fromtimestamp(now - 60, UTC).isoformat()
    web.post("/api/v2/alerts", json=[said]).raise_for_status()


def sign_in(page, server, name):
    page.context.clear_cookies()
    page.goto(f"{server.url}/sign-in")
    page.fill("#name", name)
    page.fill("#password", PASSWORD)
    page.click("main button")
    page.wait_for_url(f"{server.url}/")


def open_repair(page, server, name):
    """Come in, and go from the list to what waits for this person."""
    sign_in(page, server, name)
    page.goto(f"{server.url}/repairs?state=waiting")
    page.locator("main tbody tr", has_text="waits for you").locator("a").first.click()


def agree(page):
    page.click("main button:has-text('Approve')")
    page.click("main >> text=Sure? Approve")


def test_two_people_agree_it_helps_and_another_is_halted_from_any_page(page, server, web, folder):
    page.set_default_timeout(PATIENCE_MS)
    alert(web, 1)
    sign_in(page, server, "grace")
    page.goto(f"{server.url}/incidents")
    page.locator("main tbody a").first.click()
    card = page.locator("#repairs")
    card.locator(".steps p:has-text('deed mend 1')").first.wait_for()
    card.locator("text=two people of the role").wait_for()
    agree(page)
    card.locator("text=grace: agreed").wait_for()
    card.locator("text=another person of the role").wait_for()
    assert not (folder / "deeds").exists()
    open_repair(page, server, "eve")
    agree(page)
    page.locator("main >> text=It waits to see whether the signs end").wait_for()
    assert (folder / "deeds").read_text() == "mend 1\n"
    alert(web, 1, over=True)
    page.locator("main >> text=It helped: the signs have ended").wait_for()
    page.locator("main >> text=Time to repair").wait_for()

    os.mkfifo(folder / "gate-2")
    idle = family(server.pid)
    alert(web, 2)
    for name in ("grace", "eve"):
        open_repair(page, server, name)
        agree(page)
        page.locator(f"main >> text={name}: agreed").wait_for()
    page.locator("main >> text=Its steps are being done").wait_for()
    page.locator("main .steps >> text=doing").wait_for()
    running = family(server.pid) - idle
    assert running
    sign_in(page, server, "olga")
    page.goto(f"{server.url}/capacity")
    page.click("header >> text=Stop repairs")
    page.locator("#dialog-stop >> text=1 repair under way").wait_for()
    page.fill("#stop-reason", "it mends the wrong thing")
    page.click("#dialog-stop button:has-text('Halt every repair')")
    page.locator(".halted >> text=olga pulled the stop switch").wait_for()
    page.locator(".halted >> text=it mends the wrong thing").wait_for()
    (halted,) = web.get(f"{API}/repairs", params={"state": "stopped"},
                        headers=server.headers()).json()  # fmt: skip
    assert halted["plan"]["values"]["number"] == "2"
    assert all(map(gone, running))

    sign_in(page, server, "grace")
    page.click(".halted button")
    page.click(".halted >> text=Sure?")
    page.locator(".halted").wait_for(state="detached")
    sign_in(page, server, "olga")
    page.goto(f"{server.url}/repairs/{halted['id']}")
    page.click("main button:has-text('Take back')")
    page.click("main >> text=Sure?")
    page.locator("main >> text=what it did was taken back").wait_for()
    assert (folder / "deeds").read_text() == "mend 1\nmend 2\nunmend 2\n"
