"""Answer who uses the machine: the processes, by name, that use most of each resource.

In come counts of single processes (:mod:`linux_processes`), look after look; out go
:class:`ProcessUse` by name, with rates since the look before, and the few names that are worth
a series. Names, not pids, are what series carry: a pid never comes back.

A name that was among the top stays for ``HOLD_MS`` after it left, at its true value, so that a
chart does not flicker at the tenth place. A rate needs two looks; the first has none.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from twinhelm.aiops.collect.host.families import Reading
from twinhelm.aiops.collect.host.linux_processes import ProcessCount

__all__ = ["ProcessTable", "ProcessUse", "TopUsers"]

HOLD_MS = 300_000
HOLD_FACTOR = 3


@dataclass(frozen=True, slots=True)
class ProcessUse:
    """All processes of one name, added up.

    ``cpu_ratio`` is their share of all the machine's CPU time in [0, 1]; NaN, as the write rate,
    before the second look. What could not be read (somebody else's process) counts as nothing.
    """

    name: str
    pids: tuple[int, ...]
    cpu_ratio: float
    rss_bytes: int
    write_bytes_per_s: float
    descriptors: int


class ProcessTable:
    """Turns counts into use; keeps the counts of the look before."""

    def __init__(self) -> None:
        self._before: dict[int, ProcessCount] = {}
        self._uptime_s = math.nan

    def update(
        self, counts: Sequence[ProcessCount], *, uptime_s: float, cpus: int
    ) -> list[ProcessUse]:
        """Take one look, made at ``uptime_s``; the names come in order of their first pid."""
        elapsed_s = uptime_s - self._uptime_s
        groups: dict[str, list[ProcessCount]] = {}
        for count in counts:
            groups.setdefault(count.name, []).append(count)
        uses = []
        for name, members in groups.items():
            cpu_s, written = 0.0, 0
            for count in members:
                before = self._before.get(count.pid)
                known = before is not None and before.start == count.start
                if before is not None and known:
                    cpu_s += max(count.cpu_s - before.cpu_s, 0.0)
                    if min(count.written_bytes, before.written_bytes) >= 0:
                        written += max(count.written_bytes - before.written_bytes, 0)
                elif count.start >= self._uptime_s:
                    # It began after the look before, so that all it did was done since.
                    cpu_s += count.cpu_s
                    written += max(count.written_bytes, 0)
            uses.append(
                ProcessUse(
                    name,
                    tuple(sorted(count.pid for count in members)),
                    min(cpu_s / elapsed_s / max(cpus, 1), 1.0) if elapsed_s > 0 else math.nan,
                    sum(count.rss_bytes for count in members),
                    written / elapsed_s if elapsed_s > 0 else math.nan,
                    sum(max(count.descriptors, 0) for count in members),
                )
            )
        self._before = {count.pid: count for count in counts}
        self._uptime_s = uptime_s
        return uses


class TopUsers:
    """Chooses the names that are reported, ``top`` for each resource; see the module."""

    RESOURCES = (
        ("host_process_cpu_ratio", "cpu_ratio", 0.001),
        ("host_process_memory_bytes", "rss_bytes", 1 << 20),
        ("host_process_write_bytes_per_second", "write_bytes_per_s", 1.0),
        ("host_process_descriptors", "descriptors", 1),
    )
    """Family, field, and the least that is worth a place."""

    def __init__(self, top: int) -> None:
        self._top = top
        self._last_ms: dict[str, dict[str, int]] = {family: {} for family, _, _ in self.RESOURCES}

    def readings(self, uses: Sequence[ProcessUse], now_ms: int) -> list[Reading]:
        """Return one reading for each name and resource that is, or just was, at the top."""
        found: list[Reading] = []
        for family, field, least in self.RESOURCES:
            values: dict[str, float] = {use.name: getattr(use, field) for use in uses}
            if any(math.isnan(value) for value in values.values()):
                continue
            held = self._hold(family, values, least, now_ms)
            found.extend(
                (family, (("process", name),), float(values.get(name, 0.0))) for name in held
            )
        return found

    def _hold(
        self, family: str, values: Mapping[str, float], least: float, now_ms: int
    ) -> list[str]:
        """Return the names to report, after noting who is at the top now."""
        last = self._last_ms[family]
        worthy = (name for name, value in values.items() if value >= least)
        for name in sorted(worthy, key=lambda name: (-values[name], name))[: self._top]:
            last[name] = now_ms
        kept = sorted(
            (name for name, seen in last.items() if 0 <= now_ms - seen <= HOLD_MS),
            key=lambda name: (-last[name], -values.get(name, 0.0), name),
        )[: self._top * HOLD_FACTOR]
        self._last_ms[family] = {name: last[name] for name in kept}
        return kept
