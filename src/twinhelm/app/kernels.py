"""Compile at set-up what would otherwise be compiled at the first start."""

import tempfile
from pathlib import Path

import numpy as np

from twinhelm.aiops.collect.wire.warm import warm as warm_decoders
from twinhelm.aiops.types import Received
from twinhelm.app.house import open_house
from twinhelm.core.clock import SystemClock
from twinhelm.core.labels import DEFAULT_TENANT
from twinhelm.core.settings import HostSettings, Settings
from twinhelm.core.telemetry import SampleBlock

__all__ = ["compile_kernels"]


def compile_kernels() -> None:
    """Walk a few samples, in no order, through a house of its own: every kernel is compiled.

    Compiled kernels are kept beside the sources (or in numba's cache directory where those are
    read-only). The set-up calls this once, so that the first start is a warm one: about 20 s of
    one core cold, 2 s warm.
    """
    warm_decoders()
    with tempfile.TemporaryDirectory() as folder:
        house = open_house(
            Settings(data=Path(folder), host=HostSettings(enabled=False)), clock=SystemClock()
        )
        try:
            names = ("warm_total", "warm_ratio")
            decoders = house.intake.decoders(DEFAULT_TENANT)
            ids = decoders.intern([(("__name__", name),) for name in names])
            now = house.clock.now_ms()
            for second in range(64):
                times = np.full(2, now - 64_000 + second * 1000)
                block = SampleBlock(ids[::-1], times, np.full(2, float(second)))
                house.intake.take(Received(samples=block), door="warm", tenant=DEFAULT_TENANT)
            house.watch.tick()
            house.telemetry.flush()
            house.telemetry.tidy(now)
            house.telemetry.read_samples(ids, 0, now)
            house.desk.band(int(ids[0]), 0, now)
        finally:
            house.stop()
