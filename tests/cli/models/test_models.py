"""The models' commands: what they ask of the server, what they write, what they refuse."""

from __future__ import annotations

import io
import sys

import pytest

from twinhelm.core import json

RUN = {"product": "digits", "number": 3, "state": "running", "job": "build-1", "version": "",
       "says": ""}  # fmt: skip
JOB = {"id": "build-1", "done": 1, "total": 1, "message": "", "error": ""}
PRODUCT = {"name": "digits", "decides": "Which digit", "owner": "ada", "tier": "low", "live": "3"}
PRODUCT |= {"retired": "", "hold": ""}
ANSWERS = {"name": "little", "use_case": "A little.", "decides": "Little.", "owner": "ada"}
ANSWERS |= {"harm": "nothing", "rule": "yes"}


def given(answers):
    return [part for name, said in answers.items() for part in ("--answer", f"{name}={said}")]


def test_new_writes_a_file_that_check_takes_and_says_when_a_model_is_the_wrong_answer(
    twinhelm, tmp_path
):
    made = twinhelm("product", "new", *given(ANSWERS), "--json")
    assert made.status == 0
    assert "wrong answer" in made.json["advice"][0]
    checked = twinhelm("product", "check", "product.toml", "--json")
    assert checked.json == {"name": "little", "tier": "low", "gates": 0}
    again = twinhelm("product", "new", *given(ANSWERS))
    assert (again.status, "exists already" in again.err) == (1, True)


def test_new_says_what_is_still_to_be_answered(twinhelm, tmp_path):
    made = twinhelm("product", "new", "--answer", "name=little", "--json")
    assert made.status == 1
    assert "owner" in made.json["error"]
    assert not (tmp_path / "product.toml").exists()


