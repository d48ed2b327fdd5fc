"""Answer how this machine is doing, every few seconds.

In: the clock's time and the kernel's files; out: samples of about 150 series with the labels
``host``, ``instance`` and ``job="host"``, as a :class:`~twinhelm.aiops.types.Received` for the
same intake that every other telemetry takes.

Ratios that need a difference appear from the second round on. No round fails because something
vanished meanwhile. Not for two threads at once. Cost: about 4 ms of CPU with 100 processes.

>>> from twinhelm.core.settings import HostSettings
>>> collector = HostCollector(HostSettings(), host="web-1")
>>> received = collector.receive(0, lambda new: np.arange(len(new), dtype=np.uint32))
>>> any(meta.name == "node_load1" for meta in received.metas)
True
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from twinhelm.aiops.collect.history import History
from twinhelm.aiops.collect.host.families import FAMILIES, Reading
from twinhelm.aiops.collect.host.linux import Statvfs, read_linux, read_mounts
from twinhelm.aiops.collect.host.linux_processes import LinuxProcesses
from twinhelm.aiops.collect.host.processes import ProcessTable, ProcessUse, TopUsers
from twinhelm.aiops.types import Intern, Received
from twinhelm.core.errors import Unsupported
from twinhelm.core.labels import METRIC, Labels, labels_of
from twinhelm.core.settings import HostSettings

__all__ = ["HostCollector"]

MAX_CACHED_LABELS = 10_000
RATIOS = (
    ("host_memory_used_ratio", "node_memory_MemTotal_bytes", "node_memory_MemAvailable_bytes"),
    ("host_swap_used_ratio", "node_memory_SwapTotal_bytes", "node_memory_SwapFree_bytes"),
    ("host_descriptors_used_ratio", "node_filefd_maximum", "node_filefd_allocated"),
)
"""Name, the whole, and the part: what is free of memory, what is used of descriptors."""


class HostCollector:
    """Looks at the host; raises :class:`Unsupported` where the system is not Linux.

    ``host`` is the name that the series carry. ``proc_root`` may be another machine's ``/proc``
    (the host's, mounted into a container); ``statvfs`` stands in for the system call in tests.
    """

    def __init__(
        self,
        settings: HostSettings,
        *,
        host: str,
        proc_root: Path = Path("/proc"),
        statvfs: Statvfs | None = None,
    ) -> None:
        if sys.platform != "linux":
            raise Unsupported(f"a {sys.platform} machine is not watched, only Linux is")
        self._root = proc_root
        self._statvfs = statvfs
        self._host = host
        self._scanner = LinuxProcesses(proc_root)
        self._table = ProcessTable()
        self._top = TopUsers(settings.top_processes)
        self._watch_processes = settings.top_processes > 0
        self._labels: dict[tuple[str, tuple[tuple[str, str], ...]], Labels] = {}
        self._cpu_before: tuple[float, float] | None = None
        self._uses: list[ProcessUse] = []

    def receive(self, now_ms: int, intern: Intern) -> Received:
        """Look once and give every series its id; all samples are of ``now_ms``."""
        readings = self._readings(now_ms)
        names = dict.fromkeys(name for name, _, _ in readings)
        return History(
            [self._labels_of(name, pairs) for name, pairs, _ in readings],
            np.arange(len(readings), dtype=np.uint32),
            np.full(len(readings), now_ms, np.int64),
            np.array([value for _, _, value in readings], np.float64),
            metas=tuple(FAMILIES[name] for name in names),
        ).received(intern)

    def processes(self) -> list[ProcessUse]:
        """Return all processes by name as of the last round, the greatest CPU user first."""
        # Every ratio is NaN after the first round, and none is later.
        return sorted(
            self._uses, key=lambda use: (-np.nan_to_num(use.cpu_ratio), -use.rss_bytes, use.name)
        )

    def _readings(self, now_ms: int) -> list[Reading]:
        readings = [*read_linux(self._root), *read_mounts(self._root, self._statvfs)]
        single = {name: value for name, pairs, value in readings if not pairs}
        readings.extend(self._busy(readings))
        readings.extend(_ratios(single))
        if self._watch_processes:
            self._uses = self._table.update(
                self._scanner.scan(),
                uptime_s=self._scanner.uptime_s(),
                cpus=int(single.get("host_cpu_count", 1)),
            )
            readings.extend(self._top.readings(self._uses, now_ms))
        return readings

    def _busy(self, readings: Sequence[Reading]) -> list[Reading]:
        """Return the share of CPU time since the last round that was not idle."""
        times = {
            pairs[0][1]: value
            for name, pairs, value in readings
            if name == "node_cpu_seconds_total"
        }
        total = sum(times.values())
        idle = times.get("idle", 0.0) + times.get("iowait", 0.0)
        before, self._cpu_before = self._cpu_before, (total, idle)
        if before is None or total <= before[0]:
            return []
        busy = 1 - (idle - before[1]) / (total - before[0])
        return [("host_cpu_busy_ratio", (), min(max(busy, 0.0), 1.0))]

    def _labels_of(self, name: str, pairs: tuple[tuple[str, str], ...]) -> Labels:
        key = (name, pairs)
        labels = self._labels.get(key)
        if labels is None:
            if len(self._labels) >= MAX_CACHED_LABELS:
                self._labels.clear()
            own = {METRIC: name, "host": self._host, "instance": self._host, "job": "host"}
            labels = self._labels[key] = labels_of({**own, **dict(pairs)})
        return labels


def _ratios(single: dict[str, float]) -> list[Reading]:
    found: list[Reading] = []
    for name, whole, part in RATIOS:
        if single.get(whole, 0.0) > 0 and part in single:
            share = single[part] / single[whole]
            found.append((name, (), share if part == "node_filefd_allocated" else 1 - share))
    return found
