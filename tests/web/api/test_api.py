import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from peers.memory_workflows import MemoryWorkflows
from twinhelm.aiops.records import put_incident
from twinhelm.aiops.types import Incident, IncidentState
from twinhelm.app import Moved
from twinhelm.core.labels import labels_of
from twinhelm.core.roles import Role
from twinhelm.core.settings import load_settings
from twinhelm.core.telemetry import Change, SampleBlock

V1 = "/api/twinhelm/v1"


@pytest.fixture
def admin(house, token_of):
    return token_of(house)


@pytest.fixture
def incident(house):
    now = house.clock.now_ms()
    made = Incident(1, IncidentState.OPEN, "CPU of a is busy", "warning", ("host:a",), now, now)
    with house.journal.writing("test") as write:
        put_incident(write, made)
    return made


def test_status_says_who_asks_and_how_it_stands(client):
    said = client.get(f"{V1}/status").json()
    assert (said["ready"], said["asker"], said["roles"]) == (True, "anonymous@loopback", [])
    assert said["store"]["taking"] is True
    assert said["incidents"] == {"open": 0, "acknowledged": 0, "resolved": 0, "reopened": 0}


def test_only_a_driven_servers_clock_is_moved_and_only_by_an_admin(client, house, admin, token_of):
    body = {"now_ms": 1_600_000_000_000}
    assert client.post(f"{V1}/clock", json=body).status_code == 401
    operator = token_of(house, Role.OPERATOR)
    assert client.post(f"{V1}/clock", json=body, headers=operator).status_code == 403
    refused = client.post(f"{V1}/clock", json=body, headers=admin)
    assert refused.status_code == 409
    assert "--driven" in refused.json()["hint"]
    house.drive = SimpleNamespace(move_to=lambda now_ms: Moved(now_ms, 2, 7))
    said = client.post(f"{V1}/clock", json=body, headers=admin).json()
    assert said == body | {"ticks": 2, "judged": 7}
    for wrong in (-1, "soon", 1 << 60):
        answer = client.post(f"{V1}/clock", json={"now_ms": wrong}, headers=admin)
        assert answer.status_code == 400


@pytest.mark.usefixtures("incident")
def test_an_incident_is_listed_and_opened(client):
    said = client.get(f"{V1}/incidents", params={"state": "open"}).json()
    assert [each["title"] for each in said["incidents"]] == ["CPU of a is busy"]
    assert said["counts"]["open"] == 1
    assert client.get(f"{V1}/incidents", params={"state": "resolved"}).json()["incidents"] == []
    file = client.get(f"{V1}/incidents/1").json()
    assert file["incident"]["entities"] == ["host:a"]
    assert client.get(f"{V1}/incidents/2").status_code == 404
    assert client.get(f"{V1}/incidents/x").status_code == 400


def test_incidents_are_paged_from_the_newest_to_the_oldest(client, house):
    now, live = house.clock.now_ms(), [IncidentState.OPEN, IncidentState.RESOLVED]
    with house.journal.writing("test") as write:
        for number in range(1, 251):  # five at each moment, every second one resolved
            began = now + number // 5
            one = Incident(number, live[number % 2], "t", "warning", ("host:a",), began, began)
            put_incident(write, one)

    def pages(**wanted):
        read, before = [], None
        while True:
            asked = wanted | ({"before": before} if before else {})
            page = client.get(f"{V1}/incidents", params=asked).json()
            read += [each["id"] for each in page["incidents"]]
            if not page["older"]:
                return read
            before = read[-1]

    assert pages(limit=7) == list(range(250, 0, -1))
    assert pages(limit=125, state="open") == list(range(250, 0, -2))
    page = client.get(f"{V1}/incidents", params={"limit": 2, "before": 100, "offset": 3}).json()
    assert [each["id"] for each in page["incidents"]] == [96, 95]
    # A mark of another state than those asked for marks a place all the same.
    page = client.get(f"{V1}/incidents", params={"limit": 1, "before": 9, "state": "open"}).json()
    assert [each["id"] for each in page["incidents"]] == [8]
    assert client.get(f"{V1}/incidents", params={"before": 251}).status_code == 404


