"""A real server in a storm of incidents, with runbooks eager to act.

The limits hold, one page goes out, a fault that comes back is repaired once, a runbook that would
touch everything is barred, and the stop switch ends a deed under way. Three hundred incidents by
default; a thousand with ``TWINHELM_STORM=1000``.
"""

from __future__ import annotations

import os
import re
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from lab.stage.running import alive, descendants
from peers.receivers import Endpoint, MailServer
from twinhelm.core.clock import SystemClock
from twinhelm.core.json import dumps

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="programs are read from /proc"),
    pytest.mark.timeout(1200),
]

API = "/api/twinhelm/v1"
STORM, AT_ONCE = int(os.environ.get("TWINHELM_STORM", "300")), 50
PER_HOUR = 6
PATIENCE_S = 400.0
POLICY = f"""
[autonomy]
earn = 0
[limits]
running = 2
per_hour = {PER_HOUR}
"""
BOOK = """
[runbook]
name = "{name}"
says = "Restart what is down."
level = "act"
[when]
verdict = ["conclusive", "inconclusive"]
confidence = 0
metric = ["{metric}"]
[[steps]]
name = "restart"
{deed}
timeout_s = 400
undo = "none"
because = "a restart cannot be taken back"
[verify]
within_s = 90
[limits]
reach = {reach}
per_hour = 1000
cooldown_s = 0
"""
EVERYTHING = ", ".join(f'"service:s{number}"' for number in range(50))
PLAN = """
[[channels]]
name = "pager"
kind = "email"
host = "127.0.0.1"
port = {port}
tls = "none"
sender = "helm@example.org"
to = ["ops@example.org"]
gather_s = 45
window_s = 600
[[routes]]
name = "all"
to = ["channel:pager"]
severity = ["critical"]
"""


def alert(name, service, severity="critical"):
    labels = {"alertname": name, "severity": severity, "service": service}
    return {"labels": labels, "annotations": {"summary": f"{service} is down"}}


def until(found, patience_s=PATIENCE_S):
    """Wait until something is found, and return it."""
    deadline = time.monotonic() + patience_s
    while not (what := found()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return what


def test_a_storm_meets_the_limits_and_the_switch_ends_what_is_under_way(start_twinhelm, tmp_path):
    books, data = tmp_path / "books", tmp_path / "data"
    books.mkdir()
    data.mkdir()
    with Endpoint() as hands, MailServer() as mail:
        url = f"{hands.url}/NAME"
        call = f'do = "http"\narguments = {{ method = "POST", url = "{url}", touches = [] }}'
        every = call.replace("[]", f"[{EVERYTHING}]")
        sleep = 'do = "command"\narguments = { command = ["/bin/sleep", "300"] }'
        for name, metric, deed, reach in (
            ("restart", "Down", call, 2),
            ("restart-all", "Down", every, 1000),
            ("mend", "Again", call, 2),
            ("slow", "Slow", sleep, 2),
        ):
            deed = deed.replace("NAME", name)
            (books / f"{name}.toml").write_text(
                BOOK.format(name=name, metric=metric, deed=deed, reach=reach)
            )
        (books / "policy.toml").write_text(POLICY)
        (data / "notify.toml").write_text(PLAN.format(port=mail.port))
        env = {
            "TWINHELM_AUTOMATE__RUNBOOKS": str(books),
            "TWINHELM_AUTOMATE__URLS": dumps([f"{hands.url}/"]).decode(),
            "TWINHELM_AUTOMATE__COMMANDS": '["/bin/sleep"]',
        }
        server = start_twinhelm("--no-host", env=env, data=data)
        with httpx.Client(
            base_url=server.url, headers=server.headers(), trust_env=False, timeout=60
        ) as web:
            until(lambda: {"restart", "restart-all", "mend", "slow"} <= {
                one["name"] for one in web.get(f"{API}/runbooks").json() if not one["fault"]
            })  # fmt: skip
            comes_back(web, hands)
            halts(web, server)
            storm(web, hands, mail)


def comes_back(web, hands):
    """The repair helps, and the fault comes back: it is left to people."""
    fired = alert("Again", "cart", "warning")
    web.post("/api/v2/alerts", json=[fired]).raise_for_status()
    until(lambda: called(hands, "mend"))
    ends = datetime.fromtimestamp(SystemClock().now_ms() / 1000, UTC).isoformat()
    web.post("/api/v2/alerts", json=[{**fired, "endsAt": ends}]).raise_for_status()
    (repair,) = until(lambda: [one for one in repairs(web) if one["ended_ms"]])
    assert repair["state"] == "verified"
    until(lambda: not opened(web))
    web.post("/api/v2/alerts", json=[fired]).raise_for_status()
    until(lambda: opened(web))
    fitting = web.get(f"{API}/incidents/{repair['incident']}/runbooks").raise_for_status().json()
    assert [one["rule"] for one in fitting if one["fit"]["runbook"] == "mend"] == ["once"]


def halts(web, server):
    """The switch ends a program that a repair runs, and nothing begins until it is released."""
    web.post("/api/v2/alerts", json=[alert("Slow", "search", "warning")]).raise_for_status()
    sleeping = until(lambda: children(server.pid))
    web.post(f"{API}/stop", json={"reason": "a drill"}).raise_for_status()
    until(lambda: not alive(sleeping))
    ended = until(
        lambda: [one for one in repairs(web) if one["runbook"] == "slow" and one["ended_ms"]]
    )
    assert [one["state"] for one in ended] == ["stopped"]
    web.post("/api/v2/alerts", json=[alert("Slow", "basket", "warning")]).raise_for_status()
    until(lambda: held(web, "slow"))
    assert held(web, "slow") == {"stop switch"}
    assert not children(server.pid)
    web.post(f"{API}/stop/release", json={"reason": "it is over"}).raise_for_status()


def storm(web, hands, mail):
    """All goes down within a minute: few repairs, one page."""
    known = opened(web)
    for first in range(0, STORM, AT_ONCE):
        some = [alert("Down", f"s{number:04}") for number in range(first, first + AT_ONCE)]
        web.post("/api/v2/alerts", json=some).raise_for_status()
    until(lambda: opened(web) >= known + STORM)
    until(lambda: "house hour" in held(web, "restart"))
    assert sum(one["started_ms"] > 0 for one in repairs(web)) == PER_HOUR
    assert not called(hands, "restart-all")
    assert len(called(hands, "mend")) == 1  # of what came back before
    (page,) = until(lambda: mail.messages)
    more = re.search(r"and ([0-9,]+) more", page["Subject"])
    assert more
    assert int(more[1].replace(",", "")) > AT_ONCE


def repairs(web):
    """What was repaired, or asked for."""
    return web.get(f"{API}/repairs", params={"limit": 1000}).raise_for_status().json()


def opened(web):
    """How many incidents are open."""
    counts = web.get(f"{API}/incidents").raise_for_status().json()["counts"]
    return sum(count for state, count in counts.items() if state != "resolved")


def held(web, runbook):
    """The limits that kept a runbook back."""
    asked = {"subject": f"runbook/{runbook}", "kind": "repair.held"}
    rows = web.get(f"{API}/journal", params=asked).raise_for_status().json()
    return {row["body"]["rule"] for row in rows}


def called(hands, runbook):
    """What a runbook's deed called."""
    return [one for one in hands.taken if one.path == f"/{runbook}"]


def children(pid):
    """The programs that repairs of the server are running."""
    return [one for one in descendants(pid) if "sleep" in Path(f"/proc/{one}/comm").read_text()]
