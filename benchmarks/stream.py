"""Make a remote-write stream as a fleet of node exporters sends it, without a cost per sample.

Every machine has the families of a node exporter, two thirds of them counters, under the labels
that discovery adds. A request holds one entry per sample, as Prometheus's own sender writes it;
so all requests of one group of series have one layout, and only values and times are filled in.
Each group belongs to one connection, so that the samples of a series arrive in order.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import cramjam
import numpy as np

__all__ = ["STEP_MS", "Stream", "make_stream"]

STEP_MS = 15_000
TIME_BYTES = 6
"""What an epoch in milliseconds takes as a varint, from 2004 to 2109."""

MODES = ("idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user")
NETWORK = ("receive_bytes", "transmit_bytes", "receive_packets", "transmit_packets")
MEMORY = ("MemAvailable", "MemFree", "Cached", "Buffers", "Active", "Inactive", "Slab", "Dirty")


@dataclass(frozen=True)
class Stream:
    """``first[c]`` and ``rest[c]`` are the bodies of connection ``c``, in order.

    ``first`` brings every series for the first time, ``rest`` goes on with them.
    """

    first: list[list[bytes]]
    rest: list[list[bytes]]
    first_samples: int
    labels: list[dict[str, str]]
    counters: int
    times: np.ndarray
    """(steps,) epoch ms."""
    values: np.ndarray
    """(steps, series)."""

    @property
    def samples(self) -> int:
        """How many samples all requests hold."""
        return int(self.values.size)


def families() -> list[tuple[str, dict[str, str], str]]:
    """List (name, own labels, kind) of the series of one machine: 250, as a small one has."""
    made = [
        ("node_cpu_seconds_total", {"cpu": str(cpu), "mode": mode}, "seconds")
        for cpu in range(8)
        for mode in MODES
    ]
    for device in ("eth0", "eth1", "lo", "docker0", "veth1a2b3c", "veth4d5e6f"):
        made += [(f"node_network_{what}_total", {"device": device}, "bytes") for what in NETWORK]
        made.append(("node_network_up", {"device": device}, "still"))
        made.append(("node_network_mtu_bytes", {"device": device}, "still"))
    for device in ("nvme0n1", "nvme1n1", "dm-0", "dm-1"):
        made += [
            (f"node_disk_{what}_total", {"device": device}, "bytes")
            for what in ("read_bytes", "written_bytes", "reads_completed", "writes_completed")
        ]
        made.append(("node_disk_io_time_seconds_total", {"device": device}, "seconds"))
        made.append(("node_disk_io_now", {"device": device}, "small"))
    for place in ("/", "/boot", "/var", "/var/lib/docker", "/home", "/tmp"):  # noqa: S108 - a label
        own = {"device": f"/dev/mapper/vg-{place[1:] or 'root'}", "fstype": "ext4"}
        for what in ("avail_bytes", "free_bytes", "files_free"):
            made.append((f"node_filesystem_{what}", {**own, "mountpoint": place}, "level"))
        made.append(("node_filesystem_size_bytes", {**own, "mountpoint": place}, "still"))
    made += [(f"node_memory_{what}_bytes", {}, "level") for what in MEMORY]
    made += [(f"node_load{minutes}", {}, "load") for minutes in (1, 5, 15)]
    made += [
        (f"node_netstat_{what}", {}, "bytes")
        for what in ("Tcp_InSegs", "Tcp_OutSegs", "Udp_InDatagrams", "Ip_Forwarding")
    ]
    made += [("node_context_switches_total", {}, "bytes"), ("node_procs_running", {}, "small")]
    made += [("node_vmstat_pgfault", {}, "bytes"), ("node_filefd_allocated", {}, "small")]
    while len(made) < 250:
        name = f"node_softnet_{('processed', 'dropped', 'times_squeezed')[len(made) % 3]}_total"
        made.append((name, {"cpu": str(len(made) // 3)}, "bytes"))
    return made[:250]


COUNTERS = frozenset({"seconds", "bytes"})


def make_stream(
    *, series: int, steps: int, per_request: int, connections: int, end_ms: int, seed: int = 1
) -> Stream:
    """Make ``steps`` samples of every series, 15 s apart, the last at ``end_ms``."""
    rng = np.random.default_rng(seed)
    own = families()
    labels, kinds = [], []
    for i in range(series):
        name, more, kind = own[i % len(own)]
        host = i // len(own)
        labels.append(
            {
                "__name__": name,
                "cluster": "prod-eu-1",
                "instance": f"10.{host >> 8 & 255}.{host & 255}.7:9100",
                "job": "node-exporter",
                "namespace": "monitoring",
                "pod": f"node-exporter-{host * 2654435761 % 2**32:08x}",
                **more,
            }
        )
        kinds.append(kind)
    values = values_of(np.array(kinds), steps, rng)
    times = end_ms - STEP_MS * np.arange(steps - 1, -1, -1, dtype=np.int64)
    each = [label_bytes(one) for one in labels]
    # So many series per group that every connection has work, and as many steps per request.
    group = min(per_request, -(-series // connections))
    deep = max(per_request // group, 1)
    first: list[list[bytes]] = [[] for _ in range(connections)]
    rest: list[list[bytes]] = [[] for _ in range(connections)]
    groups = [Group(each, a, min(a + group, series), deep) for a in range(0, series, group)]
    for step in range(0, steps, deep):
        for number, one in enumerate(groups):
            requests = rest if step else first
            requests[number % connections].append(one.request(values, times, step))
    counters = sum(kind in COUNTERS for kind in kinds)
    met = min(deep, steps) * series
    return Stream(first, rest, met, labels, counters, times, values)


def values_of(kinds: np.ndarray, steps: int, rng: np.random.Generator) -> np.ndarray:
    """Make values (steps, series) as machines at work show them."""
    n = len(kinds)
    out = np.empty((steps, n))
    for kind in sorted(set(kinds.tolist())):
        where = np.flatnonzero(kinds == kind)
        shape = (steps, len(where))
        base = rng.lognormal(3.0, 1.5, len(where))
        if kind == "seconds":
            made = np.round(900 + np.cumsum(15 * np.clip(rng.normal(0.5, 0.1, shape), 0, 1), 0), 2)
        elif kind == "bytes":
            made = np.cumsum(rng.poisson(base * 100, shape), 0).astype(float)
        elif kind == "level":
            drift = np.cumsum(rng.normal(0, 1, shape), 0)
            made = np.round(base * 1e5 + drift * 20 + rng.normal(0, 50, shape)) * 4096.0
        elif kind == "load":
            made = np.round(np.abs(rng.normal(2.0, 0.3, shape)), 2)
        elif kind == "small":
            made = rng.poisson(3 + base, shape).astype(float)
        else:
            made = np.broadcast_to(np.round(base), shape)
        out[:, where] = made
    return out


def varint(number: int) -> bytes:
    """Write a protobuf varint."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def label_bytes(labels: dict[str, str]) -> bytes:
    """Write one series' labels, sorted by name, as fields of a TimeSeries."""
    out = b""
    for name, value in sorted(labels.items()):
        pair = b"".join(
            bytes([key]) + varint(len(text)) + text
            for key, text in ((0x0A, name.encode()), (0x12, value.encode()))
        )
        out += b"\x0a" + varint(len(pair)) + pair
    return out


