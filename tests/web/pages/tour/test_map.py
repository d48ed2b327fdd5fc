"""The map: callers above whom they call, each place in the colour of how it is."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest

from twinhelm.aiops.records import put_edge
from twinhelm.aiops.types import Incident, IncidentState
from twinhelm.app import open_house
from twinhelm.core.clock import FakeClock
from twinhelm.core.entities import Edge
from twinhelm.core.labels import labels_of
from twinhelm.core.settings import Settings
from twinhelm.core.telemetry import SampleBlock
from twinhelm.web.pages.tour.map import layers, picture

GATEWAY, CART, CACHE = "service:shop/gateway", "service:shop/cart", "database:cache"


@pytest.fixture
def house(tmp_path):
    made = open_house(Settings(data=tmp_path / "data", host={"enabled": False}), clock=FakeClock())
    yield made
    made.stop()


def know(house, *edges):
    now = house.clock.now_ms()
    with house.journal.writing("test") as write:
        for source, target, sure, seen_ms in edges:
            put_edge(write, Edge(source, target, "calls", "traces", sure, now - seen_ms))


def hear(house, service):
    """Let a service's series be known, and heard of now."""
    labels = labels_of({"__name__": "up", "service.name": service, "service.namespace": "shop"})
    ids = house.telemetry.intern([labels], tenant="default")
    house.watch.known.look_up(ids, lambda *_: None)
    times = np.array([house.clock.now_ms()])
    house.telemetry.append_samples(SampleBlock(ids, times, np.ones(1)))


def test_layers_of_nothing_of_one_and_of_a_circle():
    assert layers(set(), []) == []
    assert layers({"a"}, [("a", "a")]) == [["a"]]
    circle = layers({"a", "b"}, [("a", "b"), ("b", "a")])
    assert sorted(chain(*circle)) == ["a", "b"]


def test_whoever_is_called_stands_below_all_who_call_it():
    calls = [("gateway", "cart"), ("gateway", "checkout"), ("checkout", "cart"), ("cart", "cache")]
    rows = layers({end for call in calls for end in call}, calls)
    assert rows == [["gateway"], ["checkout"], ["cart"], ["cache"]]


def test_a_row_is_no_wider_than_can_be_read():
    rows = layers({f"s{at:02}" for at in range(15)}, [])
    assert [len(row) for row in rows] == [5, 5, 5]


def test_each_place_is_as_what_is_known_of_it(house):
    know(
        house,
        (GATEWAY, CART, 0.9, 0),
        (CART, CACHE, 0.9, 0),
        (GATEWAY, "host:h", 0.9, 0),
        (GATEWAY, "service:shop/rumour", 0.2, 0),
        (GATEWAY, "service:shop/gone", 0.9, 7_200_000),
        ("service:bank/a", "service:bank/b", 0.9, 0),
    )
    for service in ("gateway", "worker"):
        hear(house, service)
    now = house.clock.now_ms()
    live = [Incident(4, IncidentState.OPEN, "", "critical", (GATEWAY, CART), now, now)]
    shown = picture(house, live, CART, "shop")
    assert shown.lines == ((CART, CACHE), (GATEWAY, CART))
    healths = {entity: place.health for entity, place in shown.places.items()}
    worker = "service:shop/worker"
    assert healths == {GATEWAY: "amber", CART: "red", CACHE: "", worker: "green"}
    assert shown.places[CART].incident == 4
    assert shown.places[CACHE].row == 2


def test_where_nothing_is_known_nothing_is_drawn(house):
    assert picture(house, [], "", "shop").places == {}
