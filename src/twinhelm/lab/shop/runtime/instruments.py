"""How does a service count? The same three instruments on either of two libraries.

A service names its metrics in OpenTelemetry's manner (``orders.placed``). With the Prometheus
client dots become underscores and counters end in ``_total``. A gauge is read when it is asked
for, and skipped where it reads NaN.
"""

from __future__ import annotations

import math
import os
import resource
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol

from opentelemetry.metrics import Observation, get_meter
from prometheus_client import REGISTRY, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric

__all__ = ["Add", "Instruments", "OtelInstruments", "PrometheusInstruments"]

Read = Callable[[], float | Mapping[str, float]]
"""A gauge's value, or its values by the value of its one label."""


class Add(Protocol):
    """Counts, or records into a histogram, a value under labels."""

    def __call__(self, value: float = 1.0, **labels: str) -> None:
        """Take the value in."""


class Instruments(Protocol):
    """Makes instruments; each name may be used once."""

    def counter(self, name: str, text: str, *labels: str) -> Add:
        """Make something that only grows."""

    def histogram(self, name: str, text: str, *labels: str) -> Add:
        """Make a distribution; times in seconds."""

    def gauge(self, name: str, text: str, read: Read, label: str = "") -> None:
        """Make something that is read as it is; ``label`` names the label of its values."""


class PrometheusInstruments:
    """The Prometheus client's default registry."""

    def counter(self, name: str, text: str, *labels: str) -> Add:
        """See :class:`Instruments`."""
        made = Counter(_plain(name), text, labels)
        if labels:
            return lambda value=1.0, **given: made.labels(**given).inc(value)
        return lambda value=1.0, **_: made.inc(value)

    def histogram(self, name: str, text: str, *labels: str) -> Add:
        """See :class:`Instruments`."""
        made = Histogram(_plain(name), text, labels)
        if labels:
            return lambda value=1.0, **given: made.labels(**given).observe(value)
        return lambda value=1.0, **_: made.observe(value)

    def gauge(self, name: str, text: str, read: Read, label: str = "") -> None:
        """See :class:`Instruments`."""

        class Reading:
            def collect(self) -> Iterable[Metric]:
                family = GaugeMetricFamily(_plain(name), text, labels=[label] if label else [])
                for key, value in _values(read):
                    family.add_metric([key] if label else [], value)
                yield family

            def describe(self) -> Iterable[Metric]:
                return [GaugeMetricFamily(_plain(name), text)]

        REGISTRY.register(Reading())


class OtelInstruments:
    """OpenTelemetry's global meter; it brings the process's own metrics along."""

    def __init__(self) -> None:
        self._meter = get_meter("shop")

        def cpu(_: object) -> list[Observation]:
            used = os.times()
            modes = {"user": used.user, "system": used.system}
            return [Observation(seconds, {"cpu.mode": mode}) for mode, seconds in modes.items()]

        def memory(_: object) -> list[Observation]:
            return [Observation(_memory_bytes())]

        def descriptors(_: object) -> list[Observation]:
            return [Observation(_descriptors())]

        make = self._meter.create_observable_up_down_counter
        self._meter.create_observable_counter("process.cpu.time", [cpu], "s", "CPU time used")
        make("process.memory.usage", [memory], "By", "Physical memory in use")
        make("process.open_file_descriptor.count", [descriptors], "{count}", "Open descriptors")

    def counter(self, name: str, text: str, *labels: str) -> Add:
        """See :class:`Instruments`."""
        made = self._meter.create_counter(name, "1", text)
        return lambda value=1.0, **given: made.add(value, given)

    def histogram(self, name: str, text: str, *labels: str) -> Add:
        """See :class:`Instruments`."""
        made = self._meter.create_histogram(
            name, "s", text, explicit_bucket_boundaries_advisory=SECONDS
        )
        return lambda value=1.0, **given: made.record(value, given)

    def gauge(self, name: str, text: str, read: Read, label: str = "") -> None:
        """See :class:`Instruments`."""

        def observe(_: object) -> list[Observation]:
            pairs = _values(read)
            return [Observation(value, {label: key} if label else {}) for key, value in pairs]

        self._meter.create_observable_gauge(name, [observe], "1", text)


SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]


def _plain(name: str) -> str:
    return name.replace(".", "_")


def _values(read: Read) -> list[tuple[str, float]]:
    value = read()
    pairs = value.items() if isinstance(value, Mapping) else [("", value)]
    return [(key, number) for key, number in pairs if not math.isnan(number)]


def _memory_bytes() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        # Without /proc only the peak is told: bytes on macOS, kilobytes elsewhere.
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return pages * resource.getpagesize()


def _descriptors() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())
