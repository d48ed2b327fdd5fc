"""The API of answers: who may answer, what it says, and how it is taken back."""

from __future__ import annotations

import pytest

from twinhelm.aiops.records import put_anomaly
from twinhelm.aiops.types import Anomaly, Direction, Resource
from twinhelm.core.roles import Role

V1 = "/api/twinhelm/v1/feedback"
ABOUT = "anomaly/7:1000"


@pytest.fixture
def answered(house):
    """A house that knows of one anomaly."""
    labels = (("__name__", "host_cpu_busy_ratio"), ("instance", "h"))
    one = Anomaly(7, labels, "host:h", Resource.CPU, Direction.UP, 1000, 61_000, None, 0.8, 0.9,
                  0.1, 0.05, 0.15, 5.0, 9)  # fmt: skip
    with house.journal.writing("test") as write:
        put_anomaly(write, one, 1)
    return house


def test_an_answer_is_given_seen_applied_and_undone(client, answered, token_of):
    headers = token_of(answered, Role.OPERATOR)
    body = {"about": ABOUT, "right": False, "reason": "a nightly job"}
    made = client.post(V1, json=body, headers=headers)
    assert made.status_code == 200, made.text
    assert made.json()["answer"]["by"] == "t-operator"
    assert made.json()["changes"]
    lessons = client.get(f"{V1}/lessons").json()
    assert lessons["force"]["needs"] == []
    assert [each["because"] for each in lessons["shadow"]["needs"]] == [[1], [1]]
    assert [each["passed"] for each in lessons["trials"]] == [True]
    applied = client.post(f"{V1}/lessons", json={"of": "anomaly"}, headers=headers)
    assert len(applied.json()["version"]) == 8
    assert client.get(f"{V1}/lessons").json()["force"]["needs"]
    assert client.post(f"{V1}/1/undo", headers=headers).json()["state"] == "undone"
    assert client.get(f"{V1}/lessons").json()["force"]["needs"] == []
    assert [each["state"] for each in client.get(V1).json()] == ["undone"]


@pytest.mark.parametrize(
    ("body", "status"),
    [({"about": ABOUT}, 400), ({"about": ABOUT, "right": "perhaps"}, 400),
     ({"about": "x", "right": True}, 400), ({"about": "anomaly/8:1", "right": True}, 404),
     ({"about": ABOUT, "right": True, "reason": "x" * 1001}, 400)],
)  # fmt: skip
def test_what_is_no_answer_is_refused(client, answered, token_of, body, status):
    said = client.post(V1, json=body, headers=token_of(answered, Role.OPERATOR))
    assert said.status_code == status, said.text
    assert client.get(V1).json() == []


def test_the_next_question_is_the_one_that_was_not_answered(client, answered, token_of):
    asked = client.get(f"{V1}/question").json()
    assert (asked["about"], asked["incident"], asked["silences"]) == (ABOUT, 1, 1)
    assert "90 %" in asked["text"]
    body = {"about": ABOUT, "right": True}
    client.post(V1, json=body, headers=token_of(answered, Role.OPERATOR))
    assert client.get(f"{V1}/question").json() is None


@pytest.mark.parametrize("role", [Role.VIEWER, Role.APPROVER, Role.DATA_SCIENTIST])
def test_only_who_operates_may_answer(client, answered, token_of, role):
    headers = token_of(answered, role)
    assert client.post(V1, json={"about": ABOUT, "right": True}, headers=headers).status_code == 403
    assert client.post(V1, json={"about": ABOUT, "right": True}).status_code == 401
