from __future__ import annotations

import math
from dataclasses import replace

import pytest

from twinhelm.aiops.indicators import level_of, weigh
from twinhelm.aiops.types import Anomaly, Direction, Resource
from twinhelm.aiops.words import place, quantity, spoken, unit_of, usually
from twinhelm.core.labels import labels_of

MINUTE = 60_000


def strange(name: str, value: float, low: float, high: float, **labels: str) -> Anomaly:
    up = value >= high
    return Anomaly(
        1, labels_of({"__name__": name, **labels}), "host:a", Resource.OTHER,
        Direction.UP if up else Direction.DOWN, 0, MINUTE, None, 0.9, value, (low + high) / 2,
        low, high, 0.0, 12,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("anomaly", "resource"),
    [
        (strange("host_cpu_busy_ratio", 0.6, 0.02, 0.1), Resource.CPU),
        (strange("system_cpu_utilization", 0.9, 0.1, 0.3), Resource.CPU),
        (strange("node_cpu_seconds_total", 0.1, 0.8, 1.0, mode="idle"), Resource.CPU),
        (strange("node_cpu_seconds_total", 1.0, 0.0, 0.1, mode="user"), Resource.CPU),
        (strange("host_memory_used_ratio", 0.45, 0.28, 0.31), Resource.MEMORY),
        (strange("node_memory_MemAvailable_bytes", 4e9, 5.5e9, 5.6e9), Resource.MEMORY),
        (strange("node_vmstat_oom_kill", 0.2, 0.0, 0.0), Resource.MEMORY),
        (strange("host_disk_used_ratio", 0.41, 0.3999, 0.4), Resource.DISK),
        (strange("node_filesystem_avail_bytes", 35e9, 36e9, 36.1e9), Resource.DISK),
        (strange("host_descriptors_used_ratio", 0.5, 0.01, 0.02), Resource.DESCRIPTORS),
        (strange("http_request_duration_p99_seconds", 1.9, 0.3, 0.5), Resource.LATENCY),
        (strange("http_errors_ratio", 0.1, 0.0, 0.01), Resource.ERRORS),
        (strange("up", 0.0, 1.0, 1.0), Resource.ERRORS),
    ],
    ids=lambda value: str(value)[:40],
)
def test_trouble_that_matters(anomaly: Anomaly, resource: Resource) -> None:
    weight = weigh(anomaly, sensitivity=0.5)
    assert weight.material
    assert weight.resource is resource
    assert weight.title


@pytest.mark.parametrize(
    "anomaly",
    [
        strange("host_cpu_busy_ratio", 0.2, 0.02, 0.1),
        strange("host_cpu_busy_ratio", 0.0, 0.3, 0.4),
        strange("host_memory_used_ratio", 0.33, 0.28, 0.31),
        strange("node_memory_Cached_bytes", 9e9, 2e9, 2.1e9),
        strange("node_load1", 5, 0, 1),
        strange("node_pressure_cpu_waiting_seconds_total", 0.9, 0, 0.1),
        strange("node_pressure_io_waiting_seconds_total", 0.9, 0, 0.1),
        strange("node_context_switches_total", 1e6, 1, 2),
        strange("host_process_cpu_ratio", 0.9, 0, 0.1, process="stress"),
        strange("node_network_receive_bytes_total", 1e9, 0, 1e3),
        strange("host_cpu_busy_ratio", math.nan, math.nan, math.nan),
        strange("", 5, 0, 1),
    ],
    ids=lambda value: str(value)[:40],
)
def test_chatter_of_an_idle_machine_does_not_matter_and_says_why(anomaly: Anomaly) -> None:
    weight = weigh(anomaly, sensitivity=0.5)
    assert not weight.material
    assert weight.why_not


@pytest.mark.parametrize(
    ("anomaly", "critical"),
    [
        (strange("up", 0.0, 1.0, 1.0), True),
        (strange("host_disk_used_ratio", 0.97, 0.5, 0.6), True),
        (strange("host_disk_used_ratio", 0.7, 0.5, 0.6), False),
        (strange("node_filesystem_avail_bytes", 30e9, 36e9, 36.1e9), False),
    ],
    ids=["down", "full", "filling", "less free"],
)
def test_only_what_hurts_is_critical(anomaly: Anomaly, critical: bool) -> None:
    assert weigh(anomaly, sensitivity=0.5).critical is critical


def test_sensitivity_moves_the_bar() -> None:
    small = strange("host_cpu_busy_ratio", 0.35, 0.02, 0.1)
    amounts = [weigh(small, sensitivity=s).amount for s in (0.0, 0.5, 1.0)]
    assert amounts == sorted(amounts)
    assert amounts[2] == pytest.approx(4 * amounts[0])


def test_a_short_one_waits() -> None:
    short = replace(strange("host_cpu_busy_ratio", 0.9, 0.02, 0.1), last_ms=9_000)
    assert "lasted 9 s" in weigh(short, sensitivity=0.5).why_not


def test_the_worst_is_found_again_from_the_deviation() -> None:
    one = replace(strange("x", 0.5, 0.0, 0.1), deviation=8.0)
    assert level_of(one) == pytest.approx(0.9)
    assert level_of(one, 0.3) == 0.3


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("a_ratio", 0.971, "97 %"),
        ("a_ratio", 0.0042, "0.42 %"),
        ("disk_percent", 12.3, "12 %"),
        ("a_bytes", 3.21e9, "3.21 GB"),
        ("node_disk_written_bytes_total", 2.5e6, "2.5 MB/s"),
        ("node_cpu_seconds_total", 0.5, "50 %"),
        ("x_duration_seconds", 1.9, "1.9 s"),
        ("x_duration_seconds", 300, "5 min"),
        ("x_seconds", 2e-6, "2 us"),
        ("x_total", 12, "12/s"),
        ("x", math.nan, "unknown"),
    ],
)
def test_quantities_carry_their_unit(name: str, value: float, said: str) -> None:
    assert quantity(value, unit_of(name)) == said


def test_phrases() -> None:
    one = strange("host_cpu_busy_ratio", 0.97, 0.05, 0.2)
    assert usually(one) == "usually 5 to 20 %"
    assert spoken(one) == "host_cpu_busy_ratio of host a is 97 %, usually 5 to 20 %"
    assert weigh(one, sensitivity=0.5).title == "CPU of host a is busy at 97 %, usually 5 to 20 %"
    assert place("other:x") == "x"


def test_a_level_within_the_range_of_samples_is_held_against_what_is_expected() -> None:
    logs = replace(strange("logs_errors_per_second", 0.6, 0.0, 0.5), expected=0.04)
    assert weigh(logs, sensitivity=0.5, level=0.36).title.endswith("at 0.36/s, usually 0.04/s")
    assert weigh(logs, sensitivity=0.5, level=0.6).title.endswith("at 0.6/s, usually 0 to 0.5/s")


def test_a_range_reaches_no_further_than_there_is() -> None:
    idle = strange("cpu_idle_ratio", 0.0, 1.07, 1.4)
    assert usually(idle) == "usually 100 %"
