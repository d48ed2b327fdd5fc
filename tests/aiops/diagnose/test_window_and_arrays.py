from __future__ import annotations

import numpy as np
import pytest

from twinhelm.aiops.diagnose import culprit_of, rank_arrays, window_of
from twinhelm.aiops.diagnose.culprits import spoken_name
from twinhelm.aiops.types import Resource
from twinhelm.core.errors import BadInput
from twinhelm.core.labels import labels_of
from twinhelm.core.telemetry import SampleBlock


def block(*rows: tuple[int, int, float]) -> SampleBlock:
    return SampleBlock(
        np.array([r[0] for r in rows], np.uint32),
        np.array([r[1] for r in rows], np.int64),
        np.array([r[2] for r in rows], np.float64),
    )


def grid(some: SampleBlock, ids: list[int], **options: int):
    k = len(ids)
    return window_of(
        some, ids, [()] * k, ["host:a"] * k, [Resource.CPU] * k,
        start_ms=0, end_ms=20_000, **options,
    )  # fmt: skip


def test_samples_fall_into_their_cells_and_gaps_stay_gaps() -> None:
    some = block((7, 0, 1.0), (7, 4_000, 3.0), (3, 11_000, 5.0), (9, 0, 9.0), (7, 99_000, 9.0))
    window = grid(some, [7, 3])
    assert window.values.shape == (5, 2)
    assert window.values[0, 0] == 2.0
    assert window.values[2, 1] == 5.0
    assert np.isnan(window.values).sum() == 8


def test_empty_windows_and_bad_ones() -> None:
    assert grid(SampleBlock.empty(), []).values.shape == (5, 0)
    assert np.isnan(grid(block((1, 0, float("nan"))), [1]).values).all()
    with pytest.raises(BadInput):
        grid(SampleBlock.empty(), [1], step_ms=0)


def test_the_process_that_rose_most_is_named_even_if_it_is_new() -> None:
    rows = [(1, t, 0.2) for t in range(0, 20_001, 1000)]
    rows += [(2, t, 0.5) for t in range(10_000, 20_001, 1000)]
    names = [labels_of({"__name__": "p_cpu_ratio", "process": p}) for p in ("old", "new")]
    window = window_of(
        block(*rows), [1, 2], names, ["host:a"] * 2, [Resource.CPU] * 2,
        start_ms=0, end_ms=20_000, step_ms=1000,
    )  # fmt: skip
    found = culprit_of(window, "host:a", Resource.CPU, start_ms=10_000, end_ms=20_000)
    assert found is not None
    assert (found.process, found.direct) == ("new", True)
    assert found.share == pytest.approx(1.0)
    assert culprit_of(window, "host:b", Resource.CPU, start_ms=10_000, end_ms=20_000) is None
    other = culprit_of(window, "host:a", Resource.DISK, start_ms=10_000, end_ms=20_000)
    assert other is not None
    assert not other.direct


def test_pids_are_spoken() -> None:
    assert spoken_name("a", {}) == "a"
    assert spoken_name("a", {"a": [1, 2]}) == "a (pids 1, 2)"


def story(k: int = 5) -> tuple[list[str], np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    return [f"m{i}" for i in range(k)], np.arange(120) * 1000, rng.normal(10, 1, (120, k))


def test_the_column_that_moved_is_first_and_the_earlier_of_two_wins() -> None:
    names, times, values = story()
    values[80:, 3] += 30
    values[90:, 1] += 30
    ranked = rank_arrays(names, times, values, start_ms=75_000)
    assert [one.name for one in ranked[:2]] == ["m3", "m1"]
    assert ranked[0].onset_ms == 80_000


def test_what_is_depended_on_comes_before_what_depends() -> None:
    names, times, values = story()
    values[80:, 1] += 40
    values[80:, 3] += 30
    free = rank_arrays(names, times, values, start_ms=75_000)
    tied = rank_arrays(names, times, values, start_ms=75_000, edges=[("m1", "m3"), ("m1", "?")])
    assert (free[0].name, tied[0].name) == ("m1", "m3")


@pytest.mark.parametrize("fill", [np.nan, 0.0, np.inf, 1e300])
def test_columns_that_say_nothing_score_nothing(fill: float) -> None:
    names, times, values = story()
    values[:, 2] = fill
    ranked = {one.name: one.score for one in rank_arrays(names, times, values, start_ms=60_000)}
    assert ranked["m2"] == 0.0


def test_shapes_must_fit() -> None:
    with pytest.raises(BadInput):
        rank_arrays(["a"], np.arange(3), np.zeros((3, 2)), start_ms=1)
    assert rank_arrays([], np.arange(3), np.zeros((3, 0)), start_ms=1) == []
