"""What commands do, against one real server and its data directory."""

from __future__ import annotations

import io
import sqlite3
import sys
import threading
from contextlib import closing

import httpx
import pytest

from twinhelm.core import json
from twinhelm.core.clock import SystemClock


def write(live, line):
    """Send a log line by Loki's push."""
    now = str(SystemClock().now_ns())
    body = {"streams": [{"stream": {"job": "shop"}, "values": [[now, line]]}]}
    sent = httpx.post(
        f"{live.url}/loki/api/v1/push",
        content=json.dumps(body),
        headers={"content-type": "application/json"},
        trust_env=False,
    )
    assert sent.status_code == 204


def test_an_import_is_found_drawn_and_summed_up(twinhelm, live, tmp_path):
    now = SystemClock().now_ms() // 1000
    rows = "".join(f"{now - 60 * i},{i}.0,a\n" for i in range(30))
    (tmp_path / "rows.csv").write_text(f"time,queue_length,host\n{rows}", encoding="utf-8")
    ran = twinhelm("import", "rows.csv", "--data", live.data, "--json")
    assert ran.json["state"] == "done"
    assert ran.json["result"]["samples"] == 30

    (found,) = twinhelm(
        "series", "queue_length", "--last", "1h", "--json", "--data", live.data
    ).json
    assert found["stats"]["samples"] == 30
    assert (found["stats"]["lowest"], found["stats"]["highest"]) == (0.0, 29.0)
    drawn = twinhelm("series", "queue_length", "--last", "1h", "--data", live.data).out
    assert 'queue_length{host="a"}' in drawn
    assert "█" in drawn

    jobs = twinhelm("jobs", "--json", "--data", live.data).json
    followed = twinhelm("jobs", jobs[0]["id"], "--follow", "--json", "--data", live.data)
    assert followed.json["id"] == jobs[0]["id"]


def test_logs_stand_newest_last_and_harmless(twinhelm, live):
    write(live, "first of two")
    write(live, "second of two \x1b[31m")
    lines = twinhelm("logs", '{job="shop"}', "--contains", "of two", "--data", live.data).out
    assert lines.index("first of two") < lines.index("second of two")
    assert "\x1b" not in lines


def test_a_failed_backfill_says_why(twinhelm, live):
    ran = twinhelm("backfill", "http://127.0.0.1:1", "--days", "1", "--data", live.data)
    assert ran.status == 1
    assert "refused" in ran.err


def test_a_backfill_left_alone_tells_how_to_follow_it(twinhelm, live):
    args = ("backfill", "http://127.0.0.1:1", "--no-wait", "--data", live.data)
    assert "--follow" in twinhelm(*args).out
    assert twinhelm(*args, "--json").json["id"].startswith("backfill-")


class Held(list):
    """Answers that are given once ``may_go`` is set."""

    may_go = threading.Event()

    def pop(self, index):
        assert self.may_go.wait(60)
        return super().pop(index)


def test_a_backfill_is_cancelled_and_the_journal_says_by_whom(twinhelm, live, other):
    data = ("--json", "--data", live.data)
    other.answers = Held([(200, {"status": "success", "data": ["up"]})])
    run_id = twinhelm("backfill", other.url, "--no-wait", *data).json["id"]
    ended = twinhelm("jobs", run_id, "--cancel", *data)
    assert (ended.json["id"], ended.json["state"]) == (run_id, "cancelled")
    again = twinhelm("jobs", run_id, "--cancel", *data)
    other.answers.may_go.set()
    assert (again.status, again.json["error"]) == (1, f"{run_id} is cancelled already")
    (row,) = twinhelm("journal", "list", "--kind", "job.cancelled", *data).json
    assert (row["subject"], row["actor"]) == (f"backfill/{run_id}", "local-cli")
    rows = twinhelm("journal", "list", "--subject", f"backfill/{run_id}", *data).json
    assert "job.cancelled" in [row["kind"] for row in rows]
    assert twinhelm("jobs", "no such", "--cancel", *data).status == 1


def test_a_backup_restores_and_its_journal_verifies(twinhelm, live, tmp_path):
    taken = twinhelm("backup", "copy", "--data", live.data, "--json").json
    assert taken["target"] == str(tmp_path / "copy")
    assert twinhelm("backup", "copy", "--data", live.data).status == 1

    restored = twinhelm("restore", "copy", "--data", "again")
    assert restored.status == 0
    assert twinhelm("journal", "verify", "--data", "again", "--json").json["ok"] is True
    again = twinhelm("restore", "copy", "--data", "again", "--json")
    assert again.status == 1
    assert "not empty" in again.json["error"]


