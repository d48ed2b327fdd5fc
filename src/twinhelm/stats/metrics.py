"""How good are a model's answers? Every metric by name, with an honest interval.

In: :class:`~twinhelm.stats.answers.Answers`. Out: numbers, to validation and monitoring. A metric
is a function of rows under b weightings at once, (b, n) -> (b,): weights of 1 give the number
itself, counts of a bootstrap resample give its spread, and two versions under the same counts
give the spread of their difference.

NaN rule: rows without truth or answer were left out before; a metric that the rows cannot tell
(one class alone, no probabilities, no variance) is NaN. :func:`estimate` says nothing below
``MIN_ROWS``. Intervals are the middle 95 % of resamples (Efron and Tibshirani, "An Introduction
to the Bootstrap", 1993, chapter 13): a little narrow below some 50 rows, and wrong where rows
are not independent. Where no resample differs (no error at all), the "rule of three" of Hanley
and Lippman-Hand (JAMA 249, 1983) widens the interval by 3 over the rows of the rarest class.

Definitions are scikit-learn's. precision, recall and f1 are those of the positive class, with
more than two classes the plain mean over those that occur; a precision without any positive
answer is 0. roc_auc and average_precision of many classes are means of each against the rest.
brier of many classes is the sum over classes; ece has ten equal bins of the positive class's
probability, of many classes of the answer's. mape explodes where the truth is near 0; bias is the
mean of answer less truth. Pure; memory is bounded by some 100 MB at any number of rows.

>>> from twinhelm.stats.answers import answers
>>> told = answers([0, 0, 1, 1], [0, 0, 1, 1], task="classification",
...                probability=np.array([[.9, .1], [.6, .4], [.65, .35], [.2, .8]]),
...                classes=("0", "1"))
>>> point("roc_auc", told)
0.75
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from twinhelm.core.arrays import F64, I64
from twinhelm.stats.answers import Answers

__all__ = [
    "BINS", "METRICS", "MIN_ROWS", "Estimate", "Metric", "Weighed", "estimate", "point",
    "resampled",
]  # fmt: skip

BINS = 10
MIN_ROWS = 30
"""Fewer rows than this say nothing that an interval could hold."""
CELLS = 1_000_000
"""Weights that are held at once."""
DRAWS = 20_000_000
"""Weights that one estimate may draw altogether, so that many rows do not take minutes."""
EPSILON = float(np.finfo(np.float64).eps)


class Weighed:
    """Answers under b weightings (b, n); what several metrics need is computed once."""

    def __init__(self, answers: Answers, weights: F64) -> None:
        self.answers = answers
        self.weights = weights
        self.total = weights.sum(axis=1)
        # Nobody asks for probabilities that are not there: see Metric.chance.
        self.chance = np.empty((0, 0)) if answers.chance is None else answers.chance
        self._ranked: dict[int, tuple[F64, F64]] = {}

    def mean(self, values: F64) -> F64:
        """Average ``values`` (n,) under each weighting; NaN where all weights are 0."""
        return _ratio(self.weights @ values, self.total)

    @cached_property
    def classes(self) -> tuple[F64, F64, F64]:
        """Count what was right, true and answered of each class: (b, k) each."""
        k = len(self.answers.labels)
        cell = self.answers.truth * k + self.answers.given
        counts = [np.bincount(cell, row, minlength=k * k) for row in self.weights]
        cells = np.reshape(counts, (-1, k, k))
        return np.diagonal(cells, axis1=1, axis2=2), cells.sum(axis=2), cells.sum(axis=1)

    def ranked(self, label: int) -> tuple[F64, F64]:
        """Sum the weights of the class and of the rest by distinct probability, ascending."""
        if label not in self._ranked:
            orders = self.answers.orders
            if label not in orders:
                order = np.argsort(self.chance[:, label], kind="stable")
                steps = np.diff(self.chance[order, label], prepend=np.nan) != 0
                orders[label] = order, np.flatnonzero(steps)
            order, starts = orders[label]
            every = self.weights[:, order]
            mine = every * (self.answers.truth[order] == label)
            if len(starts) < len(order):
                mine, every = (np.add.reduceat(part, starts, axis=1) for part in (mine, every))
            self._ranked[label] = mine, every - mine
        return self._ranked[label]


@dataclass(frozen=True, slots=True)
class Metric:
    """One way to measure: ``better`` says which way; ``zero``: the nearer to 0 the better.

    ``chance``: it needs probabilities.
    """

    of: Callable[[Weighed], F64]
    better: Literal["up", "down", "zero", "neither"]
    task: Literal["classification", "regression"] = "classification"
    chance: bool = False

    @property
    def bounded(self) -> bool:
        """Tell whether it lies in [0, 1] (for two classes)."""
        return self.task == "classification" and self.of is not _log_loss

    def worth(self, values: F64) -> F64:
        """Turn values so that higher is better; NaN where neither is."""
        ways = {"up": values, "down": -values, "zero": -np.abs(values), "neither": values * np.nan}
        return ways[self.better]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and its 95 % interval, from ``rows`` rows; NaN where they cannot tell.

    ``spread`` is (b,): the number on each resample, the same resamples for all that were
    estimated together.
    """

    value: float
    low: float
    high: float
    rows: int
    spread: F64 = field(repr=False, compare=False)

    @property
    def known(self) -> bool:
        """Tell whether there is a number at all."""
        return bool(np.isfinite([self.value, self.low, self.high]).all())


