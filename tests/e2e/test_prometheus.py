"""A real Prometheus scrapes a real node exporter and writes here: its answers are ours.

25 s of it here; ``TWINHELM_PEER_SECONDS=120`` for the full proof. Version 2 of
remote write is not in the Prometheus that Debian has; its messages are tested where they are
decoded.
"""

from __future__ import annotations

import os
import time

import httpx
import pytest

from e2e.reading import raw_samples
from twinhelm.core.clock import SystemClock

SECONDS = float(os.environ.get("TWINHELM_PEER_SECONDS", "25"))

pytestmark = pytest.mark.timeout(180 + 4 * SECONDS)

CONFIG = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: node
    static_configs: [{{targets: ["{target}"]}}]
remote_write:
  - url: {url}/api/v1/write
    queue_config: {{min_backoff: 50ms, max_backoff: 500ms, batch_send_deadline: 500ms}}
    metadata_config: {{send_interval: 2s}}
"""


def everything(url: str, start_ms: int, end_ms: int):
    with httpx.Client(base_url=url, trust_env=False) as http:
        return raw_samples(http, '{__name__=~".+"}', start_ms, end_ms)


def caught_up(prometheus, server, end_ms: int) -> None:
    """Wait until what Prometheus has up to ``end_ms`` is here too, or was long in coming."""
    deadline = time.monotonic() + 60
    with httpx.Client(base_url=server.url, trust_env=False) as http:
        while True:
            answer = http.get("/api/v1/query", params={"query": "up"}).json()["data"]["result"]
            newest = max((series["value"][0] for series in answer), default=0.0)
            last = raw_samples(http, "up", end_ms - 5_000, SystemClock().now_ms())
            if any(at > end_ms for values in last.values() for at, _ in values):
                return
            assert time.monotonic() < deadline, f"still at {newest}:\n{prometheus.log[-3000:]}"
            time.sleep(0.2)


def test_every_sample_is_here_over_restarts_and_kills_of_either(
    prometheus, node_exporter, start_twinhelm
):
    """Prometheus stops, twinhelm stops, twinhelm is killed, all of it between scrapes."""
    server = start_twinhelm()
    config = CONFIG.format(target=node_exporter.url.removeprefix("http://"), url=server.url)
    peer = prometheus(config)
    begin = SystemClock().now_ms()
    pause = SECONDS / 4
    time.sleep(pause)
    server.restart()
    time.sleep(pause)
    server.kill9()
    server.start()
    time.sleep(pause)
    peer.restart()
    time.sleep(pause)
    # The last second is still on its way.
    end = SystemClock().now_ms()
    caught_up(peer, server, end)
    theirs = everything(peer.url, begin - 10_000, end)
    ours = everything(server.url, begin - 10_000, end)
    assert len(theirs) > 100
    assert ours.keys() == theirs.keys()
    assert {labels: len(values) for labels, values in ours.items()} == {
        labels: len(values) for labels, values in theirs.items()
    }
    for labels, values in theirs.items():
        assert [(at, float(value)) for at, value in ours[labels]] == [
            (at, float(value)) for at, value in values
        ], labels
    # While there is somebody to take what it still has: else it would wait for a minute.
    peer.stop()
    with httpx.Client(base_url=server.url, trust_env=False) as http:
        metadata = http.get("/api/v1/metadata", params={"metric": "node_load1"}).json()["data"]
        assert metadata["node_load1"][0]["type"] == "gauge"
        rejected = http.get("/api/twinhelm/v1/rejections").json()
    assert {row["reason"] for row in rejected} <= {"duplicate", "late"}, rejected


def test_its_alerts_arrive_and_open_an_incident(prometheus, start_twinhelm, tmp_path):
    """Prometheus posts to ``/api/v2/alerts`` itself, as to an Alertmanager."""
    server = start_twinhelm()
    rules = tmp_path / "rules.yml"
    rules.write_text(
        "groups: [{name: all, interval: 1s, rules: [{alert: AlwaysOn, expr: vector(1), "
        "labels: {severity: critical, instance: 'shop:9100'}, "
        "annotations: {summary: it is always on}}]}]"
    )
    peer = prometheus(
        f"""
rule_files: ["{rules}"]
alerting:
  alertmanagers:
    - static_configs: [{{targets: ["{server.address}"]}}]
""",
        # The first one is sent before Prometheus has found anybody to send it to.
        "--rules.alert.resend-delay=1s",
    )
    deadline = time.monotonic() + 60
    with httpx.Client(base_url=server.url, trust_env=False) as http:
        while not (found := http.get("/api/twinhelm/v1/incidents").json()["incidents"]):
            assert time.monotonic() < deadline, peer.log[-3000:]
            time.sleep(0.1)
    (incident,) = found
    assert incident["title"] == "AlwaysOn: it is always on"
    assert incident["severity"] == "critical"
