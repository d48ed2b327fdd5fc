"""How good are answers whose truth is not known yet: an estimate, or why there is none.

In: a hold-out with truths (:func:`learn`, once), then answers without (:func:`expect`). Out:
:class:`Expected`: metrics by name with 95 % intervals, or none and the reason.

* Classification (confidence-based estimation): probabilities, calibrated on the hold-out, say how
  often each answer is right. Of many classes the answer's own is calibrated, and the others share
  what it leaves: each class by itself, made to add up to 1 again, would call answers less sure
  than they are. Truths are drawn from them 200 times over; the mean of a metric over the draws is
  what its expected confusion matrix gives, their spread is the sampling error.
* Regression: the errors of the hold-out, averaged within tenths of the one column (or answer)
  that tells most about their size, and weighed by how many of the new rows lie in each tenth.

Both intervals are widened for the hold-out being a sample too. Both hold where the population
shifted and what follows from a row did not. Nothing is said where that is known to be wrong: more
than 5 % of rows outside what was learnt on, a hold-out below 100 rows, probabilities that no
calibration mends, or labels that disagree (:func:`contradicted`). What cannot be known without
labels is whether the truth itself has changed: then this is wrong and does not see it. The
regression sees no shift in a column that it did not choose. Pure but for ``rng``; some 0.2 s for
10,000 rows.

Source: Guo et al., "On calibration of modern neural networks" (ICML 2017), for the calibration
error; post-stratification as in Little, Journal of the American Statistical Association 88 (1993).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from twinhelm.core.arrays import BOOL, F64, Array
from twinhelm.core.errors import BadInput
from twinhelm.stats.answers import Answers, answers, name_of
from twinhelm.stats.calibration import Calibration, fit_calibration
from twinhelm.stats.drift import Kinds, Profile
from twinhelm.stats.metrics import BINS, METRICS, point

__all__ = ["Expected", "Ground", "Range", "Strata", "contradicted", "expect", "learn"]

AS_SAID = Calibration(np.empty(0), np.empty(0))
"""Takes probabilities for what they say."""
MIN_HELD = 100
MIN_ROWS = 30
MOST_OUTSIDE = 0.05
MOST_MISCALIBRATED = 0.05
DRAWS = 200
MOST_ROWS = 20_000
"""More rows than this are thinned at random: the interval would not show the difference."""

Range = tuple[float, float, float]
"""A value with the low and high end of its interval."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Metrics by name; empty where ``reason`` says why nothing can be said."""

    values: Mapping[str, Range] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Strata:
    """Errors within tenths of one column (empty: of the answer), moments 1, 2 and 4: (3, k)."""

    column: str
    edges: F64
    counts: F64
    moments: F64


@dataclass(frozen=True, slots=True)
class Ground:
    """What a hold-out taught; ``support`` is what was learnt on, by column."""

    task: str
    rows: int
    support: Mapping[str, Profile]
    labels: tuple[str, ...] = ()
    positive: str = ""
    calibration: Calibration = AS_SAID
    strata: Strata | None = None
    reason: str = ""


def learn(
    held: Answers,
    table: Mapping[str, Array],
    support: Mapping[str, Profile],
    *,
    task: str = "classification",
) -> Ground:
    """Learn from a hold-out: its answers, the columns that were asked, (of,) each.

    ``support`` describes the columns of the training data. Never raises for data that teach
    nothing: the ground then holds the reason.
    """
    rows = len(held.kept)
    positive = held.labels[held.positive] if held.positive >= 0 else ""
    ground = Ground(task, rows, support, held.labels, positive)
    if rows < MIN_HELD:
        return replace(ground, reason=f"the hold-out has {rows} rows, {MIN_HELD} are needed")
    if task == "regression":
        return replace(ground, strata=_strata(held, table))
    try:
        error = _miscalibration(held)
        if error > MOST_MISCALIBRATED:
            said = f"its probabilities are off by {error:.2f} even after calibration"
            return replace(ground, reason=said)
        return replace(ground, calibration=_calibration(held))
    except BadInput as unfit:
        return replace(ground, reason=unfit.message)


