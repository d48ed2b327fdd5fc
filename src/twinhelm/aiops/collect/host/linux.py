"""Read what the Linux kernel says of the whole machine, from ``/proc``.

In: the root of a proc file system, and the system call ``statvfs``; out: readings
(:mod:`families`). A file that is missing (an old kernel without pressure stalls, a container
without disks) yields no reading; lines that cannot be read are skipped. About 1 ms in all.

Source: Linux ``Documentation/filesystems/proc.rst``, ``Documentation/admin-guide/iostats.rst``,
``Documentation/accounting/psi.rst``.
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from twinhelm.aiops.collect.host.families import CPU_MODES, MEMORY_FIELDS, Reading

__all__ = ["TICKS_PER_S", "Statvfs", "read_linux", "read_mounts"]

Statvfs = Callable[[str], os.statvfs_result]

TICKS_PER_S = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
SECTOR_BYTES = 512
"""What /proc/diskstats counts in, whatever the disk's own sector is."""

NAMED = {
    "stat": {
        "ctxt": "node_context_switches_total",
        "processes": "node_forks_total",
        "procs_running": "node_procs_running",
        "procs_blocked": "node_procs_blocked",
        "btime": "node_boot_time_seconds",
    },
    "meminfo": {f"{name}:": f"node_memory_{name}_bytes" for name in MEMORY_FIELDS},
    "vmstat": {
        name: f"node_vmstat_{name}" for name in ("oom_kill", "pgmajfault", "pswpin", "pswpout")
    },
}
"""Files of lines that begin with a name and a number; memory is in units of 1024 bytes."""

PLACED = (
    ("loadavg", {0: "node_load1", 1: "node_load5", 2: "node_load15"}),
    ("sys/fs/file-nr", {0: "node_filefd_allocated", 2: "node_filefd_maximum"}),
)
"""Files of one line, and which word of it is what."""

DISK_SKIPPED = re.compile(r"(?:z?ram|loop|fd|sr|(?:h|s|v|xv)d[a-z]+|nvme\d+n\d+p|mmcblk\d+p)\d+")
"""Pseudo disks and partitions; the disk under a partition counts the same request again."""
DISK_COLUMNS = {
    0: ("reads_completed_total", 1.0),
    2: ("read_bytes_total", SECTOR_BYTES),
    3: ("read_time_seconds_total", 1e-3),
    4: ("writes_completed_total", 1.0),
    6: ("written_bytes_total", SECTOR_BYTES),
    7: ("write_time_seconds_total", 1e-3),
    9: ("io_time_seconds_total", 1e-3),
    10: ("io_time_weighted_seconds_total", 1e-3),
}
NETWORK_SKIPPED = re.compile(r"(?:veth|cali|lxc|tap|vnet).*")
"""One per container or guest: they come and go and would fill the index."""
NETWORK_COLUMNS = {
    8 * way + column: (f"{name}_{what}_total", 1.0)
    for way, name in enumerate(("receive", "transmit"))
    for column, what in enumerate(("bytes", "packets", "errs", "drop"))
}
PRESSURES = (
    ("cpu", "some", "node_pressure_cpu_waiting_seconds_total"),
    ("io", "some", "node_pressure_io_waiting_seconds_total"),
    ("io", "full", "node_pressure_io_stalled_seconds_total"),
    ("memory", "some", "node_pressure_memory_waiting_seconds_total"),
    ("memory", "full", "node_pressure_memory_stalled_seconds_total"),
)
DISK_TYPES = re.compile(
    "ext[234]|xfs|btrfs|zfs|f2fs|jfs|reiserfs|bcachefs|vfat|exfat|ntfs3?|fuseblk|hfsplus|apfs|ufs|"
    "tmpfs|ramfs|overlay"
)
SHARED_DEVICES = frozenset({"tmpfs", "ramfs", "overlay"})
"""File systems whose device column does not tell two of them apart."""
SKIPPED_POINTS = re.compile(r"/(?:dev|proc|run|sys|var/lib/(?:docker|containers|kubelet))(?:/.*)?")
MAX_MOUNTS = 100
ESCAPE = re.compile(r"\\([0-7]{3})")


def read_linux(root: Path) -> list[Reading]:
    """Return every reading of the machine but its file systems and processes."""
    return [*_cpus(root), *_numbers(root), *_disks(root), *_network(root), *_pressure(root)]


def _text(path: Path) -> str:
    """Return a file's text, which one read may give but a page of; empty where there is none."""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - Path.open costs twice as much
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def _number(text: str) -> float | None:
    """Read a count or a decimal, None for what is neither."""
    return float(text) if re.fullmatch(r"\d+(\.\d+)?", text, re.ASCII) else None


