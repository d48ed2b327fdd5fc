import numpy as np
import pytest

from twinhelm.aiops.detect import JointDetector
from twinhelm.core.errors import BadInput


def quiet(n=1000, k=10, seed=0):
    return 0.4 * np.random.default_rng(seed).random((n, k))


def test_many_strange_series_are_one_strange_thing():
    scores = quiet()
    scores[900, :6] = 0.7
    score, alarm = JointDetector().observe(scores)
    assert alarm[900]
    assert score.argmax() == 900
    assert alarm.sum() == 1


def test_what_goes_on_later_changes_nothing_before():
    scores = quiet()
    whole = JointDetector().observe(scores)[0]
    cut = JointDetector().observe(scores[:600])[0]
    np.testing.assert_array_equal(whole[:600], cut)


def test_state_stays_between_calls():
    scores, joint = quiet(), JointDetector()
    parts = np.concatenate([joint.observe(scores[:300])[0], joint.observe(scores[300:])[0]])
    np.testing.assert_array_equal(parts, JointDetector().observe(scores)[0])


@pytest.mark.parametrize("scores", [np.zeros((0, 3)), np.zeros((1, 3)), np.zeros((500, 3))])
def test_edges_empty_one_all_equal(scores):
    score, alarm = JointDetector().observe(scores)
    assert (score == 0).all()
    assert not alarm.any()


@pytest.mark.parametrize("scores", [np.zeros(3), np.full((3, 2), np.nan)])
def test_not_a_finite_matrix_is_refused(scores):
    with pytest.raises(BadInput):
        JointDetector().observe(scores)
