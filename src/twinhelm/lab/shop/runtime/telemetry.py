"""How does a service tell what it does? Traces, metrics and logs set up as users do it.

Comes in: the plan, the service's name and version. Goes out: to the agent's OTLP addresses, to the
Prometheus client's registry, to the log file or stdout. What cannot be delivered is dropped by the
SDK's own bounded queues; the service never waits for it.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from prometheus_client import disable_created_metrics

from twinhelm.lab.plan import Plan
from twinhelm.lab.shop.runtime.instruments import (
    Instruments,
    OtelInstruments,
    PrometheusInstruments,
)
from twinhelm.lab.words import LOG_FILES, NAMESPACE, SCRAPED, SERVICES, STDOUT_LOGS, LabError

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

__all__ = ["Lines", "Telemetry"]

SPANS_EVERY_MS = 1_000
EXPORT_TIMEOUT_S = 2


class Telemetry:
    """One process's telemetry; ``traced`` services carry OpenTelemetry."""

    def __init__(self, plan: Plan, name: str, version: str) -> None:
        # The stable names for HTTP (http.server.request.duration, in seconds).
        os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "http"
        self.traced = name in SERVICES
        self.scraped = name in SCRAPED
        self._plan = plan
        self._name = name
        self._endings: list[Callable[[], object]] = []
        resource = self._resource(version) if self.traced else None
        self.log = self._logs(resource)
        if resource:
            self._traces(resource)
        if self.scraped:
            # The time a counter was made is a series of its own that says nothing here.
            disable_created_metrics()  # type: ignore[no-untyped-call]
        elif resource:
            self._metrics(resource)
        self.instruments: Instruments = (
            PrometheusInstruments() if self.scraped else OtelInstruments()
        )

    def flush(self) -> None:
        """Send what is left and end; may take some seconds where nobody listens."""
        for end in self._endings:
            end()

    def _resource(self, version: str) -> Resource:
        from opentelemetry.sdk.resources import Resource

        return Resource.create(
            {
                "service.name": self._name,
                "service.namespace": NAMESPACE,
                "service.version": version,
                "service.instance.id": f"{self._name}-1",
                "host.name": self._plan.host,
                "deployment.environment.name": "lab",
            }
        )

    def _address(self, signal: str) -> str:
        return f"{self._plan.own_url('agent')}/v1/{signal}"

    def _traces(self, resource: Resource) -> None:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        provider = TracerProvider(resource=resource)
        exporter = OTLPSpanExporter(self._address("traces"), timeout=EXPORT_TIMEOUT_S)
        provider.add_span_processor(
            BatchSpanProcessor(exporter, schedule_delay_millis=SPANS_EVERY_MS)
        )
        trace.set_tracer_provider(provider)
        self._endings.append(provider.shutdown)

    def _metrics(self, resource: Resource) -> None:
        from opentelemetry import metrics
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

        reader = PeriodicExportingMetricReader(
            OTLPMetricExporter(self._address("metrics"), timeout=EXPORT_TIMEOUT_S),
            export_interval_millis=self._plan.interval_s * 1_000,
        )
        provider = MeterProvider([reader], resource)
        metrics.set_meter_provider(provider)
        self._endings.append(provider.shutdown)

    def _logs(self, resource: Resource | None) -> logging.Logger:
        """Send the service's lines where they belong, and warnings of its libraries to stderr."""
        log = logging.getLogger("shop")
        log.setLevel(logging.INFO)
        log.propagate = False
        log.addHandler(self._handler(resource))
        stray = logging.StreamHandler(sys.stderr)
        stray.setFormatter(Lines(self._name))
        logging.basicConfig(level=logging.WARNING, handlers=[stray])
        return log

    def _handler(self, resource: Resource | None) -> logging.Handler:
        if self._name in STDOUT_LOGS:
            handler: logging.Handler = logging.StreamHandler(sys.stdout)
        elif self._name in LOG_FILES:
            path = self._plan.log_file(self._name)
            path.parent.mkdir(parents=True, exist_ok=True)
            handler = logging.FileHandler(path)
        elif resource is not None:
            from twinhelm.lab.shop.runtime.otlp_logs import otlp_handler

            handler, end = otlp_handler(self._address("logs"), resource, EXPORT_TIMEOUT_S)
            self._endings.append(end)
            return handler
        else:
            raise LabError(f"{self._name} has no place for its log")
        handler.setFormatter(Lines(self._name))
        return handler


class Lines(logging.Formatter):
    """``2026-11-23T09:32:34.123Z INFO cart: added 2 of product 17 trace_id=...``."""

    def __init__(self, name: str) -> None:
        super().__init__(f"%(asctime)s.%(msecs)03dZ %(levelname)s {name}: %(message)s", TIME)
        self.converter = time.gmtime

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Append the trace, where there is one."""
        line = super().formatMessage(record)
        trace = sys.modules.get("opentelemetry.trace")
        context = trace.get_current_span().get_span_context() if trace else None
        if context is None or not context.is_valid:
            return line
        return f"{line} trace_id={context.trace_id:032x}"


TIME = "%Y-%m-%dT%H:%M:%S"
