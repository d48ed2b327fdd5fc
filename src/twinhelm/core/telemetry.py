"""What systems tell us, as it crosses room borders: columns, not rows.

Blocks are made by :mod:`twinhelm.aiops.collect`, cleaned by :mod:`twinhelm.aiops.clean` and
kept by a :class:`twinhelm.core.ports.TelemetryStore`. All arrays of a block have one length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from twinhelm.core.arrays import BOOL, F64, I32, I64, U8, U32
from twinhelm.core.labels import Labels

__all__ = [
    "STALE_NAN_BITS", "Alert", "Change", "LogBlock", "LogRecord", "MetricMeta", "MetricType",
    "SampleBlock", "SeriesInfo", "Span", "SpanBlock", "is_stale",
]  # fmt: skip

STALE_NAN_BITS = 0x7FF0000000000002
"""The NaN that Prometheus writes when a series ends (prometheus/model/value/value.go)."""


def is_stale(values: F64) -> BOOL:
    """Mark stale markers: NaN with exactly Prometheus's bit pattern; other NaNs are not."""
    return np.equal(values.view(np.uint64), np.uint64(STALE_NAN_BITS))


@dataclass(frozen=True, slots=True)
class SampleBlock:
    """Samples of many series, in order of arrival unless the maker says otherwise.

    ``series`` holds dense ids given by :meth:`TelemetryStore.intern`; ``value`` may be NaN, a
    real one or a stale marker.
    """

    series: U32
    time_ms: I64
    value: F64

    def __len__(self) -> int:
        return len(self.time_ms)

    @staticmethod
    def empty() -> SampleBlock:
        """Return a block of no samples."""
        return SampleBlock(np.empty(0, np.uint32), np.empty(0, np.int64), np.empty(0, np.float64))

    @staticmethod
    def joined(blocks: Sequence[SampleBlock]) -> SampleBlock:
        """Put blocks one after the other."""
        if len(blocks) < 2:
            return blocks[0] if blocks else SampleBlock.empty()
        return SampleBlock(
            np.concatenate([block.series for block in blocks]),
            np.concatenate([block.time_ms for block in blocks]),
            np.concatenate([block.value for block in blocks]),
        )

    def rows(self, which: BOOL | I64) -> SampleBlock:
        """Pick rows, by a mask or by their places."""
        return SampleBlock(self.series[which], self.time_ms[which], self.value[which])


class MetricType(StrEnum):
    """The kinds of metric that OpenMetrics knows; UNKNOWN where nobody said."""

    UNKNOWN = "unknown"
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    GAUGEHISTOGRAM = "gaugehistogram"
    SUMMARY = "summary"
    INFO = "info"
    STATESET = "stateset"


@dataclass(frozen=True, slots=True)
class MetricMeta:
    """What a metric family says of itself."""

    name: str
    type: MetricType = MetricType.UNKNOWN
    unit: str = ""
    help: str = ""


@dataclass(frozen=True, slots=True)
class SeriesInfo:
    """One series: its dense id, labels, tenant, and the last time it was heard of."""

    id: int
    labels: Labels
    tenant: str
    first_ms: int
    last_ms: int


@dataclass(frozen=True, slots=True)
class LogBlock:
    """Log records as columns.

    ``stream[i]`` is an index into ``streams`` (the labels or resource attributes that name the
    sender). ``severity`` is the OpenTelemetry severity number 1-24, 0 where unknown.
    ``attributes`` are JSON objects, empty string for none. Trace and span ids are lower-case
    hex, empty string for none.
    """

    time_ns: I64
    stream: I32
    streams: tuple[Labels, ...]
    severity: U8
    body: list[str]
    attributes: list[str]
    trace_id: list[str]
    span_id: list[str]

    def __len__(self) -> int:
        return len(self.body)


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One log record as read back."""

    time_ns: int
    labels: Labels
    severity: int
    body: str
    attributes: str = ""
    trace_id: str = ""
    span_id: str = ""


@dataclass(frozen=True, slots=True)
class SpanBlock:
    """Trace spans as columns.

    ``resource[i]`` is an index into ``resources``. ``kind`` is OTLP's 0-5, ``status`` OTLP's
    0 unset, 1 ok, 2 error. Ids are lower-case hex, ``parent_id`` empty for a root.
    """

    start_ns: I64
    end_ns: I64
    resource: I32
    resources: tuple[Labels, ...]
    trace_id: list[str]
    span_id: list[str]
    parent_id: list[str]
    name: list[str]
    kind: U8
    status: U8
    attributes: list[str]

    def __len__(self) -> int:
        return len(self.name)


@dataclass(frozen=True, slots=True)
class Span:
    """One span as read back."""

    start_ns: int
    end_ns: int
    labels: Labels
    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: int
    status: int
    attributes: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """Something that was done to the system: a deploy, a flag, a config, a CI or pipeline run.

    ``id`` makes delivery idempotent: the same id again replaces the first. ``kind`` is one of
    deploy, config, flag, ci, pipeline, model, schema, migration, incident, other. ``entity`` is
    an entity key (:mod:`twinhelm.core.entities`). ``end_ms`` is None while it is under way or has
    no length.
    """

    id: str
    time_ms: int
    kind: str
    entity: str
    title: str
    source: str
    end_ms: int | None = None
    outcome: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert that somebody else's rule raised, as it came in.

    ``fingerprint`` identifies it over repeats; ``ends_ms`` is None while it fires.
    ``until_ms`` is when it is over unless it is told again, None where its sender promises to
    say when it ends.
    """

    fingerprint: str
    labels: Labels
    annotations: Labels
    starts_ms: int
    ends_ms: int | None
    source: str
    url: str = ""
    until_ms: int | None = None
