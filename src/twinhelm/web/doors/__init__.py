"""The doors that telemetry comes in by: raw ASGI; :mod:`door` is what all have in common."""

__all__: list[str] = []
