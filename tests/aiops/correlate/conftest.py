"""A simulated host: series with realistic noise, a plain detector, and a tick every 5 s.

The detector here is deliberately trigger-happy: what must keep an idle host quiet is the room
under test, not its input.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from twinhelm.aiops.correlate import Correlation, Decision, Levels, correlate
from twinhelm.aiops.types import Anomaly, Direction, Incident, Resource, Scores
from twinhelm.core.labels import Labels, labels_of

START = 1_700_000_000_000
STEP_S = 5
WARM = 60
"""Five minutes are watched before anything is judged."""

NAMES: list[tuple[str, dict[str, str], Resource]] = [
    ("host_cpu_busy_ratio", {}, Resource.CPU),
    ("host_load1", {}, Resource.CPU),
    ("host_cpu_iowait_ratio", {}, Resource.CPU),
    ("host_memory_used_ratio", {}, Resource.MEMORY),
    ("host_memory_available_bytes", {}, Resource.MEMORY),
    ("host_memory_cached_bytes", {}, Resource.MEMORY),
    ("host_filesystem_used_ratio", {"mountpoint": "/"}, Resource.DISK),
    ("host_filesystem_avail_bytes", {"mountpoint": "/"}, Resource.DISK),
    ("host_disk_written_bytes_total", {"device": "vda"}, Resource.DISK),
    ("host_pressure_waiting_ratio", {"resource": "io"}, Resource.PRESSURE),
    ("host_pressure_waiting_ratio", {"resource": "cpu"}, Resource.PRESSURE),
    ("host_network_received_bytes_total", {"device": "eth0"}, Resource.NETWORK),
    ("host_context_switches_total", {}, Resource.OTHER),
    ("process_cpu_ratio", {"process": "fault"}, Resource.CPU),
    ("process_resident_memory_bytes", {"process": "fault"}, Resource.MEMORY),
]
INDEX = {
    "cpu": 0, "load": 1, "iowait": 2, "mem": 3, "avail": 4, "cached": 5, "disk": 6,
    "free": 7, "write": 8, "io": 9, "cpupsi": 10, "net": 11, "ctx": 12, "pcpu": 13, "prss": 14,
}  # fmt: skip
RAM, VOLUME = 8e9, 60e9


def idle(minutes: float, rng: np.random.Generator) -> np.ndarray:
    """Values (n, k) of an idle host: noise, cron every few minutes, GC, chatter, page cache."""
    n = WARM + int(minutes * 60 / STEP_S)
    x = np.zeros((n, len(NAMES)))
    x[:, INDEX["cpu"]] = np.clip(rng.gamma(2, 0.02, n), 0, 1)
    x[:, INDEX["iowait"]] = rng.gamma(1, 0.002, n)
    x[:, INDEX["mem"]] = 0.3 + np.cumsum(rng.normal(0, 0.0002, n))
    x[:, INDEX["cached"]] = 2e9 + np.cumsum(rng.gamma(0.2, 1e6, n))
    x[:, INDEX["disk"]] = 0.4 + np.cumsum(rng.gamma(0.1, 1e-6, n))
    x[:, INDEX["write"]] = rng.gamma(0.5, 2e5, n)
    x[:, INDEX["io"]] = rng.gamma(0.3, 0.01, n)
    x[:, INDEX["cpupsi"]] = rng.gamma(0.5, 0.02, n)
    x[:, INDEX["net"]] = rng.gamma(1, 2e3, n)
    x[:, INDEX["ctx"]] = rng.gamma(50, 20, n)
    x[:, INDEX["prss"]] = 0.0
    for at in rng.integers(WARM, n, max(1, int(minutes / 2))) if minutes else []:
        span = slice(at, at + int(rng.integers(1, 4)))  # a cron job: 5 to 15 s of one core
        x[span, INDEX["cpu"]] += rng.uniform(0.2, 0.5)
        x[span, INDEX["write"]] += rng.uniform(1e6, 4e7)
        x[span, INDEX["io"]] += rng.uniform(0, 0.3)
        x[span, INDEX["ctx"]] *= 5
        x[at:, INDEX["cached"]] += rng.uniform(0, 2e8)
        x[at:, INDEX["net"]] += rng.uniform(0, 4e3)
    finish(x)
    return x


def finish(x: np.ndarray) -> None:
    """Derive what follows from the rest."""
    x[:, INDEX["avail"]] = RAM * (1 - x[:, INDEX["mem"]])
    x[:, INDEX["free"]] = VOLUME * (1 - x[:, INDEX["disk"]])
    load = 0.0
    for i, busy in enumerate(x[:, INDEX["cpu"]]):
        load += (2 * busy - load) * STEP_S / 60
        x[i, INDEX["load"]] = load


def burn(x: np.ndarray, at: int, until: int) -> None:
    x[at:until, INDEX["cpu"]] = np.clip(x[at:until, INDEX["cpu"]] + 0.5, 0, 1)
    x[at:until, INDEX["cpupsi"]] += 0.15
    x[at:until, INDEX["pcpu"]] = 0.5
    finish(x)


def hog(x: np.ndarray, at: int, until: int) -> None:
    ramp = np.minimum(np.arange(until - at) * STEP_S / 30, 1.0)
    x[at:until, INDEX["mem"]] += 0.18 * ramp
    x[at:until, INDEX["prss"]] = 0.18 * RAM * ramp
    x[at : at + 5, INDEX["cpu"]] += 0.4
    x[at : at + 5, INDEX["pcpu"]] = 0.4
    finish(x)


def fill(x: np.ndarray, at: int, until: int) -> None:
    ramp = np.minimum(np.arange(len(x) - at) * STEP_S / 40, 1.0)
    x[at:, INDEX["disk"]] += 0.015 * ramp
    x[at:, INDEX["cached"]] += 0.9e9 * ramp
    x[at : at + 8, INDEX["write"]] += 2.2e7
    x[at : at + 12, INDEX["io"]] += 0.5
    x[at : at + 8, INDEX["iowait"]] += 0.2
    x[at : at + 8, INDEX["cpu"]] += 0.25
    x[at : at + 8, INDEX["pcpu"]] = 0.25
    finish(x)


FAULTS = {"cpu": burn, "memory": hog, "disk": fill}


@dataclass
class Eye:
    """One series under a plain robust range that does not learn what it flagged."""

    series: int
    labels: Labels
    resource: Resource
    past: deque = field(default_factory=lambda: deque(maxlen=240))
    flags: deque = field(default_factory=lambda: deque(maxlen=5))
    open: Anomaly | None = None

    def look(self, time_ms: int, value: float) -> Anomaly | None:
        """Judge one value; return what is open or has just closed."""
        past = np.array(self.past) if self.past else np.zeros(1)
        mid = float(np.median(past))
        reach = 5 * 1.4826 * float(np.median(np.abs(past - mid))) + 1e-4 * abs(mid) + 1e-9
        low, high = mid - reach, mid + reach
        out = len(past) >= WARM and not low <= value <= high
        self.flags.append(out)
        if not out:
            self.past.append(value)
        if out and (sum(self.flags) >= 3 or self.open):
            way = Direction.UP if value > mid else Direction.DOWN
            deviation = max(value - high, low - value) / (high - low)
            entity = "host:a"
            if self.open is None:
                self.open = Anomaly(
                    self.series, self.labels, entity, self.resource, way, time_ms - 10_000,
                    time_ms, None, 0.9, value, mid, low, high, deviation, 3,
                )  # fmt: skip
            worse = deviation > self.open.deviation
            self.open = replace(
                self.open,
                last_ms=time_ms,
                samples=self.open.samples + 1,
                value=value if worse else self.open.value,
                deviation=max(deviation, self.open.deviation),
            )
        elif self.open and time_ms - self.open.last_ms > 60_000:
            closed, self.open = replace(self.open, end_ms=self.open.last_ms), None
            return closed
        return self.open


@dataclass
class Story:
    """What a run of ticks brought."""

    incidents: dict[int, Incident] = field(default_factory=dict)
    first_seen_s: dict[int, float] = field(default_factory=dict)
    decisions: list[Decision] = field(default_factory=list)
    anomalies: dict[str, Anomaly] = field(default_factory=dict)


def run(x: np.ndarray, *, sensitivity: float = 0.5) -> Story:
    """Tick through a matrix of values as the watch would."""
    eyes = [
        Eye(i, labels_of({"__name__": name, "host": "a", **more}), resource)
        for i, (name, more, resource) in enumerate(NAMES)
    ]
    story = Story()
    levels = Levels()
    k = len(eyes)
    ids, unknown = np.arange(k, dtype=np.uint32), np.full(k, np.nan)
    for i, row in enumerate(x):
        now_ms = START + i * STEP_S * 1000
        for eye, value in zip(eyes, row, strict=True):
            seen = eye.look(now_ms, float(value))
            if seen:
                story.anomalies[seen.key] = seen
        times = np.full(k, now_ms)
        levels.observe(
            Scores(ids, times, row, unknown, unknown, unknown, unknown, np.zeros(k, np.bool_))
        )
        given: Correlation = correlate(
            list(story.incidents.values()),
            list(story.anomalies.values()),
            (),
            (),
            now_ms=now_ms,
            sensitivity=sensitivity,
            levels=levels.of(a for a in story.anomalies.values() if a.end_ms is None),
        )
        for one in given.incidents:
            story.incidents[one.id] = one
            story.first_seen_s.setdefault(one.id, i * STEP_S)
        story.decisions += given.decisions
    return story


@pytest.fixture
def host() -> Callable[..., Story]:
    """Run a host of so many minutes with faults given as (kind, start step, end step)."""

    def play(
        minutes: float, *faults: tuple[str, int, int], seed: int = 1, sensitivity: float = 0.5
    ) -> Story:
        x = idle(minutes, np.random.default_rng(seed))
        for kind, at, until in faults:
            FAULTS[kind](x, WARM + at, WARM + until)
        return run(x, sensitivity=sensitivity)

    return play
