"""Where do metrics, logs, spans and changes rest? Here, on one machine.

:func:`open_telemetry` opens the real store in a directory, :class:`MemoryTelemetry` is the one
that forgets; both are a :class:`twinhelm.core.ports.TelemetryStore`. Times are UTC epoch
milliseconds (logs and spans: nanoseconds), values float64 whose every bit comes back.
"""

from twinhelm.store.telemetry.duck import DuckTelemetry, open_telemetry
from twinhelm.store.telemetry.memory import MemoryTelemetry

__all__ = ["DuckTelemetry", "MemoryTelemetry", "open_telemetry"]
