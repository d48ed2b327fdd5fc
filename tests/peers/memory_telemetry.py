"""Telemetry that need not outlive the process: the second implementation of TelemetryStore.

Nothing is dropped before :meth:`MemoryTelemetry.tidy` is called.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from twinhelm.core.clock import Clock
from twinhelm.core.errors import Refused
from twinhelm.core.ports import StoreStats
from twinhelm.core.settings import StoreSettings
from twinhelm.core.telemetry import Change, SampleBlock
from twinhelm.store.telemetry.front import Front
from twinhelm.store.telemetry.log import Buffer
from twinhelm.store.telemetry.pending import Part
from twinhelm.store.telemetry.rows import LOGS, SPANS, Columns, Kind, Shape

__all__ = ["MemoryTelemetry"]

_DAY_MS = 86_400_000


class MemoryTelemetry(Front):
    """See :class:`twinhelm.core.ports.TelemetryStore`."""

    def __init__(self, clock: Clock, settings: StoreSettings | None = None) -> None:
        super().__init__(clock, settings or StoreSettings())

    def stats(self) -> StoreStats:
        """See the port."""
        return StoreStats(
            series=len(self._catalog.series),
            **self._pending.counts,
            disk_bytes=0,
            free_bytes=0,
            pending_rows=sum(part.rows for part in self._pending.parts),
            taking=True,
        )

    def flush(self) -> None:
        """See the port; there is nowhere to move rows to."""

    def tidy(self, now_ms: int) -> None:
        """See the port."""
        keep = self._settings
        with self._lock:
            old, new = self._pending.active, Part()
            block = old.samples()
            young = block.time_ms >= now_ms - keep.retain_samples_days * _DAY_MS
            new.add_samples(
                SampleBlock(block.series[young], block.time_ms[young], block.value[young])
            )
            for shape, days in ((LOGS, keep.retain_logs_days), (SPANS, keep.retain_spans_days)):
                since_ns = int((now_ms - days * _DAY_MS) * 1_000_000)
                new.blocks[shape.table] = [
                    _since(shape, columns, since_ns) for columns in old.blocks[shape.table]
                ]
            since_ms = now_ms - keep.retain_changes_days * _DAY_MS
            new.changes = {
                k: change for k, change in old.changes.items() if change.time_ms >= since_ms
            }
            self._pending.parts = (new,)

    def backup(self, target: Path) -> None:
        """Refuse: there are no files to copy."""
        raise Refused(f"telemetry in memory cannot be copied to {target}", hint="use a directory")

    def close(self) -> None:
        """See the port; what was kept stays readable."""

    def _writing(self) -> AbstractContextManager[Any]:
        return self._lock

    def _keep(self, kind: Kind, parts: list[Buffer]) -> None:
        """Nothing survives the process here."""

    @contextmanager
    def _view(self) -> Iterator[tuple[Any, Sequence[Part]]]:
        yield _Nothing(), self._pending.parts


class _Nothing:
    """What rests in no database."""

    def samples(self, *_asked: Any) -> SampleBlock:
        return SampleBlock.empty()

    def rows(self, *_asked: Any, **_options: Any) -> list[tuple[Any, ...]]:
        return []

    def changes(self, *_asked: Any) -> list[Change]:
        return []


def _since(shape: Shape, columns: Columns, start_ns: int) -> Columns:
    """Return the rows from a time on, as columns."""
    names, rows = shape.names, shape.select(columns, (None, start_ns, 2**63 - 1, ""))
    turned = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in names]
    return {
        name: np.array(column, shape.numbers[name]) if name in shape.numbers else column
        for name, column in zip(names, turned, strict=True)
    }
