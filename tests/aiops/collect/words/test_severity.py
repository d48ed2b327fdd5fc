from __future__ import annotations

import pytest

from twinhelm.aiops.collect.words.severity import severity_of


@pytest.mark.parametrize(
    ("word", "number"),
    [("TRACE", 1), ("Debug", 5), ("info", 9), ("WARNING", 13), ("err", 17), ("FATAL", 21),
     ("ERROR3", 19), (" crit ", 18), ("", 0), ("9", 0)],
)  # fmt: skip
def test_a_level_word_is_its_number(word: str, number: int) -> None:
    assert severity_of(word) == number
