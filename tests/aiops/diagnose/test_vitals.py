"""What moved, by how much of its bar, and what stayed calm."""

from __future__ import annotations

import numpy as np
import pytest

from twinhelm.aiops.diagnose.vitals import Vital, vitals_of
from twinhelm.aiops.diagnose.window import SeriesWindow
from twinhelm.aiops.types import Anomaly, Direction, Resource
from twinhelm.core.labels import Labels, labels_of

T = 1_700_000_000_000
STEP = 5_000
ENTITY = "service:a"


def window(*columns: tuple[str, list[float]]) -> SeriesWindow:
    """Columns of 60 steps before and up to 12 since T."""
    k = len(columns)
    n = max((len(values) for _, values in columns), default=0)
    times = T + (np.arange(n) - 60) * STEP
    labels: tuple[Labels, ...] = tuple(labels_of({"__name__": name}) for name, _ in columns)
    return SeriesWindow(
        tuple(range(k)), labels, (ENTITY,) * k, (Resource.OTHER,) * k, times,
        np.array([values for _, values in columns], np.float64).T.reshape(n, k),
    )  # fmt: skip


def read(name: str, before: list[float], since: list[float]) -> Vital:
    given = (before * 60)[:60] + since
    (found,) = vitals_of(window((name, given)), [], (), start_ms=T, end_ms=T + 60_000)
    return found


def test_nothing_known_gives_nothing() -> None:
    assert vitals_of(SeriesWindow.empty(), [], (), start_ms=T, end_ms=T) == []
    unknown = window(("widgets", [1.0] * 72))
    assert vitals_of(unknown, [], (), start_ms=T, end_ms=T + 60_000) == []
    young = window(("up", [np.nan] * 60 + [1.0] * 12))
    assert vitals_of(young, [], (), start_ms=T, end_ms=T + 60_000) == []


@pytest.mark.parametrize(
    ("name", "before", "since"),
    [
        ("traces_self_duration_mean_seconds", [0.010, 0.012], [0.3] * 12),
        ("traces_errors_ratio", [0.0, 0.0, 0.02], [0.0, 1.0, 0.0, 0.5] * 3),
        ("process_resident_memory_bytes", [1e8, 1.01e8], [1e8 + 1e7 * i for i in range(12)]),
        ("up", [1.0], [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
        ("recommender_input_mean", [2.0, 2.05, 1.95], [0.9] * 12),
    ],
    ids=["slow", "some fail", "a leak", "gone", "drift downwards"],
)
def test_what_moved(name: str, before: list[float], since: list[float]) -> None:
    found = read(name, before, since)
    assert found.amount >= 1.0
    assert found.onset_ms is not None
    assert abs(found.onset_ms - T) <= 35_000
    assert "before" in found.text


@pytest.mark.parametrize(
    ("name", "before", "since"),
    [
        ("traces_self_duration_mean_seconds", [0.010, 0.012], [0.013] * 12),
        ("traces_self_duration_mean_seconds", [0.01, 0.2, 0.02, 0.1], [0.2, 0.01] * 6),
        ("traces_errors_ratio", [0.0, 0.0, 0.1], [0.0, 0.1, 0.0] * 4),
        ("traces_requests_per_second", [4.0, 6.0], [18.0] * 12),
        ("traces_requests_per_second", [4.0, 6.0], [2.0] * 12),
        ("up", [1.0], [1.0] * 12),
    ],
    ids=["a little", "as wild as ever", "as before", "more traffic", "less traffic", "there"],
)
def test_what_is_calm(name: str, before: list[float], since: list[float]) -> None:
    assert read(name, before, since).amount < 0.5


def test_levels_are_kept_of_traffic_too() -> None:
    found = read("traces_requests_per_second", [4.0, 6.0], [18.0] * 12)
    assert (found.before, found.since) == (5.0, 18.0)


def test_a_member_outside_of_the_window_counts_by_itself() -> None:
    labels = labels_of({"__name__": "process_open_fds"})
    one = Anomaly(
        9, labels, ENTITY, Resource.DESCRIPTORS, Direction.UP, T, T + 20_000, None, 0.9, 500.0,
        30.0, 25.0, 35.0, 9.0, 10,
    )  # fmt: skip
    (found,) = vitals_of(SeriesWindow.empty(), [one], (), start_ms=T, end_ms=T + 30_000)
    assert found.amount >= 1.0
    assert found.onset_ms == T
    (seen,) = vitals_of(SeriesWindow.empty(), [one], (one.key,), start_ms=T, end_ms=T + 30_000)
    assert seen.amount >= found.amount
