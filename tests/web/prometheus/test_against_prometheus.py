"""A real Prometheus scrapes a real node exporter and writes to us; then both are asked the same.

Everything that comes back must be equal as JSON: series, times, and the texts of the values.
"""

import threading
import time

import httpx
import numpy as np
import pytest

from twinhelm.core.clock import SystemClock
from twinhelm.core.settings import StoreSettings
from twinhelm.store.telemetry import open_telemetry
from web.bodies import V1, write_v1

CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - {{job_name: node, static_configs: [{{targets: ["{node}"]}}]}}
remote_write:
  - url: {helm}/api/v1/write
    queue_config: {{batch_send_deadline: 300ms, max_shards: 2}}
"""


@pytest.fixture
def helm(serve_house, new_house, tmp_path):
    """A server over the real store."""
    store = open_telemetry(tmp_path / "telemetry", StoreSettings(), SystemClock())
    yield serve_house(new_house(telemetry=store, server={"listen": "127.0.0.1:0"}))
    store.close()


def ask(url, path, **params):
    answer = httpx.get(f"{url}/api/v1/{path}", params=params, trust_env=False, timeout=60)
    return answer.status_code, answer.json()


def by_labels(said):
    assert said["status"] == "success", said
    return {tuple(sorted(each["metric"].items())): each for each in said["data"]["result"]}


def pause(seconds):
    threading.Event().wait(seconds)


@pytest.mark.peer("prometheus", "node_exporter")
def test_what_prometheus_wrote_reads_back_as_from_prometheus(helm, prometheus, node_exporter):
    node = node_exporter.url.removeprefix("http://")
    peer = prometheus(CONFIG.format(node=node, helm=helm.url))
    pause(8)
    # The target goes away, so that series end in stale markers, and comes back.
    node_exporter.stop()
    pause(4)
    node_exporter.start()
    pause(6)
    at = SystemClock().now_ms() / 1000 - 2.5
    raw = {"query": '{__name__=~".+"}[10m]', "time": at}

    deadline = time.monotonic() + 20
    while True:
        theirs, ours = (by_labels(ask(url, "query", **raw)[1]) for url in (peer.url, helm.url))
        if ours == theirs or time.monotonic() > deadline:
            break
        pause(0.5)
    assert len(theirs) > 300
    assert set(ours) == set(theirs)
    for labels, series in theirs.items():
        assert ours[labels] == series

    for query in ('{__name__=~"node_.+"}', "up", "up offset 3s", f"node_load1 @ {at - 5:.3f}"):
        for start, step in ((at - 18, 1), (at - 17.377, 0.731), (at - 400, 60)):
            asked = {"query": query, "start": start, "end": at, "step": step}
            theirs, ours = (
                by_labels(ask(url, "query_range", **asked)[1]) for url in (peer.url, helm.url)
            )
            assert ours == theirs, asked
    for back in np.arange(0, 16, 0.5).tolist():
        asked = {"query": '{job="node"}', "time": at - back}
        theirs, ours = (by_labels(ask(url, "query", **asked)[1]) for url in (peer.url, helm.url))
        assert ours == theirs, asked
    for path, params in (
        ("labels", {}),
        ("label/device/values", {}),
        ("label/job/values", {"match[]": "up"}),
    ):
        assert ask(helm.url, path, **params)[1]["data"] == ask(peer.url, path, **params)[1]["data"]
    found = [
        sorted(
            tuple(sorted(each.items()))
            for each in ask(url, "series", **{"match[]": "up"})[1]["data"]
        )
        for url in (helm.url, peer.url)
    ]
    assert found[0] == found[1]


VALUES = [0.0, -0.0, 1.0, 0.1, 1e-6, 9.99e-7, 1.5e-5, 1e16, 123456789.125, 1e20, 1e21, 1e-300]
VALUES += [float("nan"), float("inf"), -float("inf"), 5e-324, 1.7976931348623157e308]


@pytest.mark.peer("prometheus")
def test_the_same_answers_to_the_same_questions(helm, prometheus):
    peer = prometheus("")
    start = SystemClock().now_ms() // 1000 * 1000 - 60_000
    body = write_v1(
        [({"__name__": "m", "a": 'é"\\\n<'}, [(v, start + 1001 * i) for i, v in enumerate(VALUES)])]
    )
    for url in (peer.url, helm.url):
        answer = httpx.post(f"{url}/api/v1/write", content=body, headers=V1, trust_env=False)
        assert answer.status_code == 204
    at = (start + 1001 * len(VALUES)) / 1000
    for query in (
        *("m", "m[1m]", "m[5s]", "m offset 4s", f"m @ {start / 1000 + 3}", f"m[3s] @ {at - 6:.3f}"),
        *('{a=~".+"}', '{a!~"x",__name__="m"}', '{__name__="m",b=""}', 'm{a=""}', "none"),
        *("1+1", "1/0", "-1/0", "0/0", "2^3^2", "-2^2", "7%4", "-7 % 4", "1e-7*1", "0x10", "(1)"),
    ):
        theirs, ours = (ask(url, "query", query=query, time=at) for url in (peer.url, helm.url))
        assert ours == theirs, query
        if "[" not in query:
            asked = {"query": query, "start": at - 20, "end": at, "step": 1}
            theirs, ours = (ask(url, "query_range", **asked) for url in (peer.url, helm.url))
            assert ours == theirs, query
    # A sample that is exactly as old as the lookback still counts.
    for edge in (300.0, 300.001):
        last = (start + 1001 * (len(VALUES) - 1)) / 1000 + edge
        theirs, ours = (ask(url, "query", query="m", time=last) for url in (peer.url, helm.url))
        assert ours == theirs, edge
    for path, params in (
        ("query", {}),
        ("query", {"query": "m{"}),
        ("query", {"query": "{}"}),
        ("query", {"query": "m", "time": "x"}),
        ("query_range", {"query": "m", "start": 2, "end": 1, "step": 1}),
        ("query_range", {"query": "m", "start": 1, "end": 2, "step": 0}),
        ("query_range", {"query": "m", "start": 0, "end": 12000, "step": 1}),
        ("query_range", {"query": "m[5m]", "start": 1, "end": 2, "step": 1}),
        ("series", {}),
        ("label/a-b/values", {}),
    ):
        (status, theirs), (our_status, ours) = (
            ask(url, path, **params) for url in (peer.url, helm.url)
        )
        assert (our_status, ours["errorType"]) == (status, theirs["errorType"]), (path, params)
