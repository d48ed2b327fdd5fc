"""The doors that telemetry comes in by: raw ASGI, no framework.

:mod:`door` is what all have in common: a bounded body in, :class:`~twinhelm.aiops.types.Received`
handed to the intake, an answer in the protocol's own manner out.
"""

__all__: list[str] = []
