"""Trouble with the machine: what is refused says so and for how long, what can go on goes on."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from e2e.reading import assert_kept
from e2e.senders import LogSender, SampleSender, SpanSender
from twinhelm.core.clock import SystemClock

ALERT = [{"labels": {"alertname": "A", "severity": "critical", "instance": "shop:9100"}}]
MIB = 1 << 20


def senders_of(server, pause_s=0.0):
    start_ms = SystemClock().now_ms() - 3_600_000
    made = [
        SampleSender(server.url, "a", start_ms, pause_s),
        LogSender(server.url, "shop", start_ms, pause_s),
        SpanSender(server.url, "cart", start_ms, pause_s),
    ]
    for sender in made:
        sender.start()
        sender.wait_for(3)
    return made


def wait(ask):
    deadline = time.monotonic() + 60
    while not (found := ask()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 64 MiB, of which the server leaves 8 free."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a disk of its own; test_disk.py injects a limit instead")
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["/bin/mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"no disk can be mounted here: {made.stderr.strip()}")
    yield folder
    subprocess.run(["/bin/umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_stops_the_taking_and_nothing_else(start_twinhelm, small_disk):
    server = start_twinhelm(
        "--no-host", data=small_disk / "data", env={"TWINHELM_STORE__MIN_FREE_BYTES": str(8 * MIB)}
    )
    senders = senders_of(server, 0.02)
    ballast = small_disk / "ballast"
    disk = os.statvfs(small_disk)
    with ballast.open("wb") as out:
        out.write(bytes(disk.f_bavail * disk.f_frsize - 6 * MIB))
    with httpx.Client(base_url=server.url, trust_env=False) as http:

        def told():
            rows = http.get("/api/twinhelm/v1/journal").json()
            return [row["kind"] for row in rows if row["kind"].startswith("store.")]

        for sender in senders:
            wait(lambda sender=sender: sender.refusals.get(503))
        wait(lambda: told() == ["store.stopped_taking"])
        status = http.get("/api/twinhelm/v1/status").json()
        assert status["store"]["taking"] is False
        assert "free" in status["store"]["reason"]
        # Reading goes on.
        found = http.get("/api/v1/query", params={"query": '{sender="a"}[2h]'}).json()
        assert len(found["data"]["result"]) == SampleSender.SERIES
        ballast.unlink()
        counts = [sender.acknowledged for sender in senders]
        for sender, count in zip(senders, counts, strict=True):
            sender.wait_for(count + 3)
            sender.finish()
        assert_kept(http, senders)
        wait(lambda: told() == ["store.stopped_taking", "store.resumed_taking"])
    server.kill9()
    server.start()
    with httpx.Client(base_url=server.url, trust_env=False) as http:
        assert_kept(http, senders)


@pytest.mark.peer("postgresql")
def test_a_database_that_is_away_holds_up_nothing_that_does_not_need_it(
    start_twinhelm, own_postgresql
):
    server = start_twinhelm("--no-host", env={"TWINHELM_STORE__DATABASE_URL": own_postgresql.url})
    senders = senders_of(server, 0.02)
    with httpx.Client(base_url=server.url, trust_env=False, timeout=30.0) as http:
        assert http.post("/api/v2/alerts", json=ALERT).status_code == 200
        before = http.get("/api/twinhelm/v1/journal").json()
        own_postgresql.stop()
        counts = [sender.acknowledged for sender in senders]
        refused = http.post("/api/v2/alerts", json=[{"labels": {"alertname": "B"}}])
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        assert http.get("/api/twinhelm/v1/incidents").status_code == 503
        for sender, count in zip(senders, counts, strict=True):
            sender.wait_for(count + 10)
            assert sender.refusals == {}
        found = http.get("/api/v1/query", params={"query": '{sender="a"}'})
        assert found.status_code == 200
        own_postgresql.start()
        wait(lambda: http.post("/api/v2/alerts", json=ALERT).status_code == 200)
        for sender in senders:
            sender.finish()
        assert_kept(http, senders)
        rows = http.get("/api/twinhelm/v1/journal", params={"kind": "alert.received"}).json()
        assert [row["body"]["name"] for row in rows] == ["A"]
        assert http.get("/api/twinhelm/v1/journal").json()[: len(before)] == before
        assert http.get("/api/twinhelm/v1/journal/verification").json()["ok"]
        (incident,) = wait(lambda: http.get("/api/twinhelm/v1/incidents").json()["incidents"])
        assert incident["title"].startswith("A")


def test_a_database_that_was_never_there_is_named_without_its_password(tmp_path):
    url = "postgresql+psycopg://x:hunter2@127.0.0.1:1/y"
    ended = subprocess.run(
        [str(Path(sys.executable).with_name("twinhelm")), "up", "--data", str(tmp_path / "data")],
        capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "TWINHELM_STORE__DATABASE_URL": url},
    )  # fmt: skip
    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    (said,) = [line for line in ended.stderr.splitlines() if line.startswith("twinhelm: ")]
    assert "127.0.0.1" in said
    assert "hunter2" not in ended.stderr
