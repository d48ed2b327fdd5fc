"""Read how full the file systems are that a person would call disks.

In: the mount table (``/proc/mounts``) and the system call ``statvfs``; out: readings. Left out:
file systems that hold no data, images that are always full, network mounts (a dead server would
hang the call), temporary ones that take no writes, container layers except where one is the
root, and further mounts of a device: its shortest mount point speaks for it.
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from twinhelm.aiops.collect.host.families import Reading

__all__ = ["Statvfs", "read_mounts"]

Statvfs = Callable[[str], os.statvfs_result]

DISK_TYPES = re.compile(
    "ext[234]|xfs|btrfs|zfs|f2fs|jfs|reiserfs|bcachefs|vfat|exfat|ntfs3?|fuseblk|hfsplus|apfs|ufs|"
    "tmpfs|ramfs|overlay"
)
SHARED_DEVICES = frozenset({"tmpfs", "ramfs", "overlay"})
"""File systems whose device column does not tell two of them apart."""
SKIPPED_POINTS = re.compile(r"/(?:dev|proc|run|sys|var/lib/(?:docker|containers|kubelet))(?:/.*)?")
MAX_MOUNTS = 100
ESCAPE = re.compile(r"\\([0-7]{3})")


def read_mounts(root: Path, statvfs: Statvfs | None = None) -> Iterator[Reading]:
    """Yield size, free bytes and inodes, and the used ratio, of each file system.

    ``statvfs`` stands in for the system call in tests.
    """
    call = statvfs or os.statvfs
    try:
        table = (root / "mounts").read_text(errors="replace")
    except OSError:
        return
    for device, point, kind in _chosen(table):
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
    """Return (device, mount point, type) of the mounts that count, one for each device."""
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
