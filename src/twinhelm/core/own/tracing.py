"""Our own traces: spans around requests and ticks, sent over OTLP where an address is set.

Spans go to ``tracing.otlp_endpoint`` in batches, from a thread of the exporter's own; what cannot
be delivered is dropped and logged, never waited for. Without an address nothing is imported and
:func:`span` costs a tenth of a microsecond. The tracer is set once per process.

    stop = start_tracing(settings.tracing, version="0.1.0")
    with span("tick", samples=500): ...
    stop()
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from twinhelm.core.settings import TracingSettings

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

__all__ = ["span", "start_tracing"]

_NOTHING: AbstractContextManager[Any] = nullcontext()


class _Current:
    """The process's tracer, None while spans go nowhere."""

    tracer: Tracer | None = None


def span(name: str, **attributes: str | float) -> AbstractContextManager[Any]:
    """Open a span for the time of a ``with`` block; nothing happens while tracing is off."""
    tracer = _Current.tracer
    if tracer is None:
        return _NOTHING
    return tracer.start_as_current_span(name, attributes=attributes)


def start_tracing(settings: TracingSettings, *, version: str = "") -> Callable[[], None]:
    """Begin to send spans where settings name an address; returns what ends it.

    The address may be the collector's base, such as ``http://localhost:4318``, or end in
    ``/v1/traces``. Ending sends what waits, for a few seconds at most.
    """
    base = settings.otlp_endpoint.rstrip("/")
    if not base:
        return lambda: None
    # The SDK takes 0.3 s to import, which only those who want traces should wait for.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    address = base if base.endswith("/v1/traces") else f"{base}/v1/traces"
    resource = Resource.create({"service.name": "twinhelm", "service.version": version})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(address, timeout=5)))
    _Current.tracer = provider.get_tracer("twinhelm", version)

    def stop() -> None:
        _Current.tracer = None
        provider.shutdown()

    return stop
