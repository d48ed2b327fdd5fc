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
from twinhelm.core.errors import BadInput
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
    """Answers under b weightings; what several metrics need is computed once."""

    def __init__(self, answers: Answers, weights: F64) -> None:
        self.answers = answers
        self.weights = weights
        self.total = weights.sum(axis=1)
        self._ranked: dict[int, tuple[F64, F64]] = {}

    @property
    def chance(self) -> F64:
        """Give the probabilities; raises :class:`BadInput` where the model gave none."""
        if self.answers.chance is None:
            raise BadInput("the model gives no probabilities", hint="let it log predict_proba")
        return self.answers.chance

    def mean(self, values: F64) -> F64:
        """Average ``values`` (n,) under each weighting; NaN where all weights are 0."""
        return _ratio(self.weights @ values, self.total)

    @cached_property
    def cells(self) -> F64:
        """Count truths (rows) by answers (columns) of each weighting: (b, k, k)."""
        k = len(self.answers.labels)
        cell = self.answers.truth * k + self.answers.given
        counts = [np.bincount(cell, row, minlength=k * k) for row in self.weights]
        return np.reshape(counts, (-1, k, k))

    @property
    def classes(self) -> tuple[F64, F64, F64]:
        """Count what was right, true and answered of each class: (b, k) each."""
        right = np.diagonal(self.cells, axis1=1, axis2=2)
        return right, self.cells.sum(axis=2), self.cells.sum(axis=1)

    def ranked(self, label: int) -> tuple[F64, F64]:
        """Sum the weights of the class and of the rest by distinct probability, ascending."""
        if label not in self._ranked:
            answers = self.answers
            if label not in answers.orders:
                order = np.argsort(self.chance[:, label], kind="stable")
                steps = np.diff(self.chance[order, label], prepend=np.nan) != 0
                answers.orders[label] = order, np.flatnonzero(steps)
            order, starts = answers.orders[label]
            sorted_ = self.weights[:, order]
            all_ = np.add.reduceat(sorted_, starts, axis=1)
            mine = np.add.reduceat(sorted_ * (answers.truth[order] == label), starts, axis=1)
            self._ranked[label] = mine, all_ - mine
        return self._ranked[label]


@dataclass(frozen=True, slots=True)
class Metric:
    """One way to measure: ``better`` says which way; ``zero``: the nearer to 0 the better.

    ``chance``: it needs probabilities. ``bounded``: it lies in [0, 1].
    """

    of: Callable[[Weighed], F64]
    better: Literal["up", "down", "zero", "neither"]
    task: Literal["classification", "regression"] = "classification"
    chance: bool = False
    bounded: bool = True

    def worth(self, values: F64) -> F64:
        """Turn values so that higher is better; NaN where neither is."""
        signs = {"up": values, "down": -values, "zero": -np.abs(values)}
        return signs.get(self.better, np.full_like(values, np.nan))


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
    """Measure once, on however few rows; NaN where they cannot tell."""
    asked = METRICS[metric]
    fits = (asked.task == "classification") == bool(answers.labels)
    if not len(answers.kept) or not fits or (asked.chance and answers.chance is None):
        return float("nan")
    return float(asked.of(Weighed(answers, np.ones((1, len(answers.kept)))))[0])


