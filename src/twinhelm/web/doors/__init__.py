"""The doors that telemetry comes in by: raw ASGI; :mod:`door` is what all have in common."""