@pytest.mark.usefixtures("incident")
def test_an_incident_is_taken_remarked_on_and_closed_in_the_askers_name(client, house, admin):
    path = f"{V1}/incidents/1"
    taken = client.post(f"{path}/acknowledge", headers=admin).json()
    assert (taken["state"], taken["owner"]) == ("acknowledged", "t-admin")
    remark = {"text": "looking into it"}
    assert client.post(f"{path}/comments", json=remark, headers=admin).status_code == 204
    closed = client.post(f"{path}/resolve", json={"note": "restarted"}, headers=admin)
    assert closed.json()["state"] == "resolved"
    assert client.post(f"{path}/resolve", headers=admin).status_code == 409
    rows = client.get(f"{V1}/journal", params={"subject": "incident/1"}).json()
    assert [row["actor"] for row in rows[-3:]] == ["t-admin"] * 3
    assert client.get(f"{V1}/journal/verification").json()["ok"] is True


@pytest.mark.parametrize("body", [{}, {"text": ""}, {"text": "x" * 4001}, {"text": 1}, [], None])
@pytest.mark.usefixtures("incident")
def test_a_remark_of_a_wrong_kind_is_refused(client, admin, body):
    answer = client.post(f"{V1}/incidents/1/comments", json=body, headers=admin)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_a_body_that_is_too_large_or_not_json_is_refused(client, admin):
    path = f"{V1}/incidents/1/comments"
    headers = {**admin, "Content-Type": "application/json"}
    assert client.post(path, content=b"{", headers=headers).status_code == 400
    assert client.post(path, content=b"x" * (2 << 20), headers=headers).status_code == 413


def test_a_series_is_found_and_read_with_its_peaks(client, house):
    labels = labels_of({"__name__": "m", "host": "a"})
    (series,) = house.telemetry.intern([labels], tenant="default").tolist()
    now = house.clock.now_ms()
    times = now - np.arange(5000)[::-1] * 100
    values = np.zeros(5000)
    values[[100, 200, 300]] = 7, np.nan, np.inf
    house.telemetry.append_samples(
        SampleBlock(np.full(5000, series, np.uint32), times.astype(np.int64), values)
    )
    (found,) = client.get(f"{V1}/series", params={"match": 'm{host="a"}'}).json()
    assert found["labels"] == {"__name__": "m", "host": "a"}
    said = client.get(f"{V1}/series/{found['id']}", params={"max_points": 60}).json()
    assert said["thinned"] is True
    assert len(said["time_ms"]) == len(said["value"]) <= 60
    assert 7 in said["value"]
    assert None in said["value"]
    assert client.get(f"{V1}/series/77").status_code == 404
    other = {"X-Scope-OrgID": "shop"}
    assert client.get(f"{V1}/series/{found['id']}", headers=other).status_code == 404


def test_logs_spans_and_changes_are_read(client, house):
    now = house.clock.now_ms()
    stream = {"stream": {"app": "a"}, "values": [[str(house.clock.now_ns()), "disk is full"]]}
    client.post("/loki/api/v1/push", json={"streams": [stream]})
    house.telemetry.append_changes([Change("1", now, "deploy", "service:shop", "v2", "ci")])
    (log,) = client.get(f"{V1}/logs", params={"match": '{app="a"}', "contains": "disk"}).json()
    assert log["body"] == "disk is full"
    assert client.get(f"{V1}/logs", params={"contains": "memory"}).json() == []
    assert client.get(f"{V1}/spans").json() == []
    assert [each["title"] for each in client.get(f"{V1}/changes").json()] == ["v2"]
    assert client.get(f"{V1}/changes", params={"entity": "host:a"}).json() == []


WRONG = [
    "series?match=sum(up)",
    "series?limit=0",
    "series?limit=1001",
    "logs?start_ms=2&end_ms=1",
    "logs?start_ms=-1",
    "logs?start_ms=0&end_ms=99999999999999",
    "spans?trace_id=xyz",
    "incidents?state=asleep",
    "incidents?offset=-1",
    "incidents?before=0",
    "journal?after_seq=x",
    "series/-1",
    "series/99999999999",
]


