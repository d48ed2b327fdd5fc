"""The lab's commands: their answers in both forms, and what they say where they cannot."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from twinhelm.core import json
from twinhelm.lab import score
from twinhelm.lab.faults import FAULTS
from twinhelm.lab.score import Opening, Trial
from twinhelm.lab.words import LabError


@pytest.fixture
def lab(twinhelm, played_lab):
    """``lab("status")``: a command of the lab, asked of the played one."""
    return lambda *words: twinhelm("lab", *words, "--folder", played_lab.folder)


def test_no_lab_is_told_with_how_to_start_one(twinhelm):
    for words in (["status"], ["break", "cpu_hog"], ["repair"], ["run", "quiet"], ["record", "r"]):
        ran = twinhelm("lab", *words)
        assert ran.status == 1
        assert "no lab is up in" in ran.err
        assert "twinhelm lab up" in ran.err
    assert set(twinhelm("lab", "status", "--json").json) == {"error", "hint"}


def test_faults_are_listed_without_a_lab(twinhelm):
    ran = twinhelm("lab", "faults")
    assert "nobody" in ran.out
    assert all(name in ran.out for name in FAULTS)
    assert [each["name"] for each in twinhelm("lab", "faults", "--json").json] == list(FAULTS)


def test_status_tells_what_runs_and_what_is_broken(lab, played_lab):
    ran = lab("status")
    assert "nothing is broken" in ran.out
    assert "down" in ran.out
    played_lab.active = ["slow-cart"]
    assert "broken for 1 s: slow-cart" in lab("status").out
    assert lab("status", "--json").json["database"] == "sqlite"


def test_status_tells_what_a_receiver_does_not_take(lab, played_lab):
    trouble = {"requests": 12, "refused": 11, "last": "404 Not Found", "lasts": True}
    played_lab.troubles = {"logs": trouble, "loki": trouble | {"lasts": False}}
    ran = lab("status")
    assert "logs: 12 requests failed, 11 refused for good; the last: 404 Not Found" in ran.out
    assert "loki" not in ran.out


def test_a_fault_begins_and_ends_once(lab, played_lab):
    assert "slow-cart has begun" in lab("break", "slow-cart").out
    twice = lab("break", "slow-cart")
    told = "twinhelm: slow-cart is active\n  try: `twinhelm lab status` shows what is active\n"
    assert (twice.status, twice.err) == (1, told)
    assert lab("repair", "slow-cart", "--json").json == {"repaired": ["slow-cart"]}
    assert "not active" in lab("repair", "slow-cart").err
    played_lab.active = ["surge", "slow-cart"]
    assert "slow-cart, surge" in lab("repair").out
    assert "nothing was broken" in lab("repair").out


def test_an_unknown_fault_is_told_with_the_nearest(lab):
    ran = lab("break", "slow-car")
    assert ran.status == 1
    assert "no fault is called 'slow-car'" in ran.err
    assert "slow-cart" in ran.err


def test_a_scenario_is_walked(lab, played_lab, tmp_path):
    played_lab.known = FAULTS
    file = tmp_path / "mine.toml"
    file.write_text('title = "Mine"\n[[step]]\nfaults = ["cpu_hog"]\nafter_s = 0\nfor_s = 0\n')
    found = lab("run", file, "--json").json
    assert found["title"] == "Mine"
    assert [step["faults"] for step in found["steps"]] == [["cpu_hog"]]
    ran = lab("run", file)
    assert "1 step with faults" in ran.out
    assert "broken: cpu_hog" in ran.err or "repairing: cpu_hog" in ran.err
    assert "no scenario 'mine'" in lab("run", "mine").err


def test_what_is_no_recording_is_told(twinhelm, tmp_path):
    ran = twinhelm("lab", "replay", tmp_path)
    assert ran.status == 1
    assert "no recording" in ran.err
    assert "lab record" in ran.err


def test_an_address_is_one_of_http(twinhelm):
    ran = twinhelm("lab", "up", "--to", "", "--otlp-url", "127.0.0.1:4318")
    assert "'127.0.0.1:4318' is no address" in ran.err
    assert "http://" in ran.err


def test_the_database_is_one_of_three(twinhelm):
    ran = twinhelm("lab", "up", "--database", "oracle")
    assert ran.status == 2
    assert "sqlite" in ran.err


@pytest.fixture
def measured(monkeypatch):
    """Scoring that takes no time: the first fault is found, then ``stop`` happens."""

    made = SimpleNamespace(stop=None, seen=[])

    def run_once(faults, pace, tally, *, seed, folder, tell, repair=False):
        made.seen.append(([one.name for one in faults], pace, seed))
        tell("measuring", 1, 2)
        one = faults[0]
        claims = [{"subject": f"service:shop/{one.truth.service}", "facts": {"kind": "service"}}]
        file = {"incident": {"id": 1, "verdict": "conclusive"}, "claims": claims}
        tally.trials.append(
            Trial(one.name, one.title, one.truth, tally.repeat, 100.0, 150.0, file, True)
        )
        tally.openings = [Opening(1, 0, 110.0, "a"), Opening(2, 0, 400.0, "nothing \x1b[31m")]
        tally.quiet_s = 3600.0
        if made.stop is not None:
            raise made.stop
        tally.complete = True

    monkeypatch.setattr(score, "run_once", run_once)
    return made


def test_a_score_is_told_in_a_table_a_document_and_a_page(twinhelm, measured, tmp_path):
    page = tmp_path / "page.html"
    ran = twinhelm("lab", "score", "--out", tmp_path / "out", "--page", page, "--repeat", "2")
    assert ran.status == 0
    for said in ("cpu_hog", "cause first", "10 s", "at least 80% held", "false: nothing"):
        assert said in ran.out, said
    assert "\x1b" not in ran.out
    assert page.read_text().startswith("<!doctype html>")
    found = json.loads((tmp_path / "out" / "score.json").read_bytes())
    assert found["complete"]
    assert found["summary"]["false_per_quiet_hour"] == 1.0
    assert (tmp_path / "out" / "repeat-2" / "cpu_hog.json").exists()


def test_which_faults_are_taken(twinhelm, measured):
    twinhelm("lab", "score", "--quick", "--json", "--seed", "3")
    twinhelm("lab", "score", "--faults", "cache_down,cpu_hog", "--json")
    (dozen, quick, seed), (two, full, _) = measured.seen[-2:]
    assert (len(dozen), quick, seed) == (12, score.QUICK, 3)
    assert (two, full) == (["cache_down", "cpu_hog"], score.FULL)
    ran = twinhelm("lab", "score", "--faults", "cash_down")
    assert "cache_down" in ran.err


@pytest.mark.parametrize(
    ("stop", "status", "why"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (LabError("the lab is gone"), 1, "the lab is gone"),
    ],
)
def test_a_score_cut_short_tells_what_was_measured(twinhelm, measured, stop, status, why):
    measured.stop = stop
    ran = twinhelm("lab", "score", "--json")
    assert ran.status == status
    assert (ran.json["complete"], ran.json["stopped"]) == (False, why)
    assert ran.json["summary"]["faults"] == 1
    measured.stop = None


def test_nothing_measured_is_the_error_alone(twinhelm, monkeypatch):
    def run_once(*_args, **_how):
        raise LabError("twinhelm is not ready", hint="look")

    monkeypatch.setattr(score, "run_once", run_once)
    assert twinhelm("lab", "score", "--json").json == {
        "error": "twinhelm is not ready",
        "hint": "look",
    }


def test_a_replay_is_fed_and_told(twinhelm, monkeypatch, tmp_path):
    from twinhelm.lab import house, replay
    from twinhelm.lab.score import judged

    (tmp_path / "cases.csv").write_text("case_id,inject_time\n")
    started = []

    @contextmanager
    def start(data, *flags):
        started.append((data.name, flags))
        yield house.House("http://127.0.0.1:1")

    def feed(recording, server, *, case_id, speed, tell):
        tell(1, 2)
        return {
            "rows": 1200, "wall_s": 2.0, "times_as_fast": 30.0, "refused": ["/v1/traces: no"],
            "score": judged([], [Opening(1, 0, 5.0, "x")], 60.0), "case": case_id,
        }  # fmt: skip

    monkeypatch.setattr(house, "started", start)
    monkeypatch.setattr(replay, "replay", feed)
    ran = twinhelm("lab", "replay", tmp_path)
    assert started == [("data", ("--driven", "--no-host"))]
    for said in ("1,200 rows in 2 s, 30 times as fast", "not kept: /v1/traces: no", "false: x"):
        assert said in ran.out, said
    found = twinhelm("lab", "replay", tmp_path, "--json", "--to", "http://127.0.0.1:1").json
    assert found["rows"] == 1200
    assert len(started) == 1
