"""Runbooks and repairs over HTTP: refused by place, by role and by state; told whole."""

from __future__ import annotations

import re

import pytest

from twinhelm.aiops.flow.casework import claims_of
from twinhelm.aiops.records import put_claims, put_incident
from twinhelm.aiops.types import Incident, IncidentState, Suspect
from twinhelm.core.roles import Role
from twinhelm.web.routes import ROUTES

V1 = "/api/twinhelm/v1"
WAITS = """
[runbook]
name = "wait-a-moment"
says = "Wait for a moment."
[when]
suspect = ["service"]
[parameters.name]
from = "suspect.name"
pattern = "[a-z]+"
[[steps]]
name = "ask"
do = "ask"
arguments = { question = "Is {name} fine?" }
[[steps]]
name = "rest"
do = "wait"
arguments = { seconds = 0.01 }
"""
OURS = [
    route
    for route in ROUTES
    if re.search(r"/v1/(runbooks|repairs|stop|automation)|/runbooks$", route.path)
]


@pytest.fixture
def house(new_house):
    """A house in memory with one incident."""
    made = new_house(auth={"required": True})
    made.repairs.walk.register()
    incident = Incident(1, IncidentState.OPEN, "slow", "critical", ("service:shop/cart",), 5, 5,
                        verdict="conclusive")  # fmt: skip
    suspect = Suspect(1, "service", "service:shop/cart", "x", "cart", 0.9, ())
    with made.journal.writing("test") as write:
        put_incident(write, incident)
        put_claims(write, "incident/1", "cause", claims_of("incident/1", [suspect], 5))
    yield made
    made.repairs.desk.workflows.close()


@pytest.fixture
def ask(house, client):
    """``ask(role, method, path, body)``: an answer of the API to a person of that role."""
    headers = {}
    for role in Role:
        name = role.value.replace(" ", "-")
        house.identities.add_person(name, [role], None, "test")
        token = house.identities.create_token(name, [role], "test")
        headers[role] = {"Authorization": f"Bearer {token}"}

    def asked(role, method, path, body=None):
        return client.request(method, f"{V1}{path}", json=body, headers=headers[role])

    return asked


@pytest.fixture
def repair(ask):
    """A request that waits for an answer."""
    assert ask(Role.OPERATOR, "POST", "/runbooks", {"text": WAITS}).status_code == 201
    made = ask(Role.OPERATOR, "POST", "/runbooks/wait-a-moment/run", {"incident": 1})
    assert made.status_code == 202, made.text
    return made.json()


@pytest.mark.parametrize("route", OURS, ids=lambda route: f"{route.method} {route.path}")
@pytest.mark.parametrize("role", Role)
def test_every_route_asks_for_its_right(ask, role, route):
    from twinhelm.core.roles import GRANTS

    path = route.path.removeprefix(V1).replace("{name}", "x").replace("{repair_id}", "9-9")
    answer = ask(role, route.method, path.replace("{incident_id}", "9"), {})
    assert (answer.status_code == 403) == (route.right not in GRANTS[role]), answer.text


def test_what_is_wrong_with_a_text_is_told_by_line_and_column(ask):
    text = WAITS.replace('do = "wait"', 'do = "await"')
    for path in ("/runbooks/check", "/runbooks"):
        answer = ask(Role.OPERATOR, "POST", path, {"text": text})
        assert answer.status_code == 400
        assert "runbook:16:1: nobody knows how to do 'await'; did you mean wait?" in answer.text
    assert ask(Role.VIEWER, "GET", "/runbooks").json() == []


