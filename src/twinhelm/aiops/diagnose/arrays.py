"""Ranks the columns of a matrix as causes of trouble: the notebook's door to diagnosis.

In: names, times and values ``(n, k)`` of whatever was measured, when the trouble began, and, if
known, who depends on whom. Out: every column, likeliest cause first. No server, no state, no
randomness.

Each column is scaled by what it did before (median and spread, quartiles over 1.349), as in
robust root-cause ranking after Pham and others, "BARO" (FSE 2024, section 4). Its score is how
far it went (the 95th percentile of the distance since, compressed by a logarithm), how early it
left (first two distances in a row beyond 4), and whether something it depends on left as well,
in which case that is the likelier cause. Wrong where the cause itself was not measured or the
time before holds trouble too. Cost: a few sorts of the matrix.

>>> import numpy as np
>>> times = np.arange(60) * 1000
>>> values = np.tile(np.sin(np.arange(60.0)), (2, 1)).T
>>> values[40:, 1] += 50
>>> rank_arrays(["calm", "broken"], times, values, start_ms=40_000)[0].name
'broken'
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from twinhelm.core.arrays import F64, I64
from twinhelm.core.errors import BadInput

__all__ = ["Ranked", "rank_arrays"]

LEFT_AT = 4.0
"""Distances, in spreads, beyond which a column has left its range."""
EARLY_WEIGHT = 0.35
DEPENDS_WEIGHT = 0.4


@dataclass(frozen=True, slots=True)
class Ranked:
    """One column: ``score`` >= 0, distance in spreads, and when it left its range, if it did."""

    name: str
    column: int
    score: float
    deviation: float
    onset_ms: int | None


def rank_arrays(
    names: Sequence[str],
    times_ms: I64,
    values: F64,
    *,
    start_ms: int,
    edges: Iterable[tuple[str, str]] = (),
) -> list[Ranked]:
    """Rank columns as causes of what began at ``start_ms``.

    ``times_ms`` (n,) ascending, ``values`` (n, k) with NaN where missing. ``edges`` are pairs
    (depends, depended on) of names. Columns with fewer than three values before or one since
    score 0. Raises :class:`BadInput` where the shapes do not fit.
    """
    values = np.asarray(values, np.float64)
    times = np.asarray(times_ms, np.int64)
    if values.ndim != 2 or values.shape != (len(times), len(names)):
        raise BadInput(
            f"values of shape {values.shape} do not fit {len(times)} times and {len(names)} names",
            hint="give values as (times, names)",
        )
    values = np.where(np.isfinite(values), np.clip(values, -1e100, 1e100), np.nan)
    since = times >= start_ms
    columns = [_column(values[:, k], times, since) for k in range(len(names))]
    onsets = sorted({onset for _, onset in columns if onset is not None})
    scores = []
    for deviation, onset in columns:
        early = 0.0
        if onset is not None:
            early = 1.0 - onsets.index(onset) / max(len(onsets), 1)
        scores.append(float(np.log1p(deviation)) * (1.0 + EARLY_WEIGHT * early))
    own = list(scores)
    at = {name: k for k, name in enumerate(names)}
    for source, target in edges:
        if source in at and target in at and columns[at[target]][0] > LEFT_AT:
            passed = DEPENDS_WEIGHT * min(own[at[source]], own[at[target]])
            scores[at[source]] -= passed
            scores[at[target]] += 0.5 * passed
    ranked = [
        Ranked(name, k, max(scores[k], 0.0), columns[k][0], columns[k][1])
        for k, name in enumerate(names)
    ]
    return sorted(ranked, key=lambda one: (-one.score, one.column))


def _column(values: F64, times: I64, since: np.ndarray) -> tuple[float, int | None]:
    """Return how far a column went, in spreads, and when it left its range."""
    before = values[~since & np.isfinite(values)]
    after = since & np.isfinite(values)
    if len(before) < 3 or not after.any():
        return 0.0, None
    low, middle, high = np.quantile(before, [0.25, 0.5, 0.75])
    spread = max((high - low) / 1.349, float(before.std()) * 0.2, abs(middle) * 1e-3, 1e-9)
    distance = np.abs(values[after] - middle) / spread
    out = distance > LEFT_AT
    pairs = np.flatnonzero(out[:-1] & out[1:])
    first = pairs[0] if len(pairs) else (np.argmax(out) if out.any() else None)
    onset = None if first is None else int(times[after][first])
    return float(min(np.quantile(distance, 0.95), 1e12)), onset
