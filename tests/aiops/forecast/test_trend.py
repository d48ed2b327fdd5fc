from __future__ import annotations

import numpy as np
import pytest

from twinhelm.aiops.forecast import time_to_threshold

MINUTE = 60_000
DAY = 86_400_000


def look(values: np.ndarray, *, threshold: float = 1.0, horizon_ms: int = 30 * DAY, step_ms=MINUTE):
    n = len(values)
    return time_to_threshold(
        np.arange(n, dtype=np.int64) * step_ms,
        values,
        threshold=threshold,
        horizon_ms=horizon_ms,
        now_ms=(n - 1) * step_ms,
    )


def ramp(n: int = 200, noise: float = 0.0, seed: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 0.3 + 0.4 * np.arange(n) / n + rng.normal(0, 1, n) * noise


def test_a_ramp_arrives_when_it_must() -> None:
    found = look(ramp())
    assert found is not None
    left = (found.likely_ms - 199 * MINUTE) / MINUTE
    assert left == pytest.approx(151, abs=3)
    assert found.latest_ms is not None
    assert found.earliest_ms <= found.likely_ms <= found.latest_ms
    assert found.skill > 0.9


@pytest.mark.parametrize("seed", range(20))
def test_the_range_holds_the_truth_under_noise(seed: int) -> None:
    found = look(ramp(noise=0.01, seed=seed))
    assert found is not None
    assert found.latest_ms is not None
    assert found.earliest_ms <= (199 + 151) * MINUTE <= found.latest_ms


def test_more_noise_gives_a_wider_range() -> None:
    calm, wild = look(ramp(noise=0.001)), look(ramp(noise=0.02))
    assert calm is not None
    assert wild is not None
    assert calm.latest_ms is not None
    assert wild.latest_ms is None or (
        wild.latest_ms - wild.earliest_ms > calm.latest_ms - calm.earliest_ms
    )


def test_what_falls_towards_a_floor_is_foretold_too() -> None:
    found = look(1e9 * (1 - ramp()), threshold=0.0)
    assert found is not None
    assert found.slope_per_s < 0


def test_a_recent_change_of_pace_is_believed() -> None:
    values = np.concatenate([np.full(120, 0.3), 0.3 + 0.004 * np.arange(80)])
    found = look(values)
    assert found is not None
    assert (found.likely_ms - 199 * MINUTE) / MINUTE == pytest.approx(95, rel=0.3)


def test_random_walks_are_almost_always_met_with_silence() -> None:
    rng = np.random.default_rng(7)
    spoken = sum(
        look(0.5 + np.cumsum(rng.normal(0, 0.003, 300)), horizon_ms=DAY) is not None
        for _ in range(100)
    )
    assert spoken <= 12


@pytest.mark.parametrize(
    "values",
    [
        np.full(100, 0.5),
        0.5 + 0.01 * np.sin(np.arange(200) / 3),
        0.3 + 0.5 * (np.arange(200) % 40) / 40,
        0.9 - 0.4 * np.arange(200) / 200,
        np.full(100, np.nan),
        np.array([]),
        np.array([0.5]),
        np.linspace(0.1, 0.9, 8),
        np.full(100, 1e300),
        np.random.default_rng(1).normal(0.5, 0.05, 300),
    ],
    ids=["flat", "wave", "sawtooth", "falling", "missing", "empty", "one", "few", "huge", "noise"],
)
def test_silence(values: np.ndarray) -> None:
    assert look(values) is None


def test_silence_past_the_horizon_and_past_the_threshold() -> None:
    assert look(ramp(), horizon_ms=MINUTE) is None
    assert look(ramp() + 1.0) is None


def test_order_gaps_and_the_future_do_not_matter() -> None:
    values = ramp(noise=0.003)
    times = np.arange(200, dtype=np.int64) * MINUTE
    now = 199 * MINUTE
    mixed = np.random.default_rng(1).permutation(200)
    options = {"threshold": 1.0, "horizon_ms": DAY, "now_ms": now}
    straight = time_to_threshold(times, values, **options)
    assert time_to_threshold(times[mixed], values[mixed], **options) == straight
    later = np.append(times, now + MINUTE), np.append(values, 0.0)
    assert time_to_threshold(*later, **options) == straight


def test_one_old_clean_up_is_cut_away() -> None:
    values = np.concatenate([0.6 + 0.002 * np.arange(50), 0.3 + 0.002 * np.arange(150)])
    found = look(values)
    assert found is not None
    assert (found.likely_ms - 199 * MINUTE) / MINUTE == pytest.approx(201, rel=0.1)
