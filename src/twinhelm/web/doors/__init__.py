"""The doors that telemetry comes in by: one module per protocol, raw ASGI, no framework.

:mod:`door` is what all have in common: a bounded body in, :class:`~twinhelm.aiops.types.Received`
handed to the intake, an answer in the protocol's own manner out. The rest says, per protocol,
which content types are taken, which decoder reads them, and what the sender hears.
"""

__all__: list[str] = []
