"""What is there? Series and sources, when each series was heard, what families say of themselves.

In: label sets, the series and times of every block. Out: descriptions for the doors and pages.
Lives in memory; :mod:`.batch` makes it durable. About 100 bytes a series at ten labels.
"""

from collections.abc import Sequence

import numpy as np
from numba import njit

from twinhelm.core.arrays import I64, U32, longer
from twinhelm.core.errors import BadInput
from twinhelm.core.labels import Matcher
from twinhelm.core.telemetry import MetricMeta, SampleBlock, SeriesInfo
from twinhelm.store.telemetry.index import LabelIndex

__all__ = ["Catalog"]

_DIGEST_MS = 600_000
"""How long a request body is remembered, so that its repeat is not a second copy."""

_NEVER_FIRST = 2**63 - 1
_NEVER_LAST = -(2**63)


class Catalog:
    """Names, times and digests of one store. The owner's lock guards what changes it."""

    def __init__(self) -> None:
        self.series = LabelIndex()
        self.sources = LabelIndex()
        self.metas: dict[str, MetricMeta] = {}
        self.digests: dict[bytes, int] = {}
        self._first = np.full(1024, _NEVER_FIRST, np.int64)
        self._last = np.full(1024, _NEVER_LAST, np.int64)

    def check(self, block: SampleBlock) -> None:
        """Refuse columns of unequal length and ids that were never given out."""
        if not len(block.series) == len(block.time_ms) == len(block.value):
            raise BadInput(
                f"a sample block has {len(block.series)} series, {len(block.time_ms)} times and "
                f"{len(block.value)} values"
            )
        top = int(block.series.max()) if len(block) else -1
        if top >= len(self.series):
            raise BadInput(
                f"a sample block names series {top}, ids end at {len(self.series) - 1}",
                hint="intern the labels first",
            )

    def heard(self, series: U32, times: I64) -> None:
        """Take note of when series were heard."""
        self._grow()
        _note(self._first, self._last, series, times)

    def heard_state(self) -> tuple[I64, I64]:
        """Return first and last times by id (the far ends of int64 where unheard)."""
        self._grow()
        n = len(self.series)
        return self._first[:n], self._last[:n]

    def restore_heard(self, first: I64, last: I64) -> None:
        """Take back what :meth:`heard_state` gave."""
        self._grow()
        n = min(len(first), len(self.series))
        self._first[:n] = np.minimum(self._first[:n], first[:n])
        self._last[:n] = np.maximum(self._last[:n], last[:n])

    def describe(self, ids: U32) -> list[SeriesInfo]:
        """Describe ids, in order; raises :class:`NotFound` for an unknown one."""
        out = []
        first, last = self.heard_state()
        for number in ids.tolist():
            tenant, labels = self.series.labels(number)
            silent = last[number] == _NEVER_LAST
            seen = (0, 0) if silent else (int(first[number]), int(last[number]))
            out.append(SeriesInfo(number, labels, tenant, *seen))
        return out

    def find(
        self,
        matchers: Sequence[Matcher],
        tenant: str | None,
        start_ms: int | None,
        end_ms: int | None,
    ) -> U32:
        """Return the ids that match and were heard of within the range."""
        ids = self.series.select(matchers, tenant=tenant)
        first, last = self.heard_state()
        keep = np.ones(len(ids), np.bool_)
        if start_ms is not None:
            keep &= last[ids] >= start_ms
        if end_ms is not None:
            keep &= first[ids] <= end_ms
        return ids[keep]

    def last_times(self) -> dict[int, int]:
        """Return the newest time by id, of the series heard."""
        _, last = self.heard_state()
        ids = np.flatnonzero(last != _NEVER_LAST)
        return dict(zip(ids.tolist(), last[ids].tolist(), strict=True))

    def taken(self, digest: bytes, now_ms: int) -> bool:
        """Tell whether this body was taken in the last ten minutes; forget older ones."""
        for known in [known for known, at in self.digests.items() if at <= now_ms - _DIGEST_MS]:
            del self.digests[known]
        return bool(digest) and digest in self.digests

    def _grow(self) -> None:
        short = len(self.series) - len(self._first)
        if short > 0:
            rows = len(self._first) + max(short, len(self._first) // 2)
            self._first = longer(self._first, rows, _NEVER_FIRST)
            self._last = longer(self._last, rows, _NEVER_LAST)


@njit(cache=True, nogil=True)
def _note(first: I64, last: I64, series: U32, times: I64) -> None:
    for i in range(len(series)):
        s = series[i]
        if s < len(first):
            first[s] = min(first[s], times[i])
            last[s] = max(last[s], times[i])
