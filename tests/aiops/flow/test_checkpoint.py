"""The container of a checkpoint: whole, or refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinhelm.aiops.flow.checkpoint import load_parts, save_parts
from twinhelm.core.errors import BadInput, NewerFormat

PARTS = st.dictionaries(st.text(max_size=20), st.binary(max_size=200), max_size=5)


@given(PARTS)
def test_what_was_saved_comes_back(parts):
    assert load_parts(save_parts(parts)) == parts


@given(PARTS.filter(lambda parts: any(parts.values())), st.data())
def test_one_changed_byte_of_a_part_is_noticed(parts, data):
    blob = save_parts(parts)
    at = data.draw(st.integers(blob.index(b"\n") + 1, len(blob) - 1))
    wrong = blob[:at] + bytes([blob[at] ^ 0x10]) + blob[at + 1 :]
    with pytest.raises(BadInput):
        load_parts(wrong)


@given(st.binary(max_size=60))
def test_rubbish_is_refused_in_our_words(blob):
    with pytest.raises(BadInput):
        load_parts(blob + b"\n" + blob)


def test_a_newer_one_says_so():
    with pytest.raises(NewerFormat):
        load_parts(b'{"version": 2, "parts": []}\n')
