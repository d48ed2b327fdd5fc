"""``twinhelm up --lab``: the whole story in a real browser, and nothing of the lab stays behind."""

from __future__ import annotations

import re
import socket
import sys
import time
from pathlib import Path

import pytest
from playwright.sync_api import TimeoutError as TooLong

from twinhelm.core import json

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are read from /proc")

PATIENCE_MS = 300_000
"""For one step; how long the whole takes on a machine of its own, docs/benchmarks.md tells."""


def family(pid):
    """The ids of all processes that descend from one, itself among them."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(entry.parent.name)] = int(entry.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue  # it ended meanwhile
    found, fresh = set(), {pid}
    while fresh:
        found |= fresh
        fresh = {child for child, parent in parents.items() if parent in fresh} - found
    return found


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def listens(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait(condition, patience_s=90):
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def ports_of(server):
    """Wait until the shop is open; returns the ports that it listens at."""
    said = server.data / "lab" / "stage.log"
    wait(lambda: said.exists() and "the shop is open" in said.read_text())
    plan = json.loads((server.data / "lab" / "plan.json").read_bytes())
    ports = {port for port in plan["ports"].values() if listens(port)}
    assert len(ports) > 10
    return ports


@pytest.mark.parametrize("how", ["stop", "kill9"])
def test_neither_process_nor_port_stays(start_twinhelm, how):
    server = start_twinhelm("--lab", "--no-host")
    ports = ports_of(server)
    processes = family(server.pid)
    assert len(processes) > 12
    if how == "stop":
        assert server.stop(patience_s=60) == 0, server.log
        assert "the lab is being started" in server.log
        assert "the lab has ended" in server.log
    else:
        server.kill9()
        wait(lambda: not any(map(alive, processes)), 20)
    assert not [pid for pid in processes if alive(pid)]
    assert not [port for port in ports if listens(port)]


def test_a_lab_that_cannot_start_leaves_the_server_up_and_is_told(start_twinhelm, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "lab").write_text("in the way")
    server = start_twinhelm("--lab", "--no-host", data=data)
    wait(lambda: "the tour is over" in server.log)
    assert "cannot be started" in server.log
    assert server.stop() == 0


@pytest.mark.alone
@pytest.mark.peer("chromium")
@pytest.mark.timeout(900)
def test_the_story_is_told_to_its_end(start_twinhelm, page):
    server = start_twinhelm("--lab", "--no-host")
    page.set_default_timeout(PATIENCE_MS)
    page.goto(re.search(r"http://\S+/sign-in/first\S+", server.log).group())
    page.click("text=Sign in here")
    page.click("#content a[href='/tour']")
    page.locator("text=All is quiet in the shop").wait_for()
    page.locator(".lead >> text=fails the orders").wait_for()
    page.locator(".lead >> text=twinhelm opened incident").wait_for()
    page.locator("text=The cause, says twinhelm").wait_for()
    assert "checkout" in page.locator(".suspect h3").first.inner_text()
    assert page.locator(".chip.green:has-text('right')").count() == 1
    page.click("button:has-text('Roll back checkout to 2.0.3')")
    try:
        page.locator(".lead >> text=All is well again").wait_for()
    except TooLong:
        pytest.fail(f"{page.inner_text('#content')}\n{server.log[-4000:]}")
    assert page.locator(".tour-moments li").count() >= 5
    assert server.stop(patience_s=60) == 0, server.log
