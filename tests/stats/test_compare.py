import numpy as np
import pytest
from scipy.stats import binomtest

from twinhelm.stats.answers import answers
from twinhelm.stats.compare import difference, gap, mcnemar
from twinhelm.stats.metrics import estimate


def right_in(rows, n=400):
    """Answers that are right in some rows; the truth is 0 and 1 by turns."""
    truth = np.arange(n) % 2
    return answers(
        truth, np.where(np.isin(np.arange(n), rows), truth, 1 - truth), task="classification"
    )


def compared(a, b, **more):
    one, two = estimate([("accuracy", a), ("accuracy", b)], rng=np.random.default_rng(0))
    return difference(one, two, metric="accuracy", **more)


def test_pairs_tell_what_two_intervals_cannot():
    """One more right in twenty, on the same rows: certain, though the intervals overlap."""
    better, worse = right_in(range(320)), right_in(range(300))
    got = compared(better, worse)
    assert got.value == pytest.approx(0.05)
    assert got.low > 0.02
    assert got.worse < -0.02
    assert got.p < 0.01
    assert compared(worse, better).p == 1.0


def test_the_same_answers_are_no_worse_by_nothing():
    got = compared(right_in(range(300)), right_in(range(300)))
    assert (got.value, got.low, got.high, got.worse) == (0, 0, 0, 0)
    assert compared(right_in(range(300)), right_in(range(300)), by=0.01).p < 0.01


def test_less_is_better_where_it_is():
    truth = np.arange(100.0)
    near, far = (answers(truth, truth + off, task="regression") for off in (1.0, -2.0))
    for name in ("mae", "bias"):
        one, two = estimate([(name, near), (name, far)], rng=np.random.default_rng(0))
        assert difference(one, two, metric=name).worse == pytest.approx(-1.0)


def test_what_is_unknown_is_not_compared():
    few = right_in(range(300)).among(np.arange(400) < 10)
    got = compared(few, few)
    assert not got.known
    assert got.p == 1.0


@pytest.mark.parametrize(("a", "b"), [(8, 1), (0, 5), (3, 3), (150, 100)])
def test_mcnemar_is_the_exact_binomial(a, b):
    challenger = right_in([*range(a), *range(300, 350)])
    champion = right_in([*range(a, a + b), *range(300, 350)])
    wanted = binomtest(a, a + b, 0.5).pvalue
    assert mcnemar(challenger, champion) == (a, b, pytest.approx(wanted, abs=1e-12))


def test_mcnemar_of_versions_that_never_differ_is_1():
    same = right_in(range(200))
    assert mcnemar(same, same) == (0, 0, 1.0)
    none = same.among(np.zeros(400, bool))
    assert mcnemar(none, same) == (0, 0, 1.0)


def test_a_gap_is_the_largest_less_the_smallest():
    told = right_in(range(300))
    rows = np.arange(400)
    groups = [
        told.among(rows < 200),
        told.among((rows >= 200) & (rows < 300)),
        told.among(rows >= 240),
    ]
    parts = estimate([("accuracy", each) for each in groups], rng=np.random.default_rng(0))
    got = gap(parts)
    assert got.value == pytest.approx(1 - 60 / 160)
    assert got.low < got.value < got.high
    assert not gap(parts[:1]).known
    assert not gap([]).known