class Group:
    """Requests of series ``first <= i < last``, ``deep`` steps each."""

    def __init__(self, each: list[bytes], first: int, last: int, deep: int) -> None:
        self.first, self.last, self.deep = first, last, deep
        sample = b"\x09" + struct.pack("<d", 0.0) + b"\x10" + bytes(TIME_BYTES)
        held = b"\x12" + varint(len(sample)) + sample
        parts, at, places = [], 0, []
        for body in each[first:last]:
            entry = body + held
            parts.append(b"\x0a" + varint(len(entry)) + entry)
            at += len(parts[-1])
            places.append(at - TIME_BYTES)
        self._one = np.frombuffer(b"".join(parts), np.uint8)
        self._time_at = np.array(places)[:, None] + np.arange(TIME_BYTES)
        self._value_at = np.array(places)[:, None] - 9 + np.arange(8)

    def request(self, values: np.ndarray, times: np.ndarray, step: int) -> bytes:
        """Return the body with ``deep`` steps from ``step`` on."""
        last = min(step + self.deep, len(times))
        parts = []
        for k in range(step, last):
            one = self._one.copy()
            one[self._time_at] = np.frombuffer(varint(int(times[k])), np.uint8)
            column = np.ascontiguousarray(values[k, self.first : self.last])
            one[self._value_at] = column.view(np.uint8).reshape(-1, 8)
            parts.append(one)
        raw = np.concatenate(parts).tobytes()
        return bytes(cramjam.snappy.compress_raw(raw))
