"""The doors of the development side: who may knock, once each, and what is kept."""

from __future__ import annotations

import base64
import hmac

import pytest

from twinhelm.core import json

SECRET = "s3cret of the hook"
BODY = json.dumps(
    {
        "action": "completed",
        "repository": {"full_name": "acme/shop"},
        "workflow_job": {"id": 1, "name": "unit", "workflow_name": "ci", "conclusion": "success"},
    }
)
GITHUB, GITLAB = "/api/webhooks/github", "/api/webhooks/gitlab"
PUSH = json.dumps({"after": "f00d", "project": {"path_with_namespace": "acme/shop"}})


def signed(body=BODY, secret=SECRET, delivery="d-1"):
    digest = hmac.new(secret.encode(), body, "sha256").hexdigest()
    return {
        "X-Hub-Signature-256": f"sha256={digest}",
        "X-GitHub-Delivery": delivery,
        "X-GitHub-Event": "workflow_job",
        "Content-Type": "application/json",
    }


@pytest.fixture
def hooked(new_house, client_of):
    """``hooked(github_secret=...)``: a house with these secrets, and its client."""

    def make(**secrets):
        house = new_house(development=secrets)
        return house, client_of(house)

    return make


def changes(house):
    return house.telemetry.read_changes(0, 1 << 60)


def test_a_signed_delivery_is_kept_without_a_token_of_ours(hooked):
    house, client = hooked(github_secret=SECRET)
    answer = client.post(GITHUB, content=BODY, headers=signed())
    assert (answer.status_code, answer.json()) == (200, {"changes": 1})
    assert [one.id for one in changes(house)] == ["github/job/acme/shop/1"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"X-Hub-Signature-256": ""},
        {"X-Hub-Signature-256": "sha256=" + "0" * 64},
        {"X-Hub-Signature-256": "sha256=\xe9"},
        signed(secret="another"),
        signed(body=BODY + b" "),
    ],
)
def test_what_is_not_signed_with_our_secret_is_refused(hooked, wrong):
    house, client = hooked(github_secret=SECRET)
    headers = {name: text.encode("latin-1") for name, text in (signed() | wrong).items()}
    answer = client.post(GITHUB, content=BODY, headers=headers)
    assert answer.status_code == 403
    assert "github_secret" in answer.json()["hint"]
    assert SECRET not in answer.text
    assert changes(house) == []


def test_without_a_secret_the_doors_are_closed(hooked):
    house, client = hooked()
    empty = signed(secret="")
    assert client.post(GITHUB, content=BODY, headers=empty).status_code == 403
    answer = client.post(GITLAB, content=PUSH, headers={"X-Gitlab-Token": ""})
    assert answer.status_code == 403
    assert "gitlab_token" in answer.json()["hint"]
    assert changes(house) == []


def test_a_delivery_is_taken_once(hooked):
    house, client = hooked(github_secret=SECRET)
    assert client.post(GITHUB, content=BODY, headers=signed()).status_code == 200
    again = client.post(GITHUB, content=BODY, headers=signed())
    assert again.status_code == 409
    assert "taken already" in again.json()["error"]
    assert client.post(GITHUB, content=BODY, headers=signed(delivery="d-2")).status_code == 200
    assert len(changes(house)) == 1


def test_a_delivery_that_failed_here_may_come_again(hooked):
    _, client = hooked(github_secret=SECRET)
    bad = b'{"action": "completed"}'
    assert client.post(GITHUB, content=bad, headers=signed(bad)).status_code == 400
    assert client.post(GITHUB, content=BODY, headers=signed()).status_code == 200


def test_a_delivery_needs_an_id(hooked):
    _, client = hooked(github_secret=SECRET)
    assert client.post(GITHUB, content=BODY, headers=signed(delivery="")).status_code == 400
    long = signed(delivery="x" * 201)
    assert client.post(GITHUB, content=BODY, headers=long).status_code == 400


