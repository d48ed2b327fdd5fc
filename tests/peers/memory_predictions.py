"""Predictions in memory, under the same contract: the second implementation of Predictions."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from twinhelm.core.ports import Label, Labelling, Prediction

__all__ = ["MemoryPredictions"]


class MemoryPredictions:
    """See :class:`twinhelm.core.ports.Predictions`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: dict[tuple[str, str, str], Prediction] = {}
        self._labels: dict[tuple[str, str], dict[str, float | str]] = {}

    def append(self, rows: Sequence[Prediction]) -> None:
        with self._lock:
            for row in rows:
                self._rows.setdefault((row.product, row.id, row.role), row)

    def label(self, labels: Sequence[Label]) -> list[Labelling]:
        with self._lock:
            return [self._label(each) for each in labels]

    def _label(self, label: Label) -> Labelling:
        request, _, row = label.id.rpartition(":")
        if self._rows_of(label.product, label.id) == 1:
            request, name = label.id, label.id
        else:
            count = self._rows_of(label.product, request)
            if not (row.isascii() and row.isdigit() and int(row) < count):
                return Labelling.UNKNOWN
            name = request if count == 1 else f"{request}:{int(row)}"
        known = self._labels.setdefault((label.product, request), {})
        if name in known:
            return Labelling.AGAIN if known[name] == label.value else Labelling.CONFLICTING
        known[name] = label.value
        return Labelling.KEPT

    def _rows_of(self, product: str, name: str) -> int:
        found = [r.rows for r in self._rows.values() if (r.product, r.id) == (product, name)]
        return max(found, default=0)

    def read(
        self,
        product: str,
        *,
        version: str | None = None,
        role: str | None = None,
        start_ms: int = 0,
        end_ms: int | None = None,
        newest_first: bool = False,
        labelled: bool = False,
        limit: int = 10_000,
    ) -> list[Prediction]:
        with self._lock:
            found = [
                row
                for row in self._rows.values()
                if row.product == product
                and version in (None, row.version)
                and role in (None, row.role)
                and row.time_ms >= start_ms
                and (end_ms is None or row.time_ms < end_ms)
                and not (labelled and (product, row.id) not in self._labels)
            ]
        found.sort(key=lambda row: row.time_ms)
        return (found[::-1] if newest_first else found)[: max(limit, 0)]

    def labels(self, product: str, ids: Sequence[str]) -> dict[str, float | str]:
        with self._lock:
            made: dict[str, float | str] = {}
            for each in ids:
                made |= self._labels.get((product, each), {})
            return made

    def counts(self, product: str) -> Mapping[str, int]:
        with self._lock:
            return dict(Counter(r.version for r in self._rows.values() if r.product == product))

    def prune(self, product: str, before_ms: int) -> int:
        with self._lock:
            old = [
                key
                for key, row in self._rows.items()
                if row.product == product and row.time_ms < before_ms
            ]
            for key in old:
                del self._rows[key]
            for name in {key[1] for key in old}:
                if not self._rows_of(product, name):
                    self._labels.pop((product, name), None)
            return len(old)

    def backup(self, target: Path) -> None:
        target.mkdir(parents=True, exist_ok=True)
        text = "\n".join(str(asdict(row)) for row in self._rows.values())
        (target / "predictions.txt").write_text(text)

    def close(self) -> None:
        """Nothing is held."""
