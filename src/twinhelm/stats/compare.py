"""Is one better than the other? Tells differences from chance.

In: estimates on the same resamples (:func:`twinhelm.stats.metrics.estimate`), answers to the same
rows. Out: differences with 95 % intervals and p values, to validation and rollouts.

A :class:`Difference` is a paired bootstrap: both versions are measured on each resample, so what
is hard for both cancels out. Its p is the share of resamples on which the challenger is worse by
``by`` or more; where there are none, the normal tail with the resamples' spread. McNemar's test
(Psychometrika 12, 1947) is exact: it asks only rows that one version had right and the other
wrong. Where *all* of several gates must hold no correction is due: each may use its own level
(Berger, Technometrics 24, 1982). Gaps between groups are never below 0 and look larger the more
and the smaller the groups are. Pure.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twinhelm.core.arrays import F64
from twinhelm.stats.answers import Answers
from twinhelm.stats.metrics import METRICS, Estimate
from twinhelm.stats.tails import at_most

__all__ = ["Difference", "difference", "gap", "mcnemar"]


@dataclass(frozen=True, slots=True)
class Difference:
    """Challenger less champion, in the metric's own unit, with a 95 % interval.

    ``worse`` is the most by which the challenger may be worse, with 97.5 % confidence (negative:
    it is better by at least so much). ``p`` is one-sided: small where the challenger is not worse
    by ``by`` or more; 1 where it cannot be told.
    """

    value: float
    low: float
    high: float
    worse: float
    p: float

    @property
    def known(self) -> bool:
        """Tell whether there was enough to compare."""
        return bool(np.isfinite([self.value, self.low, self.high, self.worse]).all())


def difference(
    challenger: Estimate, champion: Estimate, *, metric: str, by: float = 0.0
) -> Difference:
    """Compare two estimates of one metric that were made on the same resamples.

    ``metric`` says which way is better: a name of METRICS, or any other name for something of
    which less is better (a gap).
    """
    nan = float("nan")
    value = challenger.value - champion.value
    apart = challenger.spread - champion.spread
    gain = _worth(metric, challenger.spread) - _worth(metric, champion.spread)
    apart, gain = apart[np.isfinite(apart)], gain[np.isfinite(gain)]
    if not (challenger.known and champion.known and len(gain)):
        return Difference(value, nan, nan, nan, 1.0)
    against = np.count_nonzero(gain <= -by)
    p = float(1 + against) / (1 + len(gain))
    if not against and gain.std() > 0:
        z = float((gain.mean() + by) / gain.std())
        p = min(p, math.erfc(z / math.sqrt(2.0)) / 2.0)
    low, high, least = (*np.percentile(apart, (2.5, 97.5)), np.percentile(gain, 2.5))
    return Difference(value, float(low), float(high), -float(least), p)


def mcnemar(challenger: Answers, champion: Answers) -> tuple[int, int, float]:
    """Count the rows that only the challenger, and only the champion, has right; two-sided p.

    Rows that either did not answer are left out; p is 1 where the two never differ.
    """
    _both, mine, theirs = np.intersect1d(challenger.kept, champion.kept, return_indices=True)
    a = challenger.truth[mine] == challenger.given[mine]
    b = champion.truth[theirs] == champion.given[theirs]
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    n, fewer = only_a + only_b, min(only_a, only_b)
    if n == 0:
        return 0, 0, 1.0
    return only_a, only_b, min(1.0, 2.0 * at_most(fewer, n, 0.5))


def gap(groups: Sequence[Estimate]) -> Estimate:
    """Return the largest less the smallest of a metric over groups, with its interval.

    Of positive answers it is the demographic parity difference, of recall the equal opportunity
    difference (Hardt, Price and Srebro, 2016). NaN where a group is unknown, or there is one.
    """
    nan = float("nan")
    rows = sum(each.rows for each in groups)
    if len(groups) < 2 or not all(each.known for each in groups):
        return Estimate(nan, nan, nan, rows, np.empty(0))
    value = max(each.value for each in groups) - min(each.value for each in groups)
    spread = np.ptp(np.stack([each.spread for each in groups]), axis=0)
    low, high = np.percentile(spread[np.isfinite(spread)], (2.5, 97.5))
    return Estimate(value, float(low), float(high), rows, spread)


def _worth(metric: str, values: F64) -> F64:
    return METRICS[metric].worth(values) if metric in METRICS else -values
