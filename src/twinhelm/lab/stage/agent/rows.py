"""What do bodies say, in rows? Decodes what the shelf kept into the tables of a recording.

In: :class:`Kept` bodies. Out: :class:`Rows`, with the columns that :mod:`twinhelm.lab.record`
describes. OpenTelemetry's metrics get the names and labels by which Prometheus knows them
(``http_server_request_duration_seconds_sum``), and keep their plain name beside it. Buckets of
histograms are left out: they are most of the bytes, and sum and count say what a mean needs.

Costs some 5 us a row; a minute of the lab is about a tenth of a second.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from twinhelm.lab.stage.agent.exposition import labels_of, samples_of
from twinhelm.lab.stage.agent.shelf import Kept

__all__ = ["Row", "Rows"]

Row = dict[str, Any]
KINDS = ("", "internal", "server", "client", "producer", "consumer")
UNITS = {"s": "seconds", "ms": "milliseconds", "By": "bytes", "1": ""}
LEFT_OUT = re.compile(r"(?:_bucket|_created)$")


@dataclass(slots=True)
class Rows:
    """Rows by table, in the order in which they were carried.

    ``target`` gives the labels of a scraped job.
    """

    target: Callable[[str], dict[str, str]]
    metrics: list[Row] = field(default_factory=list)
    logs: list[Row] = field(default_factory=list)
    traces: list[Row] = field(default_factory=list)
    changes: list[Row] = field(default_factory=list)
    plain: dict[str, str] = field(default_factory=dict)
    """Plain name (dots as underscores, no unit) of metrics that came by OTLP."""
    _series: dict[tuple[str, str], Row | None] = field(default_factory=dict)

    def add(self, kept: Iterable[Kept]) -> None:
        """Decode bodies; an event that is no JSON object is left out."""
        read: dict[str, Callable[[Kept], None]] = {
            "page": self._page,
            "metrics": self._metrics,
            "logs": self._logs,
            "traces": self._traces,
            "push": self._push,
            "change": self._change,
            "lineage": self._lineage,
        }
        for each in kept:
            read[each.kind](each)

    def _page(self, kept: Kept) -> None:
        for text, value in samples_of(kept.body.decode()):
            key = kept.job, text
            if key not in self._series:
                self._series[key] = self._met(kept.job, labels_of(text))
            series = self._series[key]
            if series is not None:
                self.metrics.append({"timestamp": kept.at_s, **series, "value": value})

    def _met(self, job: str, labels: dict[str, str]) -> Row | None:
        metric = labels.pop("__name__")
        if LEFT_OUT.search(metric):
            return None
        labels |= self.target(job)
        return {
            "service": job,
            "instance": labels["instance"],
            "metric": metric,
            "labels": _text(labels),
        }

    def _metrics(self, kept: Kept) -> None:
        for group in ExportMetricsServiceRequest.FromString(kept.body).resource_metrics:
            resource = _plain(group.resource.attributes)
            service, instance = _who(resource)
            space = resource.get("service.namespace")
            job = f"{space}/{service}" if space else service
            for scope in group.scope_metrics:
                for metric in scope.metrics:
                    for name, point, value in _points(metric):
                        prometheus = _prometheus_name(metric, name)
                        self.plain[prometheus] = _label(metric.name) + name
                        labels = {_label(k): str(v) for k, v in _plain(point.attributes).items()}
                        labels |= {"job": job, "instance": instance}
                        self.metrics.append(
                            {
                                "timestamp": point.time_unix_nano / 1e9,
                                "service": service,
                                "instance": instance,
                                "metric": prometheus,
                                "labels": _text(labels),
                                "value": value,
                            }
                        )

    def _logs(self, kept: Kept) -> None:
        for group in ExportLogsServiceRequest.FromString(kept.body).resource_logs:
            resource = _plain(group.resource.attributes)
            service, instance = _who(resource)
            for scope in group.scope_logs:
                self.logs += (
                    {
                        "timestamp": (record.time_unix_nano or record.observed_time_unix_nano)
                        / 1e9,
                        "service": service,
                        "instance": instance,
                        "level": record.severity_text.lower(),
                        "message": str(_value(record.body)),
                        "trace_id": record.trace_id.hex(),
                        "span_id": record.span_id.hex(),
                        "resource": _text(resource),
                    }
                    for record in scope.log_records
                )

    def _push(self, kept: Kept) -> None:
        for stream in orjson.loads(kept.body)["streams"]:
            labels = stream["stream"]
            for stamp, line, *more in stream["values"]:
                self.logs.append(
                    {
                        "timestamp": int(stamp) / 1e9,
                        "service": labels["job"],
                        "instance": labels["instance"],
                        "level": labels.get("level", ""),
                        "message": line,
                        "trace_id": more[0].get("trace_id", "") if more else "",
                        "span_id": "",
                        "resource": _text(labels),
                    }
                )

    def _traces(self, kept: Kept) -> None:
        for group in ExportTraceServiceRequest.FromString(kept.body).resource_spans:
            resource = _plain(group.resource.attributes)
            service, instance = _who(resource)
            said = _text(resource)
            for scope in group.scope_spans:
                self.traces += (
                    _span(span) | {"service": service, "instance": instance, "resource": said}
                    for span in scope.spans
                )

    def _change(self, kept: Kept) -> None:
        said = orjson.loads(kept.body)
        for event in said if isinstance(said, list) else [said]:
            data = event.get("data") or {}
            self.changes.append(
                {
                    "timestamp": _instant(event.get("time"), kept.at_s),
                    "kind": data.get("kind") or event.get("type", ""),
                    "service": str(event.get("subject", "")).rpartition("/")[2],
                    "title": data.get("title", ""),
                    "body": _text(event),
                }
            )

    def _lineage(self, kept: Kept) -> None:
        event = orjson.loads(kept.body)
        job = event.get("job", {}).get("name", "")
        self.changes.append(
            {
                "timestamp": _instant(event.get("eventTime"), kept.at_s),
                "kind": "lineage",
                "service": job,
                "title": f"{job} {event.get('eventType', '')}",
                "body": _text(event),
            }
        )


def _span(span: Span) -> Row:
    failed = span.status.code == Status.STATUS_CODE_ERROR
    return {
        "timestamp": span.start_time_unix_nano / 1e9,
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "parent_id": span.parent_span_id.hex() or None,
        "operation": span.name,
        "duration_us": (span.end_time_unix_nano - span.start_time_unix_nano) // 1000,
        "status": "error" if failed else "ok",
        "kind": KINDS[span.kind],
        "attributes": _text(_plain(span.attributes)),
    }


def _points(metric: Metric) -> Iterable[tuple[str, Any, float]]:
    """List what a metric's points come to: the end of the name, the point, the value."""
    kind = metric.WhichOneof("data")
    if kind in ("gauge", "sum"):
        for point in getattr(metric, kind).data_points:
            whole = point.WhichOneof("value") == "as_int"
            yield "", point, float(point.as_int if whole else point.as_double)
    elif kind == "histogram":
        for part in metric.histogram.data_points:
            yield "_sum", part, part.sum
            yield "_count", part, float(part.count)


def _prometheus_name(metric: Metric, end: str) -> str:
    """Name a metric as Prometheus does, with its unit, and ``_total`` for a counter."""
    name = _label(metric.name)
    unit = UNITS.get(metric.unit, "")
    if unit and not name.endswith(unit):
        name = f"{name}_{unit}"
    cumulative = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    counter = metric.sum.is_monotonic and metric.sum.aggregation_temporality == cumulative
    if counter and not name.endswith("_total"):
        name = f"{name}_total"
    return name + end


def _who(resource: dict[str, Any]) -> tuple[str, str]:
    return resource.get("service.name", ""), resource.get("service.instance.id", "")


def _plain(attributes: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in attributes}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    if kind == "kvlist_value":
        return _plain(value.kvlist_value.values)
    if kind == "bytes_value":
        return value.bytes_value.hex()
    return getattr(value, kind) if kind else ""


def _label(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_]", "_", name)


def _text(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _instant(said: str | None, otherwise_s: float) -> float:
    return datetime.fromisoformat(said).timestamp() if said else otherwise_s
