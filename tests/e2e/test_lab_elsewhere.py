"""The lab sends to what others run, unchanged: here, to a real Prometheus and no twinhelm.

Prometheus gets the metrics of all processes by remote write, and scrapes the shop itself by the
list of targets that the lab writes.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import httpx
import pytest

from lab.stage.running import alive, descendants
from peers.processes import Peer
from twinhelm.lab.remote import Lab
from twinhelm.lab.words import DATABASE, SCRAPED, SERVICES, LabError

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="processes are read from /proc"),
    pytest.mark.timeout(240),
]

PATIENCE_S = 60.0
PUSHED = {f"shop/{name}" for name in SERVICES if name not in SCRAPED}
"""The jobs of those that push OTLP."""
OTEL = (
    "process_cpu_time_seconds_total", "process_memory_usage_bytes", "target_info",
    "http_server_request_duration_seconds_count", "http_server_request_duration_seconds_bucket",
)  # fmt: skip
SCRAPE = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: lab
    relabel_configs: [{{target_label: by, replacement: scrape}}]
    file_sd_configs: [{{files: ["{targets}"], refresh_interval: 1s}}]
"""


@pytest.fixture
def start_lab(tmp_path):
    """``start_lab(*flags)``: a lab that sends where the flags say; none of it stays."""
    folder = tmp_path / "shop"
    labs = []

    def ready():
        try:
            lab = Lab.attach(folder)
        except LabError:
            return False
        labs.append(lab)
        return lab.status()["ready"]

    def start(*flags):
        argv = [str(Path(sys.executable).with_name("twinhelm")), "lab", "up", "--to", ""]
        argv += ["--folder", str(folder), "--interval", "1", *flags]
        log = tmp_path / "lab.log"
        peers.append(Peer(argv, url="", log=log, ready=ready, patience_s=PATIENCE_S))
        peers[0].start()
        return labs[-1]

    peers = []
    try:
        yield start
    finally:
        for lab in labs:
            lab.close()
        for peer in peers:
            family = descendants(peer.pid) if peer.running else []
            status = peer.stop()
            assert not alive(family)
        assert family, peer.log
        assert status == 0, peer.log


def until(holds, what):
    """Wait until it holds; fails with what it then is."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := holds()):
        assert time.monotonic() < deadline, what()
        time.sleep(0.2)
    return found


class Asked:
    """A Prometheus-like server that one asks."""

    def __init__(self, url):
        self.url = url

    def __call__(self, query):
        """Label sets and values of an instant query."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": query}, trust_env=False)
        assert answer.status_code == 200, answer.text
        return [
            (each["metric"], float(each["value"][1])) for each in answer.json()["data"]["result"]
        ]

    def jobs(self, query):
        """The jobs of what an instant query finds."""
        return {labels["job"] for labels, _ in self(query)}

    def wait_for(self, query, jobs):
        """Wait until an instant query finds all of these jobs."""
        until(lambda: self.jobs(query) >= jobs, lambda: (query, jobs - self.jobs(query)))


def test_a_real_prometheus_gets_every_process_and_may_scrape_it_too(
    prometheus, start_lab, tmp_path
):
    peer = prometheus(SCRAPE.format(targets=tmp_path / "shop" / "targets.json"))
    lab = start_lab("--metrics-url", f"{peer.url}/api/v1/write")
    ask = Asked(peer.url)
    # What the agent scraped, and what it was pushed and wrote anew.
    ask.wait_for('up{by="",host!="",namespace="shop"} == 1', {DATABASE, *SCRAPED})
    for name in ("process_cpu_seconds_total", "process_resident_memory_bytes"):
        ask.wait_for(f'{name}{{by=""}}', set(SCRAPED))
    for name in OTEL:
        ask.wait_for(name, PUSHED)
    # They move, everywhere: requests of both kinds, orders through the queue, the database.
    served = {"catalog", "cart", "shipping", "inventory"}
    ask.wait_for('rate(http_requests_total{by="",code=~"2.."}[30s]) > 0', served)
    ask.wait_for("rate(http_server_request_duration_seconds_count[30s]) > 0", PUSHED)
    ask.wait_for('rate(process_cpu_seconds_total{by=""}[30s]) > 0', set(SCRAPED))
    ask.wait_for("rate(process_cpu_time_seconds_total[30s]) > 0", PUSHED)
    slow = "histogram_quantile(0.95, rate(http_server_request_duration_seconds_bucket[30s])) > 0"
    ask.wait_for(slow, PUSHED)
    ask.wait_for("db_rows > 0", {DATABASE})
    # Prometheus itself, from the list of targets.
    ask.wait_for('http_requests_total{by="scrape"}', served)
    targets = httpx.get(f"{peer.url}/api/v1/targets", trust_env=False).json()["data"]
    states = {each["labels"]["job"]: each["health"] for each in targets["activeTargets"]}
    assert states == dict.fromkeys(SCRAPED, "up")
    status = lab.status()
    assert status["troubles"] == {}
    assert status["sent"]["errors"] == 0
    assert status["sent"]["metrics"] > 1000
    assert all(each["alive"] for each in status["processes"])


def test_what_a_receiver_does_not_take_disturbs_nothing(prometheus, start_lab):
    """Debian's Prometheus knows no OTLP: it refuses all of it, and gets the metrics all the same.

    For those the agent falls back to remote write; of the rest it keeps count.
    """
    peer = prometheus()
    lab = start_lab("--metrics-url", f"{peer.url}/api/v1/write", "--otlp-url", f"{peer.url}/")
    ask = Asked(peer.url)
    refused = {"metrics", "traces", "logs"}
    until(lambda: lab.status()["troubles"].keys() >= refused, lab.status)
    ask.wait_for("rate(process_cpu_time_seconds_total[30s]) > 0", PUSHED)
    ask.wait_for("up == 1", {DATABASE, *SCRAPED})
    status = lab.status()
    assert status["troubles"].keys() == refused
    for trouble in status["troubles"].values():
        assert trouble["lasts"]
        assert trouble["refused"] == trouble["requests"] > 0
        assert trouble["last"].startswith("404 Not Found")
    assert status["sent"]["spans"] == 0
    assert all(each["alive"] for each in status["processes"])
