from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiops.collect.host.looking import look
from twinhelm.aiops.collect.host import HostCollector
from twinhelm.aiops.collect.host.families import FAMILIES
from twinhelm.aiops.collect.host.linux import read_mounts
from twinhelm.aiops.collect.host.linux_processes import LinuxProcesses
from twinhelm.core.arrays import U32
from twinhelm.core.errors import Unsupported
from twinhelm.core.labels import Labels
from twinhelm.core.settings import HostSettings

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc of Linux")

FILES = {
    "stat": "cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 1 0 1 1\ncpu1 1 0 1 1\nctxt 5\nbtime 1700000000\n"
    "processes 7\nprocs_running 2\nprocs_blocked 1\n",
    "meminfo": "MemTotal:       1000 kB\nMemAvailable:    250 kB\nSwapTotal: 0 kB\nOdd line\n",
    "loadavg": "0.50 0.25 0.10 1/100 42\n",
    "sys/fs/file-nr": "100\t0\t1000\n",
    "diskstats": " 254 0 vda 10 0 2 4 20 0 6 8 0 1000 12\n 254 1 vda1 1 0 2 4 2 0 6 8 0 10 12\n",
    "net/dev": "Inter-|   Receive\n face |bytes\n  eth0: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n"
    "vethab: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n",
    "pressure/cpu": "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\n",
    "pressure/io": "some avg10=0.00 total=1\nfull avg10=0.00 total=2500000\n",
    "vmstat": "pgmajfault 3\noom_kill 1\nzone 5\n",
    "uptime": "100.00 200.00\n",
    "mounts": "",
    "42/stat": "42 (a (b) c) S 1 1 1 0 -1 0 0 0 0 0 300 200 0 0 20 0 1 0 9000 1000 10 0\n",
    "42/cmdline": "a (b) c\0--flag\0",
    "42/io": "rchar: 1\nwrite_bytes: 4096\ncancelled_write_bytes: 96\n",
    "2/stat": "2 (kworker/0:1) S 0 0 0 0 -1 2097152 0 0 0 0 1 1 0 0 20 0 1 0 5 0 0 0\n",
}


def tree(root: Path, **changed: str) -> Path:
    for name, text in {**FILES, **changed}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "42/fd").mkdir(exist_ok=True)
    return root


def collector(root: Path = Path("/proc"), top: int = 10) -> HostCollector:
    return HostCollector(HostSettings(top_processes=top), host="h", proc_root=root)


def values(host: HostCollector, now_ms: int) -> dict[str, float]:
    """Write each series as ``name`` or ``name{value,...}`` without the host's own labels."""
    found = {}
    for labels, value in look(host, now_ms).items():
        (_, name), *rest = labels
        own = [value for key, value in rest if key not in ("host", "instance", "job")]
        found[name + (f"{{{','.join(own)}}}" if own else "")] = value
    return found


@linux
def test_a_machine_is_read_from_its_files(tmp_path: Path) -> None:
    found = values(collector(tree(tmp_path)), 0)
    expected = {
        "node_cpu_seconds_total{idle}": 8.0,
        "host_cpu_count": 2.0,
        "node_boot_time_seconds": 1.7e9,
        "node_forks_total": 7.0,
        "node_procs_blocked": 1.0,
        "node_memory_MemTotal_bytes": 1_024_000.0,
        "host_memory_used_ratio": 0.75,
        "node_load5": 0.25,
        "node_filefd_maximum": 1000.0,
        "host_descriptors_used_ratio": 0.1,
        "node_disk_written_bytes_total{vda}": 6 * 512.0,
        "node_disk_io_time_seconds_total{vda}": 1.0,
        "node_network_transmit_drop_total{eth0}": 8.0,
        "node_pressure_cpu_waiting_seconds_total": 1.5,
        "node_pressure_io_stalled_seconds_total": 2.5,
        "node_vmstat_oom_kill": 1.0,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert not [name for name in found if "vda1" in name or "veth" in name or "swap" in name]


@linux
def test_every_series_carries_the_host(tmp_path: Path) -> None:
    for labels in look(collector(tree(tmp_path)), 0):
        found = dict(labels)
        assert (found["host"], found["instance"], found["job"]) == ("h", "h", "host")
        assert labels == tuple(sorted(labels))
        assert found["__name__"] in FAMILIES


@linux
def test_the_busy_ratio_is_of_the_time_between_two_rounds(tmp_path: Path) -> None:
    host = collector(tree(tmp_path))
    assert "host_cpu_busy_ratio" not in values(host, 0)
    tree(tmp_path, stat="cpu 130 0 130 830 10 0 0 0 0 0\ncpu0 1\n")
    assert values(host, 1000)["host_cpu_busy_ratio"] == pytest.approx(0.6)
    assert "host_cpu_busy_ratio" not in values(host, 1000)


@linux
def test_processes_are_named_and_measured(tmp_path: Path) -> None:
    host = collector(tree(tmp_path))
    look(host, 0)
    changed = FILES["42/stat"].replace(" 300 200 ", " 500 400 ")
    tree(tmp_path, uptime="110.00 0", **{"42/stat": changed})
    found = values(host, 10_000)
    assert found["host_process_cpu_ratio{a (b) c}"] == pytest.approx(0.2)
    assert [use.name for use in host.processes()] == ["a (b) c", "kworker"]
    assert host.processes()[0].pids == (42,)


@linux
def test_no_processes_are_looked_at_where_none_are_wanted(tmp_path: Path) -> None:
    host = collector(tree(tmp_path), top=0)
    assert not [name for name in values(host, 0) if "process" in name]
    assert host.processes() == []


def test_an_empty_tree_is_no_reading_and_no_error(tmp_path: Path) -> None:
    if sys.platform == "linux":
        assert look(collector(tmp_path / "absent"), 0) == {}


@linux
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(name=st.sampled_from([*FILES, "42/stat"]), junk=st.binary(max_size=200))
def test_rubbish_in_any_file_is_skipped(
    tmp_path_factory: pytest.TempPathFactory, name: str, junk: bytes
) -> None:
    root = tree(tmp_path_factory.mktemp("proc"))
    host = collector(root)
    look(host, 0)
    (root / name).write_bytes(junk)
    tree(root, uptime="110.00 0") if name != "uptime" else None
    (root / name).write_bytes(junk)
    assert all(map(math.isfinite, look(host, 10_000).values()))


@linux
def test_this_machine_is_read() -> None:
    host = collector()
    look(host, 0)
    found = values(host, 5000)
    assert 0 < found["host_memory_used_ratio"] < 1
    assert found["node_load1"] >= 0
    assert any(os.getpid() in use.pids for use in host.processes())
    own = next(use for use in host.processes() if os.getpid() in use.pids)
    assert own.rss_bytes > 1 << 20
    assert own.descriptors >= 3


@linux
def test_a_process_that_burns_is_found_by_name(tmp_path: Path) -> None:
    script = tmp_path / "burner.py"
    script.write_text("print(flush=True)\nwhile True: pass\n")
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE) as burner:
        try:
            assert burner.stdout is not None
            burner.stdout.readline()
            host = collector()
            look(host, 0)
            deadline = time.monotonic() + 20
            share = 0.0
            while share <= 0.02 and time.monotonic() < deadline:
                burner.poll()
                found = values(host, 1000)
                share = next((v for k, v in found.items()
                              if k.startswith("host_process_cpu_ratio") and "burner.py" in k), 0.0)  # fmt: skip  # noqa: E501 - a generator over the round
            assert share > 0.02
        finally:
            burner.kill()


