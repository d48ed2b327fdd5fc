"""What was acknowledged and is not in the database yet? One part per append-log segment.

In: blocks, whose streams and resources are ids of the index of sources. Out: rows for readers,
columns for the flush. One thread at a time writes (the store's lock); readers need no lock,
since columns only ever grow and a reader looks at the count first.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit

from twinhelm.core.arrays import BOOL, I64, U32, Array
from twinhelm.core.telemetry import Change, LogBlock, SampleBlock, SpanBlock
from twinhelm.store.telemetry.pages import sort_rows

__all__ = ["LogRow", "Part", "SpanRow", "join_samples", "newest"]

LogRow = tuple[int, int, int, str, str, str, str]
"""time_ns, source, severity, body, attributes, trace_id, span_id"""

SpanRow = tuple[int, int, int, str, str, str, str, int, int, str]
"""start_ns, end_ns, source, trace_id, span_id, parent_id, name, kind, status, attributes"""


class Part:
    """Pending rows of one append-log segment."""

    def __init__(self, segment: int = 0) -> None:
        self.segment = segment
        self.logs: list[LogBlock] = []
        self.spans: list[SpanBlock] = []
        self.changes: dict[str, Change] = {}
        self.change_count = 0
        self.names: list[tuple[int, int, bytes]] = []
        """New names: which index (:class:`.payload.Kind`), its first id, the names."""
        self.other = False
        """Whether descriptions or digests wait."""
        self._n = 0
        self._series = np.empty(0, np.uint32)
        self._times = np.empty(0, np.int64)
        self._values = np.empty(0, np.float64)

    @property
    def sample_rows(self) -> int:
        """How many samples wait here."""
        return self._n

    @property
    def rows(self) -> int:
        """How many rows of all kinds wait here."""
        logs = sum(map(len, list(self.logs)))
        spans = sum(map(len, list(self.spans)))
        return self._n + logs + spans + len(self.changes)

    def add_samples(self, block: SampleBlock) -> None:
        """Copy samples in: the caller may use its arrays again."""
        n, more = self._n, len(block)
        if n + more > len(self._series):
            room = max(n + more, len(self._series) * 2, 4096)
            self._series = _longer(self._series, n, room)
            self._times = _longer(self._times, n, room)
            self._values = _longer(self._values, n, room)
        self._series[n : n + more] = block.series
        self._times[n : n + more] = block.time_ms
        # As integers, so that no NaN's bits are touched on the way.
        self._values.view(np.uint64)[n : n + more] = block.value.view(np.uint64)
        self._n = n + more

    def samples(self) -> SampleBlock:
        """Return all samples here, in order of arrival; a view that stays valid."""
        n = self._n
        return SampleBlock(self._series[:n], self._times[:n], self._values[:n])

    def read_samples(self, ids: U32, start_ms: int, end_ms: int) -> SampleBlock:
        """Read the samples of ids (ascending) within a closed range, in order of arrival."""
        block = self.samples()
        hit = _hits(block.series, block.time_ms, ids, start_ms, end_ms)
        return SampleBlock(block.series[hit], block.time_ms[hit], block.value[hit])

    def read_logs(
        self, sources: U32 | None, start_ns: int, end_ns: int, contains: str
    ) -> list[LogRow]:
        """Read log rows, in order of arrival."""
        rows: list[LogRow] = []
        for block in list(self.logs):
            hit = _within(block.time_ns, start_ns, end_ns, block.stream, sources)
            rows += [
                (
                    int(block.time_ns[i]),
                    int(block.stream[i]),
                    int(block.severity[i]),
                    block.body[i],
                    block.attributes[i],
                    block.trace_id[i],
                    block.span_id[i],
                )
                for i in np.flatnonzero(hit).tolist()
                if contains in block.body[i]
            ]
        return rows

    def read_spans(
        self, sources: U32 | None, start_ns: int, end_ns: int, trace_id: str
    ) -> list[SpanRow]:
        """Read spans that start within a closed range, in order of arrival."""
        rows: list[SpanRow] = []
        for block in list(self.spans):
            hit = _within(block.start_ns, start_ns, end_ns, block.resource, sources)
            rows += [
                (
                    int(block.start_ns[i]),
                    int(block.end_ns[i]),
                    int(block.resource[i]),
                    block.trace_id[i],
                    block.span_id[i],
                    block.parent_id[i],
                    block.name[i],
                    int(block.kind[i]),
                    int(block.status[i]),
                    block.attributes[i],
                )
                for i in np.flatnonzero(hit).tolist()
                if not trace_id or block.trace_id[i] == trace_id
            ]
        return rows


def join_samples(parts: Sequence[SampleBlock], ids: U32) -> SampleBlock:
    """Join what several places hold of ``ids`` (ascending) and sort it by series and time."""
    block = SampleBlock(
        np.concatenate([part.series for part in parts] or [np.empty(0, np.uint32)]),
        np.concatenate([part.time_ms for part in parts] or [np.empty(0, np.int64)]),
        np.concatenate([part.value for part in parts] or [np.empty(0, np.float64)]),
    )
    places = np.searchsorted(ids, block.series).astype(np.uint32)
    placed = sort_rows(SampleBlock(places, block.time_ms, block.value), len(ids))
    return SampleBlock(ids[placed.series], placed.time_ms, placed.value)


def newest(rows: list[LogRow], limit: int, *, newest_first: bool) -> list[LogRow]:
    """Order log rows by time and keep ``limit`` of them."""
    return sorted(rows, key=lambda row: row[0], reverse=newest_first)[:limit]


def _longer(array: Array, used: int, room: int) -> Array:
    longer = np.empty(room, array.dtype)
    longer[:used] = array[:used]
    return longer


def _within(times: I64, start: int, end: int, source: Array, sources: U32 | None) -> BOOL:
    hit: BOOL = (times >= start) & (times <= end)
    return hit if sources is None else hit & np.isin(source, sources)


@njit(cache=True, nogil=True)
def _hits(series: U32, times: I64, ids: U32, start_ms: int, end_ms: int) -> I64:
    wanted = np.zeros(ids[-1] + 1 if len(ids) else 0, np.bool_)
    for s in ids:
        wanted[s] = True
    hits = np.empty(len(series), np.int64)
    n = 0
    for i in range(len(series)):
        s = series[i]
        if s < len(wanted) and wanted[s] and start_ms <= times[i] <= end_ms:
            hits[n] = i
            n += 1
    return hits[:n].copy()
