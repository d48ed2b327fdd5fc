"""Laws that every command keeps, read from the table of commands itself."""

from __future__ import annotations

import subprocess
import sys

import duckdb
import numpy as np
import pytest
import typer.main
from typer import Context
from typer.core import TyperGroup

from aiops.notify.plans import SMALL
from twinhelm.cli.main import app

FAR_OFF = ("--from", "2100-01-01", "--until", "2100-01-02")
GOOD = {
    "status": [],
    "advise": [],
    "advise look": [],
    "advise show": ["none"],
    "advise dismiss": ["none", "--reason", "why"],
    "advise take-up": ["none"],
    "advise assess": [],
    "advise commits": [".", "--of", "acme/shop"],
    "advise tests": ["REPORT", "--of", "acme/shop", "--commit", "f00d", "--run", "1"],
    "advise chores": ["CHORES"],
    "notify check": ["PLAN"],
    "notify test": ["none"],
    "notify sent": [],
    "oncall": [],
    "quality": [],
    "maintenance list": [],
    "maintenance plan": ["service:none/*", *FAR_OFF, "--reason", "why"],
    "maintenance end": ["none"],
    "rejected": [],
    "forecasts": [],
    "decisions": [],
    "incidents": [],
    "incident": ["1"],
    "series": [],
    "logs": [],
    "backfill": ["http://127.0.0.1:1", "--no-wait"],
    "import": ["FILE"],
    "jobs": [],
    "backup": ["NEW"],
    "restore": ["NEW"],
    "config": [],
    "journal": [],
    "journal list": [],
    "journal verify": [],
    "user add": ["ann", "--role", "admin"],
    "user remove": ["bob"],
    "user list": [],
    "user roles": ["bob", "--role", "viewer"],
    "user password": ["bob"],
    "user link": ["bob"],
    "token create": ["t", "--role", "viewer"],
    "token list": [],
    "token revoke": ["none"],
    "feedback list": [],
    "feedback give": ["anomaly/1:1", "wrong"],
    "feedback undo": ["1"],
    "feedback lessons": [],
    "feedback apply": ["anomaly"],
    "feedback export": ["NEW"],
    "runbook list": [],
    "runbook show": ["none"],
    "runbook check": ["FILE"],
    "runbook add": ["FILE"],
    "runbook remove": ["none"],
    "runbook level": ["none", "act"],
    "runbook dry-run": ["none", "--incident", "1"],
    "runbook backtest": ["none"],
    "runbook run": ["none", "--incident", "1"],
    "repair list": [],
    "repair show": ["9-9"],
    "repair approve": ["9-9"],
    "repair refuse": ["9-9", "--note", "why"],
    "repair answer": ["9-9", "yes"],
    "repair stop": ["9-9"],
    "repair resume": [],
    "repair undo": ["9-9"],
    "backtest detect": ["--data", "SETS", "--out", "NEW"],
    "backtest feedback": ["--data", "SETS", "--out", "NEW"],
    "product new": ["--out", "NEW", "--answers", "ANSWERS"],
    "product check": ["PRODUCT"],
    "product frame": ["PRODUCT"],
    "product list": [],
    "product show": ["none"],
    "product retire": ["none", "why"],
    "product hold": ["none", "why"],
    "product remark": ["none", "text"],
    "build": ["none", "--no-wait"],
    "run again": ["none", "1"],
    "run cancel": ["none", "1"],
    "validate": ["none", "1"],
    "promote": ["none", "1"],
    "approvals": [],
    "approve": ["none/1/1"],
    "score": ["none", "rows.parquet", "out.parquet"],
    "import-models": ["http://127.0.0.1:1", "--no-wait"],
    "rollback": ["none"],
    "stop-rollout": ["none"],
    "deployment": ["none"],
    "health": ["none"],
    "labels": ["none", "FILE"],
    "evidence": ["none", "1", "--out", "NEW"],
    "live": [],
    "inventory": [],
    "export": ["none", "1", "NEW"],
    "serve": ["none", "--key", "none"],
}
"""Every command but ``up`` (test_up.py) with arguments that it understands."""

