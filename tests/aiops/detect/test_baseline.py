"""What the detector must see, must not see, and must not learn."""

import numpy as np
import pytest

from twinhelm.aiops.detect import Detector, detect_array
from twinhelm.core.errors import BadInput, TooLarge
from twinhelm.core.settings import DetectSettings
from twinhelm.core.telemetry import STALE_NAN_BITS, SampleBlock

MINUTE = 60_000
DAY = 1440


def noise(n, seed=0, level=100.0, size=1.0):
    return np.random.default_rng(seed).normal(level, size, n)


def block(values, times=None, series=0):
    values = np.asarray(values, float)
    times = np.arange(len(values)) * MINUTE if times is None else np.asarray(times)
    return SampleBlock(np.full(len(values), series, np.uint32), times, values)


def share_flagged(values, start, end, step_ms=MINUTE):
    scores = detect_array(values, np.arange(len(values)) * step_ms)
    return scores.flagged[start:end].mean()


def test_a_spike_is_flagged_and_nothing_else():
    x = noise(600)
    x[500] += 30.0
    scores = detect_array(x)
    assert scores.flagged[500]
    assert scores.score[500] > 0.7
    assert not scores.flagged[:500].any()
    assert not scores.flagged[502:].any()


@pytest.mark.parametrize("level", [0.0, 80.0, 130.0, 1000.0])
def test_a_level_shift_stays_flagged(level):
    x = noise(700)
    x[500:620] += level - 100.0
    assert share_flagged(x, 500, 620) > 0.9


def test_an_outage_is_not_learnt():
    x = noise(900)
    x[500:800] = 0.0
    scores = detect_array(x)
    assert scores.flagged[500:800].mean() > 0.9
    assert abs(scores.expected[799] - 100.0) < 2.0
    assert not scores.flagged[806:].any()


def test_a_level_that_held_very_long_is_the_new_normal():
    x = noise(1500)
    x[500:] += 40.0
    scores = detect_array(x)
    assert scores.flagged[500:800].all()
    assert not scores.flagged[-400:].any()
    assert abs(scores.expected[-1] - 140.0) < 3.0


def test_what_a_young_series_turns_to_is_normal_sooner():
    x = noise(900)
    x[60:] += 40.0
    scores = detect_array(x, np.arange(len(x)) * 2_000)
    quarter = 60 + 900 // 2
    assert scores.flagged[62 : quarter - 10].mean() > 0.9
    assert not scores.flagged[quarter + 60 :].any()


def test_steady_growth_from_flat_is_flagged():
    x = noise(900, size=0.5)
    x[600:] += 0.1 * np.arange(300)
    assert share_flagged(x, 700, 900) > 0.8


def test_a_flat_line_of_a_lively_series_is_flagged():
    x = noise(2000)
    x[1800:] = x[1799]
    assert share_flagged(x, 1900, 2000) > 0.8


def test_a_change_of_spread_is_flagged():
    x = noise(1200)
    x[1000:] = noise(200, seed=1, size=6.0)
    assert detect_array(x).flagged[1000:1100].sum() > 10


def test_rounding_noise_on_a_constant_is_not_flagged():
    x = np.full(500, 45.0)
    x[300:] += 1e-7 * np.random.default_rng(0).normal(size=200)
    x[400] += 0.02
    assert not detect_array(x).flagged.any()


def test_a_real_change_of_a_constant_is_flagged_but_not_gross():
    x = np.full(500, 45.0)
    x[400:] = 50.0
    scores = detect_array(x)
    assert scores.flagged[400]
    assert scores.score[400] < 0.67


def test_young_series_say_nothing_and_minutes_later_everything():
    x = noise(60, level=5.0)
    x[45] = 100.0
    scores = detect_array(x, np.arange(60) * 5000)
    assert np.isnan(scores.expected[:24]).all()
    assert (scores.score[:24] == 0).all()
    assert np.isfinite(scores.low[30])
    assert scores.flagged[45]


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_neither_flagged_nor_learnt(odd):
    x = noise(300)
    holed = np.insert(x, 200, odd)
    times = np.insert(np.arange(300) * MINUTE, 200, 200 * MINUTE - 1)
    plain, got = detect_array(x), detect_array(holed, times)
    assert not got.flagged[200]
    assert got.score[200] == 0.0
    np.testing.assert_array_equal(np.delete(got.score, 200), plain.score)


def test_a_stale_marker_changes_nothing():
    stale = np.array([STALE_NAN_BITS], np.uint64).view(np.float64)
    detector = Detector()
    detector.observe(block(noise(100)))
    before = detector.snapshot()
    detector.observe(block(stale, [10**9]))
    assert detector.snapshot() == before


def test_replayed_samples_are_not_learnt_twice():
    detector = Detector()
    detector.observe(block(noise(200)))
    before = detector.snapshot()
    assert (detector.observe(block(noise(200))).score == 0).all()
    assert detector.snapshot() == before
    assert detector.seen_ms().tolist() == [199 * MINUTE]


def test_blocks_of_any_size_give_the_same_scores():
    x = noise(400)
    whole = Detector().observe(block(x))
    detector = Detector()
    parts = [
        detector.observe(block(x[a : a + 7], np.arange(a, min(a + 7, 400)) * MINUTE))
        for a in range(0, 400, 7)
    ]
    np.testing.assert_array_equal(np.concatenate([p.score for p in parts]), whole.score)


