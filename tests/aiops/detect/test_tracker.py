import numpy as np
import pytest

from twinhelm.aiops.detect import AnomalyTracker, detect_array
from twinhelm.aiops.types import Direction, Resource, Scores

LABELS = (("__name__", "cpu"),)


def scores(flags, step_ms=60_000, start=0, series=0, score=0.55, value=9.0):
    n = len(flags)
    flagged = np.array(flags, bool)
    return Scores(
        np.full(n, series, np.uint32),
        (start + np.arange(n)) * step_ms,
        np.where(flagged, value, 1.0),
        np.ones(n),
        np.zeros(n),
        np.full(n, 2.0),
        np.where(flagged, score, 0.1),
        flagged,
    )


def describe(series):
    return LABELS, f"host {series}", Resource.CPU


def update(tracker, given, now_ms=None):
    now = int(given.time_ms[-1]) if now_ms is None else now_ms
    return tracker.update(given, describe, now)


@pytest.mark.parametrize(
    ("step_ms", "flags", "opens"),
    [
        (5_000, [0, 1, 1, 0, 0], False),
        (5_000, [0, 1, 1, 0, 1], True),
        (60_000, [0, 0, 0, 0, 1], False),
        (60_000, [0, 1, 0, 0, 1], True),
        (60_000, [1, 0, 0, 0, 1], False),
        (3_600_000, [0, 0, 0, 0, 1], True),
    ],
)
def test_enough_flags_for_the_interval_open_an_anomaly(step_ms, flags, opens):
    tracker = AnomalyTracker()
    assert bool(update(tracker, scores(flags, step_ms))) == opens
    assert len(tracker.open) == opens


def test_a_gross_sample_needs_one_flag_fewer():
    assert update(AnomalyTracker(), scores([0, 0, 1], score=0.8))


def test_it_starts_at_the_first_flag_and_keeps_the_worst():
    tracker = AnomalyTracker()
    (anomaly,) = update(tracker, scores([0, 1, 1]))
    assert (anomaly.start_ms, anomaly.last_ms, anomaly.end_ms) == (60_000, 120_000, None)
    assert (anomaly.labels, anomaly.entity, anomaly.resource) == (LABELS, "host 0", Resource.CPU)
    assert anomaly.direction is Direction.UP
    assert anomaly.deviation == 3.5
    assert anomaly.samples == 2
    (worse,) = update(tracker, scores([1], start=3, score=0.9, value=-40.0))
    assert worse.key == anomaly.key
    assert (worse.peak_score, worse.value, worse.direction) == (0.9, -40.0, Direction.DOWN)
    assert worse.samples == 3


def test_it_closes_after_eight_quiet_intervals_and_not_before():
    tracker = AnomalyTracker()
    update(tracker, scores([0, 1, 1]))
    assert update(tracker, scores([0] * 8, start=3)) == []
    (closed,) = update(tracker, scores([0], start=11))
    assert closed.end_ms == closed.last_ms == 120_000
    assert tracker.open == []


def test_silence_closes_too():
    tracker = AnomalyTracker()
    update(tracker, scores([0, 1, 1]))
    assert update(tracker, scores([], start=0), now_ms=10**9)[0].end_ms == 120_000


def test_a_quiet_stretch_inside_one_block_makes_two():
    tracker = AnomalyTracker()
    found = update(tracker, scores([0, 1, 1, *[0] * 20, 1, 1]))
    assert [a.end_ms is None for a in found] == [False, True]


def test_series_are_tracked_apart_and_unflagged_ones_ask_nothing():
    tracker = AnomalyTracker()
    asked = []

    def ask(series):
        asked.append(series)
        return describe(series)

    tracker.update(scores([0, 1, 1], series=5), ask, 0)
    tracker.update(scores([0] * 50, series=2), ask, 0)
    assert asked == [5]


def test_replayed_samples_do_not_count_again():
    tracker = AnomalyTracker()
    given = scores([0, 0, 1])
    assert update(tracker, given) == []
    assert update(tracker, given) == []


def test_a_restored_tracker_goes_on():
    one, two = AnomalyTracker(), AnomalyTracker()
    update(one, scores([0, 1, 1]))
    two.restore(one.snapshot())
    assert two.open == one.open
    assert update(two, scores([1], start=3)) == update(one, scores([1], start=3))


def test_empty_scores_are_nothing():
    assert update(AnomalyTracker(), scores([]), now_ms=5) == []


FAULTS = {
    "a core burns": lambda g, t: np.abs(0.05 + 0.02 * g.normal(size=len(t))) + 0.25 * (t >= 0),
    "all cores burn": lambda g, t: np.where(t >= 0, 0.98, 0.03 + 0.1 * g.random(len(t)) ** 4),
    "memory is hogged": lambda g, t: 4e9 + 5e6 * g.normal(size=len(t)) + 2e9 * (t >= 0),
    "memory leaks": lambda g, t: 4e9 + 5e5 * np.cumsum(g.normal(size=len(t))) + 2e8 * ramp(t),
    "a disk fills": lambda g, t: 5e10 + 2e4 * ramp(t + 60) + 1e8 * ramp(t),
}


def ramp(t):
    return np.maximum(t, 0)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_opens_within_half_a_minute_after_five_minutes_of_watching(fault):
    t = np.arange(100) - 60
    for seed in range(10):
        values = FAULTS[fault](np.random.default_rng(seed), t)
        alarm = AnomalyTracker().confirm(detect_array(values, (t + 60) * 5000))
        assert not alarm[:60].any()
        assert alarm[60:66].any()
