"""What pages write: numbers, addresses, sentences; nothing that people wrote becomes a link."""

from __future__ import annotations

import pytest

from twinhelm.web.pages.kit.html import (
    address,
    number,
    outside,
    path_of,
    plural,
    sentence,
    sentences,
)


def test_numbers_are_short_and_unknown_ones_say_so():
    assert [number(each) for each in (0.95, 12345.6, float("nan"), float("inf"), None)] == [
        *("0.95", "12,346", "unknown", "unknown", "unknown")
    ]


def test_what_is_empty_falls_out_of_an_address():
    assert address("/logs", q="", tail="", at=0) == "/logs"
    assert address("/logs", q='{a="b c"}', tail="1") == "/logs?q=%7Ba%3D%22b+c%22%7D&tail=1"


def test_a_name_never_leaves_its_part_of_a_path():
    assert path_of("a b", "1/2") == "/products/a%20b/versions/1%2F2"
    assert path_of("../x?y#z") == "/products/..%2Fx%3Fy%23z"


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "//host", "[", ""])
def test_no_link_leads_to_what_is_no_page_of_the_web(url):
    assert outside(url) == ""
    assert outside("https://host/x") == "https://host/x"


def test_messages_become_sentences():
    assert sentence("it is full") == "It is full."
    assert sentences("it is full", "", "make room!") == "It is full. Make room!"
    assert (plural(1, "sign"), plural(0, "sign")) == ("1 sign", "0 signs")