def test_blocks_of_any_size_give_the_same_scores_with_a_profile_too():
    t = np.arange(4 * DAY)
    x = 50 + 20 * np.sin(2 * np.pi * t / DAY) + noise(len(t), level=0.0)
    detector = Detector()
    parts = [
        detector.observe(block(x[a : a + 500], t[a : a + 500] * MINUTE))
        for a in range(0, len(t), 500)
    ]
    whole = Detector().observe(block(x))
    np.testing.assert_array_equal(np.concatenate([p.expected for p in parts]), whole.expected)


def test_series_do_not_see_each_other():
    x, y = noise(300), noise(300, seed=1, level=-5.0)
    both = SampleBlock(
        np.tile(np.array([7, 2], np.uint32), 300),
        np.repeat(np.arange(300) * MINUTE, 2),
        np.stack([x, y], 1).reshape(-1),
    )
    scores = Detector().observe(both)
    np.testing.assert_array_equal(scores.score[::2], detect_array(x).score)
    np.testing.assert_array_equal(scores.score[1::2], detect_array(y).score)


def test_a_daily_profile_is_earned_and_used():
    t = np.arange(8 * DAY)
    x = 50 + 20 * np.sin(2 * np.pi * t / DAY) + noise(len(t), level=0.0)
    x[6 * DAY + 900 : 6 * DAY + 960] = 50.0 + 20.0  # the day's high, at its low
    scores = detect_array(x)
    assert scores.flagged[6 * DAY + 900 : 6 * DAY + 960].mean() > 0.7
    assert scores.flagged[4 * DAY : 6 * DAY].mean() < 2e-3
    swing = scores.expected[5 * DAY : 6 * DAY]
    assert swing.max() - swing.min() > 30.0


def test_a_series_without_a_season_gets_no_profile_in_use():
    walk = np.cumsum(noise(6 * DAY, level=0.0))
    assert detect_array(walk).flagged.mean() < 5e-3


FAMILIES = {
    "gaussian": lambda g, n: g.normal(10, 1, n),
    "lognormal": lambda g, n: g.lognormal(size=n),
    "heavy tails": lambda g, n: g.standard_t(3, n),
    "autoregressive": lambda g, n: np.convolve(g.normal(size=n), 0.9 ** np.arange(60))[:n],
    "small counts": lambda g, n: g.poisson(0.5, n).astype(float),
    "sparse": lambda g, n: (g.random(n) < 0.01) * g.poisson(5, n).astype(float),
    "bursts": lambda g, n: g.normal(10, 0.3, n) + (g.random(n) < 0.003) * g.exponential(50, n),
    "uniform": lambda g, n: g.random(n),
    "daily": lambda g, n: 10 + 5 * np.sin(np.arange(n) * 2 * np.pi / DAY) + g.normal(0, 0.5, n),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_normal_series_are_left_alone(family):
    """At most 40 flagged samples in 10,000 on any family: half of that is what bursts deserve."""
    rng = np.random.default_rng(5)
    flagged = [detect_array(FAMILIES[family](rng, 10_000)).flagged.sum() for _ in range(8)]
    assert np.mean(flagged) <= 40


@pytest.mark.parametrize("family", ["gaussian", "lognormal", "heavy tails", "autoregressive"])
def test_fast_series_are_left_alone_more(family):
    rng = np.random.default_rng(6)
    times = np.arange(10_000) * 5000
    flagged = [detect_array(FAMILIES[family](rng, 10_000), times).flagged.sum() for _ in range(8)]
    assert np.mean(flagged) <= 4


def test_sensitivity_moves_the_decision_one_way():
    x = noise(3000)
    x[2000::100] += np.linspace(2, 12, 10)
    counts = [
        detect_array(x, settings=DetectSettings(sensitivity=s)).flagged.sum() for s in (0, 0.5, 1)
    ]
    assert counts[0] < counts[1] < counts[2]


def test_scores_lie_in_zero_to_one_and_ranges_hold_the_expected():
    scores = detect_array(np.r_[noise(300), 1e300, -1e300, noise(100)])
    assert ((scores.score >= 0) & (scores.score <= 1)).all()
    known = np.isfinite(scores.expected)
    assert (scores.low[known] <= scores.expected[known]).all()
    assert (scores.expected[known] <= scores.high[known]).all()


@pytest.mark.parametrize("values", [[], [1.0], [5.0] * 50])
def test_edges_empty_one_all_equal(values):
    scores = detect_array(np.array(values))
    assert len(scores.score) == len(values)
    assert not scores.flagged.any()


def test_state_is_small():
    detector = Detector()
    n = 1 << 12
    for k in range(3):
        detector.observe(
            SampleBlock(np.arange(n, dtype=np.uint32), np.full(n, k * 5000), np.ones(n))
        )
    assert detector.nbytes <= 160 * n
    assert len(detector) == n


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(BadInput, match="one length"):
        Detector().observe(SampleBlock(np.zeros(1, np.uint32), np.zeros(2, np.int64), np.zeros(2)))


def test_an_absurd_id_is_refused():
    with pytest.raises(TooLarge, match="dense"):
        Detector().observe(block([1.0], series=4_000_000_000))


def test_a_forgotten_series_is_as_young_as_on_its_first_day():
    x = noise(3 * DAY)
    detector = Detector()
    for day in range(3):
        rows = np.arange(day * DAY, (day + 1) * DAY)
        detector.observe(block(x[rows], rows * MINUTE))
    held = detector.nbytes
    detector.forget(np.array([0, 99], np.uint32))
    assert detector.seen_ms()[0] == np.iinfo(np.int64).min
    again = detector.observe(block(x))
    np.testing.assert_array_equal(again.score[:180], Detector().observe(block(x)).score[:180])
    assert detector.nbytes == held
