import numpy as np
import pytest
from scipy.optimize import isotonic_regression, root
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from twinhelm.core.errors import BadInput
from twinhelm.stats.answers import answers
from twinhelm.stats.calibration import ISOTONIC_ROWS, fit_calibration, reliability
from twinhelm.stats.metrics import point


def overconfident(n, seed=0):
    """Probabilities whose log-odds are twice what they should be."""
    rng = np.random.default_rng(seed)
    odds = rng.standard_normal(n) * 1.5
    truth = (rng.random(n) < 1 / (1 + np.exp(-odds))).astype(float)
    return 1 / (1 + np.exp(-2 * odds)), truth


def ece(p, truth):
    both = np.column_stack([1 - p, p])
    told = answers(truth, p > 0.5, task="regression")
    assert len(told.kept) == len(p)
    given = (p > 0.5).astype(int)
    named = answers(truth, given, task="classification", probability=both, classes=("0", "1"))
    return point("ece", named)


def test_isotonic_equals_scikit_learn():
    p, truth = overconfident(3000)
    p = np.round(p, 3)  # ties
    theirs = IsotonicRegression(out_of_bounds="clip").fit(p, truth)
    asked = np.linspace(0, 1, 501)
    ours = fit_calibration(p, truth).apply(asked)
    assert ours == pytest.approx(theirs.predict(asked), abs=1e-9)


def test_platt_is_the_logistic_regression_of_softened_targets():
    p, truth = overconfident(400)
    got = fit_calibration(p, truth, way="platt")
    positives = truth.sum()
    high, low = (positives + 1) / (positives + 2), 1 / (400 - positives + 2)
    target = np.where(truth > 0, high, low)
    odds = np.log(p / (1 - p))[:, None]
    theirs = LogisticRegression(C=np.inf, tol=1e-10).fit(
        np.r_[odds, odds], np.repeat([1, 0], 400), sample_weight=np.r_[target, 1 - target]
    )
    assert (got.slope, got.shift) == pytest.approx(
        (theirs.coef_[0, 0], theirs.intercept_[0]), abs=1e-4
    )
    assert got.slope == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize("digits", [0, 1, 2, 15])
@pytest.mark.parametrize("turned", [1, -1])
def test_isotonic_steps_are_scipys(digits, turned):
    p, truth = overconfident(4000, seed=3)
    p = np.round(p, digits) if digits else np.where(p > 0.5, 0.7, 0.2)
    truth = truth if turned > 0 else 1 - truth
    got = fit_calibration(p, truth, way="isotonic")
    said, place, counts = np.unique(p, return_inverse=True, return_counts=True)
    theirs = isotonic_regression(np.bincount(place, truth) / counts, weights=counts).x
    assert got.apply(said) == pytest.approx(theirs, rel=1e-9, abs=0)
    assert (np.diff(got.so) >= 0).all()


FITS = {
    "many": overconfident(999, seed=4),
    "turned": (1 - overconfident(300)[0], overconfident(300)[1]),
    "narrow": (0.3 + 1e-3 * overconfident(300)[0], overconfident(300)[1]),
    "all near nothing": (1e-5 * overconfident(300)[0], overconfident(300)[1]),
    "separated": (np.r_[np.zeros(40), np.ones(3)], np.repeat([0.0, 1.0], [40, 3])),
    "nearly separated": (np.r_[0.4999, np.linspace(0.5, 0.6, 50)], np.r_[0.0, np.ones(50)]),
    "two rows": (np.array([0.2, 0.3]), np.array([1.0, 0.0])),
    "one of many": (np.linspace(0, 1, 5000), (np.arange(5000) == 77) * 1.0),
}


@pytest.mark.parametrize("rows", FITS.values(), ids=FITS)
def test_platt_is_scipys_root_of_the_gradient(rows):
    p, truth = rows
    near = np.clip(p, 1e-6, 1 - 1e-6)
    odds = np.log(near) - np.log1p(-near)
    ones, n = truth.sum(), len(truth)
    target = np.where(truth > 0, (ones + 1) / (ones + 2), 1 / (n - ones + 2))
    scaled = (odds - odds.mean()) / odds.std()  # or their root would be known to few digits

    def gradient(at):
        off = expit(at[0] * scaled + at[1]) - target
        return np.array([(off * scaled).sum(), off.sum()])

    theirs = root(gradient, np.array([0.0, logit(target.mean())]), tol=1e-15).x
    assert gradient(theirs) == pytest.approx([0, 0], abs=1e-9)
    got = fit_calibration(p, truth, way="platt")
    assert got.apply(p) == pytest.approx(expit(theirs[0] * scaled + theirs[1]), rel=1e-9)
    assert got.slope == pytest.approx(theirs[0] / odds.std(), rel=1e-9)


def test_platt_of_one_probability_is_the_softened_share():
    truth = np.repeat([0.0, 1.0], [30, 10])
    got = fit_calibration(np.full(40, 0.9), truth, way="platt")
    mean = (10 * 11 / 12 + 30 / 32) / 40
    assert got.apply(np.array([0.9])) == pytest.approx([mean], rel=1e-9)


@pytest.mark.parametrize("n", [ISOTONIC_ROWS - 1, 5 * ISOTONIC_ROWS])
def test_calibration_mends_overconfidence_on_other_rows(n):
    map_ = fit_calibration(*overconfident(n))
    assert bool(len(map_.said)) == (n >= ISOTONIC_ROWS)
    p, truth = overconfident(20_000, seed=1)
    assert ece(p, truth) > 0.08
    assert ece(map_.apply(p), truth) < 0.04


def test_perfectly_separated_rows_do_not_run_away():
    got = fit_calibration(np.r_[np.zeros(20), np.ones(20)], np.repeat([0, 1], 20))
    assert got.apply(np.array([0.0, 1.0])) == pytest.approx([1 / 22, 21 / 22], abs=1e-3)


@pytest.mark.parametrize("way", ["isotonic", "platt"])
def test_missing_stays_missing(way):
    got = fit_calibration(np.array([0.1, 0.9, np.nan]), np.array([0, 1, 1]), way=way)
    assert np.isnan(got.apply(np.array([np.nan, 0.5]))).tolist() == [True, False]


@pytest.mark.parametrize(("p", "y"), [([], []), ([0.1, 0.2], [1, 1]), ([np.nan], [1])])
def test_one_class_teaches_nothing(p, y):
    with pytest.raises(BadInput, match="teach no calibration"):
        fit_calibration(np.array(p), np.array(y))


def test_reliability_by_hand():
    got = reliability(np.array([0.1, 0.14, 0.95, 1.0, np.nan]), np.array([0, 1, 1, 1, 1]))
    assert got == [
        {"said": pytest.approx(0.12), "so": 0.5, "rows": 2},
        {"said": pytest.approx(0.975), "so": 1.0, "rows": 2},
    ]
    assert reliability(np.empty(0), np.empty(0)) == []
    with pytest.raises(BadInput):
        reliability(np.empty(2), np.empty(1))
