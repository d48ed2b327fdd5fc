from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from twinhelm.aiops.diagnose import SeriesWindow, rank
from twinhelm.aiops.types import Anomaly, Direction, Incident, IncidentState, Resource
from twinhelm.core.entities import Edge
from twinhelm.core.labels import labels_of
from twinhelm.core.telemetry import Change

T = 1_700_000_000_000
NOW = T + 60_000


def strange(
    series: int,
    name: str,
    resource: Resource,
    value: float,
    low: float,
    high: float,
    *,
    after_s: int = 0,
    entity: str = "host:a",
    down: bool = False,
    lasts_s: int = 45,
    **labels: str,
) -> Anomaly:
    start = T + after_s * 1000
    beyond = low - value if down else value - high
    return Anomaly(
        series, labels_of({"__name__": name, "host": "a", **labels}), entity, resource,
        Direction.DOWN if down else Direction.UP, start, start + lasts_s * 1000, None,
        0.9, value, (low + high) / 2, low, high, beyond / (high - low), 8,
    )  # fmt: skip


CPU = [
    strange(1, "host_cpu_busy_ratio", Resource.CPU, 0.55, 0.02, 0.08),
    strange(2, "node_load1", Resource.CPU, 1.4, 0.1, 0.5, after_s=15),
    strange(3, "node_pressure_cpu_waiting_seconds_total", Resource.PRESSURE, 0.2, 0, 0.05,
            after_s=5),
    strange(4, "node_context_switches_total", Resource.OTHER, 9e3, 1e3, 2e3),
]  # fmt: skip
MEMORY = [
    strange(11, "host_memory_used_ratio", Resource.MEMORY, 0.48, 0.29, 0.31, after_s=5),
    strange(12, "node_memory_MemAvailable_bytes", Resource.MEMORY, 4e9, 5.5e9, 5.7e9,
            down=True, after_s=5),
    strange(13, "host_cpu_busy_ratio", Resource.CPU, 0.45, 0.02, 0.08, lasts_s=20),
    strange(14, "node_vmstat_pgmajfault", Resource.MEMORY, 90, 0, 10),
]  # fmt: skip
DISK = [
    strange(21, "host_disk_used_ratio", Resource.DISK, 0.415, 0.3999, 0.4001, after_s=5,
            mountpoint="/"),
    strange(22, "node_disk_written_bytes_total", Resource.DISK, 4e8, 0, 4e6, device="vda"),
    strange(23, "node_pressure_io_waiting_seconds_total", Resource.PRESSURE, 0.7, 0, 0.1),
    strange(24, "node_cpu_seconds_total", Resource.CPU, 0.6, 0, 0.05, mode="iowait"),
    strange(25, "host_cpu_busy_ratio", Resource.CPU, 0.4, 0.02, 0.08),
    strange(26, "node_memory_Cached_bytes", Resource.MEMORY, 3e9, 2e9, 2.05e9),
]  # fmt: skip


def incident(members: list[Anomaly], *entities: str) -> Incident:
    return Incident(
        1, IncidentState.OPEN, "t", "warning", entities or ("host:a",), T, NOW,
        members=tuple(one.key for one in members),
    )  # fmt: skip


def window(**rises: tuple[Resource, float]) -> SeriesWindow:
    """Per-process series, flat at 1 % of their rise and then up by it at T."""
    times = T + (np.arange(90) - 60) * 1000 * 5
    metrics = {
        Resource.CPU: "host_process_cpu_ratio",
        Resource.MEMORY: "host_process_memory_bytes",
        Resource.DISK: "host_process_write_bytes_per_second",
    }
    columns, labels, resources = [], [], []
    for process, (resource, rise) in rises.items():
        columns.append(np.where(times >= T, rise, 0.01 * rise))
        labels.append(labels_of({"__name__": metrics[resource], "process": process}))
        resources.append(resource)
    k = len(columns)
    return SeriesWindow(
        tuple(range(100, 100 + k)), tuple(labels), ("host:a",) * k, tuple(resources), times,
        np.array(columns).T.reshape(len(times), k),
    )  # fmt: skip


def judge(members: list[Anomaly], **options):
    return rank(incident(members), members, now_ms=NOW, **options)


@pytest.mark.parametrize(
    ("members", "resource", "word", "process"),
    [
        (CPU, Resource.CPU, "CPU of host a", "burn"),
        (MEMORY, Resource.MEMORY, "Memory of host a", "hog"),
        (DISK, Resource.DISK, "Disk of host a", "filler"),
    ],
)
def test_first_suspect_is_the_right_resource_and_names_the_process(
    members: list[Anomaly], resource: Resource, word: str, process: str
) -> None:
    amount = {Resource.CPU: 0.5, Resource.MEMORY: 1.4e9, Resource.DISK: 4e8}[resource]
    context = window(
        idle=(Resource.CPU, 0.01), **{process: (resource, amount)}, other=(resource, amount * 0.05)
    )
    given = judge(members, context=context, processes={process: [4242]})
    first = given.suspects[0]
    assert first.name == f"{word}, used by {process} (pid 4242)"
    assert given.verdict == "conclusive"
    assert 0.5 <= given.confidence <= 0.97
    assert first.rank == 1
    assert first.evidence_for


