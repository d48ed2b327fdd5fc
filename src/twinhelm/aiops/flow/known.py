"""The series that are known by now: their labels, their entity, what they measure, of which type.

In: label sets with their ids, as the intake interns them, and what metric families say of
themselves, which often comes later than the first samples. Out: what each series is
(:data:`~twinhelm.aiops.types.Described`) and how its samples are to be judged. Filled by the
watch's thread, read by others.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from twinhelm.aiops.clean import BAD_SERIES, entity_of, families, resource_of, signal_of
from twinhelm.aiops.flow.topology import Topology
from twinhelm.aiops.types import Described, Resource
from twinhelm.core.arrays import U32
from twinhelm.core.clock import Clock
from twinhelm.core.labels import Labels, metric_name
from twinhelm.core.ports import TelemetryStore
from twinhelm.core.telemetry import MetricMeta, MetricType

__all__ = ["Declare", "KnownSeries", "stated"]

Declare = Callable[[int, Labels, MetricMeta | None], object]
"""Take notice that a series is judged as its labels and metadata say."""


@dataclass(slots=True)
class KnownSeries:
    """See the module; ``described`` is what is known, by id; ``entities`` those spoken of."""

    telemetry: TelemetryStore
    clock: Clock
    described: dict[int, Described] = field(default_factory=dict)
    entities: set[str] = field(default_factory=set)
    topology: Topology = field(default_factory=Topology)
    _types: dict[str, MetricType] = field(default_factory=dict)

    def introduce(self, groups: Iterable[tuple[U32, Sequence[Labels]]], declare: Declare) -> None:
        """Take in label sets and their ids; those known already cost nothing."""
        metas = None
        now_ms = self.clock.now_ms()
        for ids, group in groups:
            for series, labels in zip(ids.tolist(), group, strict=True):
                if series in self.described or series >= BAD_SERIES:
                    continue
                metas = metas if metas is not None else self.telemetry.metric_meta()
                name = metric_name(labels)
                declare(series, labels, stated(name, metas))
                self.topology.note(series, labels, now_ms)
                entity = entity_of(labels)
                self.entities.add(entity)
                self.described[series] = (labels, entity, resource_of(name, labels))

    def look_up(self, ids: U32, declare: Declare) -> None:
        """Ask the store for those of ``ids`` that are not known yet."""
        missing = np.array([each for each in ids.tolist() if each not in self.described], np.uint32)
        if len(missing):
            labels = [info.labels for info in self.telemetry.series(missing)]
            self.introduce([(missing, labels)], declare)

    def learn_types(self) -> None:
        """Take the types of all families as they are told now, as if they had always been."""
        self._types = {name: meta.type for name, meta in self.telemetry.metric_meta().items()}

    def retyped(self) -> list[tuple[int, Labels, MetricMeta | None]]:
        """List the series that are judged otherwise by what was told of them since last time."""
        metas = self.telemetry.metric_meta()
        news = {name for name, meta in metas.items() if self._types.get(name) is not meta.type}
        if not news:
            return []
        before = {name: MetricMeta(name, kind) for name, kind in self._types.items()}
        self._types = {name: meta.type for name, meta in metas.items()}
        found = []
        for series, (labels, _, _) in list(self.described.items()):
            name = metric_name(labels)
            if news.isdisjoint(families(name)):
                continue
            meta = stated(name, metas)
            if signal_of(name, stated(name, before)) is not signal_of(name, meta):
                found.append((series, labels, meta))
        return found

    def select(
        self, wanted: Callable[[Labels, Resource], bool], *, limit: int
    ) -> dict[int, Described]:
        """Return the known series that ``wanted`` takes, at most ``limit``."""
        known = list(self.described.items())
        chosen = ((series, each) for series, each in known if wanted(each[0], each[2]))
        return dict(islice(chosen, limit))


def stated(name: str, metas: Mapping[str, MetricMeta]) -> MetricMeta | None:
    """Find what was said of a metric, under its own name or its family's."""
    return next((metas[each] for each in families(name) if each in metas), None)
