"""Turns pipeline runs into series: how long they take, what they write, whether they are late.

In: changes of kind ``pipeline`` as the OpenLineage door joins them. Out, rows of labels, time in
ms and value, at the pipeline's entity:

* when a run ends: ``pipeline_run_seconds`` (where its start is known), ``pipeline_failed`` (1 for
  a failed or aborted run, else 0), and ``pipeline_output_rows`` of each data set it wrote (label
  ``dataset``) that it counted;
* on a steady grid, once three runs succeeded: ``pipeline_late_ratio``, the time since the last
  success over the usual time between two (the median of the newest twenty): 1 is due, 2 is late
  by a whole turn. Every 2 s, or each minute where the usual time is over an hour; until the
  pipeline has been silent for twenty turns.

Also out: a change of kind ``schema`` of a data set whose columns are no longer what the run before
said. After a restart :meth:`Runs.recall` brings back what the newest runs said. Wrong for a
pipeline that rests at weekends: it is late each Sunday, until the detector has seen some.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import pairwise
from statistics import median

from twinhelm.aiops.clean.entities import naming
from twinhelm.core.entities import entity_key
from twinhelm.core.labels import METRIC, Labels, labels_of
from twinhelm.core.telemetry import Change

__all__ = ["OUTPUT_ROWS", "SCHEMA", "Row", "Runs"]

Row = tuple[Labels, int, float]
"""Labels, time in ms, value."""

OUTPUT_ROWS, SCHEMA = "output_rows:", "schema:"
"""Attributes of a run, before the name of a data set: rows written; columns with their types."""
LEAST_RUNS, NEWEST = 3, 20
GIVEN_UP_TURNS = 20
GRID_MS, SLOW_GRID_MS = 2_000, 60_000
HOUR_MS = 3_600_000
MOST_PIPELINES = 5_000


@dataclass(slots=True)
class _Pipeline:
    """What is known of one: ends of its newest successes, ascending, and runs told of already."""

    ends_ms: deque[int] = field(default_factory=lambda: deque(maxlen=NEWEST + 1))
    told: deque[str] = field(default_factory=lambda: deque(maxlen=200))

    @property
    def turn_ms(self) -> float:
        """The usual time between two successes; 0 while it is not known."""
        if len(self.ends_ms) < LEAST_RUNS:
            return 0.0
        ends = list(self.ends_ms)
        return median(after - before for before, after in pairwise(ends))


class Runs:
    """The pipelines of one tenant; for one thread."""

    def __init__(self) -> None:
        self._pipelines: dict[str, _Pipeline] = {}
        self._schemas: dict[str, tuple[int, str]] = {}

    def recall(self, changes: Iterable[Change]) -> None:
        """Learn from runs of the past, in order of time, and tell nothing."""
        for change in changes:
            list(self.take(change))

    def take(self, change: Change) -> Iterator[Row | Change]:
        """Take what was told of one run, as joined so far; yields rows and changes of schema."""
        if change.kind != "pipeline":
            return
        yield from self._schemas_of(change)
        known = self._pipelines.get(change.entity)
        if known is None:
            if len(self._pipelines) >= MOST_PIPELINES:
                return
            known = self._pipelines[change.entity] = _Pipeline()
        if change.end_ms is None or change.id in known.told:
            return
        known.told.append(change.id)
        success = change.outcome == "success"
        if success and (not known.ends_ms or change.end_ms > known.ends_ms[-1]):
            known.ends_ms.append(change.end_ms)
        yield _row("pipeline_failed", change, 0.0 if success else 1.0)
        if change.end_ms > change.time_ms:
            seconds = (change.end_ms - change.time_ms) / 1000
            yield _row("pipeline_run_seconds", change, seconds)
        for name, value in change.attributes.items():
            if name.startswith(OUTPUT_ROWS) and value.isdecimal():
                dataset = name.removeprefix(OUTPUT_ROWS)
                yield _row("pipeline_output_rows", change, float(value), dataset=dataset)

    def lateness(self, after_ms: int, through_ms: int) -> Iterator[Row]:
        """Yield how late each pipeline is, at the grid's times within the range, ascending."""
        for entity, known in self._pipelines.items():
            turn_ms = known.turn_ms
            if turn_ms <= 0:
                continue
            labels = labels_of({**naming(entity), METRIC: "pipeline_late_ratio"})
            step = GRID_MS if turn_ms <= HOUR_MS else SLOW_GRID_MS
            last = known.ends_ms[-1]
            through = min(through_ms, last + int(GIVEN_UP_TURNS * turn_ms))
            for time_ms in range((max(after_ms, last) // step + 1) * step, through + 1, step):
                yield labels, time_ms, (time_ms - last) / turn_ms

    def _schemas_of(self, change: Change) -> Iterator[Change]:
        said_ms = change.end_ms or change.time_ms
        for name, columns in change.attributes.items():
            if not name.startswith(SCHEMA):
                continue
            dataset = name.removeprefix(SCHEMA)
            before_ms, before = self._schemas.get(dataset, (said_ms, columns))
            if said_ms < before_ms:
                continue
            self._schemas[dataset] = said_ms, columns
            if before != columns:
                yield _changed(dataset, before, columns, change, said_ms)


def _row(name: str, change: Change, value: float, **more: str) -> Row:
    labels = labels_of({**naming(change.entity), **more, METRIC: name})
    return labels, change.end_ms or change.time_ms, value


def _changed(dataset: str, before: str, after: str, run: Change, said_ms: int) -> Change:
    """Put in words what became of the columns; each is written ``name type``."""
    old, new = (dict(_columns(text)) for text in (before, after))
    parts = [f"-{name}" for name in old if name not in new]
    parts += [f"+{name}" for name in new if name not in old]
    parts += [
        f"{name} {old[name]} -> {new[name]}"
        for name in old
        if new.get(name, old[name]) != old[name]
    ]
    digest = blake2b(f"{said_ms} {after}".encode(), digest_size=8).hexdigest()
    return Change(
        id=f"schema/{dataset}/{digest}",
        time_ms=said_ms,
        kind="schema",
        entity=entity_key("dataset", dataset),
        title=f"columns of {dataset} changed: {', '.join(parts) or 'their order'}"[:300],
        source="openlineage",
        end_ms=said_ms,
        attributes={"before": before, "after": after, "pipeline": run.entity},
    )


def _columns(text: str) -> Iterator[tuple[str, str]]:
    for column in filter(None, text.split(", ")):
        name, _, kind = column.rpartition(" ")
        yield (name, kind) if name else (kind, "")
