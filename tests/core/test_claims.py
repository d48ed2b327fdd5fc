"""Confidence in words."""

from __future__ import annotations

import pytest

from twinhelm.core.claims import certainty


@pytest.mark.parametrize(
    ("confidence", "word"),
    [
        (1.0, "almost certain"),
        (0.9, "almost certain"),
        (0.899, "likely"),
        (0.65, "likely"),
        (0.649, "possible"),
        (0.35, "possible"),
        (0.349, "unlikely"),
        (0.0, "unlikely"),
    ],
)
def test_each_word_covers_its_range(confidence, word):
    assert certainty(confidence) == word