def test_people_come_change_and_go(twinhelm, tmp_path, monkeypatch):
    data = ("--data", tmp_path / "new")
    monkeypatch.setattr(sys, "stdin", io.StringIO("a long pass phrase 1\n"))
    added = twinhelm("user", "add", "ann", "--role", "admin", "--stdin", *data, "--json")
    assert added.json == {"name": "ann", "sign_in": ""}
    link = twinhelm("user", "add", "bob", "--role", "operator", *data, "--json").json["sign_in"]
    assert link.startswith("http://127.0.0.1:9700/sign-in/first?secret=")
    assert twinhelm("user", "add", "bob", "--role", "viewer", *data).status == 1

    twinhelm("user", "roles", "bob", "--role", "viewer", "--role", "data-scientist", *data)
    people = {each["name"]: each for each in twinhelm("user", "list", "--json", *data).json}
    assert people["bob"]["roles"] == ["data scientist", "viewer"]
    assert (people["ann"]["has_password"], people["bob"]["has_password"]) == (True, False)

    monkeypatch.setattr(sys, "stdin", io.StringIO("another pass phrase 2\n"))
    assert twinhelm("user", "password", "bob", "--stdin", *data).status == 0
    assert twinhelm("user", "link", "bob", *data).status == 0
    assert twinhelm("user", "remove", "bob", *data).status == 0
    assert twinhelm("user", "remove", "ann", *data).status == 1  # the last admin

    rows = twinhelm("journal", "--json", *data).json
    assert {row["kind"] for row in rows} >= {"person.added", "person.removed"}
    assert all(row["actor"].endswith("@cli") for row in rows)


@pytest.mark.parametrize("typed", ["", "\n"])
def test_no_password_is_no_password(twinhelm, tmp_path, monkeypatch, typed):
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    ran = twinhelm("user", "add", "ann", "--role", "admin", "--stdin", "--data", tmp_path / "new")
    assert ran.status == 1
    assert "empty" in ran.err


def test_a_token_made_here_opens_the_server_and_revoked_it_does_not(twinhelm, live):
    data = ("--data", live.data)
    secret = twinhelm("token", "create", "deeds", "--role", "viewer", "--json", *data).json[
        "secret"
    ]
    shown = ("--token", secret, "--server", live.url)
    assert twinhelm("status", "--json", *shown).json["asker"] == "deeds"
    denied = twinhelm("backup", "elsewhere", "--json", *shown)
    assert denied.status == 1
    assert "admin" in denied.json["hint"]
    assert twinhelm("token", "revoke", "deeds", *data).status == 0
    assert "deeds" not in twinhelm("token", "list", *data).out


def test_the_journal_is_the_same_from_the_directory_and_from_the_server(twinhelm, live):
    near = twinhelm("journal", "verify", "--json", "--data", live.data).json
    far = twinhelm("journal", "verify", "--json", "--server", live.url, "--data", live.data).json
    assert near == far
    rows = [
        twinhelm("journal", "list", "--kind", "server.started", "--json", *where).json
        for where in (("--data", live.data), ("--server", live.url))
    ]
    assert rows[0] == rows[1]
    assert {row["kind"] for row in rows[0]} == {"server.started"}


def test_a_journal_that_was_altered_ends_with_1(twinhelm, tmp_path):
    data = tmp_path / "new"
    twinhelm("user", "add", "ann", "--role", "admin", "--data", data)
    with closing(sqlite3.connect(data / "records.sqlite")) as db, db:
        named = "select name from sqlite_master where type = ?"
        for (name,) in db.execute(named, ["trigger"]).fetchall():
            db.execute(f'drop trigger "{name}"')
        db.execute("update journal set actor = 'eve' where seq = 1")
    ran = twinhelm("journal", "verify", "--data", data, "--json")
    assert ran.status == 1
    assert ran.json["first_bad_seq"] == 1
    assert "row 1" in twinhelm("journal", "verify", "--data", data).out


def test_every_setting_tells_where_it_came_from(twinhelm, tmp_path, monkeypatch):
    data = tmp_path / "data"
    data.mkdir()
    (data / "twinhelm.toml").write_text("[detect]\nsensitivity = 0.7\n[host]\ninterval_s = 9\n")
    monkeypatch.setenv("TWINHELM_HOST__INTERVAL_S", "7")
    monkeypatch.setenv("TWINHELM_AUTH", '{"session_hours": 3}')
    monkeypatch.setenv("TWINHELM_STORE__DATABASE_URL", "postgresql+psycopg://ann:hunter2@db/x")
    found = {each["name"]: each for each in twinhelm("config", "--json", "--data", data).json}
    told = {name: (each["value"], each["source"]) for name, each in found.items()}
    assert told["data"] == (str(data), "flag")
    assert told["detect.sensitivity"] == (0.7, "file")
    assert told["host.interval_s"] == (7.0, "environment")
    assert told["auth.session_hours"] == (3.0, "environment")
    assert told["auth.required"] == (False, "default")
    assert "hunter2" not in twinhelm("config", "--data", data).out
    assert all(each["description"] for each in found.values())


def test_the_flags_of_a_running_server_count(twinhelm, live):
    found = {each["name"]: each for each in twinhelm("config", "--json", "--data", live.data).json}
    assert (found["host.enabled"]["value"], found["host.enabled"]["source"]) == (False, "flag")
    assert found["server.listen"]["value"] == live.address
