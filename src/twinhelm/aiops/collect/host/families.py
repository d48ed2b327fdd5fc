"""The metric families that the host collector writes: name, type, unit and what each means.

A reading is ``(name, pairs, value)``: a family's name, the label pairs that tell one of its
series from another (empty for one of its kind), and the value in base units. Names that start
with ``node_`` mean what node exporter means by them.

Source: node_exporter collector documentation; Linux ``Documentation/filesystems/proc.rst``.
"""

from twinhelm.core.telemetry import MetricMeta, MetricType

__all__ = ["CPU_MODES", "FAMILIES", "MEMORY_FIELDS", "Reading"]

Reading = tuple[str, tuple[tuple[str, str], ...], float]

CPU_MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
MEMORY_FIELDS = ("MemTotal", "MemAvailable", "MemFree", "Buffers", "Cached", "Dirty", "SwapTotal",
                 "SwapFree")  # fmt: skip


def _family(name: str, kind: MetricType, help_text: str) -> MetricMeta:
    unit = name.removesuffix("_total").rpartition("_")[2]
    return MetricMeta(name, kind, unit if unit in ("seconds", "bytes", "ratio") else "", help_text)


_COUNTERS = {
    "node_cpu_seconds_total": "Time that all CPUs together spent in each mode.",
    "node_context_switches_total": "Context switches.",
    "node_forks_total": "Processes and threads started.",
    "node_disk_reads_completed_total": "Reads that a disk completed.",
    "node_disk_read_bytes_total": "Bytes read from a disk.",
    "node_disk_read_time_seconds_total": "Time that reads took, added up.",
    "node_disk_writes_completed_total": "Writes that a disk completed.",
    "node_disk_written_bytes_total": "Bytes written to a disk.",
    "node_disk_write_time_seconds_total": "Time that writes took, added up.",
    "node_disk_io_time_seconds_total": "Time that a disk was busy.",
    "node_disk_io_time_weighted_seconds_total": "Time requests waited and ran, added up.",
    "node_network_receive_bytes_total": "Bytes received by a device.",
    "node_network_receive_packets_total": "Packets received by a device.",
    "node_network_receive_errs_total": "Packets received with errors.",
    "node_network_receive_drop_total": "Received packets that were dropped.",
    "node_network_transmit_bytes_total": "Bytes sent by a device.",
    "node_network_transmit_packets_total": "Packets sent by a device.",
    "node_network_transmit_errs_total": "Packets that could not be sent.",
    "node_network_transmit_drop_total": "Packets dropped before they were sent.",
    "node_pressure_cpu_waiting_seconds_total": "Time in which some task waited for a CPU.",
    "node_pressure_io_waiting_seconds_total": "Time in which some task waited for I/O.",
    "node_pressure_io_stalled_seconds_total": "Time in which every task waited for I/O.",
    "node_pressure_memory_waiting_seconds_total": "Time in which some task waited for memory.",
    "node_pressure_memory_stalled_seconds_total": "Time in which every task waited for memory.",
    "node_vmstat_oom_kill": "Processes killed because memory ran out.",
    "node_vmstat_pgmajfault": "Page faults that had to read from a disk.",
    "node_vmstat_pswpin": "Pages read back from swap.",
    "node_vmstat_pswpout": "Pages written out to swap.",
}
_GAUGES = {
    **{f"node_memory_{name}_bytes": f"{name} of /proc/meminfo." for name in MEMORY_FIELDS},
    "node_procs_running": "Tasks that run or could run now.",
    "node_procs_blocked": "Tasks that wait for I/O now.",
    "node_boot_time_seconds": "When the machine booted, seconds since 1970.",
    "node_load1": "Tasks running or waiting, averaged over about 1 minute.",
    "node_load5": "Tasks running or waiting, averaged over about 5 minutes.",
    "node_load15": "Tasks running or waiting, averaged over about 15 minutes.",
    "node_filefd_allocated": "File descriptors open on the whole machine.",
    "node_filefd_maximum": "File descriptors that may be open on the whole machine.",
    "node_filesystem_size_bytes": "Size of a file system.",
    "node_filesystem_avail_bytes": "Bytes that ordinary users may still write.",
    "node_filesystem_files": "Inodes of a file system.",
    "node_filesystem_files_free": "Free inodes of a file system.",
    "node_filesystem_readonly": "1 where a file system takes no writes.",
    "host_cpu_count": "CPUs of this machine.",
    "host_cpu_busy_ratio": "Share of all CPU time since the last look that was neither idle nor "
    "waiting for I/O.",
    "host_memory_used_ratio": "Share of memory that is not available to a new process.",
    "host_swap_used_ratio": "Share of swap in use.",
    "host_disk_used_ratio": "Share of what ordinary users may write that is written.",
    "host_descriptors_used_ratio": "Share of the machine's file descriptors in use.",
    "host_process_cpu_ratio": "Share of all the machine's CPU time that processes of this name "
    "used since the last look.",
    "host_process_memory_bytes": "Resident memory of processes of this name; shared pages count "
    "in each.",
    "host_process_write_bytes_per_second": "Bytes that processes of this name caused to be "
    "written to disks.",
    "host_process_descriptors": "File descriptors open in processes of this name.",
}

FAMILIES: dict[str, MetricMeta] = {
    **{name: _family(name, MetricType.COUNTER, text) for name, text in _COUNTERS.items()},
    **{name: _family(name, MetricType.GAUGE, text) for name, text in _GAUGES.items()},
}
