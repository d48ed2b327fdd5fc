"""Our own measurements, served at ``/metrics`` and read by our own collector like any other's.

Names follow the Prometheus conventions: base units, ``_total`` for counters, the prefix
``twinhelm_``. One :class:`Meters` per process, made by the composition root and handed down.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["Meters"]


class Meters:
    """Everything that twinhelm measures of itself, by field."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.received = Counter(
            "twinhelm_received_rows",
            "Rows kept, by door and kind (samples, logs, spans, changes, alerts).",
            ["door", "kind"],
            registry=registry,
        )
        self.rejected = Counter(
            "twinhelm_rejected_rows",
            "Rows not kept, by door and reason.",
            ["door", "reason"],
            registry=registry,
        )
        self.judged = Counter(
            "twinhelm_detect_samples", "Samples the detector has judged.", registry=registry
        )
        self.tick_seconds = Histogram(
            "twinhelm_tick_seconds",
            "How long one walk from new samples to incidents took.",
            buckets=(0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0),
            registry=registry,
        )
        self.tick_lag_seconds = Gauge(
            "twinhelm_tick_lag_seconds",
            "Age of the oldest sample that waited for the last tick.",
            registry=registry,
        )
        self.open_incidents = Gauge(
            "twinhelm_open_incidents", "Incidents that are not resolved.", registry=registry
        )
        self.requests = Counter(
            "twinhelm_http_requests",
            "HTTP requests answered, by route and status.",
            ["route", "status"],
            registry=registry,
        )
        self.request_seconds = Histogram(
            "twinhelm_http_request_seconds",
            "Time to answer, by route.",
            ["route"],
            buckets=(0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0),
            registry=registry,
        )
        self.taking = Gauge(
            "twinhelm_store_taking",
            "1 while the store takes telemetry, 0 while it has no room.",
            registry=registry,
        )
        self.stored = Gauge(
            "twinhelm_store_rows", "Rows at rest, by kind.", ["kind"], registry=registry
        )
        self.stored_bytes = Gauge(
            "twinhelm_store_bytes", "Bytes of telemetry on disk.", registry=registry
        )

    def exposition(self) -> bytes:
        """Render all of it as Prometheus text, version 0.0.4."""
        return generate_latest(self.registry)