REFUSED = {"incident", "user remove", "user roles", "user password", "user link"}
REFUSED |= {"token revoke", "restore", "product show", "product retire", "product hold"}
REFUSED |= {"product remark", "build", "run again", "validate", "promote", "approve", "rollback"}
REFUSED |= {"run cancel", "stop-rollout", "deployment", "health", "labels", "evidence", "score"}
REFUSED |= {"export", "serve", "feedback give", "feedback undo", "feedback apply"}
REFUSED |= {"advise show", "advise dismiss", "advise take-up", "notify test", "maintenance end"}
REFUSED |= {name for name in GOOD if name.split()[0] in ("runbook", "repair")}
REFUSED -= {"runbook list", "repair list"}
"""Those whose arguments above name what is not there."""

LONE = {"backtest detect", "backtest feedback", "product new", "product check", "serve"}
"""Those that work on files alone, without server or data directory."""

PRODUCT = """
[product]
name = "little"
use_case = "A little."
decides = "Little."
owner = "ada"
tier = "low"
"""
ANSWERS = """
name = "little"
use_case = "A little."
decides = "Little."
owner = "ada"
harm = "nothing"
"""
REPORT = '<testsuite><testcase name="a"/></testsuite>'
CHORES = "time,user,host,command\n2026-11-02T10:00:00Z,ann,web-1,systemctl restart shop\n"
TEXTS = {"PRODUCT": PRODUCT, "ANSWERS": ANSWERS, "REPORT": REPORT, "CHORES": CHORES, "PLAN": SMALL}


def leaves(command, path=()):
    """Every command that does something, with its path."""
    if not isinstance(command, TyperGroup) or command.invoke_without_command:
        yield " ".join(path), command
    if isinstance(command, TyperGroup):
        for name in command.list_commands(Context(command)):
            yield from leaves(command.get_command(Context(command), name), (*path, name))


COMMANDS = dict(leaves(typer.main.get_command(app)))


@pytest.fixture
def arguments(tmp_path):
    """Fill in the paths of a command's arguments."""
    file = tmp_path / "load.csv"
    file.write_text("time,load,host\n1700000000,0.5,a\n1700000060,0.7,a\n", encoding="utf-8")
    for name, text in TEXTS.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    places = {name: str(tmp_path / name) for name in TEXTS}
    places |= {"FILE": str(file), "NEW": str(tmp_path / "new"), "SETS": str(tmp_path / "sets")}

    def fill(name):
        if name.startswith("backtest "):
            write_set(tmp_path / "sets" / "one" / "series.parquet")
        if name == "advise commits":
            commit(tmp_path)
        return [*name.split(), *(places.get(each, each) for each in GOOD[name])]

    return fill


def commit(folder):
    """A git history of one commit."""
    git = ["git", "-C", str(folder), "-c", "user.name=ann", "-c", "user.email=ann@example.org"]
    for each in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "begin"]):
        subprocess.run([*git, *each], check=True)


def write_set(file):
    """A labelled set of one series of 400 rows."""
    file.parent.mkdir(parents=True)
    value = np.random.default_rng(0).normal(10, 1, 400)
    value[300:310] += 30
    label = np.zeros(400, np.int8)
    label[300:310] = 1
    columns = {"t": np.arange(400) * 60_000_000_000, "value": value, "label": label}
    with duckdb.connect() as db:
        db.register("given", columns)
        wanted = "'a' as series_id, make_timestamp_ns(t) as \"timestamp\", value, label"
        db.execute(f"copy (select {wanted} from given) to '{file}' (format parquet)")  # noqa: S608 - test data


def test_the_table_names_every_command():
    here = {name for name in COMMANDS if not name.startswith("lab ")}  # the others: test_lab.py
    assert here == {*GOOD, "up"}


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_and_option_says_what_it_is_for(name, twinhelm):
    command = COMMANDS[name]
    assert len((command.help or "").split()) > 1
    assert [each.name for each in command.params if not getattr(each, "help", None)] == []
    assert twinhelm(*name.split(), "--help").status == 0


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_takes_json_and_answers_rubbish_in_it(name, twinhelm):
    assert any("--json" in each.opts for each in COMMANDS[name].params)
    ran = twinhelm(*name.split(), "--no-such-option", "--json")
    assert ran.status == 2
    assert set(ran.json) == {"error", "hint"}
    assert "--no-such-option" in ran.json["error"]