def test_new_asks_what_is_open_on_a_terminal(twinhelm, tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    typed = ["", "", "", "", "little", "A little.", "Little.", "", "ada", "", "nothing"]
    monkeypatch.setattr(sys, "stdin", Terminal("\n".join(typed) + "\n" * 30))
    made = twinhelm("product", "new")
    assert made.status == 0, made.err
    assert "Would a rule or a query give the answer?" in made.out
    assert 'name = "little"' in (tmp_path / "product.toml").read_text()


def test_check_tells_line_and_column(twinhelm, tmp_path):
    (tmp_path / "product.toml").write_text('[product]\nname = "X"\n', encoding="utf-8")
    ran = twinhelm("product", "check", "product.toml")
    assert ran.status == 1
    assert "product.toml:2:" in ran.err
    assert twinhelm("product", "check", "absent.toml").status == 1


def test_frame_sends_text_and_folder(twinhelm, other, tmp_path):
    (tmp_path / "product.toml").write_text("# mine", encoding="utf-8")
    other.answers = [(201, PRODUCT)]
    ran = twinhelm("product", "frame", "--server", other.url)
    assert "digits is framed" in ran.out
    method, path, body = other.asked[0]
    assert (method, path) == ("POST", "products")
    assert json.loads(body) == {"text": "# mine", "folder": str(tmp_path)}


def test_show_tells_product_versions_and_the_next_step(twinhelm, other):
    opened = {"product": PRODUCT, "deployment": None, "health": None, "remarks": []}
    version = {"version": "3", "stage": "live", "registered_ms": 0, "author": "ada"}
    version |= {"metrics": {"recall": 0.98765}, "method": "forest"}
    ready = {"score": 2.5, "steps": [{"step": "Write a gate."}]}
    other.answers = [(200, opened), (200, [version]), (200, ready)]
    out = twinhelm("product", "show", "digits", "--server", other.url).out
    for says in ("Which digit", "health unknown", "recall 0.9877", "2.5 of 7", "Write a gate."):
        assert says in out


def test_a_build_is_followed_to_its_version(twinhelm, other):
    done = [RUN | {"state": "done", "version": "4"}]
    other.answers = [(202, RUN), (200, [JOB | {"state": "done"}]), (200, done)]
    ran = twinhelm("build", "digits", "--param", "c=2", "--param", "k=rbf", "--server", other.url)
    assert "Build 3 of digits: done, version 4." in ran.out
    assert json.loads(other.asked[0][2]) == {"params": {"c": 2, "k": "rbf"}}


def test_a_build_that_failed_says_why(twinhelm, other):
    failed = [RUN | {"state": "failed", "error": "no such column"}]
    other.answers = [(202, RUN), (200, [JOB | {"state": "done"}]), (200, failed)]
    ran = twinhelm("run", "again", "digits", "2", "--server", other.url)
    assert (ran.status, "no such column" in ran.err) == (1, True)
    assert other.asked[0][1] == "products/digits/builds/2/again"


def test_a_build_is_cancelled_and_a_rollout_stopped(twinhelm, other):
    parts = [{"version": "3", "role": "champion", "share": 1.0}]
    other.answers = [(200, RUN | {"state": "failed"}), (200, {"parts": parts})]
    assert "Build 3 of digits is cancelled." in twinhelm(
        "run", "cancel", "digits", "3", "--server", other.url
    ).out  # fmt: skip
    stop = ["stop-rollout", "digits", "--note", "wrong data", "--server", other.url]
    assert "champion" in twinhelm(*stop).out
    paths = [path for _, path, _ in other.asked]
    assert paths == ["products/digits/builds/3/cancel", "products/digits/deployment/stop"]
    assert json.loads(other.asked[1][2]) == {"reason": "wrong data"}


@pytest.mark.parametrize(("verdict", "status"), [("pass", 0), ("fail", 1), ("unknown", 1)])
def test_validate_ends_with_1_unless_every_check_passed(twinhelm, other, verdict, status):
    check = {"name": "recall", "verdict": verdict, "value": 0.9, "wanted": ">= 0.9", "says": ""}
    found = {"validation": {"checks": [check]}}
    other.answers = [(202, {"id": "v-1"}), (200, [JOB | {"state": "done"}]), (200, found)]
    ran = twinhelm("validate", "digits", "4", "--server", other.url)
    assert ran.status == status
    assert "recall" in ran.out


def test_promote_says_who_must_agree_and_approve_answers(twinhelm, other):
    one = {"id": "digits/4/1", "product": "digits", "version": "4", "needs": 1}
    other.answers = [(202, {"approval": one}), (200, one | {"state": "refused"})]
    assert "approve digits/4/1" in twinhelm("promote", "digits", "4", "--server", other.url).out
    refuse = ["approve", "digits/4/1", "--refuse", "--note", "slow", "--server", other.url]
    assert "refused" in twinhelm(*refuse).out
    assert json.loads(other.asked[1][2]) == {"id": "digits/4/1", "agrees": False, "note": "slow"}


def test_labels_are_sent_in_parts_with_numbers_as_numbers(twinhelm, other, tmp_path):
    rows = "".join(f"p{i},{i % 2}\n" for i in range(5001))
    (tmp_path / "labels.csv").write_text(f"id,value\n{rows}q,yes\n", encoding="utf-8")
    other.answers = [(200, ["kept"] * 5000), (200, ["kept", "unknown"])]
    ran = twinhelm("labels", "digits", "labels.csv", "--json", "--server", other.url)
    assert ran.json == {"kept": 5001, "unknown": 1}
    last = json.loads(other.asked[1][2])["labels"]
    assert last == [{"id": "p5000", "value": 0.0}, {"id": "q", "value": "yes"}]


def test_evidence_is_written_as_files(twinhelm, other, tmp_path):
    files = [b"<html>", b"%PDF", b"{}", b"# card", b"{}"]
    other.answers = [(201, {"digest": "d" * 64}), *((200, each) for each in files)]
    ran = twinhelm("evidence", "digits", "4", "--out", "pack", "--json", "--server", other.url)
    assert (tmp_path / "pack" / "digits-4-eu-ai-act.pdf").read_bytes() == b"%PDF"
    assert len(ran.json["files"]) == 5
    assert ran.json["digest"] == "d" * 64
    assert other.asked[1][1].endswith(f"evidence/{'d' * 64}.html")


def test_what_was_live_is_told_with_its_approvers(twinhelm, other):
    row = {"product": "digits", "since_ms": 0, "share": 1.0, "approved_by": ["grace", "eve"]}
    row |= {"version": "3", "role": "champion", "asked_by": "ada", "reason": ""}
    other.answers = [(200, [row])]
    out = twinhelm("live", "--at", "2024-06-01T00:00:00Z", "--server", other.url).out
    assert "grace, eve" in out
    assert other.asked[0][1] == "live?at=1717200000000"


@pytest.mark.parametrize(
    "args",
    [
        ["product", "retire", "digits"],
        ["product", "hold", "digits", "why", "--undo"],
        ["product", "new", "--answer", "name"],
        ["build", "digits", "--param", "c"],
        ["run", "again", "digits", "0"],
        ["live", "--at", "yesterday"],
    ],
)
def test_a_command_line_that_means_nothing_ends_with_2(args, twinhelm):
    assert twinhelm(*args).status == 2
