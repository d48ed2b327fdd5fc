"""Read a machine that is not Linux, through psutil: a few facts, under the same names.

In: nothing; out: readings (:mod:`families`). What the system does not tell is left out, and
processes are not looked at.
"""

from collections.abc import Iterator

import psutil

from twinhelm.aiops.collect.host.families import CPU_MODES, Reading

__all__ = ["read_portable"]


def read_portable() -> Iterator[Reading]:
    """Yield CPU, memory, load, disk and network readings."""
    times = psutil.cpu_times()
    for mode in CPU_MODES:
        if hasattr(times, mode):
            yield "node_cpu_seconds_total", (("mode", mode),), float(getattr(times, mode))
    memory, swap, load = psutil.virtual_memory(), psutil.swap_memory(), psutil.getloadavg()
    for name, value in (
        ("host_cpu_count", psutil.cpu_count() or 1),
        ("node_boot_time_seconds", psutil.boot_time()),
        ("node_memory_MemTotal_bytes", memory.total),
        ("node_memory_MemAvailable_bytes", memory.available),
        ("node_memory_SwapTotal_bytes", swap.total),
        ("node_memory_SwapFree_bytes", swap.free),
        *zip(("node_load1", "node_load5", "node_load15"), load, strict=True),
    ):
        yield name, (), float(value)
    for device, disk in (psutil.disk_io_counters(perdisk=True) or {}).items():
        yield "node_disk_read_bytes_total", (("device", device),), float(disk.read_bytes)
        yield "node_disk_written_bytes_total", (("device", device),), float(disk.write_bytes)
    for device, net in (psutil.net_io_counters(pernic=True) or {}).items():
        yield "node_network_receive_bytes_total", (("device", device),), float(net.bytes_recv)
        yield "node_network_transmit_bytes_total", (("device", device),), float(net.bytes_sent)
