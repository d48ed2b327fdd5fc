import numpy as np

from twinhelm.stats import auc_pr


def test_perfect_order_is_one():
    assert auc_pr(np.array([0, 1, 1]), np.array([0.1, 0.8, 0.9])) == 1.0


def test_hand_computed():
    # Ranked: hit, miss, hit. Average precision (1/1 + 2/3) / 2.
    assert np.isclose(auc_pr(np.array([1, 0, 1]), np.array([3.0, 2.0, 1.0])), (1 + 2 / 3) / 2)


def test_ties_are_one_step():
    # One step at precision 1/4.
    assert auc_pr(np.array([1, 0, 0, 0]), np.ones(4)) == 0.25


def test_no_positive_and_empty_are_nan():
    assert np.isnan(auc_pr(np.zeros(3), np.ones(3)))
    assert np.isnan(auc_pr(np.zeros(0), np.zeros(0)))


def test_random_scores_get_the_share_of_positives():
    rng = np.random.default_rng(2)
    label = rng.random(50_000) < 0.1
    assert abs(auc_pr(label, rng.random(50_000)) - 0.1) < 0.01
