"""What do OpenTelemetry's metrics say, as Prometheus would know them? Reads them so.

In: the body of an OTLP request. Out: per resource its attributes, and samples with the names and
labels that Prometheus gives them: the unit at the end of the name, ``_total`` for a counter, a
histogram as ``_bucket``, ``_sum`` and ``_count``. :func:`as_remote_write` makes remote write of
them, for a backend that takes that alone. Summaries and exponential histograms, which the shop
does not use, are left out. Source: OpenTelemetry, "Prometheus and OpenMetrics compatibility".

Costs some 10 us a sample.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Any, NamedTuple

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    HistogramDataPoint,
    Metric,
    ResourceMetrics,
)

from twinhelm.lab.stage.agent import remote_write

__all__ = ["Sample", "as_remote_write", "identity_of", "plain", "samples_of", "value_of"]

UNITS = {"s": "seconds", "ms": "milliseconds", "By": "bytes", "1": ""}
IDENTITY = ("service.name", "service.namespace", "service.instance.id")


class Sample(NamedTuple):
    """One value of one series."""

    name: str
    """As Prometheus names it."""
    plain: str
    """As the sender names it, dots as underscores."""
    labels: dict[str, str]
    time_ns: int
    value: float


def samples_of(
    body: bytes, *, buckets: bool = False
) -> Iterator[tuple[dict[str, Any], Iterator[Sample]]]:
    """List the samples of each resource beside its attributes; buckets where asked for."""
    for group in ExportMetricsServiceRequest.FromString(body).resource_metrics:
        yield plain(group.resource.attributes), _of_resource(group, buckets)


def as_remote_write(body: bytes) -> tuple[bytes, int]:
    """Return the same as a remote-write body, and how many samples it has.

    What a resource says of itself beside its identity is in ``target_info``.
    """
    out: list[bytes] = []

    def add(labels: dict[str, str], time_ns: int, value: float) -> None:
        stamp = remote_write.stamp(time_ns // 1_000_000)
        out.append(remote_write.series(labels) + struct.pack("<d", value) + stamp)

    for resource, samples in samples_of(body, buckets=True):
        identity, newest_ns = identity_of(resource), 0
        for sample in samples:
            newest_ns = max(newest_ns, sample.time_ns)
            add(sample.labels | identity | {"__name__": sample.name}, sample.time_ns, sample.value)
        about = {_label(name): str(v) for name, v in resource.items() if name not in IDENTITY}
        if newest_ns:
            add(about | identity | {"__name__": "target_info"}, newest_ns, 1.0)
    return remote_write.write_request(out), len(out)


def identity_of(resource: dict[str, Any]) -> dict[str, str]:
    """Return the labels by which Prometheus tells a resource from others."""
    job, space = resource.get("service.name", ""), resource.get("service.namespace")
    return {
        "job": f"{space}/{job}" if space else job,
        "instance": resource.get("service.instance.id", ""),
    }


def plain(attributes: Iterable[KeyValue]) -> dict[str, Any]:
    """Return attributes as a dictionary."""
    return {pair.key: value_of(pair.value) for pair in attributes}


def value_of(value: AnyValue) -> Any:
    """Return what a value is; bytes as hexadecimal digits, nothing as the empty string."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [value_of(each) for each in value.array_value.values]
    if kind == "kvlist_value":
        return plain(value.kvlist_value.values)
    if kind == "bytes_value":
        return value.bytes_value.hex()
    return getattr(value, kind) if kind else ""


def _of_resource(group: ResourceMetrics, buckets: bool) -> Iterator[Sample]:
    for scope in group.scope_metrics:
        for metric in scope.metrics:
            name, own = _prometheus_name(metric), _label(metric.name)
            for end, point, value, more in _points(metric, buckets):
                labels = {_label(k): str(v) for k, v in plain(point.attributes).items()} | more
                yield Sample(name + end, own + end, labels, point.time_unix_nano, value)


def _points(metric: Metric, buckets: bool) -> Iterator[tuple[str, Any, float, dict[str, str]]]:
    """List what points come to: the end of the name, the point, the value, further labels."""
    kind = metric.WhichOneof("data")
    if kind in ("gauge", "sum"):
        for point in getattr(metric, kind).data_points:
            whole = point.WhichOneof("value") == "as_int"
            yield "", point, float(point.as_int if whole else point.as_double), {}
    elif kind == "histogram":
        for part in metric.histogram.data_points:
            yield "_sum", part, part.sum, {}
            yield "_count", part, float(part.count), {}
            if buckets:
                for edge, count in _buckets(part):
                    yield "_bucket", part, float(count), {"le": edge}


def _buckets(point: HistogramDataPoint) -> Iterator[tuple[str, int]]:
    edges = [*(f"{bound:.15g}" for bound in point.explicit_bounds), "+Inf"]
    return zip(edges, accumulate(point.bucket_counts), strict=False)


def _prometheus_name(metric: Metric) -> str:
    name = _label(metric.name)
    unit = UNITS.get(metric.unit, "")
    if unit and not name.endswith(unit):
        name = f"{name}_{unit}"
    cumulative = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    counter = metric.sum.is_monotonic and metric.sum.aggregation_temporality == cumulative
    return f"{name}_total" if counter and not name.endswith("_total") else name


def _label(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_]", "_", name)
