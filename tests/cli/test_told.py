"""What people read of answers that a small test cannot bring a real server to give."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from twinhelm.cli import jobs
from twinhelm.core import json
from twinhelm.core.clock import SystemClock

NOW = SystemClock().now_ms()
LABELS = {"__name__": "node_load1", "host": "db-1"}
INCIDENT = {
    "id": 7,
    "state": "reopened",
    "title": "cpu of host db-1 is 97 %",
    "severity": "critical",
    "entities": ["host:db-1"],
    "started_ms": NOW - 180_000,
    "updated_ms": NOW,
    "resolved_ms": None,
    "owner": "",
    "members": [],
    "grouping": ["both began within 10 s"],
    "verdict": "the cpu is used up",
    "flaps": 2,
    "attributes": {},
}
EVIDENCE = {"text": "97 %, usually 3 to 5 %", "weight": 1.0, "series": "node_load1", "facts": {}}
FILE = {
    "incident": INCIDENT,
    "anomalies": [{"direction": "up", "labels": LABELS, "end_ms": None}],
    "alerts": [],
    "claims": [
        {
            "text": "stress-ng uses the cpu",
            "confidence": 0.78,
            "evidence_for": [EVIDENCE],
            "evidence_against": [{**EVIDENCE, "text": "memory is calm"}],
        }
    ],
    "changes": [
        {
            "time_ms": NOW - 200_000,
            "kind": "deploy",
            "title": "v42",
            "entity": "service:shop",
            "outcome": "done",
        }
    ],
    "timeline": [
        {"time_ms": NOW - i, "kind": "state", "text": f"step {i}", "who": "ann"} for i in range(60)
    ],
}


def test_an_incident_tells_why_what_changed_and_when(twinhelm, other):
    other.answers = [(200, FILE)]
    said = twinhelm("incident", "7", "--server", other.url).out
    for words in (
        "Incident 7: cpu of host db-1 is 97 %",
        "reopened, nobody has taken it; severity critical",
        "came back 2 times",
        "1. stress-ng uses the cpu (likely, 0.78)",
        "+ 97 %, usually 3 to 5 %  [node_load1]",
        "- memory is calm",
        "both began within 10 s",
        'up   node_load1{host="db-1"} (lasts)',
        "deploy: v42 on service:shop (done)",
        "the last 40 of 60",
        "step 59  (ann)",
    ):
        assert words in said
    assert "step 19 " not in said


def test_an_incident_without_suspects_is_inconclusive(twinhelm, other):
    bare = {**FILE, "claims": [], "changes": [], "timeline": [], "anomalies": []}
    closed = {**INCIDENT, "state": "resolved", "resolved_ms": NOW, "grouping": [], "verdict": ""}
    other.answers = [(200, {**bare, "incident": closed})]
    said = twinhelm("incident", "7", "--server", other.url).out
    assert "Inconclusive" in said
    assert "No change is known" in said


@pytest.mark.parametrize(
    ("flags", "deeds"),
    [
        (["--acknowledge"], [("acknowledge", b"")]),
        (["--comment", "mine"], [("comments", b'{"text":"mine"}')]),
        (["--resolve"], [("resolve", b'{"note":""}')]),
        (
            ["--acknowledge", "--resolve", "--comment", "disk swapped"],
            [("acknowledge", b""), ("resolve", b'{"note":"disk swapped"}')],
        ),
    ],
)
def test_deeds_on_an_incident_are_done_before_it_is_shown(twinhelm, other, flags, deeds):
    other.answers = [(200, INCIDENT)] * len(deeds) + [(200, FILE)]
    ran = twinhelm("incident", "7", *flags, "--json", "--server", other.url)
    assert ran.json == json.loads(json.dumps(FILE))
    posts = [("POST", f"incidents/7/{deed}", body) for deed, body in deeds]
    assert other.asked == [*posts, ("GET", "incidents/7", b"")]


def test_incidents_are_a_table_and_say_how_many_more_there_are(twinhelm, other):
    counts = {"open": 3, "reopened": 1}
    page = {"incidents": [INCIDENT], "older": True, "counts": counts}
    other.answers = [(200, page), (200, page), (200, page | {"older": False})]
    said = twinhelm("incidents", "--limit", "1", "--server", other.url).out
    assert "cpu of host db-1 is 97 %" in said
    assert "The newest 1 of 4; --before 7 shows older ones." in said
    asked = ("incidents", "--before", "9", "--state", "open", "--server", other.url)
    assert "Older 1 of 3; --before 7 shows older ones." in twinhelm(*asked).out
    assert other.asked[-1][1] == "incidents?state=open&before=9&limit=30"
    assert "--before" not in twinhelm(*asked).out


def test_no_incidents_says_when_it_last_looked(twinhelm, other):
    other.answers = [
        (200, {"incidents": [], "older": False, "counts": {}}),
        (200, {"last_tick_ms": NOW}),
    ]
    ran = twinhelm("incidents", "--state", "open", "--state", "reopened", "--server", other.url)
    assert "No incidents in state open,reopened; last looked" in ran.out
    assert other.asked[0][1] == "incidents?state=open&state=reopened&limit=30"


def test_forecasts_decisions_and_rejections_are_tables(twinhelm, other):
    forecast = {
        "labels": LABELS,
        "likely_ms": NOW + 7_200_000,
        "earliest_ms": NOW + 3_600_000,
        "latest_ms": None,
        "confidence": 0.95,
        "text": "the disk fills",
    }
    other.answers = [(200, [forecast])]
    said = twinhelm("forecasts", "--server", other.url).out
    assert "in 2 h" in said
    assert "perhaps never" in said
    assert "almost certain, 0.95" in said
    decision = {"time_ms": NOW, "outcome": "held", "incident": None, "text": "too short"}
    other.answers = [(200, [decision, {**decision, "incident": 7}])]
    assert "too short" in twinhelm("decisions", "--server", other.url).out
    rejection = {
        "count": 12_000,
        "reason": "late",
        "door": "remote_write",
        "tenant": "default",
        "last_ms": NOW,
        "example": "up",
    }
    other.answers = [(200, [rejection])]
    assert "12,000" in twinhelm("rejected", "--server", other.url).out


def test_a_store_that_takes_nothing_says_why(twinhelm, other):
    store = dict.fromkeys(("series", "samples", "logs", "spans", "changes", "pending_rows"), 1)
    status = {
        "version": "1",
        "environment": "test",
        "ready": True,
        "now_ms": NOW,
        "last_tick_ms": 0,
        "store": {**store, "disk_bytes": 1, "free_bytes": 1, "taking": False, "reason": "no room"},
        "incidents": {},
        "asker": "ann",
        "roles": [],
    }
    other.answers = [(200, status)]
    said = twinhelm("status", "--server", other.url).out
    assert "takes no telemetry: no room" in said
    assert "has not looked yet" in said


@pytest.mark.parametrize("as_json", [True, False])
def test_ctrl_c_leaves_the_run_in_the_server(twinhelm, other, monkeypatch, as_json):
    class Pressed:
        def wait(self, _seconds):
            raise KeyboardInterrupt

    job = {"id": "backfill-1", "state": "running", "step": "", "done": 1, "total": 9}
    other.answers = [(202, {"id": "backfill-1"}), (200, [{**job, "message": "", "error": ""}])]
    with monkeypatch.context() as patch:
        patch.setattr(jobs, "threading", SimpleNamespace(Event=Pressed))
        flags = ["--json"] if as_json else []
        ran = twinhelm("backfill", "http://p:9090", "--server", other.url, *flags)
    assert ran.status == 0
    if as_json:
        assert ran.json == {"id": "backfill-1"}
    else:
        assert "twinhelm jobs backfill-1 --follow" in ran.out


def test_a_backfill_asks_for_whole_hours_so_that_it_can_be_asked_again(twinhelm, other):
    other.answers = [(202, {"id": "backfill-1"})]
    flags = ("--days", "2", "--header", "X-Scope-OrgID: a", "--no-wait")
    twinhelm("backfill", "http://p:9090", "--server", other.url, *flags)
    wish = json.loads(other.asked[0][2])
    assert wish["end_ms"] % 3_600_000 == 0
    assert wish["end_ms"] >= NOW
    assert wish["end_ms"] - wish["start_ms"] == 2 * 86_400_000
    assert wish["headers"] == {"X-Scope-OrgID": "a"}
