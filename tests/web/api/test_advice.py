"""Advice and assessments over HTTP: what is sent in comes out as advice; who may silence it."""

from __future__ import annotations

import pytest

from twinhelm.core.roles import Role

API = "/api/twinhelm/v1"
KEY = "chore-unlock-user"


@pytest.fixture
def asked(new_house, client_of, token_of):
    """``asked(method, path, role, ...)`` of a house that heard of some work by hand."""
    house = new_house(auth={"required": True})
    client = client_of(house)
    now_s = house.clock.now_ms() // 1000
    rows = [f"{now_s - day * 86_400},ann,admin-1,unlock --user {day}{day}" for day in range(1, 9)]
    headers = {role: token_of(house, role) for role in Role}

    def ask(method, path, role, **how):
        return client.request(method, f"{API}/{path}", headers=headers[role], **how)

    csv = "\n".join(["time,user,host,command", *rows]).encode()
    assert ask("POST", "development/chores", Role.OPERATOR, content=csv).status_code == 200
    assert ask("GET", "advice", Role.VIEWER).json() == []
    return ask


def test_work_by_hand_becomes_advice_with_a_draft(asked):
    assert asked("POST", "advice", Role.VIEWER).status_code == 403
    (one,) = asked("POST", "advice", Role.OPERATOR).json()
    facts = one["claim"]["facts"]
    assert (one["key"], facts["occurrences"], facts["discipline"]) == (KEY, 8, "machines")
    assert facts["draft"]["kind"] == "runbook"
    checked = asked("POST", "runbooks/check", Role.OPERATOR, json={"text": facts["draft"]["text"]})
    assert checked.status_code in {200, 404, 405}, checked.text
    assert asked("GET", "advice", Role.VIEWER).json() == [one]


def test_it_is_silenced_with_a_reason_and_taken_up_again(asked):
    asked("POST", "advice", Role.OPERATOR)
    path, why = f"advice/{KEY}/dismissal", {"reason": "it ends in May"}
    assert asked("POST", path, Role.VIEWER, json=why).status_code == 403
    assert asked("POST", path, Role.OPERATOR, json={"reason": ""}).status_code == 400
    assert asked("POST", path, Role.OPERATOR, json=why).json()["dismissed"] == "it ends in May"
    (again,) = asked("POST", "advice", Role.OPERATOR).json()
    assert again["dismissed"] == "it ends in May"
    assert asked("DELETE", path, Role.OPERATOR).json()["dismissed"] == ""
    assert asked("DELETE", "advice/none/dismissal", Role.OPERATOR).status_code == 404


def test_an_assessment_is_kept(asked):
    begun = asked("GET", "assessments/begun", Role.VIEWER).json()
    assert next(one for one in begun if one["name"] == "toil")["by"] == "evidence"
    wish = {"answers": {"blame": 2}}
    assert asked("POST", "assessments", Role.VIEWER, json=wish).status_code == 403
    made = asked("POST", "assessments", Role.DATA_SCIENTIST, json=wish).json()
    assert asked("GET", "assessments", Role.VIEWER).json() == [made]
    wrong = asked("POST", "assessments", Role.OPERATOR, json={"answers": {"blame": 7}})
    assert wrong.status_code == 400
    assert "levels are 0 to 3" in wrong.json()["hint"]
