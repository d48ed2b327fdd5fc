"""The series around an incident as one matrix, and what each did when the trouble began.

In: signals (counters as rates, as the clean room makes them) of candidate series, per-process
ones included. Out: :class:`SeriesWindow`, ``values`` of shape ``(n, k)`` on a common grid with
NaN where nothing was heard, and the changes that :mod:`twinhelm.aiops.diagnose.ranking` reads
off it. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twinhelm.aiops.types import Resource
from twinhelm.core.arrays import F64, I64
from twinhelm.core.errors import BadInput
from twinhelm.core.labels import Labels
from twinhelm.core.telemetry import SampleBlock

__all__ = ["SeriesWindow", "Shift", "shift_of", "window_of"]

MAX_CELLS = 20_000_000
"""More would take over 160 MB; ask for fewer series or a coarser step."""


@dataclass(frozen=True, slots=True)
class SeriesWindow:
    """Candidate series over one stretch: ``times_ms`` (n,) ascending, ``values`` (n, k)."""

    ids: tuple[int, ...]
    labels: tuple[Labels, ...]
    entities: tuple[str, ...]
    resources: tuple[Resource, ...]
    times_ms: I64
    values: F64

    @staticmethod
    def empty() -> SeriesWindow:
        """Return a window that knows nothing."""
        return SeriesWindow((), (), (), (), np.empty(0, np.int64), np.empty((0, 0)))


@dataclass(frozen=True, slots=True)
class Shift:
    """How one series moved: its usual level, the level since, and the difference."""

    before: float
    since: float

    @property
    def rise(self) -> float:
        """Return the difference, in the signal's unit; NaN where nothing is known since."""
        return self.since - self.before


def window_of(
    block: SampleBlock,
    ids: Sequence[int],
    labels: Sequence[Labels],
    entities: Sequence[str],
    resources: Sequence[Resource],
    *,
    start_ms: int,
    end_ms: int,
    step_ms: int = 5_000,
) -> SeriesWindow:
    """Average signals into steps of ``step_ms`` over ``[start_ms, end_ms]``.

    ``block`` may hold other series and times, in any order; they are left out. Raises
    :class:`BadInput` for a matrix past ``MAX_CELLS`` or a step that is not positive.
    """
    if step_ms <= 0 or end_ms < start_ms:
        raise BadInput(f"no window from {start_ms} to {end_ms} ms in steps of {step_ms} ms")
    n, k = (end_ms - start_ms) // step_ms + 1, len(ids)
    if n * k > MAX_CELLS:
        raise BadInput(
            f"a window of {n} steps by {k} series is more than {MAX_CELLS} cells",
            hint="ask for fewer series or a coarser step",
        )
    values = np.full((n, k), np.nan)
    if k and len(block):
        order = np.argsort(np.asarray(ids, np.int64))
        known = np.asarray(ids, np.int64)[order]
        at = np.clip(np.searchsorted(known, block.series), 0, k - 1)
        inside = (known[at] == block.series) & np.isfinite(block.value)
        inside &= (block.time_ms >= start_ms) & (block.time_ms <= end_ms)
        cell = ((block.time_ms[inside] - start_ms) // step_ms) * k + order[at[inside]]
        count = np.bincount(cell, minlength=n * k)
        total = np.bincount(cell, weights=block.value[inside], minlength=n * k)
        flat = values.ravel()
        flat[count > 0] = total[count > 0] / count[count > 0]
    times = start_ms + np.arange(n, dtype=np.int64) * step_ms
    return SeriesWindow(tuple(ids), tuple(labels), tuple(entities), tuple(resources), times, values)


def shift_of(
    window: SeriesWindow,
    column: int,
    start_ms: int,
    end_ms: int,
    *,
    absent: float = np.nan,
    peak: bool = False,
) -> Shift:
    """Compare a series before ``start_ms`` (median) with ``[start_ms, end_ms]``.

    The level since is the mean, or with ``peak`` the 90th percentile, for what adds up over
    time. ``absent`` stands for a level of which nothing is known: 0 for a process that was not
    there yet.
    """
    values, times = window.values[:, column], window.times_ms
    before = values[(times < start_ms) & np.isfinite(values)]
    since = values[(times >= start_ms) & (times <= end_ms) & np.isfinite(values)]
    level = absent
    if len(since):
        level = float(np.quantile(since, 0.9)) if peak else float(since.mean())
    return Shift(float(np.median(before)) if len(before) else absent, level)
