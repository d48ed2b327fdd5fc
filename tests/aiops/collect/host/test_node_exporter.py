"""The host collector beside the real node exporter, on the same machine."""

from __future__ import annotations

import re
import sys

import httpx
import pytest

from aiops.collect.host.looking import look
from peers.processes import Peer
from twinhelm.aiops.collect.host import HostCollector
from twinhelm.core.settings import HostSettings

STEADY = (
    "node_memory_MemTotal_bytes",
    "node_memory_SwapTotal_bytes",
    "node_filefd_maximum",
    "node_boot_time_seconds",
    'node_filesystem_size_bytes{mountpoint="/"}',
)
ABOUT = (
    "node_memory_MemAvailable_bytes",
    "node_context_switches_total",
    "node_forks_total",
    'node_filesystem_avail_bytes{mountpoint="/"}',
)


def exported(url: str) -> dict[str, float]:
    """Read an exposition: each metric by name, and by name and mount point."""
    found: dict[str, float] = {}
    for line in httpx.get(f"{url}/metrics").text.splitlines():
        match = re.fullmatch(r"([a-z]\w*)(\{.*\})? (\S+)", line)
        if match:
            point = re.search(r'mountpoint="[^"]*"', match[2] or "")
            found[match[1] + (f"{{{point[0]}}}" if point else "")] = float(match[3])
    return found


@pytest.mark.peer("node_exporter")
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc of Linux")
def test_values_are_those_of_the_node_exporter(node_exporter: Peer) -> None:
    theirs = exported(node_exporter.url)
    ours: dict[str, float] = {}
    for series, value in look(HostCollector(HostSettings(top_processes=0), host="h"), 0).items():
        labels = dict(series)
        point = labels.get("mountpoint")
        ours[labels["__name__"] + (f'{{mountpoint="{point}"}}' if point else "")] = value
    assert {name: ours[name] for name in STEADY} == {name: theirs[name] for name in STEADY}
    assert {name: ours[name] for name in ABOUT} == pytest.approx(
        {name: theirs[name] for name in ABOUT}, rel=0.2
    )
    named = {name.partition("{")[0] for name in ours if name.startswith("node_")}
    unknown = named - {name.partition("{")[0] for name in theirs}
    # Where the exporter gives no pressure, its build or this kernel has none to give.
    assert not {name for name in unknown if "pressure" not in name}