def test_a_body_past_the_limit_is_not_even_read(hooked):
    _, client = hooked(github_secret=SECRET)
    big = b'{"a": "' + b"x" * (5 << 20) + b'"}'
    assert client.post(GITHUB, content=big, headers=signed(big)).status_code == 413


def test_gitlab_shows_its_token(hooked):
    house, client = hooked(gitlab_token=SECRET)
    headers = {"X-Gitlab-Event": "Push Hook", "Idempotency-Key": "k-1"}
    assert client.post(GITLAB, content=PUSH, headers=headers).status_code == 403
    headers["X-Gitlab-Token"] = SECRET
    assert client.post(GITLAB, content=PUSH, headers=headers).json() == {"changes": 1}
    assert client.post(GITLAB, content=PUSH, headers=headers).status_code == 409
    assert [one.id for one in changes(house)] == ["gitlab/push/acme/shop/f00d"]


def gitlab_signed(house, *, token, late_s=0, body=PUSH, delivery="w-1"):
    moment = str(house.clock.now_ms() // 1000 - late_s)
    key = base64.b64decode(token.removeprefix("whsec_"))
    digest = hmac.new(key, f"{delivery}.{moment}.".encode() + body, "sha256").digest()
    return {
        "webhook-id": delivery,
        "webhook-timestamp": moment,
        "webhook-signature": "v1,AAAA v1," + base64.b64encode(digest).decode(),
        "X-Gitlab-Event": "Push Hook",
    }


def test_gitlabs_signatures_are_checked_with_their_moment(hooked):
    token = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
    house, client = hooked(gitlab_signing_token=token, gitlab_token=SECRET)
    good = gitlab_signed(house, token=token)
    for wrong in (
        {"X-Gitlab-Token": SECRET, "X-Gitlab-Event": "Push Hook", "webhook-id": "w"},
        gitlab_signed(house, token=token, late_s=900),
        gitlab_signed(house, token=token, body=PUSH + b" "),
        good | {"webhook-id": "w-2"},
    ):
        assert client.post(GITLAB, content=PUSH, headers=wrong).status_code == 403
    assert client.post(GITLAB, content=PUSH, headers=good).status_code == 200


def test_the_secret_is_not_shown_in_the_settings(hooked):
    _, client = hooked(github_secret=SECRET)
    said = client.get("/api/twinhelm/v1/config").text
    assert "github_secret" in said
    assert SECRET not in said


UPLOADS = "/api/twinhelm/v1/development"


def test_files_are_taken_from_whoever_may_send_telemetry(new_house, client_of, token_of):
    from twinhelm.core.roles import Role

    house = new_house(auth={"required": True})
    client = client_of(house)
    csv = b"time,user,host,command\n1786548600,ann,db-1,mysql --password=hunter2 -e x\n"
    assert client.post(f"{UPLOADS}/chores", content=csv).status_code == 401
    viewer, operator = (token_of(house, role) for role in (Role.VIEWER, Role.OPERATOR))
    assert client.post(f"{UPLOADS}/chores", content=csv, headers=viewer).status_code == 403
    answer = client.post(f"{UPLOADS}/chores", content=csv, headers=operator)
    assert answer.json() == {"changes": 1}
    xml = b'<testsuite><testcase name="a"/></testsuite>'
    of = {"X-Suite": "acme/shop", "X-Commit": "f00d", "X-Run": "1"} | operator
    assert client.post(f"{UPLOADS}/tests", content=xml, headers=of).json() == {"changes": 1}
    row = "\x1f".join(("f00d", "2026-08-12T15:30:00Z", "Ann", "Add a cart", "")).encode()
    assert client.post(f"{UPLOADS}/commits", content=row, headers=of).json() == {"changes": 1}
    titles = [one.title for one in changes(house)]
    assert len(titles) == 3
    assert not any("hunter2" in title for title in titles)
    assert client.post(f"{UPLOADS}/chores", content=b"x", headers=operator).status_code == 400
