import numpy as np

from twinhelm.stats import mad, median


def test_median_ignores_nan_and_wild_values():
    assert median(np.array([np.nan, 3.0, 1.0, 1e300])) == 3.0


def test_mad_estimates_sigma_on_normal_data():
    x = np.random.default_rng(1).normal(5.0, 2.0, 100_000)
    assert abs(mad(x) - 2.0) < 0.03


def test_nothing_left_is_nan():
    assert np.isnan(median(np.array([])))
    assert np.isnan(mad(np.array([np.nan])))


def test_all_equal_has_no_spread():
    assert mad(np.full(5, 7.0)) == 0.0
