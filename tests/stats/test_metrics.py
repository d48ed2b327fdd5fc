import numpy as np
import pytest
from sklearn import metrics as theirs

from twinhelm.stats.answers import answers
from twinhelm.stats.metrics import METRICS, MIN_ROWS, estimate, point, resampled


def classified(n=300, k=2, seed=1, ties=True, **more):
    """Answers of a middling classifier, many of them equally sure."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(k, size=n)
    raw = rng.random((n, k)) + np.eye(k)[truth]
    if ties:
        raw = np.round(raw, 1) + 0.01
    chance = raw / raw.sum(axis=1, keepdims=True)
    names = tuple(str(i) for i in range(k))
    said = np.array(names, object)[chance.argmax(axis=1)]
    told = answers(truth, said, task="classification", probability=chance, classes=names, **more)
    return told, truth, chance


def numbers(n=300, seed=2):
    rng = np.random.default_rng(seed)
    truth = 50 + 10 * rng.standard_normal(n)
    given = truth + rng.standard_normal(n) * 4 + 1
    return answers(truth, given, task="regression"), truth, given


def peers_of(told, truth, chance):
    """scikit-learn's word on the same answers."""
    two = chance.shape[1] == 2
    given, average = told.given, "binary" if two else "macro"
    score = chance[:, 1] if two else chance
    return {
        "accuracy": theirs.accuracy_score(truth, given),
        "balanced_accuracy": theirs.balanced_accuracy_score(truth, given),
        "precision": theirs.precision_score(truth, given, average=average),
        "recall": theirs.recall_score(truth, given, average=average),
        "f1": theirs.f1_score(truth, given, average=average),
        "roc_auc": theirs.roc_auc_score(truth, score, multi_class="ovr"),
        "average_precision": theirs.average_precision_score(truth, score),
        "log_loss": theirs.log_loss(truth, chance),
        "brier": theirs.brier_score_loss(truth, score),
    }


@pytest.mark.parametrize("k", [2, 3, 7])
@pytest.mark.parametrize("ties", [True, False])
def test_classification_equals_scikit_learn(k, ties):
    told, truth, chance = classified(k=k, ties=ties)
    for name, wanted in peers_of(told, truth, chance).items():
        assert point(name, told) == pytest.approx(wanted, abs=1e-9), name


def test_regression_equals_scikit_learn():
    told, truth, given = numbers()
    wanted = {
        "mae": theirs.mean_absolute_error(truth, given),
        "rmse": theirs.root_mean_squared_error(truth, given),
        "r2": theirs.r2_score(truth, given),
        "mape": theirs.mean_absolute_percentage_error(truth, given),
        "bias": float(np.mean(given - truth)),
        **{
            f"pinball_{share}": theirs.mean_pinball_loss(truth, given, alpha=share / 100)
            for share in (10, 50, 90)
        },
    }
    assert {name: point(name, told) for name in wanted} == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("name", sorted(METRICS))
def test_a_resample_is_measured_as_if_its_rows_were_repeated(name):
    """Weights of a metric mean what copies of rows would mean."""
    if METRICS[name].task == "regression":
        told, truth, given = numbers(n=60)
        (counts,) = resampled(60, rng=np.random.default_rng(3), draws=1)
        again = np.repeat(np.arange(60), counts[0].astype(int))
        repeated = answers(truth[again], given[again], task="regression")
    else:
        told, truth, chance = classified(n=60)
        (counts,) = resampled(60, rng=np.random.default_rng(3), draws=1)
        again = np.repeat(np.arange(60), counts[0].astype(int))
        said = told.given[again]
        repeated = answers(
            truth[again], said, task="classification", probability=chance[again], classes="01"
        )
    (got,) = estimate([(name, told)], rng=np.random.default_rng(3), draws=1)
    assert got.spread[0] == pytest.approx(point(name, repeated), abs=1e-12)


def test_roc_area_of_the_example_in_scikit_learns_manual():
    told = answers(
        [0, 0, 1, 1],
        [0, 0, 0, 1],
        task="classification",
        probability=np.array([[0.9, 0.1], [0.6, 0.4], [0.65, 0.35], [0.2, 0.8]]),
        classes=("0", "1"),
    )
    assert point("roc_auc", told) == 0.75
    assert point("average_precision", told) == pytest.approx(5 / 6)  # 0.83 in the manual


