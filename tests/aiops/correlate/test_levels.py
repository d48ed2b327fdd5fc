from __future__ import annotations

import numpy as np
import pytest

from twinhelm.aiops.correlate import Levels
from twinhelm.aiops.types import Anomaly, Direction, Resource, Scores


def feed(levels: Levels, values: list[float], series: int = 0) -> None:
    for value in values:
        one = np.full(1, value)
        levels.observe(
            Scores(
                np.full(1, series, np.uint32), np.zeros(1, np.int64), one, one, one, one, one,
                np.zeros(1, np.bool_),
            )
        )  # fmt: skip


def strange(series: int = 0, way: Direction = Direction.UP) -> Anomaly:
    return Anomaly(
        series, (), "host:a", Resource.CPU, way, 0, 0, None, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1
    )


@pytest.mark.parametrize(
    ("values", "level"),
    [
        ([1, 1, 1, 9, 1, 1], 1),
        ([1, 9, 9, 9, 9, 9], 9),
        ([9, 9, 1, 9, 9, 9], 9),
        ([0, 0, 0, 0, 5, 5, 5, 5, 5, 5], 5),
        ([5, 6, 7], 5),
    ],
    ids=["one peak", "newly high", "one dip", "only the last six", "few are all needed"],
)
def test_a_level_is_what_lasts(values: list[float], level: float) -> None:
    levels = Levels()
    feed(levels, values)
    assert levels.of([strange()]) == {"0:0": level}


def test_what_fell_is_judged_from_below() -> None:
    levels = Levels()
    feed(levels, [9, 1, 1, 1, 1, 1])
    assert levels.of([strange(way=Direction.DOWN)]) == {"0:0": 1}


def test_too_little_is_no_level() -> None:
    levels = Levels()
    feed(levels, [1, float("nan"), 2], series=5000)
    assert levels.of([strange(5000), strange(3), strange(99_999)]) == {}
