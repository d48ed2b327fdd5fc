"""What every test may ask for: real peers, and the real server. See ``tests/peers``."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from peers.programs import require

pytest_plugins = (
    "peers.fixtures",
    "peers.outposts",
    "peers.played_lab",
    "peers.server",
    "peers.sharing",
)

# How long an example takes depends on what else the machine does.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip (or in CI fail) what is marked ``peer(name)`` where that program is absent."""
    for mark in item.iter_markers("peer"):
        for name in mark.args:
            require(name)
