"""One set of seed processes for all tests of a module, so that libraries are loaded once."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import replace

import pytest

from mlops.deploy import models
from peers.memory_predictions import MemoryPredictions
from twinhelm.core.clock import SystemClock
from twinhelm.mlops.deploy import Form, Limits, Seeds, Serving
from twinhelm.mlops.types import Deployment, Part

PATIENCE_S = 60.0


def until(said, what=""):
    """Wait until ``said()`` is true."""
    end = time.monotonic() + PATIENCE_S
    while not (found := said()):
        assert time.monotonic() < end, what or said
        time.sleep(0.01)
    return found


class Bench:
    """A serving with an event loop of its own, as a server has one."""

    def __init__(self, seeds):
        self.predictions = MemoryPredictions()
        self.serving = Serving(self.predictions, SystemClock())
        self.serving._seeds = seeds
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self.limits = Limits(timeout_s=20.0)

    def hold(self, version, folder, **limits):
        self.serving.hold("m", version, folder, replace(self.limits, **limits))

    def turn(self, *parts, before="", spec=None):
        """``turn(("1", "champion", 1.0), ...)`` for the product ``m``."""
        self.serving.turn(Deployment("m", tuple(Part(*each) for each in parts), 0, before), spec)

    def live(self, version, folder, **limits):
        self.hold(version, folder, **limits)
        self.turn((version, "champion", 1.0))

    def run(self, awaitable, timeout_s=PATIENCE_S):
        return asyncio.run_coroutine_threadsafe(awaitable, self.loop).result(timeout_s)

    def ask(self, x=((1.0, 2.0, 3.0),), *, form=Form.V2, body=None, **more):
        body = models.v2(x) if body is None else body
        return self.run(self.serving.predict("m", form, body, **more))

    def pool(self, version="1"):
        return self.serving._pools["m", version]

    def close(self):
        for name, version in list(self.serving._pools):
            self.serving.release(name, version)
        self.serving.log.close()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@pytest.fixture(scope="session")
def seeds():
    made = Seeds()
    yield made
    made.close()


@pytest.fixture
def bench(seeds):
    made = Bench(seeds)
    yield made
    made.close()