def estimate(
    wanted: Sequence[tuple[str, Answers]], *, rng: np.random.Generator, draws: int = 0
) -> list[Estimate]:
    """Measure each (metric, answers) with its interval, all on the same resamples.

    All answers are of the same asked rows, whole or in part; that is what pairs them. ``draws``
    is how many resamples; 0: as many as 20 million weights allow, from 100 to 1,000. An unknown
    metric or answers to another number of rows raise :class:`BadInput`.
    """
    for name, answers in wanted:
        if name not in METRICS or answers.of != wanted[0][1].of:
            raise BadInput(
                f"{name} over {answers.of} rows cannot be measured beside {wanted[0][1].of}",
                hint=f"metrics: {', '.join(METRICS)}; ask all of the same rows",
            )
    values = [
        point(name, answers) if len(answers.kept) >= MIN_ROWS else float("nan")
        for name, answers in wanted
    ]
    # Each part of the rows is weighed once, for however many metrics.
    parts: dict[int, list[int]] = {}
    for at, (_, answers) in enumerate(wanted):
        if not np.isnan(values[at]):
            parts.setdefault(id(answers), []).append(at)
    widest = max((len(answers.labels) ** 2 for _, answers in wanted), default=0)
    n = wanted[0][1].of if wanted else 0
    spreads: list[list[F64]] = [[] for _ in wanted]
    for weights in resampled(n, rng=rng, draws=draws, at_once=CELLS // max(n, widest, 1)):
        for places in parts.values():
            answers = wanted[places[0]][1]
            whole = len(answers.kept) == n
            weighed = Weighed(answers, weights if whole else weights[:, answers.kept])
            for at in places:
                spreads[at].append(METRICS[wanted[at][0]].of(weighed))
    return [
        _interval(METRICS[name], answers, value, np.concatenate(spread) if spread else np.empty(0))
        for (name, answers), value, spread in zip(wanted, values, spreads, strict=True)
    ]


def resampled(
    n: int, *, rng: np.random.Generator, draws: int = 0, at_once: int = 0
) -> Iterator[F64]:
    """Yield how often each of n rows was drawn, (b, n), in parts of bounded size."""
    if not n:
        return
    draws = draws or min(max(DRAWS // n, 100), 1000)
    at_once = max(at_once or CELLS // n, 1)
    for start in range(0, draws, at_once):
        b = min(at_once, draws - start)
        drawn = rng.integers(n, size=(b, n)) + np.arange(b)[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=b * n).reshape(b, n).astype(np.float64)


def _interval(metric: Metric, answers: Answers, value: float, spread: F64) -> Estimate:
    rows = len(answers.kept)
    seen = spread[np.isfinite(spread)]
    # Where many resamples cannot tell, the rest are not a fair sample of what could have been.
    if not len(seen) or len(seen) < 0.9 * len(spread):
        return Estimate(value, float("nan"), float("nan"), rows, spread)
    low, high = np.percentile(seen, (2.5, 97.5))
    if metric.bounded and low == high:
        rarest = rows
        if answers.labels:
            counts: I64 = np.bincount(answers.truth)
            rarest = int(counts[counts > 0].min())
        low, high = max(0.0, low - 3 / rarest), min(1.0, high + 3 / rarest)
    return Estimate(value, float(low), float(high), rows, spread)


def _ratio(above: F64, below: F64, empty: float = np.nan) -> F64:
    """Divide; ``empty`` where the divisor is 0."""
    divided: F64 = np.divide(above, below, out=np.full(np.shape(above), empty), where=below != 0)
    return divided


def _chosen(w: Weighed, per_class: F64) -> F64:
    """Return the positive class's column, or the mean over classes that are not NaN."""
    if w.answers.positive >= 0:
        return per_class[:, w.answers.positive]
    there = ~np.isnan(per_class)
    return _ratio(np.where(there, per_class, 0.0).sum(axis=1), there.sum(axis=1).astype(float))


def _accuracy(w: Weighed) -> F64:
    return _ratio(w.classes[0].sum(axis=1), w.total)


def _balanced_accuracy(w: Weighed) -> F64:
    right, true, _ = w.classes
    found = _ratio(right, true)
    there = true > 0
    return _ratio(np.where(there, found, 0.0).sum(axis=1), there.sum(axis=1).astype(float))


def _precision(w: Weighed) -> F64:
    right, true, given = w.classes
    return _chosen(w, np.where(true + given > 0, _ratio(right, given, 0.0), np.nan))


def _recall(w: Weighed) -> F64:
    right, true, given = w.classes
    if w.answers.positive >= 0:
        return _chosen(w, _ratio(right, true))
    return _chosen(w, np.where(true + given > 0, _ratio(right, true, 0.0), np.nan))


def _f1(w: Weighed) -> F64:
    right, true, given = w.classes
    return _chosen(w, _ratio(2.0 * right, true + given))


def _selection_rate(w: Weighed) -> F64:
    if w.answers.positive < 0:
        return np.full(len(w.total), np.nan)
    return _ratio(w.classes[2][:, w.answers.positive], w.total)


def _over_labels(w: Weighed, of: Callable[[F64, F64], F64]) -> F64:
    one = w.answers.positive
    labels = [one] if one >= 0 else range(len(w.answers.labels))
    columns = np.stack([of(*w.ranked(label)) for label in labels], axis=1)
    return columns[:, 0] if one >= 0 else _chosen(w, columns)


def _roc_auc(w: Weighed) -> F64:
    def area(mine: F64, rest: F64) -> F64:
        below = np.cumsum(rest, axis=1) - rest / 2.0  # a tie counts half
        return _ratio((mine * below).sum(axis=1), mine.sum(axis=1) * rest.sum(axis=1))

    return _over_labels(w, area)


def _average_precision(w: Weighed) -> F64:
    def area(mine: F64, rest: F64) -> F64:
        gained, hits = mine[:, ::-1], np.cumsum(mine[:, ::-1], axis=1)
        precision = _ratio(hits, hits + np.cumsum(rest[:, ::-1], axis=1), 0.0)
        return _ratio((gained * precision).sum(axis=1), mine.sum(axis=1))

    return _over_labels(w, area)


def _log_loss(w: Weighed) -> F64:
    own = w.chance[np.arange(len(w.answers.truth)), w.answers.truth]
    return w.mean(-np.log(np.clip(own, EPSILON, 1.0 - EPSILON)))


def _brier(w: Weighed) -> F64:
    told = w.answers
    if told.positive >= 0:
        return w.mean((w.chance[:, told.positive] - (told.truth == told.positive)) ** 2)
    return w.mean(((w.chance - np.eye(len(told.labels))[told.truth]) ** 2).sum(axis=1))


def _ece(w: Weighed) -> F64:
    told = w.answers
    rows = np.arange(len(told.truth))
    if told.positive >= 0:
        sure, held = w.chance[:, told.positive], told.truth == told.positive
    else:
        sure, held = w.chance[rows, told.given], told.truth == told.given
    gaps = np.zeros((len(rows), BINS))
    gaps[rows, np.clip((sure * BINS).astype(np.int64), 0, BINS - 1)] = sure - held
    return _ratio(np.abs(w.weights @ gaps).sum(axis=1), w.total)


def _error(of: Callable[[F64, F64], F64]) -> Callable[[Weighed], F64]:
    """Make a metric of the mean of ``of(answer less truth, truth)``."""
    return lambda w: w.mean(of(w.answers.given - w.answers.truth, w.answers.truth))


def _pinball(share: float) -> Callable[[Weighed], F64]:
    return _error(lambda error, _: np.maximum(-share * error, (1.0 - share) * error))


def _rmse(w: Weighed) -> F64:
    return np.sqrt(w.mean((w.answers.given - w.answers.truth) ** 2))


def _r2(w: Weighed) -> F64:
    truth = w.answers.truth - w.answers.truth.mean()
    around = w.mean(truth**2) - w.mean(truth) ** 2
    # What is left of equal truths after rounding is no variance.
    around[around <= EPSILON * w.mean(w.answers.truth**2)] = 0.0
    return 1.0 - _ratio(w.mean((w.answers.given - w.answers.truth) ** 2), around)


METRICS: dict[str, Metric] = {
    "accuracy": Metric(_accuracy, "up"),
    "balanced_accuracy": Metric(_balanced_accuracy, "up"),
    "precision": Metric(_precision, "up"),
    "recall": Metric(_recall, "up"),
    "f1": Metric(_f1, "up"),
    "selection_rate": Metric(_selection_rate, "neither"),
    "roc_auc": Metric(_roc_auc, "up", chance=True),
    "average_precision": Metric(_average_precision, "up", chance=True),
    "log_loss": Metric(_log_loss, "down", chance=True, bounded=False),
    "brier": Metric(_brier, "down", chance=True),
    "ece": Metric(_ece, "down", chance=True),
    "mae": Metric(_error(lambda e, _: np.abs(e)), "down", "regression", bounded=False),
    "rmse": Metric(_rmse, "down", "regression", bounded=False),
    "r2": Metric(_r2, "up", "regression", bounded=False),
    "mape": Metric(
        _error(lambda e, t: np.abs(e) / np.maximum(np.abs(t), EPSILON)),
        "down",
        "regression",
        bounded=False,
    ),
    "bias": Metric(_error(lambda e, _: e), "zero", "regression", bounded=False),
    "pinball_10": Metric(_pinball(0.1), "down", "regression", bounded=False),
    "pinball_50": Metric(_pinball(0.5), "down", "regression", bounded=False),
    "pinball_90": Metric(_pinball(0.9), "down", "regression", bounded=False),
}
"""Every metric by name: what product files, gates and monitoring may ask for."""
