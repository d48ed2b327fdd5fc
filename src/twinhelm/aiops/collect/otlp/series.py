"""Say which series an OpenTelemetry metric point becomes, and what Prometheus calls them.

In: generated OTLP messages, of which only what names a series is looked at. Out: canonical labels
per series, in the order in which :mod:`.points` lays out a point's lanes. Gauges and sums are one
series; a histogram is ``_bucket`` per bound and ``+Inf``, then ``_count`` and ``_sum``; a summary
is one per quantile, then ``_count`` and ``_sum``. ``job`` is ``service.namespace/service.name``,
``instance`` is ``service.instance.id``; other resource attributes stand on ``target_info`` only;
the scope is ``otel_scope_name``, ``otel_scope_version`` and ``otel_scope_<attribute>``.

Pure. Cost: about 20 us a point; paid once per series by the compiled decoder, and once per
point by the reference.

Source: OpenTelemetry "Prometheus and OpenMetrics Compatibility"; units are UCUM's case-sensitive
codes.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from twinhelm.aiops.collect.otlp.attributes import label_pairs, resource_labels
from twinhelm.core.errors import Refused
from twinhelm.core.labels import METRIC, LabelLimits, Labels, check_labels, labels_of
from twinhelm.core.telemetry import MetricMeta, MetricType

__all__ = [
    "Family", "Kind", "family_name", "family_of", "number_text", "point_series", "target_info",
]  # fmt: skip


class Kind(IntEnum):
    """What a metric's points are, as far as it matters to their series."""

    GAUGE = 0
    UPDOWN = 1
    COUNTER = 2
    HISTOGRAM = 3
    SUMMARY = 4


_SPELLED = (
    "d=days h=hours min=minutes s=seconds ms=milliseconds us=microseconds ns=nanoseconds "
    "By=bytes KiBy=kibibytes MiBy=mebibytes GiBy=gibibytes TiBy=tibibytes KBy=kilobytes "
    "MBy=megabytes GBy=gigabytes TBy=terabytes m=meters V=volts A=amperes J=joules W=watts "
    "g=grams Cel=celsius Hz=hertz 1= %=percent"
)
_UNITS = dict(pair.split("=") for pair in _SPELLED.split())
_PER = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month"}
_IDENTITY = ("service_name", "service_namespace", "service_instance_id")
_TYPES = {
    Kind.GAUGE: MetricType.GAUGE,
    Kind.UPDOWN: MetricType.GAUGE,
    Kind.COUNTER: MetricType.COUNTER,
    Kind.HISTOGRAM: MetricType.HISTOGRAM,
    Kind.SUMMARY: MetricType.SUMMARY,
}


@dataclass(frozen=True, slots=True)
class Family:
    """A metric of one resource and scope: what all its points share."""

    meta: MetricMeta
    kind: Kind
    identity: Labels
    scope: Labels


def target_info(resource: Resource, limits: LabelLimits) -> Labels | str | None:
    """Return the labels of a resource's ``target_info``.

    None where nothing identifies the resource or nothing else is known of it; a text where its
    attributes pass a limit.
    """
    try:
        labels = dict(resource_labels(resource))
        identity = {name: labels[name] for name in ("job", "instance") if name in labels}
        for name in _IDENTITY:
            labels.pop(name, None)
        if not identity or labels == identity:
            return None
        made = labels_of({**labels, METRIC: "target_info"})
        check_labels(made, limits)
    except Refused as refused:
        return refused.message
    return made


def family_of(
    resource: Resource, scope: InstrumentationScope, metric: Metric, kind: Kind
) -> Family | str:
    """Name a metric of a resource and scope; a text where an attribute nests too deep."""
    name = family_name(metric.name, metric.unit, kind)
    try:
        labels = resource_labels(resource)
        scoped = label_pairs(scope.attributes, "otel_scope_")
    except Refused as refused:
        return refused.message
    identity = tuple(pair for pair in labels if pair[0] in ("job", "instance"))
    scoped |= {"otel_scope_name": scope.name, "otel_scope_version": scope.version}
    meta = MetricMeta(name, _TYPES[kind], metric.unit, metric.description)
    return Family(meta, kind, identity, labels_of(scoped))


def point_series(
    family: Family | str,
    attributes: Iterable[KeyValue],
    steps: Sequence[float],
    limits: LabelLimits,
) -> list[Labels] | str:
    """Return the labels of each series of a point, or a text that says what is wrong.

    ``steps`` are a histogram's bounds or a summary's quantiles.
    """
    if isinstance(family, str):
        return family
    name = family.meta.name
    if not name:
        return "a metric has no name"
    try:
        base = {**dict(family.scope), **label_pairs(attributes), **dict(family.identity)}
        base[METRIC] = name
        base.pop("", None)
        if family.kind is Kind.HISTOGRAM:
            bounds = [*(number_text(bound) for bound in steps), "+Inf"]
            made = [labels_of({**base, METRIC: f"{name}_bucket", "le": le}) for le in bounds]
        elif family.kind is Kind.SUMMARY:
            made = [labels_of({**base, "quantile": number_text(step)}) for step in steps]
        else:
            made = [labels_of(base)]
        if family.kind in (Kind.HISTOGRAM, Kind.SUMMARY):
            made += [labels_of({**base, METRIC: name + end}) for end in ("_count", "_sum")]
        for labels in made:
            check_labels(labels, limits)
    except Refused as refused:
        return refused.message
    return made


def family_name(name: str, unit: str, kind: Kind) -> str:
    """Name the metric family; empty where the name holds no letter or digit.

    Dots become underscores, the unit is spelled out as a suffix (unless the name has it already),
    counters end in ``_total`` and ratios in ``_ratio``. Values are not converted: a metric in
    ``ms`` ends in ``_milliseconds``.

    >>> family_name("http.server.request.duration", "s", Kind.HISTOGRAM)
    'http_server_request_duration_seconds'
    >>> family_name("system.network.io", "By/s", Kind.COUNTER)
    'system_network_io_bytes_per_second_total'
    """
    words = _words(name)
    if not words:
        return ""
    main, _, per = unit.partition("/")
    spelled = "" if "{" in main else _UNITS.get(main.strip(), main.strip())
    _append(words, _words(spelled))
    if per and "{" not in per:
        rate = _words(_PER.get(per.strip(), per.strip()))
        _append(words, ["per", *rate] if rate else [])
    ratio = kind is Kind.GAUGE and unit.strip() == "1"
    suffix = "total" if kind is Kind.COUNTER else "ratio" if ratio else ""
    if suffix:
        words = [word for word in words if word != suffix] + [suffix]
    joined = "_".join(words)
    return f"_{joined}" if joined[0].isdigit() else joined


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[^a-zA-Z0-9:]+", text) if word]


def _append(words: list[str], suffix: list[str]) -> None:
    """Append the suffix unless its last word is in the name already."""
    if suffix and suffix[-1] not in words:
        words += suffix


def number_text(value: float) -> str:
    """Write a bucket bound or a quantile: the shortest decimal that reads back the same.

    >>> number_text(0.005), number_text(10.0), number_text(float("inf"))
    ('0.005', '10', '+Inf')
    """
    if np.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return np.format_float_positional(value, trim="-")
