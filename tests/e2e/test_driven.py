"""A driven server: the same requests in the same order give the same incidents, byte for byte."""

from __future__ import annotations

import httpx
import numpy as np
import pytest

from twinhelm.core import json
from web.bodies import V1, write_v1

API = "/api/twinhelm/v1"
START_MS = 1_700_000_000_000
STEP_MS = 5_000
QUIET, FAULT, AFTER = 120, 36, 60
ASKED = (
    "incidents",
    "incidents/1",
    "incidents/2",
    "decisions?limit=1000",
    "changes?start_ms=0",
    "forecasts",
    "journal?kind=incident.opened",
    "journal?kind=incident.updated",
    "journal?kind=incident.resolved",
)


def rows(step, noise):
    """What two services and a host say of themselves at a step; one of them breaks."""
    broken = QUIET <= step < QUIET + FAULT
    at = START_MS + step * STEP_MS
    for number, name in enumerate(("checkout", "catalog", "payments")):
        slow = broken and number == 0
        labels = {"job": name, "instance": f"{name}-1"}
        yield labels | {"__name__": "http_errors_per_second"}, 20.0 * slow + noise[number]
        yield labels | {"__name__": "request_latency_seconds"}, 0.1 + 1.5 * slow + noise[3] / 100
        yield labels | {"__name__": "queue_length"}, (400.0 if slow else 3.0) + noise[number]
    host = {"instance": "h", "job": "node"}
    yield host | {"__name__": "host_cpu_busy_ratio"}, 0.97 if broken else 0.1 + noise[4] / 100
    yield host | {"__name__": "host_memory_used_ratio"}, 0.4 + at % 7 / 1000


def replay(server):
    """Send the same as ever, and return what the server then says of it."""
    random = np.random.default_rng(7)
    with httpx.Client(base_url=server.url, headers=server.headers(), trust_env=False) as http:
        for step in range(QUIET + FAULT + AFTER):
            now = START_MS + step * STEP_MS
            moved = http.post(f"{API}/clock", json={"now_ms": now})
            assert moved.status_code == 200, moved.text
            noise = random.random(5)
            body = write_v1([(labels, [(value, now)]) for labels, value in rows(step, noise)])
            assert http.post("/api/v1/write", content=body, headers=V1).status_code < 300
            if step == QUIET - 4:
                change = {"service": "checkout", "title": "checkout 2.1.0", "kind": "deploy"}
                event = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/ci"}
                event |= {"ce-type": "deploy.done", "content-type": "application/json"}
                sent = http.post("/api/events", content=json.dumps(change), headers=event)
                assert sent.status_code < 300, sent.text
        return {path: http.get(f"{API}/{path}").content for path in ASKED}


def test_a_replay_is_the_same_every_time(start_twinhelm):
    said = []
    for seed in ("1", "2"):
        server = start_twinhelm("--driven", env={"PYTHONHASHSEED": seed})
        said.append(replay(server))
        assert server.stop() == 0, server.log
    first, second = said
    found = json.loads(first["incidents"])["incidents"]
    assert found
    assert all(START_MS < one["started_ms"] < START_MS + 1_200_000 for one in found)
    assert "resolved" in {one["state"] for one in found}
    # Rows of the journal are chained to those of people, whose tokens differ.
    unchained = (
        {path: _unchained(body) if "journal" in path else body for path, body in each.items()}
        for each in (first, second)
    )
    assert next(unchained) == next(unchained)


def _unchained(body):
    rows = json.loads(body)
    return [{k: v for k, v in row.items() if k not in {"hash", "previous"}} for row in rows]


@pytest.mark.peer("chromium")
def test_the_header_shows_the_time_of_the_replay(start_twinhelm, page):
    server = start_twinhelm("--driven")
    page.goto(server.url)
    with httpx.Client(base_url=server.url, headers=server.headers(), trust_env=False) as http:
        for seconds in (0, 3601):
            http.post(f"{API}/clock", json={"now_ms": START_MS + seconds * 1000})
            shown = page.evaluate(
                "ms => new Date(ms).toLocaleTimeString([], {hour12: false})",
                START_MS + seconds * 1000,
            )
            page.locator(f"header >> text=replay, {shown}").wait_for()
    assert page.locator("text=This host is not watched").count() == 1
