"""Each statistic is scipy's or a hand computation, and chance alone seldom raises an alarm."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import binom, chi2_contingency, ks_2samp, wasserstein_distance

from twinhelm.core.errors import BadInput
from twinhelm.stats.drift import (
    RADIX_ROWS,
    Kinds,
    chi_squared,
    compare,
    jensen_shannon,
    missing_test,
    prepare,
    prepare_all,
    psi,
)
from twinhelm.stats.tails import holm


def shift(before, after):
    return compare(prepare(np.asarray(before)), prepare(np.asarray(after)))


def words(*values):
    return np.array(values, dtype=object)


PAIRS = {
    "normal": lambda rng: (rng.normal(size=700), rng.normal(0.3, 1.2, size=450)),
    "tied": lambda rng: (rng.integers(0, 5, 300).astype(float), rng.integers(1, 6, 200) * 1.0),
    "apart": lambda rng: (rng.normal(size=50), rng.normal(50.0, size=60)),
    "one each": lambda rng: (np.array([1.0]), np.array([2.0])),
    "long tail": lambda rng: (rng.pareto(1.1, 3000), rng.pareto(1.3, 10)),
    "many": lambda rng: (rng.normal(size=RADIX_ROWS + 1), -rng.gamma(2.0, size=RADIX_ROWS)),
}


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_the_statistics_of_numbers_are_scipys(pair):
    before, after = pair(np.random.default_rng(1))
    found = shift(before, after)
    theirs = ks_2samp(before, after)
    assert found.statistic == pytest.approx(theirs.statistic, abs=1e-12)
    assert found.wasserstein == pytest.approx(wasserstein_distance(before, after), rel=1e-9)
    assert found.test == "ks"


def test_p_of_numbers_is_the_limit_laws_and_never_far_below_the_exact_one():
    rng = np.random.default_rng(2)
    before, after = rng.normal(size=300), rng.normal(0.2, size=250)
    found = shift(before, after)
    scaled = found.statistic * math.sqrt(300 * 250 / 550)
    series = 2 * sum((-1) ** (k - 1) * math.exp(-2 * (k * scaled) ** 2) for k in range(1, 50))
    assert found.p == pytest.approx(series, rel=1e-9)
    assert found.p >= 0.98 * ks_2samp(before, after, method="exact").pvalue


@pytest.mark.parametrize("rows", [0, 1, 5, RADIX_ROWS, RADIX_ROWS + 77])
def test_a_prepared_column_is_sorted(rows):
    rng = np.random.default_rng(3)
    values = rng.normal(size=rows) * 10.0 ** rng.integers(-300, 300, rows)
    values[rng.random(rows) < 0.2] = rng.choice([0.0, -0.0, 1.0])
    assert np.array_equal(prepare(values).ordered, np.sort(values))


def test_what_is_not_finite_is_missing():
    found = prepare(np.array([1.0, np.nan, np.inf, -np.inf, 2.0]))
    assert (found.ordered.tolist(), found.missing, found.rows) == ([1.0, 2.0], 3, 5)


def test_psi_is_the_hand_computation_over_tenths():
    found = shift(np.arange(100.0), np.r_[np.arange(50.0), np.arange(50.0)])
    # Half of the tenths hold a fifth each, half are empty: taken as half a row of a hundred.
    wanted = 5 * (0.2 - 0.1) * math.log(2) + 5 * (0.005 - 0.1) * math.log(0.05)
    assert found.psi == pytest.approx(wanted, rel=1e-12)


def test_psi_of_counts_leaves_out_what_is_empty_in_both():
    counts = np.array([30, 70, 0]), np.array([60, 40, 0])
    wanted = 0.3 * math.log(2) + (0.4 - 0.7) * math.log(4 / 7)
    assert psi(*counts) == pytest.approx(wanted, rel=1e-12)
    assert psi(np.array([0, 0]), np.array([1, 2])) == 0.0


def test_a_value_that_fills_a_tenth_has_a_bin_of_its_own():
    same = np.full(500, 5.0)
    assert shift(same, same).psi == 0.0
    assert shift(same, same - 1.0).psi > 2.0
    assert shift(same, same + 1.0).psi > 2.0
    assert shift(same, same + 1.0).distance == 1.0  # the reference never varies: in its own unit


def test_jensen_shannon_is_scipys():
    rng = np.random.default_rng(4)
    p, q = rng.integers(0, 50, 12), rng.integers(0, 50, 12)
    wanted = jensenshannon(p / p.sum(), q / q.sum(), base=2)
    assert jensen_shannon(p, q) == pytest.approx(wanted, rel=1e-12)
    assert jensen_shannon(np.array([1, 0]), np.array([0, 1])) == 1.0


def test_chi_squared_is_scipys_without_correction():
    rng = np.random.default_rng(5)
    for cells in (2, 3, 9):
        p, q = rng.integers(20, 90, cells), rng.integers(20, 90, cells)
        theirs = chi2_contingency(np.stack([p, q]), correction=False)
        assert chi_squared(p, q) == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-9)


def test_rare_cells_are_pooled_until_enough_is_expected():
    p, q = np.array([50, 2, 60, 3, 2]), np.array([40, 3, 70, 1, 1])
    theirs = chi2_contingency(np.array([[50, 60, 7], [40, 70, 5]]), correction=False)
    assert chi_squared(p, q) == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-9)
    p, q = np.array([50, 9, 1, 60]), np.array([40, 6, 0, 70])  # the rarest takes the next along
    theirs = chi2_contingency(np.array([[50, 60, 10], [40, 70, 6]]), correction=False)
    assert chi_squared(p, q) == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-9)
    assert chi_squared(np.array([3, 1]), np.array([1, 3])) == (0.0, 1.0)
    assert chi_squared(np.array([0, 0]), np.array([1, 3])) == (0.0, 1.0)


def test_missing_shares_are_tested_by_chi_squared_or_by_a_binomial_tail():
    theirs = chi2_contingency([[40, 960], [40, 460]], correction=False)
    assert missing_test(40, 1000, 40, 500) == pytest.approx(theirs.pvalue, rel=1e-9)
    assert missing_test(1, 900, 3, 100) == pytest.approx(2 * binom.sf(2, 4, 0.1), rel=1e-9)
    assert missing_test(899, 900, 97, 100) == pytest.approx(2 * binom.sf(2, 4, 0.1), rel=1e-9)
    assert missing_test(0, 900, 0, 100) == missing_test(900, 900, 100, 100) == 1.0


def test_values_that_went_missing_are_found_where_the_rest_is_the_same():
    values = np.random.default_rng(6).normal(size=1000)
    gone = values.copy()
    gone[::5] = np.nan
    found = shift(values, gone)
    assert (found.test, found.missing) == ("missing", 0.2)
    assert found.p < 1e-20
    assert found.psi > 0.5


def test_new_categories_are_named_the_commonest_first():
    before = words(*"aabbbc" * 50)
    found = shift(before, words(*"aabbbc" * 40, *"zzy", None))
    assert found.new_values == ("z", "y")
    assert found.missing == pytest.approx(1 / 244)
    assert shift(before, words(*"aabbbz" * 50)).p < 1e-9


def test_categories_past_the_twentieth_are_one_cell():
    before = Kinds({"a": 500} | {f"k{n:03}": 2 for n in range(250)}, 0)
    after = Kinds({"a": 250} | {f"k{n:03}": 1 for n in range(250)}, 0)
    found = compare(before, after)
    assert (found.p, found.psi) == (pytest.approx(1.0), pytest.approx(0.0, abs=1e-9))
    assert found.new_values == ()


def test_nan_and_none_are_missing_among_categories():
    found = prepare(words("a", None, float("nan"), "a"))
    assert found == Kinds({"a": 2}, 2)
    assert prepare(np.array([True, False, True])) == Kinds({"True": 2, "False": 1}, 0)


def test_nothing_is_no_drift():
    empty = np.empty(0)
    for found in (shift(empty, empty), shift([1.0, 2.0], empty), shift(empty, [1.0])):
        assert (found.p, found.psi, found.distance) == (1.0, 0.0, 0.0)
    assert shift(words(), words("a")).p == 1.0


def test_numbers_are_not_held_against_categories():
    with pytest.raises(BadInput, match="one type"):
        shift([1.0], words("a"))
    with pytest.raises(BadInput, match="shape"):
        prepare(np.zeros((2, 2)))


def test_all_columns_are_prepared_whatever_the_threads():
    rng = np.random.default_rng(7)
    table = {f"c{n}": rng.normal(size=200) for n in range(5)} | {"k": words(*"ab" * 100)}
    one, two = (prepare_all(table, threads=n) for n in (1, 2))
    assert list(one) == list(two) == list(table)
    assert all(compare(one[name], two[name]).statistic == 0.0 for name in table)


def a_table(rng, rows):
    """Draw columns of every sort: smooth, heavy, tied, with holes, and categories."""
    base = rng.normal(size=(rows, 4))
    table = {f"n{k}": base[:, k] + base[:, 0] for k in range(4)}
    table["tail"] = rng.pareto(1.5, rows)
    table["count"] = rng.poisson(1.0, rows).astype(float)
    table["holes"] = np.where(rng.random(rows) < 0.1, np.nan, rng.normal(size=rows))
    table["rare holes"] = np.where(rng.random(rows) < 0.004, np.nan, rng.normal(size=rows))
    table["kind"] = rng.choice(words("a", "b", "c", "d"), rows, p=[0.5, 0.3, 0.19, 0.01])
    table["many"] = words(*map(str, rng.zipf(1.5, rows) % 200))
    return table


def raises_any(reference, table):
    newer = prepare_all(table, threads=1)
    return min(holm([compare(reference[name], newer[name]).p for name in reference])) < 0.05


@pytest.mark.parametrize("rows", [200, 2_000])
def test_reports_on_undrifted_rows_seldom_alarm(rows):
    rng = np.random.default_rng(8)
    reference = prepare_all(a_table(rng, 5_000), threads=1)
    tries = 200
    alarms = sum(raises_any(reference, a_table(rng, rows)) for _ in range(tries))
    assert alarms / tries < 0.05


@pytest.mark.parametrize(
    ("rows", "change"),
    [
        (500, lambda t, rng: {**t, "n0": t["n0"] + t["n0"].std() * 0.5}),
        (2_000, lambda t, rng: {**t, "n0": t["n0"] + t["n0"].std() * 0.25}),
        (2_000, lambda t, rng: {**t, "n0": t["n0"] * 1.5}),
        (2_000, lambda t, rng: {**t, "kind": np.where(rng.random(2_000) < 0.1, "c", t["kind"])}),
        (500, lambda t, rng: {**t, "n1": np.where(rng.random(500) < 0.05, np.nan, t["n1"])}),
    ],
    ids=["mean by half", "mean by a quarter", "spread", "mix", "missing"],
)
def test_a_known_shift_is_found(rows, change):
    rng = np.random.default_rng(9)
    reference = prepare_all(a_table(rng, 5_000), threads=1)
    found = [raises_any(reference, change(a_table(rng, rows), rng)) for _ in range(20)]
    assert sum(found) >= 18
