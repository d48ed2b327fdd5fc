"""Bringing the past in: back-fill from a Prometheus-compatible server, import of files.

Each is a durable workflow of small steps: a step reads one stretch, keeps what the store does
not have yet, and returns the place to go on from. Killed half-way it goes on at the step that
was lost; the stretch it may read twice adds nothing twice. When all is in, the detector learns
from it, so that it is useful at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from twinhelm.aiops.collect.files import read_file
from twinhelm.aiops.collect.history import History, Progress
from twinhelm.aiops.collect.prometheus_client import PrometheusSource
from twinhelm.aiops.flow.intake import Intake
from twinhelm.aiops.flow.watch import Watch
from twinhelm.core.clock import Clock
from twinhelm.core.labels import DEFAULT_TENANT
from twinhelm.events.journal import Journal
from twinhelm.events.kinds import BackfillFinished, BackfillStarted, ImportFinished, ImportStarted
from twinhelm.events.workflows import Run, WorkflowPort

__all__ = ["HistoryBooks"]

STRETCHES_PER_STEP = 16
LEARN_DAYS = 30


@dataclass(slots=True)
class HistoryBooks:
    """The two workflows ``backfill`` and ``import``, and how to start them."""

    intake: Intake
    watch: Watch
    journal: Journal
    workflows: WorkflowPort
    clock: Clock

    def register(self) -> None:
        """Make the workflows known; runs that were cut off go on from here."""
        self.workflows.register("backfill", self._backfill)
        self.workflows.register("import", self._import)

    def backfill(
        self,
        url: str,
        *,
        selector: str,
        start_ms: int,
        end_ms: int,
        headers: Mapping[str, str] | None = None,
        tenant: str = DEFAULT_TENANT,
        by: str,
    ) -> str:
        """Start reading history from ``url``; returns the id of the run.

        Asked again with the same source, selector and range while it runs, it is the same run.
        """
        args = {
            "url": url,
            "selector": selector,
            "start_ms": start_ms,
            "end_ms": end_ms,
            "headers": dict(headers or {}),
            "tenant": tenant,
        }
        run_id = self.workflows.start(
            "backfill", args, key=f"{url} {selector} {start_ms} {end_ms} {tenant}"
        )
        with self.journal.writing(by) as write:
            write.event(BackfillStarted(run_id, url, start_ms, end_ms))
        return run_id

    def import_file(self, path: Path, *, tenant: str = DEFAULT_TENANT, by: str) -> str:
        """Start reading a CSV or Parquet file; returns the id of the run."""
        run_id = self.workflows.start("import", {"path": str(path), "tenant": tenant})
        with self.journal.writing(by) as write:
            write.event(ImportStarted(run_id, str(path)))
        return run_id

    def _backfill(self, run: Run, args: Mapping[str, Any]) -> dict[str, int]:
        def stretches(cursor: str, progress: Progress) -> Iterator[History]:
            with PrometheusSource(args["url"], headers=args["headers"]) as source:
                yield from source.read(
                    args["selector"],
                    args["start_ms"],
                    args["end_ms"],
                    cursor=cursor,
                    progress=progress,
                )

        kept = self._read(run, stretches, args["tenant"], "backfill")
        run.step("tell", self._tell_backfill, run.id, kept)
        return kept

    def _import(self, run: Run, args: Mapping[str, Any]) -> dict[str, int]:
        def stretches(cursor: str, progress: Progress) -> Iterator[History]:
            yield from read_file(Path(args["path"]), cursor=cursor, progress=progress)

        kept = self._read(run, stretches, args["tenant"], "import")
        run.step("tell", self._tell_import, run.id, kept)
        return kept

    def _read(self, run: Run, stretches: Any, tenant: str, door: str) -> dict[str, int]:
        cursor, samples = "", 0
        series: set[int] = set()
        while True:
            found = run.step(
                f"read on from {cursor or 'the start'}"[:200],
                self._read_some,
                run,
                stretches,
                cursor,
                tenant,
                door,
            )
            samples += found["samples"]
            series.update(found["series"])
            if not found["cursor"]:
                break
            cursor = found["cursor"]
        run.step("learn", self._learn, sorted(series))
        return {"samples": samples, "series": len(series)}

    def _read_some(
        self, run: Run, stretches: Any, cursor: str, tenant: str, door: str
    ) -> dict[str, Any]:
        intern = self.intake.decoders(tenant).intern
        samples, place = 0, ""
        series: set[int] = set()

        def progress(done: int, total: int) -> None:
            run.progress(done, total, f"{samples:,} samples kept")

        for count, history in enumerate(stretches(cursor, progress), start=1):
            received = history.received(intern)
            receipt = self.intake.take_history(received, door=door, tenant=tenant)
            samples += receipt.samples
            series.update(np.unique(received.samples.series).tolist())
            if count >= STRETCHES_PER_STEP:
                place = history.cursor
                break
        return {"cursor": place, "samples": samples, "series": sorted(series)}

    def _learn(self, series: list[int]) -> int:
        ids = np.array(series, np.uint32)
        return self.watch.relearn(ids, self.clock.now_ms() - LEARN_DAYS * 86_400_000)

    def _tell_backfill(self, run_id: str, kept: dict[str, int]) -> None:
        with self.journal.writing("twinhelm") as write:
            write.event(BackfillFinished(run_id, "done", kept["series"], kept["samples"]))

    def _tell_import(self, run_id: str, kept: dict[str, int]) -> None:
        with self.journal.writing("twinhelm") as write:
            write.event(ImportFinished(run_id, "done", kept["series"], kept["samples"]))