def test_roc_area_of_hanley_and_mcneil():
    """Radiology 143 (1982), table I: 109 images rated 1 to 5; the area is 0.893."""
    normal, abnormal = (33, 6, 6, 11, 2), (3, 2, 2, 11, 33)
    truth = np.repeat([0, 1], (sum(normal), sum(abnormal)))
    rating = np.r_[np.repeat(range(1, 6), normal), np.repeat(range(1, 6), abnormal)] / 5
    told = answers(
        truth,
        (rating > 0.5).astype(int),
        task="classification",
        probability=np.column_stack([1 - rating, rating]),
        classes=("0", "1"),
    )
    (got,) = estimate([("roc_auc", told)], rng=np.random.default_rng(0))
    assert got.value == pytest.approx(0.893, abs=5e-4)
    # Its standard error is 0.032 by their formula, 0.83 to 0.96 in normal theory.
    assert (got.low, got.high) == pytest.approx((0.83, 0.955), abs=0.02)


def test_brier_and_ece_by_hand():
    told = answers(
        ["a", "b", "b", "a"],
        ["a", "a", "b", "b"],
        task="classification",
        probability=np.array([[0.9, 0.1], [0.85, 0.15], [0.05, 0.95], [0.1, 0.9]]),
        classes=("a", "b"),
        positive="b",
    )
    assert point("brier", told) == pytest.approx((0.01 + 0.7225 + 0.0025 + 0.81) / 4)
    # Two rows in the second tenth: 0.125 said, a half so; two in the last: 0.925 and a half.
    assert point("ece", told) == pytest.approx((0.375 + 0.425) / 2)


def test_the_positive_class_is_the_one_that_was_named():
    sick = ["ill", "ill", "well", "well", "well"]
    said = ["ill", "well", "well", "well", "ill"]
    told = answers(sick, said, task="classification", positive="ill")
    assert (point("recall", told), point("precision", told)) == (0.5, 0.5)
    assert point("recall", answers(sick, said, task="classification")) == pytest.approx(2 / 3)


def test_what_the_rows_cannot_tell_is_unknown():
    one = answers([1] * 40, [1] * 40, task="classification")
    assert np.isnan(point("roc_auc", one))
    assert np.isnan(point("r2", answers([2.1] * 40, [2.0] * 40, task="regression")))
    assert np.isnan(point("mae", one))
    assert np.isnan(point("accuracy", answers([], [], task="classification")))
    assert estimate([], rng=np.random.default_rng(0)) == []


def test_too_few_rows_say_nothing():
    told, *_ = classified(n=MIN_ROWS - 1)
    (got,) = estimate([("accuracy", told)], rng=np.random.default_rng(0))
    assert not got.known
    assert got.rows == MIN_ROWS - 1


def test_an_interval_without_any_error_is_no_point():
    told = answers([0, 1] * 50, [0, 1] * 50, task="classification")
    (got,) = estimate([("accuracy", told)], rng=np.random.default_rng(0))
    assert (got.value, got.low, got.high) == (1.0, pytest.approx(1 - 3 / 50), 1.0)


def test_intervals_hold_the_truth_about_95_times_in_100():
    rng, held = np.random.default_rng(5), 0
    for _ in range(200):
        right = rng.random(150) < 0.8
        told = answers(np.ones(150, int), right.astype(int), task="classification")
        (got,) = estimate([("accuracy", told)], rng=rng, draws=300)
        held += got.low <= 0.8 <= got.high
    assert 180 <= held <= 199


def test_a_part_is_measured_on_the_same_resamples_as_the_whole():
    told, *_ = classified(n=200)
    part = told.among(np.arange(200) < 200)
    whole, same = estimate([("f1", told), ("f1", part)], rng=np.random.default_rng(0))
    assert np.array_equal(whole.spread, same.spread)


def test_many_rows_are_drawn_fewer_times_in_small_parts():
    shapes = [part.shape for part in resampled(400_000, rng=np.random.default_rng(0), draws=5)]
    assert shapes == [(2, 400_000), (2, 400_000), (1, 400_000)]
    assert list(resampled(0, rng=np.random.default_rng(0))) == []
