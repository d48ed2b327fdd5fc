"""The commands of runbooks and repairs, against a real server."""

from __future__ import annotations

import pytest

BOOK = """
[runbook]
name = "of-a-test"
says = "Wait for a moment."
[when]
metric = ["nothing_at_all"]
[[steps]]
name = "rest"
do = "wait"
arguments = { seconds = 1 }
"""


@pytest.fixture
def ask(twinhelm, live):
    """``ask("runbook", "list")``: a command, asked of the live server."""
    return lambda *args: twinhelm(*args, "--data", live.data)


@pytest.fixture
def book(tmp_path):
    file = tmp_path / "of-a-test.toml"
    file.write_text(BOOK)
    return file


def test_a_file_is_checked_by_line_and_column(ask, book):
    assert "is sound: Wait for a moment." in ask("runbook", "check", book).out
    book.write_text(BOOK.replace("seconds = 1", "seconds = 0"))
    found = ask("runbook", "check", book, "--json")
    assert found.status == 1
    assert "runbook:10:1: wait: " in found.json["error"]
    assert "there is no file" in ask("runbook", "check", "none.toml").err


def test_a_runbook_is_taken_shown_held_back_and_removed(ask, book):
    assert ask("runbook", "add", book, "--json").json["version"] == 1
    assert "of-a-test" in ask("runbook", "list").out
    assert "of-a-test: suggest at most." in ask("runbook", "level", "of-a-test", "suggest").out
    shown = ask("runbook", "show", "of-a-test", "--json").json
    assert shown["shelved"]["autonomy"]["level"] == "suggest"
    assert 'name = "rest"' in ask("runbook", "show", "of-a-test").out
    assert ask("runbook", "backtest", book, "--json").json == []
    assert "0 of 0 past incidents" in ask("runbook", "backtest", "of-a-test").out
    found = ask("runbook", "dry-run", "of-a-test", "--incident", "7")
    assert "there is no incident 7" in found.err
    assert ask("runbook", "remove", "of-a-test", "--json").json == {"removed": "of-a-test"}
    assert "of-a-test" not in ask("runbook", "list").out


def test_the_library_is_on_the_shelf(ask):
    names = {each["name"] for each in ask("runbook", "list", "--json").json}
    assert {"full-disk", "memory-leak", "stuck-process"} <= names


def test_the_stop_is_pulled_told_and_released(ask):
    assert "Every repair is halted" in ask("repair", "stop", "--reason", "odd").out
    assert ": odd" in ask("repair", "list").out
    assert ask("repair", "resume", "--json").json["on"] is False
    told = ask("repair", "resume").err
    assert "is not pulled" in told
    assert "until `twinhelm repair undo`" in told
    ask("repair", "stop")
    assert "until `repair undo ID`" in ask("repair", "resume").out


@pytest.mark.parametrize("deed", ["show", "approve", "undo"])
def test_a_repair_that_is_not_there_is_told(ask, deed):
    found = ask("repair", deed, "9-9")
    assert (found.status, "there is no repair '9-9'" in found.err) == (1, True)