@pytest.mark.parametrize("members", [CPU, MEMORY, DISK])
def test_without_processes_the_resource_is_still_first(members: list[Anomaly]) -> None:
    order = {id(CPU): "cpu", id(MEMORY): "memory", id(DISK): "disk"}[id(members)]
    assert judge(members).suspects[0].name.lower().startswith(order)


@pytest.mark.parametrize("members", [CPU, MEMORY, DISK])
def test_order_of_input_does_not_matter(members: list[Anomaly]) -> None:
    assert judge(members) == judge(list(reversed(members)))


def test_nothing_known_is_inconclusive() -> None:
    given = judge([])
    assert (given.suspects, given.verdict, given.confidence) == ((), "inconclusive", 0.0)


def test_two_equal_troubles_are_inconclusive() -> None:
    both = [CPU[0], replace(CPU[0], series=9, entity="host:b")]
    given = rank(incident(both, "host:a", "host:b"), both, now_ms=NOW)
    assert given.verdict == "inconclusive"
    assert abs(given.suspects[0].confidence - given.suspects[1].confidence) < 0.01


def test_what_is_leaned_on_is_blamed_for_what_leans_on_it() -> None:
    slow = strange(
        31, "http_request_duration_p99_seconds", Resource.LATENCY, 3.0, 0.1, 0.3,
        entity="service:shop",
    )  # fmt: skip
    some = [slow, CPU[0]]
    edge = Edge("service:shop", "host:a", "runs_on", "labels", 0.9, NOW)
    given = rank(incident(some, "service:shop"), some, now_ms=NOW, edges=[edge])
    assert given.suspects[0].entity == "host:a"
    later = [replace(slow, start_ms=T - 60_000), CPU[0]]
    moved = rank(incident(later, "service:shop"), later, now_ms=NOW, edges=[edge])
    assert moved.suspects[0].entity == "service:shop", "an effect does not come a minute first"


def test_a_change_just_before_is_a_suspect_and_an_old_one_is_not() -> None:
    near = Change("d1", T - 60_000, "deploy", "host:a", "shop 1.2", "ci")
    old = Change("d2", T - 7_200_000, "deploy", "host:a", "shop 1.1", "ci")
    elsewhere = Change("d3", T - 60_000, "flag", "service:x", "dark mode", "ci")
    given = judge([CPU[2]], changes=[old, elsewhere, near])
    assert [one.indicator for one in given.suspects if one.kind == "change"] == ["d1", "d3"]
    assert given.suspects[0].indicator == "d1"


def test_the_surer_a_thing_is_suspected_the_surer_is_its_change() -> None:
    near = Change("d1", T - 1_000, "deploy", "host:a", "shop 1.2", "ci")
    context = window(x=(Resource.CPU, 1.0))
    for given in (judge([CPU[2]], changes=[near]), judge(CPU, changes=[near], context=context)):
        (change,) = (one for one in given.suspects if one.kind == "change")
        assert change.confidence > 0.6
        assert [one.rank for one in given.suspects] == [*range(1, len(given.suspects) + 1)]
        sure = [one.confidence for one in given.suspects]
        assert sure == sorted(sure, reverse=True)


def test_pressure_that_is_missing_is_held_against_a_suspect() -> None:
    context = window(x=(Resource.CPU, 0.0))
    context = replace(
        context,
        labels=(labels_of({"__name__": "node_pressure_memory_waiting_seconds_total"}),),
        resources=(Resource.PRESSURE,),
    )
    first = judge(MEMORY, context=context).suspects[0]
    assert any("nothing waits for memory" in one.text for one in first.evidence_against)


def test_missing_and_huge_values_do_not_break_the_ranking() -> None:
    nan = float("nan")
    odd = replace(CPU[0], value=nan, low=nan, high=nan, deviation=nan)
    huge = replace(CPU[1], value=1e300, deviation=1e9)
    for one in judge([odd, huge]).suspects:
        assert 0.0 <= one.confidence <= 1.0


def test_a_value_far_on_the_other_side_of_its_range_is_weighed_as_nothing() -> None:
    fell = strange(9, "host_cpu_busy_ratio", Resource.CPU, -1e9, 0.1, 0.2, down=True)
    assert judge([*MEMORY, fell]).suspects[0].name.startswith("Memory of host a")