def _cpus(root: Path) -> Iterator[Reading]:
    """Read CPU time by mode, and count CPUs."""
    lines = [line.split() for line in _text(root / "stat").splitlines() if line.startswith("cpu")]
    for words in (words for words in lines if words[0] == "cpu"):
        for mode, ticks in zip(CPU_MODES, words[1:], strict=False):
            if (count := _number(ticks)) is not None:
                yield "node_cpu_seconds_total", (("mode", mode),), count / TICKS_PER_S
    if cpus := sum(words[0] != "cpu" for words in lines):
        yield "host_cpu_count", (), float(cpus)


def _numbers(root: Path) -> Iterator[Reading]:
    for file, names in NAMED.items():
        for line in _text(root / file).splitlines():
            words = line.split(maxsplit=2)
            if len(words) > 1 and words[0] in names and (count := _number(words[1])) is not None:
                yield names[words[0]], (), count * 1024 if file == "meminfo" else count
    for file, places in PLACED:
        words = _text(root / file).split()
        for place, name in places.items():
            if place < len(words) and (count := _number(words[place])) is not None:
                yield name, (), count


def _disks(root: Path) -> Iterator[Reading]:
    for line in _text(root / "diskstats").splitlines():
        words = line.split()
        if len(words) >= 14 and not DISK_SKIPPED.fullmatch(words[2]):
            yield from _device("disk", words[2], words[3:], DISK_COLUMNS)


def _network(root: Path) -> Iterator[Reading]:
    for line in _text(root / "net/dev").splitlines()[2:]:
        device, _, rest = line.rpartition(":")
        words, device = rest.split(), device.strip()
        if len(words) >= 12 and device and not NETWORK_SKIPPED.fullmatch(device):
            yield from _device("network", device, words, NETWORK_COLUMNS)


def _device(
    sort: str, device: str, words: list[str], columns: dict[int, tuple[str, float]]
) -> Iterator[Reading]:
    for column, (name, factor) in columns.items():
        if (count := _number(words[column])) is not None:
            yield f"node_{sort}_{name}", (("device", device),), count * factor


def _pressure(root: Path) -> Iterator[Reading]:
    texts = {resource: _text(root / "pressure" / resource) for resource, _, _ in PRESSURES}
    for resource, share, name in PRESSURES:
        found = re.search(rf"^{share} .*\btotal=(\d{{1,19}})", texts[resource], re.MULTILINE)
        if found:
            yield name, (), int(found[1]) / 1e6


def read_mounts(root: Path, statvfs: Statvfs | None = None) -> Iterator[Reading]:
    """Yield size, free bytes and inodes, and the used ratio, of what a person would call a disk.

    Left out: file systems that hold no data, images that are always full, network mounts (a dead
    server would hang the call), temporary ones that take no writes, container layers except where
    one is the root, and further mounts of a device: its shortest mount point speaks for it.
    ``statvfs`` stands in for the system call in tests.
    """
    call = statvfs or os.statvfs
    for device, point, kind in _chosen(_text(root / "mounts")):
        try:
            found = call(point)
        except OSError:
            continue
        if found.f_blocks <= 0:
            continue
        size, free = found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize
        used = (found.f_blocks - found.f_bfree) * found.f_frsize
        pairs = (("device", device), ("fstype", kind), ("mountpoint", point))
        for name, value in (
            ("size_bytes", size),
            ("avail_bytes", free),
            ("files", found.f_files),
            ("files_free", found.f_ffree),
            ("readonly", found.f_flag & os.ST_RDONLY != 0),
        ):
            yield f"node_filesystem_{name}", pairs, float(value)
        # What root keeps back counts neither as used nor as free, as in df.
        yield "host_disk_used_ratio", pairs, used / (used + free) if used + free else 1.0


def _chosen(table: str) -> list[tuple[str, str, str]]:
    rows = []
    for line in table.splitlines():
        words = line.split()
        if len(words) < 4:
            continue
        device, point = (ESCAPE.sub(lambda m: chr(int(m[1], 8)), word) for word in words[:2])
        kind, options = words[2], words[3].split(",")
        if (
            not DISK_TYPES.fullmatch(kind)
            or "\0" in point
            or SKIPPED_POINTS.fullmatch(point)
            or (kind == "overlay" and point != "/")
            or (kind == "tmpfs" and "ro" in options)
        ):
            continue
        rows.append((device, point, kind))
    chosen: dict[str, tuple[str, str, str]] = {}
    for row in sorted(rows, key=lambda row: len(row[1])):
        device, point, kind = row
        chosen.setdefault(point if kind in SHARED_DEVICES else device, row)
    return list(chosen.values())[:MAX_MOUNTS]
