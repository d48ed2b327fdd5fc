"""Messages, who is on call, maintenance and alert quality, as the API tells of them."""

from __future__ import annotations

from twinhelm.core.roles import Role

API = "/api/twinhelm/v1"


def test_a_window_is_planned_listed_and_ended_by_who_may(house, client, token_of):
    now = house.clock.now_ms()
    asked = {"start_ms": now, "end_ms": now + 60_000, "entities": ["host:*"], "reason": "disks"}
    may = token_of(house, Role.OPERATOR)
    assert client.post(f"{API}/maintenance", json=asked).status_code == 401
    viewer = token_of(house, Role.VIEWER)
    assert client.post(f"{API}/maintenance", json=asked, headers=viewer).status_code == 403
    made = client.post(f"{API}/maintenance", json=asked, headers=may)
    assert made.status_code == 201
    assert made.json()["by"] == "t-operator"
    (known,) = client.get(f"{API}/maintenance").json()
    assert known == made.json()
    assert house.notices.maintenance.expected(("host:a",), now).endswith("disks")
    path = f"{API}/maintenance/{known['id']}"
    assert client.request("DELETE", path, headers=may).status_code == 204
    assert client.request("DELETE", path, headers=may).status_code == 409
    assert client.request("DELETE", f"{API}/maintenance/none", headers=may).status_code == 404
    assert house.notices.maintenance.expected(("host:a",), house.clock.now_ms()) == ""


def test_a_window_that_cannot_be_is_refused(house, client, token_of):
    now, may = house.clock.now_ms(), token_of(house, Role.OPERATOR)
    good = {"start_ms": now, "end_ms": now + 60_000, "entities": ["host:*"], "reason": "disks"}
    for wrong in (
        {"end_ms": now},
        {"start_ms": 0, "end_ms": 1},
        {"end_ms": now + 40 * 86_400_000},
        {"entities": []},
        {"entities": [" "]},
        {"entities": ["x" * 300]},
        {"reason": " "},
        {"weekly": {"days": ["someday"]}},
        {"weekly": {"begin": "25:00"}},
        {"weekly": {"zone": "Nowhere/Else"}},
        {"weekly": {"days": []}},
        {"weekly": {}, "end_ms": now + 400 * 86_400_000},
    ):
        answer = client.post(f"{API}/maintenance", json={**good, **wrong}, headers=may)
        assert answer.status_code == 400, wrong
        assert answer.json()["error"]


def test_without_a_plan_nobody_is_on_call_and_no_channel_can_be_tried(house, client, token_of):
    said = client.get(f"{API}/on-call").json()
    assert said == {"duties": [], "receivers": [], "wrong": ""}
    assert client.get(f"{API}/notices", params={"state": "failed"}).json() == []
    assert client.get(f"{API}/notices", params={"state": "odd"}).status_code == 400
    may = token_of(house, Role.OPERATOR)
    answer = client.post(f"{API}/notices/test", json={"channel": "ops"}, headers=may)
    assert answer.status_code == 404
    assert "no channel 'ops'" in answer.json()["error"]


def test_quality_of_a_quiet_time_is_unknown_and_of_no_time_refused(client):
    said = client.get(f"{API}/alert-quality", params={"start_ms": 0, "end_ms": 86_400_000}).json()
    assert (said["opened"], said["actionable"], said["groups"]) == (0, None, [])
    assert len(said["columns"]) == 30
    for start, end in ((5, 5), (9, 3), (0, 500 * 86_400_000)):
        asked = {"start_ms": start, "end_ms": end}
        assert client.get(f"{API}/alert-quality", params=asked).status_code == 400
