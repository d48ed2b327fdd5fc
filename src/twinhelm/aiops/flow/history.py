"""Bringing the past in: back-fill from a Prometheus-compatible server, import of files.

Each is a durable workflow of small steps: a step reads one stretch, keeps what the store does
not have yet, and returns the place to go on from. Killed half-way it goes on at the step that
was lost; the stretch it may read twice adds nothing twice. When all is in, the detector learns
from it, so that it is useful at once.
"""

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from hashlib import blake2b
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np

from twinhelm.aiops.clean import BAD_SERIES, NO_SERIES
from twinhelm.aiops.collect.history import History, Progress
from twinhelm.aiops.collect.past.files import read_file
from twinhelm.aiops.collect.past.prometheus import PrometheusSource
from twinhelm.aiops.flow.intake import Intake
from twinhelm.aiops.flow.watch import Watch
from twinhelm.core import json
from twinhelm.core.clock import Clock
from twinhelm.core.errors import NotFound, TwinhelmError
from twinhelm.core.labels import DEFAULT_TENANT
from twinhelm.core.logs import strike_secrets
from twinhelm.events.event import Event
from twinhelm.events.journal import Journal
from twinhelm.events.kinds.machines import (
    BackfillFinished,
    BackfillStarted,
    ImportFinished,
    ImportStarted,
)
from twinhelm.events.workflows import Run, WorkflowPort

__all__ = ["HistoryBooks"]

STRETCHES_PER_STEP = 16
LEARN_DAYS = 30

Stretches = Callable[[str, Progress], Generator[History]]
"""Read a source on from a cursor."""


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

        Asked again with the same source, selector and range while it runs, it is the same run;
        once that is over, it is another.
        """
        args = {
            "url": url,
            "selector": selector,
            "start_ms": start_ms,
            "end_ms": end_ms,
            "headers": dict(headers or {}),
            "tenant": tenant,
            "by": by,
        }
        # Names and not addresses as keys: an address may carry a password and is long.
        wish = json.dumps([url, selector, start_ms, end_ms, tenant])
        name = blake2b(wish, digest_size=8).hexdigest()
        for attempt in count(1):
            key = f"{name}-{attempt}"
            if not self._over(f"backfill-{key}"):
                break
        return self.workflows.start("backfill", args, key=key)

    def import_file(self, path: Path, *, tenant: str = DEFAULT_TENANT, by: str) -> str:
        """Start reading a CSV or Parquet file; returns the id of the run."""
        return self.workflows.start("import", {"path": str(path), "tenant": tenant, "by": by})

    def _over(self, run_id: str) -> bool:
        try:
            return self.workflows.status(run_id).state.over
        except NotFound:
            return False

    def _backfill(self, run: Run, args: Mapping[str, Any]) -> dict[str, int]:
        def stretches(cursor: str, progress: Progress) -> Generator[History]:
            with PrometheusSource(args["url"], pause=run.pause, headers=args["headers"]) as source:
                yield from source.read(
                    args["selector"],
                    args["start_ms"],
                    args["end_ms"],
                    cursor=cursor,
                    progress=progress,
                )

        source = strike_secrets(args["url"])
        started = BackfillStarted(run.id, source, args["start_ms"], args["end_ms"])
        return self._walk(run, args, stretches, started, BackfillFinished)

    def _import(self, run: Run, args: Mapping[str, Any]) -> dict[str, int]:
        def stretches(cursor: str, progress: Progress) -> Generator[History]:
            yield from read_file(Path(args["path"]), cursor=cursor, progress=progress)

        started = ImportStarted(run.id, args["path"])
        return self._walk(run, args, stretches, started, ImportFinished)

    def _walk(
        self,
        run: Run,
        args: Mapping[str, Any],
        stretches: Stretches,
        started: BackfillStarted | ImportStarted,
        finished: type[BackfillFinished | ImportFinished],
    ) -> dict[str, int]:
        door = "backfill" if isinstance(started, BackfillStarted) else "import"
        run.step("begin", self._tell, args["by"], started)
        try:
            kept = self._read(run, stretches, args["tenant"], door)
        except TwinhelmError as error:
            message = strike_secrets(str(error))
            run.step("tell", self._tell, "twinhelm", finished(run.id, "failed", 0, 0, message))
            raise
        ended = finished(run.id, "done", kept["series"], kept["samples"])
        run.step("tell", self._tell, "twinhelm", ended)
        return kept

    def _tell(self, by: str, event: Event) -> None:
        with self.journal.writing(by) as write:
            write.event(event)

    def _read(self, run: Run, stretches: Stretches, tenant: str, door: str) -> dict[str, int]:
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
        self, run: Run, stretches: Stretches, cursor: str, tenant: str, door: str
    ) -> dict[str, Any]:
        intern = self.intake.decoders(tenant).intern
        samples, place = 0, ""
        series: set[int] = set()

        def progress(done: int, total: int) -> None:
            run.progress(done, total, f"{samples:,} samples kept")

        with closing(stretches(cursor, progress)) as source:
            for done, history in enumerate(islice(source, STRETCHES_PER_STEP), start=1):
                received = history.received(intern)
                receipt = self.intake.take_history(received, door=door, tenant=tenant)
                samples += receipt.samples
                ids = received.samples.series
                series.update(np.unique(ids[ids < min(BAD_SERIES, NO_SERIES)]).tolist())
                place = history.cursor if done == STRETCHES_PER_STEP else ""
        return {"cursor": place, "samples": samples, "series": sorted(series)}

    def _learn(self, series: list[int]) -> int:
        ids = np.array(series, np.uint32)
        return self.watch.relearn(ids, self.clock.now_ms() - LEARN_DAYS * 86_400_000)
