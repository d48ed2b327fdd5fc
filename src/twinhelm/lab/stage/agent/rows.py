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
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from twinhelm.lab.stage.agent import otlp
from twinhelm.lab.stage.agent.exposition import labels_of, samples_of
from twinhelm.lab.stage.agent.shelf import Kept

__all__ = ["Row", "Rows"]

Row = dict[str, Any]
KINDS = ("", "internal", "server", "client", "producer", "consumer")
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
        for resource, samples in otlp.samples_of(kept.body):
            service, instance = _who(resource)
            identity = otlp.identity_of(resource)
            for sample in samples:
                self.plain[sample.name] = sample.plain
                self.metrics.append(
                    {
                        "timestamp": sample.time_ns / 1e9,
                        "service": service,
                        "instance": instance,
                        "metric": sample.name,
                        "labels": _text(sample.labels | identity),
                        "value": sample.value,
                    }
                )

    def _logs(self, kept: Kept) -> None:
        for group in ExportLogsServiceRequest.FromString(kept.body).resource_logs:
            resource = otlp.plain(group.resource.attributes)
            service, instance = _who(resource)
            for scope in group.scope_logs:
                self.logs += (
                    {
                        "timestamp": (record.time_unix_nano or record.observed_time_unix_nano)
                        / 1e9,
                        "service": service,
                        "instance": instance,
                        "level": record.severity_text.lower(),
                        "message": str(otlp.value_of(record.body)),
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
            resource = otlp.plain(group.resource.attributes)
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
        "attributes": _text(otlp.plain(span.attributes)),
    }


def _who(resource: dict[str, Any]) -> tuple[str, str]:
    return resource.get("service.name", ""), resource.get("service.instance.id", "")


def _text(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _instant(said: str | None, otherwise_s: float) -> float:
    return datetime.fromisoformat(said).timestamp() if said else otherwise_s