def point(metric: str, answers: Answers) -> float:
    """Measure once, on however few rows; NaN where they cannot tell, or for another task."""
    asked, n = METRICS[metric], len(answers.kept)
    fits = (asked.task == "classification") == bool(answers.labels)
    if not n or not fits or (asked.chance and answers.chance is None):
        return float("nan")
    return float(asked.of(Weighed(answers, np.ones((1, n))))[0])


def estimate(
    wanted: Sequence[tuple[str, Answers]], *, rng: np.random.Generator, draws: int = 0
) -> list[Estimate]:
    """Measure each (metric of METRICS, answers) with its interval, all on the same resamples.

    All answers are of the same asked rows, whole or in part; that is what pairs them. ``draws``
    is how many resamples; 0: as many as 20 million weights allow, from 100 to 1,000.
    """
    values = [point(*each) if len(each[1].kept) >= MIN_ROWS else float("nan") for each in wanted]
    # Each part of the rows is weighed once, for however many metrics.
    parts: dict[int, list[int]] = {}
    for at in np.flatnonzero(~np.isnan(values)).tolist():
        parts.setdefault(id(wanted[at][1]), []).append(at)
    n = wanted[0][1].of if parts else 0
    widest = max((len(answers.labels) ** 2 for _, answers in wanted), default=0)
    spreads: list[list[F64]] = [[np.empty(0)] for _ in wanted]
    for weights in resampled(n, rng=rng, draws=draws, at_once=CELLS // max(n, widest, 1)):
        for places in parts.values():
            answers = wanted[places[0]][1]
            weighed = Weighed(answers, weights[:, answers.kept])
            for at in places:
                spreads[at].append(METRICS[wanted[at][0]].of(weighed))
    return [
        _interval(each[1], value, np.concatenate(spread))
        for each, value, spread in zip(wanted, values, spreads, strict=True)
    ]


def resampled(
    n: int, *, rng: np.random.Generator, draws: int = 0, at_once: int = 0
) -> Iterator[F64]:
    """Yield how often each of n rows was drawn, (b, n), in parts of bounded size."""
    draws = draws or min(max(DRAWS // max(n, 1), 100), 1000)
    at_once = max(at_once or CELLS // max(n, 1), 1)
    for start in range(0, draws if n else 0, at_once):
        b = min(at_once, draws - start)
        drawn = rng.integers(n, size=(b, n)) + np.arange(b)[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=b * n).reshape(b, n).astype(np.float64)


def _interval(answers: Answers, value: float, spread: F64) -> Estimate:
    rows, low, high = len(answers.kept), float("nan"), float("nan")
    seen = spread[np.isfinite(spread)]
    # Where many resamples cannot tell, the rest are not a fair sample of what could have been.
    if len(seen) and len(seen) >= 0.9 * len(spread):
        low, high = map(float, np.percentile(seen, (2.5, 97.5)))
        if low == high in (0.0, 1.0) and answers.labels:
            counts: I64 = np.bincount(answers.truth)
            unseen = 3 / int(counts[counts > 0].min())
            low, high = max(0.0, low - unseen), min(1.0, high + unseen)
    return Estimate(value, low, high, rows, spread)


def _ratio(above: F64, below: F64, empty: float = np.nan) -> F64:
    """Divide; ``empty`` where the divisor is 0."""
    divided: F64 = np.divide(above, below, out=np.full(np.shape(above), empty), where=below != 0)
    return divided


def _average(columns: F64) -> F64:
    """Average the columns of each row that are not NaN."""
    there = ~np.isnan(columns)
    return _ratio(np.where(there, columns, 0.0).sum(axis=1), there.sum(axis=1).astype(float))


def _by_class(of: Callable[[F64, F64, F64], F64]) -> Metric:
    """Make a metric of what was right, true and answered of each class."""

    def measure(w: Weighed) -> F64:
        right, true, given = w.classes
        values, one = of(right, true, given), w.answers.positive
        if one >= 0:
            return np.where(true[:, one] > 0, values[:, one], np.nan)
        return _average(np.where(true + given > 0, values, np.nan))

    return Metric(measure, "up")


def _by_rank(of: Callable[[F64, F64], F64]) -> Metric:
    """Make a metric of the weights of a class and of the rest, by ascending probability."""

    def measure(w: Weighed) -> F64:
        one = w.answers.positive
        labels = [one] if one >= 0 else range(len(w.answers.labels))
        return _average(np.stack([of(*w.ranked(label)) for label in labels], axis=1))

    return Metric(measure, "up", chance=True)


def _by_error(of: Callable[[F64, F64], F64], better: Literal["down", "zero"] = "down") -> Metric:
    """Make a metric of the mean of ``of(answer less truth, truth)``."""

    def measure(w: Weighed) -> F64:
        return w.mean(of(w.answers.given - w.answers.truth, w.answers.truth))

    return Metric(measure, better, "regression")


def _selection_rate(w: Weighed) -> F64:
    one = w.answers.positive
    return _ratio(w.classes[2][:, one], w.total) if one >= 0 else np.full(len(w.total), np.nan)


def _roc_auc(mine: F64, rest: F64) -> F64:
    below = np.cumsum(rest, axis=1) - rest / 2.0  # a tie counts half
    return _ratio((mine * below).sum(axis=1), mine.sum(axis=1) * rest.sum(axis=1))


def _average_precision(mine: F64, rest: F64) -> F64:
    hits, all_ = (np.cumsum(part[:, ::-1], axis=1) for part in (mine, mine + rest))
    return _ratio((mine[:, ::-1] * _ratio(hits, all_, 0.0)).sum(axis=1), mine.sum(axis=1))


def _log_loss(w: Weighed) -> F64:
    own = w.chance[np.arange(len(w.answers.truth)), w.answers.truth]
    return w.mean(-np.log(np.clip(own, EPSILON, 1.0 - EPSILON)))


def _brier(w: Weighed) -> F64:
    off = w.chance - np.eye(len(w.answers.labels))[w.answers.truth]
    # Both classes of two are off by the same; one of them counts.
    return w.mean((off**2).sum(axis=1) / (2.0 if w.answers.positive >= 0 else 1.0))


def _ece(w: Weighed) -> F64:
    sure, held = w.answers.surest
    gaps = np.zeros((len(sure), BINS))
    gaps[np.arange(len(sure)), np.clip((sure * BINS).astype(int), 0, BINS - 1)] = sure - held
    return _ratio(np.abs(w.weights @ gaps).sum(axis=1), w.total)


def _r2(w: Weighed) -> F64:
    truth = w.answers.truth - w.answers.truth.mean()
    around = w.mean(truth**2) - w.mean(truth) ** 2
    # What is left of equal truths after rounding is no variance.
    around[around <= EPSILON * w.mean(w.answers.truth**2)] = 0.0
    return 1.0 - _ratio(w.mean((w.answers.given - w.answers.truth) ** 2), around)


def _pinball(share: float) -> Metric:
    return _by_error(lambda error, _: np.maximum(-share * error, (1.0 - share) * error))


_squared = _by_error(lambda error, _: error**2)

METRICS: dict[str, Metric] = {
    "accuracy": Metric(lambda w: _ratio(w.classes[0].sum(axis=1), w.total), "up"),
    "balanced_accuracy": Metric(lambda w: _average(_ratio(*w.classes[:2])), "up"),
    "precision": _by_class(lambda right, _, given: _ratio(right, given, 0.0)),
    "recall": _by_class(lambda right, true, _: _ratio(right, true, 0.0)),
    "f1": _by_class(lambda right, true, given: _ratio(2.0 * right, true + given)),
    "selection_rate": Metric(_selection_rate, "neither"),
    "roc_auc": _by_rank(_roc_auc),
    "average_precision": _by_rank(_average_precision),
    "log_loss": Metric(_log_loss, "down", chance=True),
    "brier": Metric(_brier, "down", chance=True),
    "ece": Metric(_ece, "down", chance=True),
    "mae": _by_error(lambda error, _: np.abs(error)),
    "rmse": Metric(lambda w: np.sqrt(_squared.of(w)), "down", "regression"),
    "r2": Metric(_r2, "up", "regression"),
    "mape": _by_error(lambda error, truth: np.abs(error) / np.maximum(np.abs(truth), EPSILON)),
    "bias": _by_error(lambda error, _: error, "zero"),
    **{f"pinball_{share}": _pinball(share / 100) for share in (10, 50, 90)},
}
"""Every metric by name: what product files, gates and monitoring may ask for."""
