"""Answer a selector from the store: at one time, over a grid of steps, or sample by sample.

Series come in the order of their labels, in small batches, so that an answer of any size costs
bounded memory; one read of the store per batch, three array operations per series. The rules are
Prometheus's (2.x): a series has at time t the value of its newest sample in [t - 5 min, t] unless
that is a stale marker; a range selector gives every sample in [t - range, t] but stale markers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from twinhelm.core.arrays import F64, I64
from twinhelm.core.errors import TooLarge
from twinhelm.core.labels import Labels
from twinhelm.core.ports import TelemetryStore
from twinhelm.core.settings import LimitSettings
from twinhelm.core.telemetry import SeriesInfo, is_stale
from twinhelm.web.prometheus.selector import Selector

__all__ = ["LOOKBACK_MS", "Line", "QueryLimit", "Reader"]

LOOKBACK_MS = 300_000
BATCH_SAMPLES = 1_000_000
BATCH_SERIES = 500


class QueryLimit(TooLarge):
    """The query would return or touch more than the limits allow."""

    status = 422


@dataclass(frozen=True, slots=True)
class Line:
    """One series of an answer: its labels, and times and values of (n,)."""

    labels: Labels
    time_ms: I64
    value: F64


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads one tenant's series."""

    telemetry: TelemetryStore
    limits: LimitSettings
    tenant: str

    def samples(self, selector: Selector, now_ms: int) -> Iterator[Line]:
        """Yield the raw samples of a range selector, evaluated at ``now_ms``."""
        end = _reference(selector, now_ms, now_ms, now_ms) - selector.offset_ms
        for labels, times, values in self._read(selector, end - (selector.range_ms or 0), end):
            kept = ~is_stale(values)
            if kept.any():
                yield Line(labels, times[kept], values[kept])

    def steps(self, selector: Selector, grid_ms: I64) -> Iterator[Line]:
        """Yield the value at each step of ``grid_ms``, an ascending (k,) with k >= 1."""
        first, last = int(grid_ms[0]), int(grid_ms[-1])
        if selector.at is None:
            wanted = grid_ms - selector.offset_ms
        else:
            fixed = _reference(selector, first, last, first) - selector.offset_ms
            wanted = np.full(len(grid_ms), fixed, np.int64)
        start = int(wanted[0]) - LOOKBACK_MS
        for labels, times, values in self._read(selector, start, int(wanted[-1])):
            newest = np.searchsorted(times, wanted, side="right") - 1
            at = np.maximum(newest, 0)
            found = (newest >= 0) & (times[at] >= wanted - LOOKBACK_MS) & ~is_stale(values)[at]
            if found.any():
                yield Line(labels, grid_ms[found], values[at[found]])

    def _read(
        self, selector: Selector, start_ms: int, end_ms: int
    ) -> Iterator[tuple[Labels, I64, F64]]:
        found = self._find(selector, start_ms, end_ms)
        touched, done, size = 0, 0, 1
        while done < len(found):
            batch = found[done : done + size]
            done += len(batch)
            rows = 0
            for info, times, values in _of(self.telemetry, batch, start_ms, end_ms):
                rows += len(times)
                if touched + rows > self.limits.max_query_samples:
                    said = f"the query touches more than {self.limits.max_query_samples} samples"
                    hint = "narrow the selector or the range, or raise limits.max_query_samples"
                    raise QueryLimit(said, hint=hint)
                yield info.labels, times, values
            touched += rows
            # Grow towards the wanted number of samples, carefully: nothing is known beforehand.
            per_series = max(1, rows // len(batch))
            size = max(1, min(8 * size, BATCH_SAMPLES // per_series, BATCH_SERIES))

    def _find(self, selector: Selector, start_ms: int, end_ms: int) -> list[SeriesInfo]:
        limit = self.limits.max_query_series
        found = self.telemetry.find_series(
            selector.matchers, tenant=self.tenant, start_ms=start_ms, end_ms=end_ms, limit=limit + 1
        )
        if len(found) > limit:
            hint = "narrow the selector, or raise limits.max_query_series"
            raise QueryLimit(f"the query matches more than {limit} series", hint=hint)
        return sorted(found, key=lambda info: info.labels)


def _of(
    telemetry: TelemetryStore, batch: Sequence[SeriesInfo], start_ms: int, end_ms: int
) -> Iterator[tuple[SeriesInfo, I64, F64]]:
    """Read one batch and cut it by series, in the batch's order; silent series are left out."""
    ids = np.sort(np.array([info.id for info in batch], np.uint32))
    block = telemetry.read_samples(ids, start_ms, end_ms)
    begins = np.searchsorted(block.series, ids, side="left")
    ends = np.searchsorted(block.series, ids, side="right")
    places = np.searchsorted(ids, np.array([info.id for info in batch], np.uint32))
    for info, place in zip(batch, places.tolist(), strict=True):
        begin, end = int(begins[place]), int(ends[place])
        if end > begin:
            yield info, block.time_ms[begin:end], block.value[begin:end]


def _reference(selector: Selector, start_ms: int, end_ms: int, now_ms: int) -> int:
    if selector.at is None:
        return now_ms
    if selector.at == "start":
        return start_ms
    return end_ms if selector.at == "end" else selector.at
