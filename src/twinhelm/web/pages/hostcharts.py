"""Which charts tell how this host is: processor, memory, disk, network, load, pressure.

In comes the store's series of the host collector; out go panels, each one or a few series with a
title. What the host does not have (no pressure in its kernel, no second disk) is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from twinhelm.core.labels import METRIC, Matcher, MatchKind, metric_name
from twinhelm.core.telemetry import SeriesInfo
from twinhelm.web.pages.drawing import Drawing, query_of
from twinhelm.web.pages.sheet import Sheet

__all__ = ["Panel", "panels"]

HOST = Matcher("job", MatchKind.EQUAL, "host")
PRESSURE = {"cpu": "waits for CPU", "io": "waits for disk", "memory": "waits for memory"}
DISKS = 1
AWAY = {"lo", "ifb0", "ifb1", "docker0"}
HEARD_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart: a title, the series it draws and what they are called in it."""

    title: str
    ids: tuple[int, ...]
    names: tuple[str, ...]
    href: str


def panels(
    sheet: Sheet, start_ms: int, end_ms: int, *, least_ms: int
) -> list[tuple[Panel, Drawing]]:
    """Draw the panels over a range, which begins no earlier than the host was first heard of."""
    names = "host_cpu_busy_ratio|host_memory_used_ratio|host_disk_used_ratio|node_load1"
    rates = "node_network_(receive|transmit)_bytes_total|node_pressure_.*_waiting_seconds_total"
    metric = Matcher(METRIC, MatchKind.REGEX, f"{names}|{rates}")
    house = sheet.house
    found = house.telemetry.find_series(
        [HOST, metric], start_ms=min(start_ms, end_ms - HEARD_MS), limit=500
    )
    if not found:
        return []
    first = min(info.first_ms for info in found)
    start_ms = max(start_ms, min(first, end_ms - least_ms))
    drawn = []
    for panel in _chosen(found):
        drawing = sheet.drawer.draw(panel.ids, start_ms, end_ms, names=panel.names)
        drawn.append((panel, drawing))
    return drawn


def _chosen(found: Sequence[SeriesInfo]) -> Iterable[Panel]:
    by_name: dict[str, list[SeriesInfo]] = {}
    for info in found:
        by_name.setdefault(metric_name(info.labels), []).append(info)
    for name, title in (("host_cpu_busy_ratio", "CPU busy"), ("host_memory_used_ratio", "Memory")):
        for info in by_name.get(name, ())[:1]:
            yield _panel(title if title != "Memory" else "Memory used", [(info, "used")])
    for info in _by(by_name.get("host_disk_used_ratio", ()), "mountpoint")[:DISKS]:
        yield _panel(f"Disk used, {dict(info.labels).get('mountpoint', '')}", [(info, "used")])
    yield from _network(by_name)
    for info in by_name.get("node_load1", ())[:1]:
        yield _panel("Load, 1 minute", [(info, "tasks")])
    pressure = [
        (info, PRESSURE[word])
        for word in PRESSURE
        for info in by_name.get(f"node_pressure_{word}_waiting_seconds_total", ())[:1]
    ]
    if pressure:
        yield _panel("Pressure", pressure)


def _network(by_name: dict[str, list[SeriesInfo]]) -> Iterable[Panel]:
    received = {
        dict(info.labels).get("device", ""): info
        for info in by_name.get("node_network_receive_bytes_total", ())
    }
    sent = {
        dict(info.labels).get("device", ""): info
        for info in by_name.get("node_network_transmit_bytes_total", ())
    }
    devices = sorted(name for name in received.keys() & sent.keys() if name not in AWAY)
    chosen = next((name for name in devices if name.startswith(("e", "w"))), "")
    chosen = chosen or next(iter(devices), "")
    if chosen:
        lines = [(received[chosen], "received"), (sent[chosen], "sent")]
        yield _panel(f"Network, {chosen}", lines)


def _by(found: Iterable[SeriesInfo], label: str) -> list[SeriesInfo]:
    return sorted(found, key=lambda info: len(dict(info.labels).get(label, "")))


def _panel(title: str, lines: Sequence[tuple[SeriesInfo, str]]) -> Panel:
    href = "/series?" + urlencode({"q": query_of(lines[0][0].labels)})
    return Panel(title, tuple(info.id for info, _ in lines), tuple(name for _, name in lines), href)