def test_a_runbook_has_versions_and_may_be_removed(ask):
    ask(Role.OPERATOR, "POST", "/runbooks", {"text": WAITS})
    more = WAITS.replace("0.01", "0.02")
    assert ask(Role.OPERATOR, "POST", "/runbooks", {"text": more}).json()["version"] == 2
    assert ask(Role.OPERATOR, "POST", "/runbooks", {"text": more}).json()["version"] == 2
    ask(Role.APPROVER, "POST", "/runbooks/wait-a-moment/level", {"level": "act"})
    found = ask(Role.VIEWER, "GET", "/runbooks/wait-a-moment").json()
    assert [each["version"] for each in found["versions"]] == [2, 1]
    assert found["says"]["steps"][1]["arguments"] == {"seconds": 0.02}
    assert found["shelved"]["autonomy"]["text"] == "0 of 3 verified in a row"
    # Another text by the API does not go by what was allowed to this one.
    ask(Role.OPERATOR, "POST", "/runbooks", {"text": WAITS})
    (listed,) = ask(Role.VIEWER, "GET", "/runbooks").json()
    assert (listed["version"], listed["level"]) == (3, None)
    assert ask(Role.OPERATOR, "DELETE", "/runbooks/wait-a-moment").status_code == 204
    assert ask(Role.VIEWER, "GET", "/runbooks").json() == []


def test_a_dry_run_a_fit_and_a_backtest_change_nothing(ask, house):
    ask(Role.OPERATOR, "POST", "/runbooks", {"text": WAITS})
    wish = {"incident": 1}
    found = ask(Role.VIEWER, "POST", "/runbooks/wait-a-moment/dry-run", wish).json()
    assert found["plan"]["steps"][0]["says"] == "Ask a person: Is cart fine?"
    assert (found["verdict"], found["plan"]["reach"]) == ("ask", [])
    (fit,) = ask(Role.VIEWER, "GET", "/incidents/1/runbooks").json()
    assert fit["fit"]["values"] == {"name": "cart"}
    past = ask(Role.VIEWER, "POST", "/runbooks/backtest", {"text": WAITS}).json()
    assert [(each["incident"], each["outcome"]) for each in past] == [(1, "act")]
    assert ask(Role.VIEWER, "POST", "/runbooks/backtest", {}).status_code == 400
    assert ask(Role.VIEWER, "GET", "/repairs").json() == []


def test_a_repair_is_told_whole(ask, repair, house):
    path = f"/repairs/{repair['id']}"
    assert ask(Role.OPERATOR, "POST", f"{path}/answer", {"agrees": True}).status_code == 403
    ask(Role.APPROVER, "POST", f"{path}/answer", {"agrees": True})
    desk = house.repairs.desk
    for _ in range(500):
        with desk.changed:
            desk.changed.wait(0.02)
        if (found := ask(Role.VIEWER, "GET", path).json())["choices"]:
            break
    assert found["repair"]["question"] == "Is cart fine?"
    assert found["choices"] == {"yes": "go on", "no": "undo what was done"}
    assert [row["kind"] for row in found["journal"]][:4] == [
        "repair.proposed", "repair.asked", "repair.answered", "repair.started",
    ]  # fmt: skip
    bad = ask(Role.APPROVER, "POST", f"{path}/answer", {"agrees": True, "choice": "maybe"})
    assert "yes: go on" in bad.text
    stopped = ask(Role.OPERATOR, "POST", f"{path}/stop", {"reason": "enough"}).json()
    assert stopped["state"] == "stopped"


def test_the_stop_switch_is_for_everybody_but_lookers_and_released_by_approvers(ask, repair):
    assert ask(Role.VIEWER, "POST", "/stop", {}).status_code == 403
    assert ask(Role.DATA_SCIENTIST, "POST", "/stop", {"reason": "odd"}).json()["on"] is True
    assert ask(Role.OPERATOR, "POST", "/stop/release", {}).status_code == 403
    answer = ask(Role.APPROVER, "POST", f"/repairs/{repair['id']}/answer", {"agrees": True})
    assert "the stop switch is pulled" in answer.text
    assert ask(Role.VIEWER, "GET", "/automation").json()["stop"]["reason"] == "odd"
    assert ask(Role.APPROVER, "POST", "/stop/release", {}).json()["on"] is False
