from __future__ import annotations

import pytest

from twinhelm.aiops.kin import kin_of, known_as


@pytest.mark.parametrize(
    ("names", "kin"),
    [
        ([], {}),
        (["service:a/cart", "service:b/cart"], {}),
        (["service:cart", "service:a/cart"], {"service:cart": "service:a/cart"}),
        (["service:cart", "service:a/cart", "service:b/cart"], {}),
        (["database:box/cache", "service:a/cache"], {"database:box/cache": "service:a/cache"}),
        (["database:shop", "database:box/shop"], {"database:shop": "database:box/shop"}),
        (["host:cart", "service:a/cart", "pipeline:cart"], {}),
    ],
    ids=["none", "two of one name", "bare", "ambiguous", "two tellers", "database", "other kinds"],
)
def test_names_of_one_thing(names: list[str], kin: dict[str, str]) -> None:
    assert kin_of(names) == kin


def test_a_change_is_of_the_only_thing_of_that_name() -> None:
    known = {"database:box/shop", "service:a/cart", "service:b/cart"}
    assert known_as("service:shop", known) == "database:box/shop"
    assert known_as("service:cart", known) == "service:cart"
    assert known_as("service:a/cart", known) == "service:a/cart"
