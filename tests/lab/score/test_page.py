"""The page says how each fault went, in words, and asks for nothing from outside."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser

import pytest

from twinhelm.lab.score import document, number, page, placed


class Balance(HTMLParser):
    """Fails on a tag that closes another than the last one opened."""

    def __init__(self):
        super().__init__()
        self.opened = []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "br"):
            self.opened.append(tag)

    def handle_endtag(self, tag):
        assert self.opened.pop() == tag


def test_it_tells_every_fault_and_needs_nothing(tally):
    html = page(document([tally], seed=1, quick=False))
    reader = Balance()
    reader.feed(html)
    assert reader.opened == []
    for said in (
        "cause first",
        "cause at place 3, another was blamed",
        "cause not named, another was blamed",
        "missed",
        "rightly nobody blamed",
        "&lt;b&gt;first&lt;/b&gt;",
        "nothing &amp; nobody",
        "it &lt;broke&gt;",
        "there was no time for it",
        "cut short",
        "prefers-color-scheme:dark",
    ):
        assert said in html, said
    assert not re.search(r"https?:|<script|src=|@import|url\(", html)


def test_several_repeats_stand_side_by_side(tally):
    html = page(document([tally, dataclasses.replace(tally, repeat=2)], seed=1, quick=False))
    assert "repeat 2</th>" in html
    assert "run 2 times" in html


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (
            {"blame": False, "detected": True, "incidents": 2},
            ("2 raised, nothing was wrong", "bad"),
        ),
        (
            {"blame": True, "detected": True, "rank": 2, "wrong_blame": False},
            ("cause at place 2", "fair"),
        ),
    ],
)
def test_how_it_went_in_words(row, told):
    assert placed(row) == told


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [("detected", 0.8, "80%"), ("detect_s", 12.0, "12 s"), ("quiet_hours", 0.25, "0.25 h"),
     ("wrong_blame", 3, "3"), ("over_s", None, "-")],
)  # fmt: skip
def test_numbers_have_units(name, value, told):
    assert number(name, value) == told
