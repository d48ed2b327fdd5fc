"""The door for JSON refuses what is too large, too deep or not JSON, before it parses."""

from __future__ import annotations

import math

import numpy as np
import pytest

from twinhelm.core import json
from twinhelm.core.errors import BadInput, TooLarge


@pytest.mark.parametrize(
    "value",
    [None, True, 0, -1, 1.5, "", 'quote " brace { slash \\', [], {}, [{"a": [1, {"b": None}]}]],
)
def test_what_is_written_is_read_back(value):
    assert json.loads(json.dumps(value)) == value


def test_equal_values_give_equal_bytes():
    assert json.dumps({"b": 1, "a": 2}) == json.dumps({"a": 2, "b": 1}) == b'{"a":2,"b":1}'


def test_a_missing_value_is_written_as_null():
    assert json.dumps({"x": math.nan}) == b'{"x":null}'


def test_arrays_are_written_as_lists():
    assert json.dumps(np.arange(3)) == b"[0,1,2]"


def test_text_is_taken_as_well_as_bytes():
    assert json.loads("[1]") == json.loads(b"[1]") == [1]


@pytest.mark.parametrize("bad", [b"", b"{", b"nope", b"[1,]", b"\xff", b"NaN"])
def test_what_is_not_json_is_refused_by_name(bad):
    with pytest.raises(BadInput, match="the settings is not JSON"):
        json.loads(bad, what="settings")


def test_the_size_limit_is_exact():
    assert json.loads(b"[1]", max_bytes=3) == [1]
    with pytest.raises(TooLarge, match="4 bytes of JSON, the limit is 3"):
        json.loads(b"[12]", max_bytes=3)


@pytest.mark.parametrize(("opens", "closes"), [("[", "]"), ('{"a":', "}")])
def test_the_depth_limit_is_exact(opens, closes):
    deep = json.MAX_DEPTH
    inner = "1"
    assert json.loads(opens * deep + inner + closes * deep)
    with pytest.raises(TooLarge, match="nests deeper"):
        json.loads(opens * (deep + 1) + inner + closes * (deep + 1))


def test_a_hundred_thousand_levels_are_refused_without_parsing():
    with pytest.raises(TooLarge):
        json.loads(b"[" * 100_000)


def test_many_brackets_side_by_side_are_not_deep():
    assert len(json.loads("[" + ",".join(["[]"] * 1000) + "]")) == 1000


def test_brackets_inside_strings_are_not_depth():
    text = "[" * 1000 + '\\"' + "{" * 1000
    assert json.loads(json.dumps([text, "\\", "[" * 100])) == [text, "\\", "[" * 100]
