"""Our own measurements, served at ``/metrics`` and read by our own collector like any other's.

Names follow the Prometheus conventions: base units, ``_total`` for counters, the prefix
``twinhelm_``. One :class:`Meters` per process, made by the composition root and handed down;
what only serves models has :class:`WebMeters`.
"""

from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["Meters", "WebMeters"]

_STEPS_S = (0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class WebMeters:
    """What every server measures: the requests that it answers."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "twinhelm_http_requests",
            "HTTP requests answered, by route and status.",
            ["route", "status"],
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "twinhelm_http_request_seconds",
            "Time to answer, by route.",
            ["route"],
            registry=self.registry,
            buckets=_STEPS_S,
        )

    def exposition(self) -> bytes:
        """Render all of it as Prometheus text, version 0.0.4."""
        return generate_latest(self.registry)


class Meters(WebMeters):
    """Everything that twinhelm measures of itself, by field."""

    def __init__(self) -> None:
        super().__init__()
        counter = partial(Counter, registry=self.registry)
        gauge = partial(Gauge, registry=self.registry)
        self.received = counter(
            "twinhelm_received_rows",
            "Rows kept, by door and kind (samples, logs, spans, changes, alerts).",
            ["door", "kind"],
        )
        self.rejected = counter(
            "twinhelm_rejected_rows", "Rows not kept, by door and reason.", ["door", "reason"]
        )
        self.left_out = counter(
            "twinhelm_derive_left_out_rows",
            "Spans and log lines, kept, that no derived series tells of, by kind and reason.",
            ["kind", "reason"],
        )
        self.judged = counter("twinhelm_detect_samples", "Samples the detector has judged.")
        self.tick_seconds = Histogram(
            "twinhelm_tick_seconds",
            "How long one walk from new samples to incidents took.",
            registry=self.registry,
            buckets=_STEPS_S,
        )
        self.tick_lag_seconds = gauge(
            "twinhelm_tick_lag_seconds", "Age of the oldest sample that waited for the last tick."
        )
        self.open_incidents = gauge("twinhelm_open_incidents", "Incidents that are not resolved.")
        self.taking = gauge(
            "twinhelm_store_taking", "1 while the store takes telemetry, 0 while it has no room."
        )
        self.stored = gauge("twinhelm_store_rows", "Rows at rest, by kind.", ["kind"])
        self.stored_bytes = gauge("twinhelm_store_bytes", "Bytes of telemetry on disk.")
