"""How busy is the machine that the shop runs on? The little of node exporter that the lab needs.

Out: time of all CPUs by mode, and the load, under node exporter's names, so that a backend that
does not watch the host itself sees a noisy neighbour too. Elsewhere than on Linux, the load alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

__all__ = ["Host"]

MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")


class Host(Collector):
    """Reads the machine each time it is asked."""

    def collect(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
        """Return the families; see the module."""
        cpu = CounterMetricFamily("node_cpu_seconds", "Time of all CPUs by mode.", labels=["mode"])
        stat = Path("/proc/stat")
        if stat.exists():
            ticks = stat.read_text().partition("\n")[0].split()[1:]
            for mode, count in zip(MODES, ticks, strict=False):
                cpu.add_metric([mode], int(count) / os.sysconf("SC_CLK_TCK"))
        yield cpu
        yield GaugeMetricFamily("node_load1", "Load of the last minute.", os.getloadavg()[0])
