from __future__ import annotations

import numpy as np
import pytest

from twinhelm.aiops.forecast import Past, forecasts, is_candidate, limit_of
from twinhelm.aiops.types import Resource
from twinhelm.core.labels import labels_of

HOUR = 3_600_000
NOW = 1_700_000_000_000
"""A Tuesday, 22:13 UTC."""


def past(name: str, values: np.ndarray, series: int = 1, **labels: str) -> Past:
    times = NOW - (len(values) - 1 - np.arange(len(values), dtype=np.int64)) * HOUR
    resource = Resource.DISK if "disk" in name or "filesystem" in name else Resource.MEMORY
    return Past(series, labels_of({"__name__": name, **labels}), "host:a", resource, times, values)


RISING = 0.4 + 0.004 * np.arange(100)


def test_the_text_says_what_where_and_when() -> None:
    (one,) = forecasts([past("host_disk_used_ratio", RISING, mountpoint="/")], now_ms=NOW)
    assert one.text.startswith("disk / of host a is full between ")
    assert one.text.endswith(" UTC")
    assert one.threshold == 1.0
    assert one.earliest_ms <= one.likely_ms


def test_one_story_is_told_once_by_the_ratio() -> None:
    some = [
        past("node_filesystem_avail_bytes", 1e9 * (1 - RISING), 1, mountpoint="/"),
        past("host_disk_used_ratio", RISING, 2, mountpoint="/"),
        past("host_disk_used_ratio", RISING * 1.1, 3, mountpoint="/var"),
    ]
    assert [one.series for one in forecasts(some, now_ms=NOW)] == [3, 2]


def test_nothing_known_nothing_told() -> None:
    assert forecasts([], now_ms=NOW) == []
    assert forecasts([past("widgets", RISING)], now_ms=NOW) == []


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("host_memory_used_ratio", 1.0),
        ("host_descriptors_used_ratio", 1.0),
        ("disk_used_percent", 100.0),
        ("node_memory_MemAvailable_bytes", 0.0),
        ("node_filesystem_size_bytes", None),
        ("host_cpu_count", None),
    ],
)
def test_limits_by_name(name: str, limit: float | None) -> None:
    assert limit_of(name) == limit


def test_candidates_are_machines_not_processes() -> None:
    labels = labels_of({"__name__": "host_memory_used_ratio"})
    assert is_candidate(labels, Resource.MEMORY)
    assert not is_candidate(labels, Resource.CPU)
    assert not is_candidate((*labels, ("process", "x")), Resource.MEMORY)
