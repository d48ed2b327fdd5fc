"""Entity keys and edges."""

from __future__ import annotations

import pytest

from twinhelm.core.entities import ENTITY_KINDS, Edge, entity_key, split_key
from twinhelm.core.errors import BadInput


@pytest.mark.parametrize("kind", ENTITY_KINDS)
def test_a_key_is_split_as_it_was_joined(kind):
    assert split_key(entity_key(kind, "shop/checkout:8080")) == (kind, "shop/checkout:8080")


def test_a_key_without_a_colon_is_some_other_thing():
    assert split_key("thing") == ("other", "thing")


@pytest.mark.parametrize(("kind", "name"), [("spaceship", "a"), ("host", "")])
def test_what_cannot_be_an_entity_is_refused(kind, name):
    with pytest.raises(BadInput, match="kinds are host"):
        entity_key(kind, name)


@pytest.mark.parametrize(("age_ms", "alive"), [(-5, True), (0, True), (100, True), (101, False)])
def test_an_edge_lives_as_long_as_it_says(age_ms, alive):
    edge = Edge("service:a", "host:b", "runs on", "test", 1.0, last_seen_ms=1000, ttl_ms=100)
    assert edge.alive(1000 + age_ms) is alive
