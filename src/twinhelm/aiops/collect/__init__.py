"""The room where telemetry comes in: one module per protocol, values out, nothing kept.

Every decoder takes the bytes of one request and gives a
:class:`~twinhelm.aiops.types.Received`; bad bytes end in :class:`~twinhelm.core.errors.Refused`
and never in another error. Those that bring samples take an ``intern`` callable that gives label
sets their ids. Sources that go and look (:mod:`host`, :mod:`past`)
yield :class:`~twinhelm.aiops.collect.history.History`.

Times come out as UTC epoch ms (``_ms``) or ns (``_ns``) whatever the protocol writes.
"""
