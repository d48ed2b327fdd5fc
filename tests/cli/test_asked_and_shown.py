"""How words are read and numbers shown."""

from __future__ import annotations

import pytest
import typer

from twinhelm.cli.asked import duration_ms, header, moment_ms, role
from twinhelm.cli.shown import (
    Cell,
    ago,
    clean,
    count,
    name_of,
    refuse,
    say,
    size,
    spark,
    table,
    when,
)
from twinhelm.core.roles import Role

NOW = 1_700_000_000_000


@pytest.mark.parametrize(
    "text",
    ["", "h", "1", "0s", "-1h", "1e3s", "9" * 20 + "w", "1 year", "\N{ARABIC-INDIC DIGIT ONE}s"],
)
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(typer.BadParameter):
        duration_ms(text)


def test_durations_have_their_units():
    assert [duration_ms(f"2{unit}") for unit in ("ms", "s", "m", "min", "h", "d", "w")] == [
        *(2, 2_000, 120_000, 120_000, 7_200_000, 172_800_000, 1_209_600_000)
    ]


def test_moments_are_iso_or_epoch():
    expected = 1_700_000_000_000
    assert moment_ms("2023-11-14T22:13:20Z") == expected
    assert moment_ms("2023-11-15T00:13:20+02:00") == expected
    assert moment_ms("1700000000") == moment_ms("1700000000000") == expected


@pytest.mark.parametrize("text", ["", "soon", "2024-13-01", "-5", "9" * 15 + "9", "1e9"])
def test_what_is_no_moment_is_refused(text):
    with pytest.raises(typer.BadParameter):
        moment_ms(text)


def test_headers_and_roles():
    assert header("Authorization: Bearer a:b") == ("Authorization", "Bearer a:b")
    assert role("data-scientist") is role("Data Scientist") is Role.DATA_SCIENTIST
    for text in ("none", ": value", "a b: c", ""):
        with pytest.raises(typer.BadParameter):
            header(text)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.4, "now"),
        (5, "5 s ago"),
        (150, "2 min ago"),
        (7_200, "2 h ago"),
        (400_000, "5 days ago"),
        (-90, "in 2 min"),
    ],
)
def test_how_long_ago(seconds, told):
    assert ago(NOW - round(seconds * 1000), NOW) == told


def test_the_absolute_time_has_a_date_unless_it_is_today():
    assert len(when(NOW, NOW).split(", ")[1]) == len("22:13:20")
    assert len(when(NOW - 10 * 86_400_000, NOW).split(", ")[1]) == len("2023-11-04 22:13")


def test_bars_show_lowest_highest_and_gaps():
    assert spark([]) == ""
    assert spark([None, None]) == "  "
    assert spark([3.0, 3.0]) == "▁▁"
    assert spark([0.0, 7.0, None, 3.5]) == "▁█ ▅"


def test_numbers_and_names():
    assert (count(1, "log"), count(2_000, "log")) == ("1 log", "2,000 logs")
    assert (size(0), size(999), size(2.5e9)) == ("0 B", "999 B", "2.5 GB")
    assert name_of({"__name__": "up"}) == "up"
    assert name_of({}) == "{}"
    assert name_of({"a": 'x"\n\\'}) == '{a="x\\"\\n\\\\"}'


def test_text_from_outside_cannot_command_the_terminal(capsys):
    nasty = "\x1b[2J\x9b31m\x07[bold]x[/bold]\u202e"
    say(nasty)
    table(("a",), [(nasty,), (Cell(nasty, "red"),)])
    refuse(nasty, nasty, as_json=False)
    said = capsys.readouterr()
    for letter in "\x1b\x9b\x07\u202e":
        assert letter not in said.out + said.err
    assert said.out.count("[bold]x[/bold]") == 3
    assert clean("line\nline") == "line\nline"
