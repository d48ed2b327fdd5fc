"""Starts the shop, keeps it up, breaks and repairs it, and carries its telemetry away."""