def expect(
    ground: Ground,
    prediction: Array,
    table: Mapping[str, Array],
    *,
    probability: F64 | None = None,
    classes: Sequence[str] = (),
    rng: np.random.Generator,
) -> Expected:
    """Say how good ``prediction`` (n,) is, answered for the columns of ``table``.

    ``probability`` is (n, k) in the order of ``classes``.
    """
    if ground.reason:
        return Expected(reason=ground.reason)
    n = len(prediction)
    if n < MIN_ROWS:
        return Expected(reason=f"{n} rows say too little, {MIN_ROWS} are needed")
    if (share := float(_outside(ground.support, table, n).mean())) > MOST_OUTSIDE:
        return Expected(reason=f"{share:.0%} of the rows lie outside what it learnt on")
    if ground.strata is not None:
        return _expect_numbers(ground, ground.strata, prediction, table)
    try:
        told = answers(
            prediction,
            prediction,
            task=ground.task,
            probability=probability,
            classes=classes,
            positive=ground.positive,
        )
        if told.labels != ground.labels:
            raise BadInput(f"it answers {', '.join(told.labels)}, unlike on the hold-out")
        return _expect_classes(ground, told, rng)
    except BadInput as unfit:
        return Expected(reason=unfit.message)


def contradicted(expected: Expected, measured: Mapping[str, Range]) -> str:
    """Say which metric labels put outside its estimate on the same rows; empty for none.

    Both intervals must lie apart, which is chance once in some 200 times.
    """
    for name, (value, low, high) in measured.items():
        said = expected.values.get(name)
        if said is not None and (low > said[2] or high < said[1]):
            return f"{name} was estimated as {said[0]:.3g} where labels show {value:.3g}"
    return ""


def _expect_classes(ground: Ground, told: Answers, rng: np.random.Generator) -> Expected:
    n = len(told.kept)
    if n > MOST_ROWS:
        part = np.zeros(told.of, np.bool_)
        part[told.kept[rng.choice(n, MOST_ROWS, replace=False)]] = True
        told, n = told.among(part), MOST_ROWS
    ends = np.cumsum(_calibrated(ground.calibration, told), axis=1)[:, :-1]
    names = [name for name, each in METRICS.items() if each.task == ground.task]
    drawn = np.empty((DRAWS, len(names)))
    for row in drawn:
        truth = (rng.random((n, 1)) > ends).sum(axis=1)
        row[:] = [point(name, replace(told, truth=truth)) for name in names]
    widened = math.sqrt(1.0 + n / ground.rows)
    values: dict[str, Range] = {}
    for name, column in zip(names, drawn.T, strict=True):
        if np.isnan(column).any():
            continue
        middle = float(column.mean())
        low, high = middle + (np.percentile(column, (2.5, 97.5)) - middle) * widened
        bounds = (0.0, 1.0) if METRICS[name].bounded else (-math.inf, math.inf)
        values[name] = (middle, float(max(low, bounds[0])), float(min(high, bounds[1])))
    return Expected(values)


def _expect_numbers(
    ground: Ground, strata: Strata, prediction: Array, table: Mapping[str, Array]
) -> Expected:
    column = table.get(strata.column, np.empty(0)) if strata.column else prediction
    values = np.asarray(column, np.float64)
    values = values[np.isfinite(values)]
    n = len(values)
    if n < MIN_ROWS:
        return Expected(reason=f"{n} rows tell of {strata.column or 'the answer'}")
    beyond = float(((values < strata.edges[0]) | (values > strata.edges[-1])).mean())
    if beyond > MOST_OUTSIDE:
        where = strata.column or "the answer"
        return Expected(reason=f"{beyond:.0%} of the rows have {where} beyond the hold-out's")
    share = np.bincount(_stratum(values, strata.edges), minlength=len(strata.counts)) / n
    first, second, fourth = strata.moments @ share

    def error(mean: float, square: float, at: int) -> float:
        within = strata.moments[at + 1] - strata.moments[at] ** 2
        held = float(np.sum(share**2 * np.maximum(within, 0.0) / strata.counts))
        return 1.96 * math.sqrt(held + max(square - mean**2, 0.0) / n)

    wide = error(float(first), float(second), 0)
    rmse = math.sqrt(float(second))
    far = error(float(second), float(fourth), 1) / (2.0 * rmse) if rmse else 0.0
    return Expected(
        {
            "mae": (float(first), max(float(first) - wide, 0.0), float(first) + wide),
            "rmse": (rmse, max(rmse - far, 0.0), rmse + far),
        }
    )


