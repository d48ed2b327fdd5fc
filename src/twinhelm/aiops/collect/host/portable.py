"""Read a machine that is not Linux, through psutil: fewer facts, under the same names.

In: nothing; out: readings (:mod:`families`) and process counts as :mod:`linux_processes` makes
them. What the system does not tell is left out. Several times slower than reading ``/proc``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import psutil

from twinhelm.aiops.collect.host.families import Reading
from twinhelm.aiops.collect.host.linux_processes import ProcessCount
from twinhelm.aiops.collect.host.naming import process_name
from twinhelm.core.clock import SystemClock

__all__ = ["PortableProcesses", "read_portable"]


def read_portable() -> Iterator[Reading]:
    """Yield CPU, memory, load, disk, network and file system readings."""
    times = psutil.cpu_times()
    for mode in ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"):
        if hasattr(times, mode):
            yield "node_cpu_seconds_total", (("mode", mode),), float(getattr(times, mode))
    yield "host_cpu_count", (), float(psutil.cpu_count() or 1)
    yield "node_boot_time_seconds", (), float(psutil.boot_time())
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    yield "node_memory_MemTotal_bytes", (), float(memory.total)
    yield "node_memory_MemAvailable_bytes", (), float(memory.available)
    yield "node_memory_SwapTotal_bytes", (), float(swap.total)
    yield "node_memory_SwapFree_bytes", (), float(swap.free)
    for name, value in zip(("node_load1", "node_load5", "node_load15"), psutil.getloadavg(),
                           strict=True):  # fmt: skip
        yield name, (), value
    for device, disk in (psutil.disk_io_counters(perdisk=True) or {}).items():
        pairs = (("device", device),)
        yield "node_disk_reads_completed_total", pairs, float(disk.read_count)
        yield "node_disk_read_bytes_total", pairs, float(disk.read_bytes)
        yield "node_disk_writes_completed_total", pairs, float(disk.write_count)
        yield "node_disk_written_bytes_total", pairs, float(disk.write_bytes)
    for device, net in (psutil.net_io_counters(pernic=True) or {}).items():
        pairs = (("device", device),)
        for way, size, packets, errors, drops in (
            ("receive", net.bytes_recv, net.packets_recv, net.errin, net.dropin),
            ("transmit", net.bytes_sent, net.packets_sent, net.errout, net.dropout),
        ):
            yield f"node_network_{way}_bytes_total", pairs, float(size)
            yield f"node_network_{way}_packets_total", pairs, float(packets)
            yield f"node_network_{way}_errs_total", pairs, float(errors)
            yield f"node_network_{way}_drop_total", pairs, float(drops)
    yield from _file_systems()


def _file_systems() -> Iterator[Reading]:
    """Yield how full each disk is; a device that is mounted twice counts once."""
    seen: set[str] = set()
    for part in psutil.disk_partitions(all=False):
        if part.device in seen:
            continue
        seen.add(part.device)
        try:
            usage = psutil.disk_usage(part.mountpoint)
        except OSError:
            continue
        pairs = (
            ("device", part.device),
            ("fstype", part.fstype),
            ("mountpoint", part.mountpoint),
        )
        yield "node_filesystem_size_bytes", pairs, float(usage.total)
        yield "node_filesystem_avail_bytes", pairs, float(usage.free)
        yield "host_disk_used_ratio", pairs, usage.percent / 100


class PortableProcesses:
    """Looks at all processes through psutil."""

    def uptime_s(self) -> float:
        """Return seconds on a clock that never steps back."""
        return SystemClock().monotonic_s()

    def scan(self) -> list[ProcessCount]:
        """Look at every process once; one that ends meanwhile is left out."""
        now_ms, uptime_s = SystemClock().now_ms(), self.uptime_s()
        found = []
        for process in psutil.process_iter():
            try:
                with process.oneshot():
                    times, memory = process.cpu_times(), process.memory_info()
                    count = ProcessCount(
                        process.pid,
                        uptime_s - (now_ms / 1000 - process.create_time()),
                        _name(process),
                        times.user + times.system,
                        memory.rss,
                        _written(process),
                        _descriptors(process),
                    )
            except psutil.Error:
                continue
            found.append(count)
        return found


def _name(process: psutil.Process) -> str:
    """Name a process; by its program alone where its command line may not be read."""
    try:
        return process_name(process.name(), process.cmdline())
    except psutil.AccessDenied:
        return process_name(process.name(), ())


def _written(process: psutil.Process) -> int:
    """Return bytes written, -1 where the system does not tell."""
    try:
        return int(process.io_counters().write_bytes) if hasattr(process, "io_counters") else -1
    except psutil.AccessDenied:
        return -1


def _descriptors(process: psutil.Process) -> int:
    """Return open descriptors, -1 where the system does not tell."""
    try:
        return process.num_fds() if os.name == "posix" else -1
    except psutil.AccessDenied:
        return -1
