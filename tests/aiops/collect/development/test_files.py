"""Test reports, commits and chores: what is read of them, and what is refused."""

from __future__ import annotations

import subprocess

import pytest

from twinhelm.aiops.collect.development import GIT_LOG, decode_chores, decode_git, decode_junit
from twinhelm.core.errors import BadInput, TooLarge

REPORT = b"""<?xml version="1.0"?><testsuites><testsuite name="s" tests="3">
<testcase classname="cart" name="adds" time="1.5"/>
<testcase classname="cart" name="pays" time="0.5"><failure message="no">text</failure></testcase>
<testcase name="late"><error/></testcase></testsuite></testsuites>"""
NOW = 1_786_548_600_000


def report(xml, **more):
    said = {"commit": "f00d", "run": "28", "now_ms": NOW} | more
    return decode_junit(xml, said.pop("suite", "acme/shop"), **said)


def test_a_report_names_what_failed():
    (change,) = report(REPORT).changes
    assert change.attributes["failed"] == "cart.pays\nlate"
    assert (change.outcome, change.attributes["tests"]) == ("failure", "3")
    assert (change.time_ms, change.end_ms) == (NOW - 2000, NOW)
    assert report(REPORT, run="29").changes[0].id != change.id


BOMB = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY b "&lol;&lol;">]>
<testsuite><testcase name="&b;"/></testsuite>"""
OUTSIDE = b"""<!DOCTYPE t [<!ENTITY x SYSTEM "file:///etc/passwd">]><testsuite>&x;</testsuite>"""


@pytest.mark.parametrize(
    ("xml", "error", "says"),
    [
        (BOMB, BadInput, "document type"),
        (OUTSIDE, BadInput, "document type"),
        (b"<testsuite>&x;</testsuite>", BadInput, "not XML"),
        (b"<testsuite><testcase", BadInput, "not XML"),
        (b"<html></html>", BadInput, "begins with <html>"),
        (b"", BadInput, "not XML"),
        (b"<testsuite>" * 20, TooLarge, "deeper than 16"),
        (b"<testsuite>" + b"<testcase name='a'/>" * 100_001, TooLarge, "more than 100,000 tests"),
        (b"<testsuite><testcase time='soon'/></testsuite>", BadInput, "no number of seconds"),
        (b" " * ((16 << 20) + 1), TooLarge, "the limit is"),
    ],
)
def test_a_report_can_neither_grow_nor_reach_out(xml, error, says):
    with pytest.raises(error, match=says):
        report(xml)


def test_a_report_must_say_what_it_is_of():
    with pytest.raises(BadInput, match="which suite, commit and run"):
        report(REPORT, commit="")


def git(folder, *arguments):
    said = ("git", "-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-C", str(folder))
    return subprocess.run([*said, *arguments], check=True, capture_output=True, text=True).stdout


def test_a_real_history_is_read(tmp_path):
    git(tmp_path, "init", "-q")
    for title in ("Add a cart\n\nWith a\nbody.", "hotfix: let it pay"):
        git(tmp_path, "commit", "-q", "--allow-empty", "-m", title)
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "Take it out")
    taken = git(tmp_path, "rev-parse", "HEAD").strip()
    body = f'Revert "Take it out"\n\nThis reverts commit {taken}.'
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", body)
    found = decode_git(git(tmp_path, *GIT_LOG), "shop").changes
    assert [one.title for one in found][::-1] == [
        "Add a cart", "hotfix: let it pay", "Take it out", 'Revert "Take it out"',
    ]  # fmt: skip
    assert [one.attributes.get("reverts", "") for one in found] == [taken, "", "yes", ""]
    assert {one.attributes["who"] for one in found} == {"Ann"}
    assert "@example.com" not in str(found)


def test_a_history_of_another_form_is_refused():
    with pytest.raises(BadInput, match="commit 1 is not"):
        decode_git("commit f00d\nAuthor: Ann", "shop")
    with pytest.raises(BadInput, match="names no repository"):
        decode_git("", "")
    with pytest.raises(TooLarge, match="limit is"):
        decode_git("x\x1e" * 50_001, "shop")


def chores(*rows):
    return decode_chores("\n".join(rows).encode()).changes


def test_a_shell_history_is_work_at_a_host():
    (one,) = chores(
        "Time,User,Host,Command", '1786548600,ann,db-1,"psql -c ""vacuum full orders"""'
    )
    assert (one.time_ms, one.entity, one.kind) == (NOW, "host:db-1", "other")
    assert one.title == 'psql -c "vacuum full orders"'
    assert one.attributes == {"type": "command", "who": "ann"}


def test_tickets_say_how_long_they_took():
    first, second, third = chores(
        "opened,closed,assignee,title,service,minutes",
        "2026-08-12T15:30:00Z,2026-08-12T16:00:00Z,bob,Unlock an account,login,",
        "2026-08-12 15:30:00,,bob,Unlock an account,login,12.5",
        "2026-08-12 15:30:00,,cee,Unlock an account,login,",
    )
    assert first.attributes["minutes"] == "30.0"
    assert (second.attributes["minutes"], second.end_ms) == ("12.5", NOW + 750_000)
    assert "minutes" not in third.attributes
    assert first.entity == "service:login"
    assert len({first.id, second.id, third.id}) == 2  # the same work of the same person, told twice


@pytest.mark.parametrize(
    ("rows", "error", "says"),
    [
        (["user,command", "ann,ls"], BadInput, "the columns"),
        ([""], BadInput, "the columns"),
        (["time,command", "yesterday,ls"], BadInput, "time of row 2"),
        (["time,command,minutes", "1786548600,ls,-3"], BadInput, "row 2"),
        (["time,command", '1786548600,"ls'], BadInput, "not CSV"),
        (["time,command", "1786548600," + "x" * 200_000], BadInput, "not CSV"),
    ],
)
def test_rows_that_cannot_be_read_are_named(rows, error, says):
    with pytest.raises(error, match=says):
        chores(*rows)


def test_bytes_that_are_no_text_are_refused():
    with pytest.raises(BadInput, match="not UTF-8"):
        decode_chores(b"time,command\n\xff\xfe,ls")