@linux
def test_a_process_that_ends_during_a_round_is_left_out(tmp_path: Path) -> None:
    tree(tmp_path)
    (tmp_path / "77").mkdir()
    assert {count.pid for count in LinuxProcesses(tmp_path).scan()} == {2, 42}


@linux
def test_a_name_is_read_again_after_exec(tmp_path: Path) -> None:
    scanner = LinuxProcesses(tree(tmp_path))
    scanner.scan()
    tree(
        tmp_path,
        **{"42/stat": FILES["42/stat"].replace("a (b) c", "sh"), "42/cmdline": "sh\0x.sh\0"},
    )
    assert {count.name for count in scanner.scan()} == {"kworker", "sh x.sh"}


def test_samples_are_interned_in_one_round() -> None:
    seen: list[Labels] = []

    def intern(labels: list[Labels]) -> U32:
        seen.extend(labels)
        return np.arange(len(labels), dtype=np.uint32) + np.uint32(100)

    received = collector().receive(7, intern)
    assert len(received.samples) == len(seen) > 20
    assert set(received.samples.time_ms.tolist()) == {7}
    assert received.samples.series.min() == 100
    assert {meta.name for meta in received.metas} == {labels[0][1] for labels in seen}


def test_mounts_count_once_and_only_where_data_lies(tmp_path: Path) -> None:
    disk = tmp_path / "my disk"
    disk.mkdir()
    table = [
        "proc /proc proc rw 0 0",
        "overlay / overlay rw 0 0",
        "overlay /var/lib/docker/x/merged overlay rw 0 0",
        f"/dev/sda1 {disk}/deeper/bind ext4 rw 0 0",
        f"/dev/sda1 {str(disk).replace(' ', chr(92) + '040')} ext4 rw 0 0",
        "tmpfs /run tmpfs rw 0 0",
        "tmpfs /opt/locked tmpfs ro 0 0",
        "/dev/loop0 /snap/core squashfs ro 0 0",
        "server:/x /mnt/x nfs4 rw 0 0",
        "/dev/sdb1 /gone/away xfs rw 0 0",
        "short line",
    ]
    (tmp_path / "mounts").write_text("\n".join(table))
    readings = list(read_mounts(tmp_path))
    points = {dict(pairs)["mountpoint"] for _, pairs, _ in readings}
    assert points == {"/", str(disk)}
    used = [value for name, _, value in readings if name == "host_disk_used_ratio"]
    assert all(0 <= value <= 1 for value in used)


def test_a_full_disk_is_full(tmp_path: Path) -> None:
    (tmp_path / "mounts").write_text("/dev/sda1 / ext4 rw 0 0")
    full = os.statvfs_result((4096, 4096, 1000, 50, 0, 10, 0, 0, 0, 255))
    readings = {name: value for name, _, value in read_mounts(tmp_path, lambda _: full)}
    assert readings["host_disk_used_ratio"] == 1.0
    assert readings["node_filesystem_avail_bytes"] == 0.0
    assert readings["node_filesystem_files_free"] == 0.0


def test_another_system_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(Unsupported, match="darwin"):
        collector()
