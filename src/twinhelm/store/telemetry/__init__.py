"""Where do metrics, logs, spans and changes rest? On one machine, in a directory.

:func:`open_telemetry` opens it as a :class:`twinhelm.core.ports.TelemetryStore`. Times are UTC
epoch milliseconds (logs and spans: nanoseconds), values float64 whose every bit comes back.
"""

from twinhelm.store.telemetry.duck import DuckTelemetry, open_telemetry

__all__ = ["DuckTelemetry", "open_telemetry"]
