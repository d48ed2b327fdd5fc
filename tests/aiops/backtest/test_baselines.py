import numpy as np
import pytest

from twinhelm.aiops.backtest.baselines import day_rows, last_season, moving_z


def test_moving_z_alarms_on_a_spike_of_five_sigma_by_definition():
    x = np.random.default_rng(0).normal(size=200)
    before = x[139:199]
    x[199] = before.mean() + 5.0 * before.std()
    assert moving_z(x)[199] == pytest.approx(0.5, abs=1e-6)


def test_last_season_is_blind_to_the_season_and_sees_its_break():
    x = np.sin(np.arange(1000) * 2 * np.pi / 100)
    x += np.random.default_rng(0).normal(0, 0.01, 1000)
    x[900] += 1.0
    score = last_season(x, 100)
    assert score.argmax() == 900
    assert (score[:100] == 0).all()


@pytest.mark.parametrize("x", [np.zeros(0), np.ones(1), np.ones(300), np.full(300, np.nan)])
def test_edges_score_zero(x):
    assert (moving_z(x) == 0).all()
    assert (last_season(x, 0) == 0).all()


def test_day_rows_needs_two_whole_days():
    minutes = np.arange(2 * 1440) * 60_000_000_000
    assert day_rows(minutes) == 1440
    assert day_rows(minutes[:-1]) == 0
    assert day_rows(minutes[:2]) == 0