@pytest.mark.parametrize("name", sorted(GOOD))
def test_an_answer_in_json_is_one_document(name, twinhelm, arguments, live):
    data = [] if name in LONE else ["--data", live.data]
    ran = twinhelm(*arguments(name), "--json", *data)
    if name in REFUSED:
        assert ran.status == 1
        assert ran.json.keys() == {"error", "hint"}
        assert ran.json["error"]
    else:
        assert (ran.status, ran.err) == (0, ""), ran.out
        assert not isinstance(ran.json, dict) or ran.json.keys() != {"error", "hint"}


@pytest.mark.parametrize("name", sorted(GOOD.keys() - REFUSED))
def test_an_answer_for_people_has_no_braces_and_says_something(name, twinhelm, arguments, live):
    fresh = {"token create": ["token", "create", "t2", "--role", "viewer"]}
    fresh["user add"] = ["user", "add", "cy", "--role", "data-scientist"]
    data = [] if name in LONE else ["--data", live.data]
    ran = twinhelm(*fresh.get(name, arguments(name)), *data)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.strip()
    assert not ran.out.startswith("{")


EMPTY = (
    GOOD.keys()
    - {"config", "user add", "token create"}
    - (LONE - {"backtest detect", "backtest feedback"})
)


@pytest.mark.parametrize("name", sorted(EMPTY))
def test_without_a_server_or_data_every_command_says_what_to_try(name, twinhelm, tmp_path):
    data = [] if name in LONE else ["--data", tmp_path / "absent"]
    ran = twinhelm(*name.split(), *GOOD[name], "--json", *data)
    assert ran.status == 1
    assert ran.json["error"]
    assert ran.json["hint"]
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize(
    "args",
    [
        ["nope"],
        ["incident", "x"],
        ["incident", "0"],
        ["incident"],
        ["incidents", "--state", "gone"],
        ["incidents", "--limit", "0"],
        ["series", "--last", "yesterday"],
        ["logs", "--last", "-1h"],
        ["backfill", "http://x", "--days", "1", "--start", "2024-01-01"],
        ["backfill", "http://x", "--start", "2024-01-02", "--end", "2024-01-01"],
        ["backfill", "http://x", "--start", "soon"],
        ["backfill", "http://x", "--header", "no colon"],
        ["user", "add", "ann", "--role", "king"],
        ["user", "add", "ann"],
        ["token", "create", "ann", "--role", ""],
        ["jobs", "--follow"],
        ["jobs", "--cancel"],
        ["jobs", "x", "--follow", "--cancel"],
        ["feedback", "give", "anomaly/1:1", "perhaps"],
        ["backtest", "detect"],
        ["up", "now"],
    ],
)
def test_a_command_line_that_means_nothing_ends_with_2(args, twinhelm):
    plain, asked = twinhelm(*args), twinhelm(*args, "--json")
    assert (plain.status, asked.status) == (2, 2)
    assert "Traceback" not in plain.err
    assert asked.json["error"]


def test_the_settings_that_are_secrets_are_struck_out(twinhelm, tmp_path, monkeypatch):
    monkeypatch.setenv("TWINHELM_DEVELOPMENT__GITHUB_SECRET", "hunter2")
    told = twinhelm("config", "--json", "--data", tmp_path)
    values = {each["name"]: each["value"] for each in told.json}
    assert values["development.github_secret"] == "***"
    assert values["development.gitlab_token"] == ""
    assert "hunter2" not in told.out + twinhelm("config", "--data", tmp_path).out


def test_errors_for_people_stand_on_standard_error_with_a_hint(twinhelm):
    ran = twinhelm("journal", "verify", "--data", "absent")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith("twinhelm: absent is no data directory")
    assert "\n  try: " in ran.err


def test_asking_for_help_loads_nothing_heavy():
    heavy = {"numpy", "httpx", "duckdb", "pydantic", "sqlalchemy", "rich.table", "twinhelm.app"}
    code = "import sys, twinhelm.cli.main; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not heavy & set(loaded)


def test_the_version_is_told(twinhelm):
    assert twinhelm("--version").out.startswith("twinhelm 0.")
