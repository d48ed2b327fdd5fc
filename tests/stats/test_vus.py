"""VUS-PR against the specification written out literally, and a published figure."""

import itertools

import numpy as np
import pytest

from twinhelm.core.errors import BadInput
from twinhelm.stats import auc_pr, runs_of, vus_pr, window_of


def literal(label, score, window, cuts=250):
    """Compute the benchmark's definition step by step, with no algebra."""
    n = len(label)
    events = runs_of(label)
    ranked = -np.sort(-score)
    positions = np.linspace(0, n - 1, cuts).astype(int)

    def extended(half):
        out, start = [], max(events[0][0] - half, 0)
        for (_, end), (following, _) in itertools.pairwise(events):
            if end + half < following - half:
                out.append((start, end + half))
                start = following - half
        return [*out, (start, min(events[-1][1] + half, n - 1))]

    widest = np.zeros(n, bool)
    for a, b in extended(window // 2):
        widest[a : b + 1] = True
    areas = []
    for w in range(window + 1):
        soft, half = label.astype(float), w // 2
        for a, b in events:
            for d in range(1, half + 1):
                if b + d < n:
                    soft[b + d] += np.sqrt(1 - d / w)
                if a - d >= 0:
                    soft[a - d] += np.sqrt(1 - d / w)
        soft = np.minimum(soft, 1)
        before = area = 0.0
        for k in positions:
            p = score >= ranked[k]
            now = soft.copy()
            for a, b in extended(half):
                now[a : b + 1] *= p[a : b + 1]
            now[label == 1] = 1
            found, wanted = (now * p)[widest].sum(), (label.sum() + now[widest].sum()) / 2
            touched = np.mean([p[a : b + 1].any() for a, b in extended(half)])
            recall = min(found / wanted, 1) * touched
            area += (recall - before) * found / p.sum()
            before = recall
        areas.append(area)
    return np.mean(areas)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("window", [0, 1, 7, 30])
def test_equals_the_definition_written_out(seed, window):
    rng = np.random.default_rng(seed)
    label = np.zeros(300, int)
    label[50:60] = label[64] = label[200:240] = label[297:] = 1
    score = np.round(rng.random(300) + 0.3 * label, 2)  # with ties
    assert np.isclose(
        vus_pr(label, score, window=window), literal(label, score, window), atol=1e-12
    )


def test_a_random_score_gets_the_published_value():
    # TSB-AD's own code gave 0.096 for random scores at an anomaly ratio of 0.085.
    label = np.zeros(20_000, int)
    for start in (1000, 5000, 9000, 15_000):
        label[start : start + 425] = 1
    got = [vus_pr(label, np.random.default_rng(s).random(20_000)) for s in range(3)]
    assert abs(np.mean(got) - 0.096) < 0.004


def test_the_labels_themselves_score_one():
    label = np.zeros(1000, int)
    label[300:400] = 1
    assert vus_pr(label, label.astype(float), window=40) == pytest.approx(1.0)


def test_window_zero_with_few_rows_is_near_average_precision_times_existence():
    label = np.array([0, 0, 1, 1, 0, 0])
    score = np.array([0.1, 0.2, 0.9, 0.8, 0.3, 0.4])
    assert vus_pr(label, score, window=0) == pytest.approx(auc_pr(label, score))


def test_no_event_is_nan_and_empty_too():
    assert np.isnan(vus_pr(np.zeros(5), np.ones(5)))
    assert np.isnan(vus_pr(np.zeros(0), np.zeros(0)))


@pytest.mark.parametrize(
    ("label", "score", "window"),
    [
        (np.ones(2), np.ones(3), 1),
        (np.ones(2), np.array([1.0, np.nan]), 1),
        (np.ones(2), np.ones(2), -1),
    ],
)
def test_bad_input_is_refused(label, score, window):
    with pytest.raises(BadInput):
        vus_pr(label, score, window=window)


def test_window_is_the_period():
    assert window_of(np.sin(np.arange(5000) * 2 * np.pi / 48)) == 48


@pytest.mark.parametrize(
    "values", [np.arange(500.0), np.ones(500), np.array([]), np.full(9, np.nan)]
)
def test_window_without_a_period_is_125(values):
    assert window_of(values) == 125


def test_window_stands_nan():
    x = np.sin(np.arange(5000) * 2 * np.pi / 48)
    x[::97] = np.nan
    assert window_of(x) == 48
