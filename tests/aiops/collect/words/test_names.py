from __future__ import annotations

import pytest

from twinhelm.aiops.collect.words.names import label_name, metric_name_of


@pytest.mark.parametrize(
    ("name", "label"), [("a.b-c", "a_b_c"), ("4xx", "key_4xx"), ("", ""), ("é", "_")]
)
def test_a_label_name_holds_letters_digits_and_underscores(name: str, label: str) -> None:
    assert label_name(name) == label


@pytest.mark.parametrize(
    ("title", "metric"), [(" CPU (%) ", "CPU"), ("a:b", "a:b"), ("9th", "_9th"), ("%", "value")]
)
def test_a_metric_name_is_made_of_a_title(title: str, metric: str) -> None:
    assert metric_name_of(title) == metric
