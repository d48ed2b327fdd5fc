"""A document is read whole, or everything wrong with it is told by line and column."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from pydantic import Field

from twinhelm.core.documents import Part, read_document
from twinhelm.core.errors import BadInput, TooLarge


class Leaf(Part):
    size: int = 0


class Tree(Part):
    leaves: tuple[Leaf, ...] = ()
    by_name: Mapping[str, Leaf] = Field(default_factory=dict)


def wrong(tree):
    for number, leaf in enumerate(tree.leaves):
        if leaf.size < 0:
            yield ("leaves", number, "size"), f"a leaf of {leaf.size}"


def read(text, **limits):
    return read_document(text, Tree, "t.toml", wrong, **limits)


def refused(text):
    with pytest.raises(BadInput) as caught:
        read(text)
    return caught.value.message


def test_what_fits_is_read():
    assert read("[[leaves]]\nsize = 3").leaves == (Leaf(size=3),)


def test_an_unknown_key_is_told_beside_those_known_there_also_in_tables_by_name():
    told = refused("[[leaves]]\nsise = 3\n[by_name.oak]\n  colour = 1")
    assert told.splitlines() == [
        "t.toml:2:1: there is no key leaves[1].sise; did you mean size? (known here: size)",
        "t.toml:4:3: there is no key by_name.oak.colour (known here: size)",
    ]


def test_contradictions_are_told_by_place_once_all_values_fit():
    assert refused("[[leaves]]\nsize = 1\n[[leaves]]\nsize = -2") == "t.toml:4:1: a leaf of -2"


def test_too_long_a_text_is_not_even_parsed():
    with pytest.raises(TooLarge, match="has 9 characters, the limit is 8"):
        read("# nothing", max_characters=8)
