"""Every tail is scipy's, from the middle of a law to the smallest floats."""

import math

import numpy as np
import pytest
from scipy import special, stats

from twinhelm.stats.tails import at_least, at_most, chi_squared_tail, holm, kolmogorov_tail

LEAST = 1e-290
NAN, INF = math.nan, math.inf


def same(ours, theirs):
    """Relatively, where floats have all their digits; below, both are next to nothing."""
    theirs = float(theirs)
    return ours == pytest.approx(theirs, rel=1e-9, abs=0.0) if theirs > LEAST else ours < 2 * LEAST


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 20, 21, 31, 32, 33, 34, 999, 10_000, 1_000_001])
def test_chi_squared_is_scipys(freedom):
    spread = math.sqrt(2.0 * freedom)
    near = freedom + spread * np.linspace(-6.0, 40.0, 200)
    for x in [*near[near > 0], *(freedom * 10.0 ** np.linspace(-300, 3.2, 200))]:
        assert same(chi_squared_tail(freedom, float(x)), special.chdtrc(freedom, x)), x


@pytest.mark.parametrize("rows", [1, 2, 7, 31, 100, 5_000, 1_000_000, 1_000_000_000])
@pytest.mark.parametrize("chance", [1e-300, 1e-9, 1e-4, 0.03, 0.4, 0.5, 0.9, 0.9999, 1.0 - 1e-9])
def test_binomial_is_scipys(rows, chance):
    middle, spread = rows * chance, math.sqrt(rows * chance * (1.0 - chance))
    away = [-35, -20, -8, -3, -1, -0.3, 0, 0.3, 1, 3, 8, 20, 35]
    near = [round(middle + spread * z) for z in away]
    few = [round(middle) + d for d in (-30, -5, -2, -1, 0, 1, 2, 5, 30)]
    for seen in sorted({k for k in [0, 1, rows - 1, rows, *near, *few] if 0 <= k <= rows}):
        upto = special.betaincc(seen + 1, rows - seen, chance) if seen < rows else 1.0
        over = special.betainc(seen, rows - seen + 1, chance) if seen else 1.0
        assert same(at_most(seen, rows, chance), upto), seen
        assert same(at_least(seen, rows, chance), over), seen


def test_kolmogorov_is_scipys():
    for x in [*np.linspace(0.0, 20.0, 2001), 1e-300, 0.04, np.nextafter(1.0, 0.0), 1e200]:
        assert same(kolmogorov_tail(float(x)), special.kolmogorov(x)), x


def test_a_binomial_tail_is_a_sum_by_hand():
    assert at_least(9, 10, 0.5) == pytest.approx(11 / 1024, rel=1e-14)
    assert at_most(1, 3, 0.25) == pytest.approx(54 / 64, rel=1e-14)
    assert at_least(10**9, 10**9, 1.0 - 1e-9) == pytest.approx(math.exp(-1.0), rel=1e-7)
    assert at_least(1, 1000, 1e-200) == pytest.approx(1e-197, rel=1e-12)


@pytest.mark.parametrize(
    ("ours", "wanted"),
    [
        (chi_squared_tail(3, 0.0), 1.0),
        (chi_squared_tail(3, -INF), 1.0),
        (chi_squared_tail(3, 5e-324), 1.0),
        (chi_squared_tail(3, 1.7e308), 0.0),
        (chi_squared_tail(3, INF), 0.0),
        (chi_squared_tail(3, NAN), NAN),
        (kolmogorov_tail(-1.0), 1.0),
        (kolmogorov_tail(INF), 0.0),
        (kolmogorov_tail(NAN), NAN),
        (at_least(0, 0, 0.3), 1.0),
        (at_most(0, 0, 0.3), 1.0),
        (at_least(1, 5, 0.0), 0.0),
        (at_least(5, 5, 1.0), 1.0),
        (at_most(4, 5, 1.0), 0.0),
        (at_most(0, 5, 0.0), 1.0),
        (at_least(6, 5, 0.5), 0.0),
        (at_most(-1, 5, 0.5), 0.0),
        (at_most(5, 5, 5e-324), 1.0),
        (at_least(2, 5, NAN), NAN),
        (at_most(2, 5, NAN), NAN),
    ],
)
def test_the_ends(ours, wanted):
    assert ours == pytest.approx(wanted, rel=0, abs=0, nan_ok=True)


def test_tails_of_whole_laws_add_up():
    for k in range(41):
        assert at_most(k - 1, 40, 0.3) + at_least(k, 40, 0.3) == pytest.approx(1.0, rel=1e-14)
    assert chi_squared_tail(7, 9.5) == pytest.approx(float(stats.chi2.sf(9.5, 7)), rel=1e-13)


def test_holm_of_a_published_example():
    """The vignette of R's p.adjust and most textbooks: 0.01, 0.02, 0.03, 0.04 of four."""
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]
