import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from twinhelm.web.thinning import thin


def test_a_short_series_is_left_alone():
    assert thin(np.arange(5), np.zeros(5), max_points=5).tolist() == [0, 1, 2, 3, 4]
    assert thin(np.empty(0, np.int64), np.empty(0), max_points=3).tolist() == []


def test_one_high_and_one_low_sample_among_many_survive():
    values = np.zeros(100_000)
    values[77_777], values[33_333] = 9, -9
    kept = thin(np.arange(100_000), values, max_points=300)
    assert {77_777, 33_333} <= set(kept.tolist())


def test_equal_values_are_thinned_too():
    assert len(thin(np.arange(10_000), np.ones(10_000), max_points=300)) <= 300


def test_a_gap_stays_a_gap():
    values = np.ones(10_000)
    values[5_000:5_600] = np.nan
    kept = thin(np.arange(10_000), values, max_points=300)
    assert np.isnan(values[kept]).any()


def test_a_series_of_missing_values_stays_missing():
    kept = thin(np.arange(1000), np.full(1000, np.nan), max_points=30)
    assert 0 < len(kept) <= 30


@given(
    st.lists(st.floats(width=32) | st.just(float("nan")), min_size=1, max_size=300),
    st.integers(3, 40),
)
def test_extremes_survive_and_the_bound_holds(values, most):
    array = np.array(values)
    kept = thin(np.arange(len(array)) * 7, array, max_points=most)
    assert len(kept) <= max(most, 3)
    assert (np.diff(kept) > 0).all()
    if not np.isnan(array).all():
        assert np.nanmax(array[kept]) == np.nanmax(array)
        assert np.nanmin(array[kept]) == np.nanmin(array)