@pytest.mark.parametrize("path", WRONG)
def test_a_parameter_out_of_bounds_is_refused_by_name(client, path):
    answer = client.get(f"{V1}/{path}")
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]


def test_what_was_not_kept_is_shown(client):
    client.post("/v1/logs", content=b"\xff", headers={"Content-Type": "application/x-protobuf"})
    (row,) = client.get(f"{V1}/rejections").json()
    assert (row["door"], row["reason"], row["count"]) == ("otlp_logs", "malformed", 1)


def test_forecasts_and_decisions_may_be_empty(client):
    assert client.get(f"{V1}/forecasts").json() == []
    assert client.get(f"{V1}/decisions").json() == []


def test_settings_are_shown_without_secrets(client_of, new_house):
    url = "postgresql+psycopg://ann:hunter2@db/x"
    answer = client_of(new_house(store={"database_url": url})).get(f"{V1}/config")
    assert "hunter2" not in answer.text
    shown = {each["name"]: each for each in answer.json()}
    assert shown["store.database_url"]["value"] == "postgresql+psycopg://ann:***@db/x"
    assert shown["server.listen"]["value"] == shown["server.listen"]["default"]
    assert all(each["description"] for each in shown.values())


def test_settings_tell_what_set_them(client_of, new_house, monkeypatch, tmp_path):
    monkeypatch.setenv("TWINHELM_DETECT__TICK_S", "2")
    house = new_house()
    house.settings = load_settings({"data": tmp_path, "host": {"enabled": False}})
    shown = {each["name"]: each for each in client_of(house).get(f"{V1}/config").json()}
    sources = [shown[name]["source"] for name in ("host.enabled", "detect.tick_s", "auth.required")]
    assert sources == ["flag", "environment", "default"]


def test_people_come_and_go(client, admin):
    def add(**person):
        return client.post(f"{V1}/people", json=person, headers=admin)

    assert add(name="ann", roles=["operator"], password="correct horse battery").status_code == 201
    link = add(name="bob", roles=["viewer"]).json()["sign_in"]
    assert client.get(link).status_code == 200
    assert add(name="ann", roles=["viewer"]).status_code == 409
    assert add(name="eve", roles=["king"]).status_code == 400
    assert add(name="eve", roles=["viewer"], password="short").status_code == 400
    people = client.get(f"{V1}/people", headers=admin).json()
    assert {each["name"]: each["has_password"] for each in people} == {"ann": True, "bob": False}
    roles = {"roles": ["admin", "viewer"]}
    answer = client.request("PUT", f"{V1}/people/bob/roles", json=roles, headers=admin)
    assert answer.status_code == 204
    assert client.request("DELETE", f"{V1}/people/ann", headers=admin).status_code == 204
    assert client.request("DELETE", f"{V1}/people/ann", headers=admin).status_code == 404


def test_a_token_is_shown_once_and_revoked(client, admin):
    body = {"name": "grafana", "roles": ["viewer"]}
    secret = client.post(f"{V1}/tokens", json=body, headers=admin).json()["secret"]
    assert secret.startswith("th_")
    assert secret not in client.get(f"{V1}/tokens", headers=admin).text
    viewer = {"Authorization": f"Bearer {secret}"}
    assert client.get(f"{V1}/status", headers=viewer).json()["roles"] == ["viewer"]
    assert client.get(f"{V1}/people", headers=viewer).status_code == 403
    assert client.request("DELETE", f"{V1}/tokens/grafana", headers=admin).status_code == 204
    assert client.get(f"{V1}/status", headers=viewer).status_code == 401


class Books:
    """Takes wishes down as runs that end at once."""

    def __init__(self, workflows):
        self.workflows = workflows
        self.wishes = []
        workflows.register("backfill", lambda run, args: run.step("read", lambda: 7))

    def backfill(self, url, **wish):
        self.wishes.append((url, wish))
        return self.workflows.start("backfill", {"url": url}, key="1")

    def import_file(self, path, **wish):
        self.wishes.append((str(path), wish))
        return self.workflows.start("backfill", {}, key="2")


