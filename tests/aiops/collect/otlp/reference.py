"""The slow, plain way to decode OTLP metrics, which the compiled walk is held against.

Out: per sample its labels (or a text that says what is wrong with them), time in epoch ms and
value, in the order of the request; after each resource its ``target_info`` at the newest time.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import TypeAlias

import numpy as np
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    SummaryDataPoint,
)

from twinhelm.aiops.collect.otlp.point import MAX_STEPS
from twinhelm.aiops.collect.otlp.series import Family, Kind, family_of, point_series, target_info
from twinhelm.aiops.collect.wire.series import BAD, REFUSED, in_words
from twinhelm.aiops.collect.words import Refusals
from twinhelm.aiops.types import Received
from twinhelm.core.labels import LabelLimits, Labels
from twinhelm.core.settings import LimitSettings
from twinhelm.core.telemetry import STALE_NAN_BITS, MetricMeta, SampleBlock

Point: TypeAlias = NumberDataPoint | HistogramDataPoint | SummaryDataPoint

_STALE: float = struct.unpack("<d", struct.pack("<Q", STALE_NAN_BITS))[0]
_NS_PER_MS = 1_000_000
_CUMULATIVE = 2


def decode_message(message: ExportMetricsServiceRequest, intern, limits: LimitSettings) -> Received:
    """Decode a message as the compiled decoder decodes its bytes."""
    walk = Walk(limits)
    walk.request(message)
    fresh = list(dict.fromkeys(labels for labels in walk.series if isinstance(labels, tuple)))
    ids = dict(zip(fresh, intern(fresh).tolist(), strict=True)) if fresh else {}
    return walk.received(ids)


class Walk:
    """Gathers the samples of one request."""

    def __init__(self, limits: LimitSettings) -> None:
        self._limits = LabelLimits(
            limits.max_labels, limits.max_label_name_bytes, limits.max_label_value_bytes
        )
        self.series: list[Labels | str] = []
        self._times: list[int] = []
        self._values: list[float] = []
        self._metas: dict[MetricMeta, None] = {}
        self._refusals = Refusals()
        self._exemplars = 0
        self._newest = 0

    def request(self, message: ExportMetricsServiceRequest) -> None:
        """Read a whole request."""
        for resource_metrics in message.resource_metrics:
            self._newest = 0
            for scope_metrics in resource_metrics.scope_metrics:
                for metric in scope_metrics.metrics:
                    self._metric(resource_metrics, scope_metrics.scope, metric)
            info = target_info(resource_metrics.resource, self._limits)
            if self._newest and info is not None:
                self._put(info, self._newest, 1.0)

    def received(self, ids: Mapping[Labels, int]) -> Received:
        """Say what the request brought, given the ids of all labels met."""
        refusals = Refusals()
        made = np.empty(len(self.series), np.uint32)
        for i, labels in enumerate(self.series):
            if isinstance(labels, str):
                made[i] = BAD
                refusals.add("bad_labels", labels)
                continue
            made[i] = ids[labels]
            if made[i] >= BAD:
                reason = "series_limit" if made[i] == REFUSED else "bad_labels"
                refusals.add(reason, in_words(labels))
        times = np.array(self._times, np.int64)
        values = np.array(self._values, np.float64)
        good = made < BAD
        if self._exemplars:
            self._refusals.add("exemplar", "exemplars are not kept", self._exemplars)
        return Received(
            samples=SampleBlock(made[good], times[good], values[good]),
            metas=tuple(self._metas),
            rejected=(*refusals.listed(), *self._refusals.listed()),
        )

    def _put(self, labels: Labels | str, time_ms: int, value: float) -> None:
        self.series.append(labels)
        self._times.append(time_ms)
        self._values.append(value)

    def _metric(self, owner: ResourceMetrics, scope: InstrumentationScope, metric: Metric) -> None:
        """Read the points of one metric."""
        which = metric.WhichOneof("data")
        if which is None:
            return
        data = getattr(metric, which)
        kind = _kind(which, data)
        if isinstance(kind, str):
            if data.data_points:
                self._refusals.add(kind, metric.name, len(data.data_points))
            return
        family = family_of(owner.resource, scope, metric, kind)
        for point in data.data_points:
            if kind is not Kind.SUMMARY:
                self._exemplars += len(point.exemplars)
            if why := _what_is_wrong(point, kind):
                self._refusals.add(why, metric.name)
                continue
            if isinstance(family, Family) and family.meta.name:
                self._metas[family.meta] = None
            self._point(family, kind, point)

    def _point(self, family: Family | str, kind: Kind, point: Point) -> None:
        """Put the samples of one point."""
        steps: list[float] = []
        if isinstance(point, HistogramDataPoint):
            steps = list(point.explicit_bounds)
        elif isinstance(point, SummaryDataPoint):
            steps = [quantile.quantile for quantile in point.quantile_values]
        made = point_series(family, point.attributes, steps, self._limits)
        time_ms = point.time_unix_nano // _NS_PER_MS
        self._newest = max(self._newest, time_ms)
        for i, value in enumerate(_values(point, kind)):
            if value is not None:
                self._put(
                    made if isinstance(made, str) else made[i],
                    time_ms,
                    _STALE if point.flags & 1 else value,
                )


def _kind(which: str, data: object) -> Kind | str:
    """Say what the points of a metric are, or why none is kept."""
    if which == "gauge":
        return Kind.GAUGE
    if which == "summary":
        return Kind.SUMMARY
    if which == "exponential_histogram":
        return "native_histogram"
    if getattr(data, "aggregation_temporality", 0) != _CUMULATIVE:
        return "delta_temporality"
    if which == "histogram":
        return Kind.HISTOGRAM
    return Kind.COUNTER if getattr(data, "is_monotonic", False) else Kind.UPDOWN


def _what_is_wrong(point: Point, kind: Kind) -> str:
    """Return the reason why a point is not kept, or the empty string."""
    if isinstance(point, HistogramDataPoint):
        bounds, buckets = list(point.explicit_bounds), len(point.bucket_counts)
        rising = all(a < b for a, b in zip([-np.inf, *bounds], [*bounds, np.inf], strict=True))
        if buckets > MAX_STEPS or len(bounds) + 1 != max(buckets, 1) or not rising:
            return "bad_value"
    elif isinstance(point, SummaryDataPoint):
        if len(point.quantile_values) > MAX_STEPS:
            return "bad_value"
    elif point.WhichOneof("value") is None and not point.flags & 1:
        return "bad_value"
    return "" if point.time_unix_nano >= _NS_PER_MS else "no_time"


def _values(point: Point, kind: Kind) -> Iterator[float | None]:
    """Yield a point's values lane by lane; None where a lane has none."""
    if isinstance(point, NumberDataPoint):
        yield float(point.as_int if point.WhichOneof("value") == "as_int" else point.as_double)
        return
    if isinstance(point, HistogramDataPoint):
        below = 0
        for count in list(point.bucket_counts)[:-1]:
            below = (below + count) % 2**64
            yield float(below)
        yield float(point.count)
        yield float(point.count)
        yield point.sum if point.HasField("sum") else None
        return
    for quantile in point.quantile_values:
        yield quantile.value
    yield float(point.count)
    yield point.sum
