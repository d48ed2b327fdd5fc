"""``kill -9`` under full ingest: what was acknowledged is there afterwards, and there once.

Three kills here; ``TWINHELM_KILLS=20`` for the full proof.
"""

from __future__ import annotations

import os
import time

import httpx
import numpy as np
import pytest

from e2e.reading import assert_kept
from e2e.senders import LogSender, SampleSender, SpanSender
from twinhelm.aiops.clean import SignalMaker
from twinhelm.aiops.detect import Detector
from twinhelm.app import open_house
from twinhelm.core.clock import SystemClock
from twinhelm.core.settings import Settings

KILLS = int(os.environ.get("TWINHELM_KILLS", "3"))
SEED = int(os.environ.get("TWINHELM_SEED", "20261"))

HURRIED = {
    # Everything that a crash could fall into happens often.
    "TWINHELM_DETECT__CHECKPOINT_S": "0.5",
    "TWINHELM_DETECT__TICK_S": "0.2",
    "TWINHELM_STORE__FLUSH_INTERVAL_S": "0.7",
}


@pytest.mark.timeout(120 + 30 * KILLS)
def test_nothing_acknowledged_is_lost_and_nothing_is_kept_twice(start_twinhelm):
    server = start_twinhelm("--no-host", env=HURRIED)
    start_ms = SystemClock().now_ms() - 3_600_000
    senders = [
        SampleSender(server.url, "a", start_ms),
        SampleSender(server.url, "b", start_ms),
        LogSender(server.url, "shop", start_ms),
        SpanSender(server.url, "cart", start_ms),
    ]
    for sender in senders:
        sender.start()
    moments = np.random.default_rng(SEED)
    for _ in range(KILLS):
        for sender in senders:
            sender.wait_for(sender.acknowledged + 3)
        time.sleep(moments.uniform(0.1, 2.0))
        server.kill9()
        server.start()
    for sender in senders:
        sender.wait_for(sender.acknowledged + 3)
        sender.finish()
    with httpx.Client(base_url=server.url, trust_env=False) as http:
        assert_kept(http, senders)
        verified = http.get("/api/twinhelm/v1/journal/verification").json()
        assert verified["ok"], verified
        kinds = http.get("/api/twinhelm/v1/journal", params={"kind": "server.started"}).json()
        assert len(kinds) == KILLS + 1
    assert server.stop() == 0
    assert "starts afresh" not in server.log
    assert_judged_once(server.data)


def assert_judged_once(data):
    """The checkpoint knows what a detector knows that judged every sample once and in order."""
    house = open_house(Settings(data=data, host={"enabled": False}))
    try:
        house.watch.resume()
        infos = house.telemetry.find_series([])
        ids = np.array([info.id for info in infos], np.uint32)
        signals, fresh = SignalMaker(), Detector()
        for info in infos:
            signals.declare(info.id, info.labels)
        for one in ids:
            block = house.telemetry.read_samples(np.array([one]), 0, 2**62)
            fresh.observe(signals.signals(block))
        assert house.watch.detector.snapshot() == fresh.snapshot()
        assert house.watch.detector.seen_ms().tolist() == [info.last_ms for info in infos]
    finally:
        house.stop()
