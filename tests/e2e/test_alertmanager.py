"""A real Alertmanager delivers its webhook: an alert fires, lasts and ends, and so does its
incident.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

import httpx

from twinhelm.core.clock import SystemClock

CONFIG = """
route: {{receiver: twinhelm, group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
receivers:
  - name: twinhelm
    webhook_configs: [{{url: "{url}/api/webhooks/alertmanager", send_resolved: true}}]
"""


def wait(ask):
    deadline = time.monotonic() + 60
    while not (found := ask()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def test_an_alert_is_delivered_while_it_fires_and_when_it_ends(alertmanager, start_twinhelm):
    server = start_twinhelm()
    peer = alertmanager(CONFIG.format(url=server.url))
    alert = {
        "labels": {"alertname": "DiskSlow", "severity": "critical", "instance": "shop:9100"},
        "annotations": {"summary": "writes take a second"},
        "generatorURL": "http://prometheus.example/graph",
    }
    with httpx.Client(base_url=server.url, trust_env=False) as http:

        def told(firing):
            rows = http.get("/api/twinhelm/v1/journal", params={"kind": "alert.received"}).json()
            return [row for row in rows if row["body"]["firing"] is firing]

        def failed():
            lines = httpx.get(f"{peer.url}/metrics", trust_env=False).text.splitlines()
            webhook = 'alertmanager_notification_requests_failed_total{integration="webhook"'
            return sum(float(line.split()[-1]) for line in lines if line.startswith(webhook))

        def post(**more):
            answer = httpx.post(
                f"{peer.url}/api/v2/alerts", json=[{**alert, **more}], trust_env=False
            )
            assert answer.status_code == 200

        post()
        wait(lambda: told(True))
        (incident,) = wait(lambda: http.get("/api/twinhelm/v1/incidents").json()["incidents"])
        assert incident["title"] == "DiskSlow: writes take a second"
        assert incident["severity"] == "critical"
        # The server is away when the end is told: the sender tries again, nothing is lost.
        server.kill9()
        post(endsAt=datetime.fromtimestamp(SystemClock().now_ms() / 1000, UTC).isoformat())
        wait(failed)
        server.start()
        wait(lambda: told(False))
        assert len(told(True)) == 1
        found = http.get(f"/api/twinhelm/v1/incidents/{incident['id']}").json()
        (kept,) = found["alerts"]
        assert kept["ends_ms"] is not None
        assert kept["labels"]["alertname"] == "DiskSlow"
        rows = http.get("/api/twinhelm/v1/journal/verification").json()
        assert rows["ok"]