def _strata(held: Answers, table: Mapping[str, Array]) -> Strata:
    """Choose the column whose tenths tell most about the size of the errors."""
    size = np.abs(held.given - held.truth)
    left, best = _tenths("", held.given, size)
    for name, column in table.items():
        if column.dtype.kind not in "fiu" or np.isfinite(column[held.kept]).sum() < MIN_HELD:
            continue
        less, strata = _tenths(name, column[held.kept].astype(np.float64), size)
        if less < 0.98 * left:  # the answer itself, where nothing beats it
            left, best = less, strata
    return best


def _tenths(name: str, values: F64, size: F64) -> tuple[float, Strata]:
    """Return the variance of ``size`` left within tenths of a column, and the tenths."""
    known = np.isfinite(values)
    edges = np.unique(np.quantile(values[known], np.linspace(0.0, 1.0, BINS + 1)))
    edges = edges if len(edges) > 1 else np.repeat(edges, 2)
    place, errors = _stratum(values[known], edges), size[known]
    counts = np.bincount(place, minlength=len(edges) - 1)
    kept = np.maximum(counts, 1).astype(np.float64)
    first, second, fourth = (np.bincount(place, errors**k, len(kept)) / kept for k in (1, 2, 4))
    left = float(np.sum(counts * (second - first**2))) / max(len(errors) - len(kept), 1)
    return left, Strata(name, edges, kept, np.array([first, second, fourth]))


def _stratum(values: F64, edges: F64) -> Array:
    return np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)


def _chance(told: Answers) -> F64:
    if told.chance is None:
        raise BadInput("the model gives no probabilities", hint="serve predict_proba")
    return told.chance


def _calibration(held: Answers) -> Calibration:
    """Learn how often what is surest is so: the positive class, or of many the answer."""
    _chance(held)
    said, so = held.surest
    if held.positive < 0 and so.all():  # nothing to fit to: it is as right as its rows can tell
        return Calibration(np.ones(1), np.array([(len(so) + 1.0) / (len(so) + 2.0)]))
    return fit_calibration(said, so)


def _calibrated(calibration: Calibration, told: Answers) -> F64:
    """Return the probability of each label, (m, k), each row adding up to 1."""
    chance, said = _chance(told) + 1e-12, told.surest[0]
    mine = calibration.apply(said)
    column = told.given if told.positive < 0 else np.full(len(mine), told.positive)
    rows = np.arange(len(mine))
    chance[rows, column] = 0.0
    chance *= ((1.0 - mine) / chance.sum(axis=1))[:, None]
    chance[rows, column] = mine
    return chance


def _miscalibration(held: Answers) -> float:
    """Return how far calibration by one half misses on the other, less what chance alone does."""
    odd = np.zeros(held.of, np.bool_)
    odd[held.kept[1::2]] = True
    misses = []
    for mine in (odd, ~odd):
        half, other = held.among(mine), held.among(~mine)
        chance = _calibrated(_calibration(half), other)
        noise = BINS * float((chance * (1.0 - chance)).sum(axis=1).mean()) / 2.0 / len(other.kept)
        missed = point("ece", replace(other, chance=chance))
        misses.append(missed - math.sqrt(noise * 2.0 / math.pi))
    return sum(misses) / 2.0


def _outside(support: Mapping[str, Profile], table: Mapping[str, Array], n: int) -> BOOL:
    """Tell which rows hold a value beyond, or a category or gap not among, what was learnt on."""
    outside = np.zeros(n, np.bool_)
    for name, known in support.items():
        column = table.get(name)
        if column is None or not known.rows:
            continue
        if isinstance(known, Kinds):
            unseen = {key for key in set(column.tolist()) if name_of(key) not in known.counts}
            unseen -= {None} if known.missing else set()
            outside |= np.array([key in unseen for key in column.tolist()]) if unseen else False
        elif len(known.ordered) and column.dtype.kind in "fiu":
            values = np.asarray(column, np.float64)
            outside |= (values < known.ordered[0]) | (values > known.ordered[-1])
            outside |= ~np.isfinite(values) & (known.missing == 0)
    return outside
