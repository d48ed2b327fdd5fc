"""What belongs together is found without asking every pair, also in a storm."""

from __future__ import annotations

import random
from itertools import permutations

import pytest

from twinhelm.aiops.correlate import correlate
from twinhelm.aiops.correlate.grouping import Neighbours, places, related
from twinhelm.aiops.correlate.signs import of_anomaly
from twinhelm.aiops.types import Anomaly, Direction, Resource
from twinhelm.core.entities import Edge
from twinhelm.core.labels import labels_of
from twinhelm.core.telemetry import Alert

T = 1_700_000_000_000
PLACES = ("service:shop/a", "service:shop/b", "service:bank/c", "service:d", "host:e", "database:f")


def sign(rng: random.Random, number: int):
    labels = {"__name__": rng.choice("mn"), "job": rng.choice("xy"), "number": str(number)}
    return of_anomaly(Anomaly(
        number, labels_of(labels), rng.choice(PLACES), Resource.CPU, rng.choice(list(Direction)),
        T, T, None, 0.9, 0.97, 0.1, 0.05, 0.2, 5.0, 9,
    ), 0.5, None)  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_what_is_related_shares_a_place_or_is_around_it(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - whims, no secrets
    edges = [Edge(*rng.sample(PLACES, 2), "calls", "traces", 0.9, T) for _ in range(seed % 5)]
    near = Neighbours(edges, T)
    for one, other in permutations([sign(rng, number) for number in range(12)], 2):
        sought = {*places(one), *near.around(one.entity)}
        assert not sought.isdisjoint(places(other)) or not related(other, one, near)


def test_a_storm_of_alerts_is_not_asked_about_pair_by_pair() -> None:
    asked = []
    near = Neighbours((), T, lambda one, other: asked.append((one, other)) or False)
    alerts = [
        Alert(f"{n}", labels_of({"alertname": "Down", "n": f"{n}"}), (), T, None, "test")
        for n in range(300)
    ]
    entities = {f"{n}": f"service:s{n}" for n in range(300)}
    found = correlate([], [], alerts, near, now_ms=T + 5000, alert_entities=entities)
    assert len(found.incidents) == 300
    assert len(asked) <= 300
