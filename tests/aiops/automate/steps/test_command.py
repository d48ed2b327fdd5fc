"""A program is run by its argument list, from a list, in a clean place, and always ends."""

from __future__ import annotations

import os
import sys
import time

import pytest

from peers.deeds import HOSTILE, deed, named
from peers.processes import family, gone
from twinhelm.aiops.automate.steps import Limit
from twinhelm.aiops.automate.steps.command import Command
from twinhelm.core.json import loads
from twinhelm.core.settings import AutomateSettings


@pytest.fixture
def program(tmp_path):
    """Write a program of its own, as an operator would, and return its path."""

    def write(code):
        path = tmp_path / "tool"
        path.write_text(f"#!{sys.executable}\n{code}")
        path.chmod(0o755)
        return str(path)

    return write


ECHO = "import json, os, sys\nprint(json.dumps([sys.argv[1:], sorted(os.environ), os.getcwd()]))"


def actor(*listed, secrets=None, folder=None):
    return Command(AutomateSettings(commands=list(listed)), secrets or named(folder))


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_a_value_is_one_argument_whatever_it_tries(program, tmp_path, value, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TWINHELM_SECRET_DB", "hush")
    path = program(ECHO)
    outcome = deed(
        actor(path, folder=tmp_path),
        {"command": [path, "--host={host}", "{host}", "x{host}y"]},
        host=value,
    )
    assert outcome.ok, outcome.text
    argv, variables, folder = loads(outcome.text.removeprefix("exit 0: "))
    assert argv == [f"--host={value}", value, f"x{value}y"]
    assert set(variables) <= {"PATH", "LANG", "LC_CTYPE"}
    assert folder == "/"
    assert not (tmp_path / "pwned").exists()


def test_a_program_that_is_not_listed_is_barred(program, tmp_path):
    path = program(ECHO)
    outcome = deed(actor("/bin/other", folder=tmp_path), {"command": [path]})
    assert not outcome.ok
    assert "is not allowed here; automate.commands lists what is" in outcome.text


def test_a_program_that_is_not_there_is_barred(tmp_path):
    absent = str(tmp_path / "absent")
    outcome = deed(actor(absent, folder=tmp_path), {"command": [absent]})
    assert not outcome.ok
    assert "is not there, or cannot be run" in outcome.text


@pytest.mark.parametrize("program", ["/bin/sh", "/usr/bin/python3.11", "/usr/bin/env", "ls", ""])
def test_a_shell_cannot_be_listed(program):
    with pytest.raises(ValueError, match="no shell"):
        AutomateSettings(commands=[program])


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({}, "command is missing"),
        ({"command": []}, "at least 1 item"),
        ({"command": "rm -rf /"}, "valid tuple"),
        ({"command": ["tool"]}, "write its whole path"),
        ({"command": ["/bin/{name}"]}, "write its whole path, without a parameter"),
        ({"command": ["/bin/x", ""]}, "at least 1 character"),
        ({"command": ["/bin/x"], "shell": True}, "there is no argument shell"),
        ({"command": ["/bin/x"], "environment": {"LD_PRELOAD": "x"}}, "run other code"),
        ({"command": ["/bin/x"], "environment": {"a b": "x"}}, "it must be"),
        ({"command": ["/bin/x"], "environment": {"A": "{a}"}}, "takes no parameter"),
        ({"command": ["/bin/x"], "ok": [256]}, "less than or equal to 255"),
    ],
)
def test_bad_arguments_are_told_before_anything_runs(tmp_path, arguments, fault):
    assert fault in "; ".join(actor(folder=tmp_path).faults(arguments))


def test_other_codes_may_count_as_done(program, tmp_path):
    path = program("import sys; print('nothing to do'); sys.exit(3)")
    run = actor(path, folder=tmp_path)
    assert not deed(run, {"command": [path]}).ok
    outcome = deed(run, {"command": [path], "ok": [0, 3]})
    assert outcome.ok
    assert outcome.facts == {"code": 3}
    assert outcome.text == "exit 3: nothing to do"


def test_a_secret_goes_by_name_and_is_never_shown(program, tmp_path):
    path = program("import os; print('it is', os.environ['KEY'], 'and password=other')")
    secrets = named(tmp_path, db="hunter22")
    given = {"command": [path], "environment": {"KEY": "secret:db"}}
    run = actor(path, secrets=secrets)
    assert deed(run, given).text == "exit 0: it is *** and password=***"
    assert "hunter22" not in run.tell(given)
    outcome = deed(run, {"command": [path], "environment": {"KEY": "secret:absent"}})
    assert not outcome.ok
    assert "there is no secret 'absent'" in outcome.text


def test_endless_talk_and_what_a_terminal_would_obey_are_cut(program, tmp_path):
    path = program("import sys; sys.stdout.write('\\x1b[2J\\x07' + 'x' * 1_000_000 + '\\u202e')")
    text = deed(actor(path, folder=tmp_path), {"command": [path]}).text
    assert len(text) < 5000
    assert text.isprintable() or "\n" in text
    assert "\x1b" not in text
    assert "\u202e" not in text


SLOW = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open({mark!r}, "w").write(f"{{os.getpid()}} {{child.pid}}")
child.wait()
"""


@pytest.mark.parametrize("how", ["limit", "stop", "unwind"])
def test_a_program_ends_with_all_that_it_started(program, tmp_path, how):
    mark = tmp_path / "pids"
    path = program(SLOW.format(mark=str(mark)))
    members = []

    def ended():
        if not mark.exists() or len(mark.read_text().split()) < 2:
            return ""
        if not members:
            members.extend(family(os.getpid()))
        if how == "unwind":
            raise KeyboardInterrupt
        return "stopped by ann" if how == "stop" else ""

    run = actor(path, folder=tmp_path)
    if how == "unwind":
        with pytest.raises(KeyboardInterrupt):
            deed(run, {"command": [path]}, ended=ended)
    else:
        outcome = deed(run, {"command": [path]}, ended=ended, limit_s=8 if how == "limit" else 60)
        assert not outcome.ok
        assert ("stopped by ann" if how == "stop" else "longer than 8 s") in outcome.text
    pids = set(map(int, mark.read_text().split()))
    started = [each for each in members if each[0] in pids]
    assert len(started) == 2
    deadline = time.monotonic() + 20
    while not all(map(gone, started)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert all(map(gone, started))


def test_what_only_looks_changes_nothing(tmp_path):
    run = actor(folder=tmp_path)
    look = {"command": ["/bin/x", "{a}"], "changes": False, "touches": ["host:{a}"]}
    assert not run.changes(look)
    assert run.repeatable(look)
    assert run.changes({"command": ["/bin/x"]})
    assert not run.repeatable({"command": ["/bin/x"]})
    assert run.reach(run.fill(look, {"a": "db-1"})) == ("host:db-1",)


def test_an_argument_that_was_tampered_with_after_the_check_is_barred(tmp_path):
    """The actor trusts nobody: what it is handed is checked again."""
    run = actor("/bin/true", folder=tmp_path)
    assert not run.act({"command": ["/bin/true"], "shell": True}, Limit(5)).ok
    assert not run.act({"command": ["/bin/sh", "-c", "true"]}, Limit(5)).ok