@pytest.fixture
def books(house):
    house.workflows = MemoryWorkflows(house.clock)
    house.history = Books(house.workflows)
    yield house.history
    house.workflows.close()


def test_a_back_fill_is_started_and_followed(client, admin, books):
    wish = {"url": "http://127.0.0.1:9090"}
    answer = client.post(f"{V1}/backfills", json=wish, headers=admin)
    assert answer.status_code == 202
    (url, said) = books.wishes[0]
    assert (url, said["by"], said["tenant"]) == (wish["url"], "t-admin", "default")
    assert said["end_ms"] - said["start_ms"] == 14 * 86_400_000
    deadline = time.monotonic() + 10
    state = ""
    while state != "done" and time.monotonic() < deadline:
        (job,) = client.get(f"{V1}/jobs", params={"id": answer.json()["id"]}).json()
        state = job["state"]
    assert (state, job["result"]) == ("done", 7)
    assert len(client.get(f"{V1}/jobs").json()) == 1
    assert client.get(f"{V1}/jobs", params={"id": "nothing"}).status_code == 404


def test_a_run_is_cancelled_once_by_those_who_may(client, house, token_of, books):
    may_end = threading.Event()
    house.workflows.register("slow", lambda run, args: run.step("wait", may_end.wait))
    path = f"{V1}/jobs/{house.workflows.start('slow', {}, key='1')}"
    assert client.request("DELETE", path).status_code == 401
    viewer, operator = token_of(house, Role.VIEWER), token_of(house, Role.OPERATOR)
    assert client.request("DELETE", path, headers=viewer).status_code == 403
    assert client.request("DELETE", path, headers=operator).status_code == 204
    again = client.request("DELETE", path, headers=operator)
    may_end.set()
    assert (again.status_code, again.json()["error"]) == (409, "slow-1 is cancelled already")
    assert client.get(f"{V1}/jobs", params={"id": "slow-1"}).json()[0]["state"] == "cancelled"
    (row,) = house.journal.read(kind="job.cancelled")
    assert (row.actor, row.subject) == ("t-operator", "slow/slow-1")
    gone = client.request("DELETE", f"{V1}/jobs/nothing", headers=operator)
    assert gone.status_code == 404


@pytest.mark.parametrize(
    ("path", "wish"),
    [
        ("backfills", {"url": "file:///etc/passwd"}),
        ("backfills", {"url": "http://a", "start_ms": 5, "end_ms": 5}),
        ("backfills", {"url": "http://a", "selector": "rate(x[5m])"}),
        ("imports", {"path": "relative.csv"}),
        ("imports", {"path": "/a\0b"}),
        ("backups", {"target": "../there"}),
    ],
)
@pytest.mark.usefixtures("books")
def test_work_that_makes_no_sense_is_not_started(client, admin, path, wish):
    assert client.post(f"{V1}/{path}", json=wish, headers=admin).status_code == 400


def test_an_import_and_a_backup_are_handed_on(client, house, admin, books, tmp_path):
    taken = []
    house.backup = lambda target, *, by: taken.append((target, by))
    file, target = str(tmp_path / "a.csv"), str(tmp_path / "copy")
    answer = client.post(f"{V1}/imports", json={"path": file}, headers=admin)
    assert (answer.status_code, books.wishes[0][0]) == (202, file)
    answer = client.post(f"{V1}/backups", json={"target": target}, headers=admin)
    assert (answer.status_code, answer.json()) == (201, {"target": target})
    assert taken == [(tmp_path / "copy", "t-admin")]


def test_the_document_names_no_outside_address_and_every_refusal(client):
    document = client.get("/api/twinhelm/openapi.json").json()
    for path in document["paths"].values():
        for operation in path.values():
            assert "default" in operation["responses"]
            assert "422" not in operation["responses"]
