"""Read what the Linux kernel says of the whole machine, from ``/proc``.

In: the root of a proc file system; out: readings (:mod:`families`). A file that is missing (an
old kernel without pressure stalls, a container without disks) yields no reading; lines that
cannot be read are skipped. About 1 ms in all; nothing is kept between calls.

Source: Linux ``Documentation/filesystems/proc.rst``, ``Documentation/admin-guide/iostats.rst``,
``Documentation/accounting/psi.rst``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from twinhelm.aiops.collect.host.families import MEMORY_FIELDS, Reading

__all__ = ["read_linux"]

TICKS_PER_S = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
SECTOR_BYTES = 512
"""What /proc/diskstats counts in, whatever the disk's own sector is."""

CPU_MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
DISK_SKIPPED = re.compile(r"(?:z?ram|loop|fd|sr|(?:h|s|v|xv)d[a-z]+|nvme\d+n\d+p|mmcblk\d+p)\d+")
"""Pseudo disks and partitions; the disk under a partition counts the same request again."""
NETWORK_SKIPPED = re.compile(r"(?:veth|cali|lxc|tap|vnet).*")
"""One per container or guest: they come and go and would fill the index."""

DISK_COLUMNS = (
    (3, "node_disk_reads_completed_total", 1.0),
    (5, "node_disk_read_bytes_total", SECTOR_BYTES),
    (6, "node_disk_read_time_seconds_total", 1e-3),
    (7, "node_disk_writes_completed_total", 1.0),
    (9, "node_disk_written_bytes_total", SECTOR_BYTES),
    (10, "node_disk_write_time_seconds_total", 1e-3),
    (12, "node_disk_io_time_seconds_total", 1e-3),
    (13, "node_disk_io_time_weighted_seconds_total", 1e-3),
)
NETWORK_COLUMNS = (
    (0, "node_network_receive_bytes_total"),
    (1, "node_network_receive_packets_total"),
    (2, "node_network_receive_errs_total"),
    (3, "node_network_receive_drop_total"),
    (8, "node_network_transmit_bytes_total"),
    (9, "node_network_transmit_packets_total"),
    (10, "node_network_transmit_errs_total"),
    (11, "node_network_transmit_drop_total"),
)
STAT_LINES = {
    "ctxt": "node_context_switches_total",
    "processes": "node_forks_total",
    "procs_running": "node_procs_running",
    "procs_blocked": "node_procs_blocked",
    "btime": "node_boot_time_seconds",
}
PRESSURES = (
    ("cpu", "some", "node_pressure_cpu_waiting_seconds_total"),
    ("io", "some", "node_pressure_io_waiting_seconds_total"),
    ("io", "full", "node_pressure_io_stalled_seconds_total"),
    ("memory", "some", "node_pressure_memory_waiting_seconds_total"),
    ("memory", "full", "node_pressure_memory_stalled_seconds_total"),
)
VMSTAT_LINES = ("oom_kill", "pgmajfault", "pswpin", "pswpout")


def read_linux(root: Path) -> list[Reading]:
    """Return every reading of the machine but its file systems and processes."""
    readings: list[Reading] = []
    for read in (_stat, _memory, _load, _descriptors, _disks, _network, _pressure, _vmstat):
        readings.extend(read(root))
    return readings


def _text(path: Path) -> str:
    """Return a file's text, empty where it cannot be read."""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - Path.open costs twice as much
            return file.read(1 << 20).decode(errors="replace")
    except OSError:
        return ""


def _number(text: str) -> float | None:
    """Read a count, None for what is not one."""
    return float(text) if text.isascii() and text.isdigit() else None


def _stat(root: Path) -> Iterator[Reading]:
    """Read CPU time by mode, counts of tasks, and the time of boot."""
    cpus = 0
    for line in _text(root / "stat").splitlines():
        name, _, rest = line.partition(" ")
        if name == "cpu":
            for mode, ticks in zip(CPU_MODES, rest.split(), strict=False):
                if (count := _number(ticks)) is not None:
                    yield "node_cpu_seconds_total", (("mode", mode),), count / TICKS_PER_S
        elif name.startswith("cpu"):
            cpus += 1
        elif name in STAT_LINES and (count := _number(rest.strip())) is not None:
            yield STAT_LINES[name], (), count
    if cpus:
        yield "host_cpu_count", (), float(cpus)


def _memory(root: Path) -> Iterator[Reading]:
    """Read memory and swap."""
    for line in _text(root / "meminfo").splitlines():
        name, _, rest = line.partition(":")
        if name in MEMORY_FIELDS:
            words = rest.split()
            if words and (count := _number(words[0])) is not None:
                yield f"node_memory_{name}_bytes", (), count * 1024


def _load(root: Path) -> Iterator[Reading]:
    """Read the load averages."""
    words = _text(root / "loadavg").split()
    for name, word in zip(("node_load1", "node_load5", "node_load15"), words, strict=False):
        if re.fullmatch(r"\d+(\.\d+)?", word, re.ASCII):
            yield name, (), float(word)


def _descriptors(root: Path) -> Iterator[Reading]:
    """Read how many file descriptors are open and may be."""
    words = _text(root / "sys/fs/file-nr").split()
    if len(words) == 3:
        for name, word in (("allocated", words[0]), ("maximum", words[2])):
            if (count := _number(word)) is not None:
                yield f"node_filefd_{name}", (), count


def _disks(root: Path) -> Iterator[Reading]:
    """Read what whole disks did."""
    for line in _text(root / "diskstats").splitlines():
        words = line.split()
        if len(words) < 14 or DISK_SKIPPED.fullmatch(words[2]):
            continue
        for column, name, factor in DISK_COLUMNS:
            if (count := _number(words[column])) is not None:
                yield name, (("device", words[2]),), count * factor


def _network(root: Path) -> Iterator[Reading]:
    """Read what network devices did."""
    for line in _text(root / "net/dev").splitlines()[2:]:
        device, _, rest = line.rpartition(":")
        words, device = rest.split(), device.strip()
        if len(words) < 12 or not device or NETWORK_SKIPPED.fullmatch(device):
            continue
        for column, name in NETWORK_COLUMNS:
            if (count := _number(words[column])) is not None:
                yield name, (("device", device),), count


def _pressure(root: Path) -> Iterator[Reading]:
    """Read how long tasks waited for a resource."""
    texts = {resource: _text(root / "pressure" / resource) for resource, _, _ in PRESSURES}
    for resource, share, name in PRESSURES:
        found = re.search(rf"^{share} .*\btotal=(\d{{1,19}})", texts[resource], re.MULTILINE)
        if found:
            yield name, (), int(found[1]) / 1e6


def _vmstat(root: Path) -> Iterator[Reading]:
    """Read kills and page faults."""
    text = "\n" + _text(root / "vmstat")
    for name in VMSTAT_LINES:
        found = re.search(rf"\n{name} (\d{{1,19}})", text)
        if found:
            yield f"node_vmstat_{name}", (), float(found[1])
