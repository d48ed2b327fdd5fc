"""What GitHub and GitLab send, cut to what counts, and what is made of it."""

from __future__ import annotations

import pytest

from twinhelm.aiops.collect.development import decode_hook
from twinhelm.core.errors import BadInput, TooLarge
from twinhelm.core.json import dumps

AT = 1_786_548_600_000  # 2026-08-12T15:30:00Z
REPOSITORY = {"repository": {"full_name": "acme/shop"}, "sender": {"login": "ann"}}
PROJECT = {"project": {"path_with_namespace": "acme/shop", "id": 4,
                       "web_url": "https://git.example/acme/shop"}}  # fmt: skip
JOB = {
    "action": "completed",
    "workflow_job": {
        "id": 29679449, "run_id": 28, "run_attempt": 2, "name": "integration",
        "workflow_name": "ci", "head_sha": "f00d", "head_branch": "main", "conclusion": "timed_out",
        "started_at": "2026-08-12T15:30:00Z", "completed_at": "2026-08-12T15:41:30Z",
        "run_url": "https://api.github.com/repos/acme/shop/actions/runs/28",
        "html_url": "https://github.com/acme/shop/actions/runs/28/job/29679449",
    },
}  # fmt: skip


def decoded(sender, event, said):
    repository = REPOSITORY if sender == "github" else PROJECT
    return decode_hook(sender, event, dumps(repository | said), now_ms=5).changes


def one(sender, event, said):
    (change,) = decoded(sender, event, said)
    return change


def test_a_job_of_github_is_a_run_of_a_stage():
    job = one("github", "workflow_job", JOB)
    assert (job.kind, job.entity, job.outcome) == ("ci", "pipeline:acme/shop/ci", "failure")
    assert (job.time_ms, job.end_ms) == (AT, AT + 690_000)
    assert job.attributes["commit"] == "f00d"
    assert job.attributes["attempt"] == "2"
    assert job.attributes["api"].endswith("/actions/runs/28")


def test_what_has_not_ended_is_not_told():
    assert decoded("github", "workflow_job", JOB | {"action": "queued"}) == ()
    assert decoded("gitlab", "Job Hook", {"build_status": "running"}) == ()


def test_a_run_is_told_apart_from_its_next_attempt():
    run = {"id": 28, "name": "ci", "conclusion": "success", "head_sha": "f00d", "run_attempt": 1}
    said = {"action": "completed", "workflow_run": run}
    first = one("github", "workflow_run", said)
    second = one("github", "workflow_run", said | {"workflow_run": run | {"run_attempt": 2}})
    assert first.id != second.id
    assert first.time_ms == 5  # no moment was told


def test_a_deploy_and_its_states_are_one_change():
    deployment = {"id": 7, "sha": "f00d", "ref": "v2.1", "environment": "production",
                  "created_at": "2026-08-12T15:30:00Z", "creator": {"login": "bob"}}  # fmt: skip
    begun = one("github", "deployment", {"deployment": deployment})
    state = {"state": "failure", "updated_at": "2026-08-12T15:31:00Z"}
    ended = one(
        "github", "deployment_status", {"deployment": deployment, "deployment_status": state}
    )
    assert begun.id == ended.id
    assert (begun.kind, begun.entity, begun.end_ms) == ("deploy", "service:shop", None)
    assert (ended.outcome, ended.end_ms) == ("failure", AT + 60_000)
    assert ended.title == "shop v2.1 deployed to production"
    assert ended.attributes["version"] == "v2.1"


def test_a_push_says_whether_it_takes_something_back():
    commits = [{"message": "Add a cart"}, {"message": 'Revert "Add a cart"'}]
    push = {"ref": "refs/heads/main", "after": "beef", "commits": commits}
    assert one("github", "push", push).attributes["reverts"] == "yes"
    assert one("github", "push", push).attributes["branch"] == "main"
    assert "reverts" not in one("github", "push", push | {"commits": commits[:1]}).attributes
    assert one("gitlab", "Push Hook", push).id == "gitlab/push/acme/shop/beef"


def test_gitlabs_own_moments_are_read():
    said = {"build_status": "failed", "build_name": "test", "build_stage": "check", "build_id": 9,
            "pipeline_id": 3, "sha": "f00d", "ref": "main", "project_id": 4,
            "build_started_at": "2026-08-12 15:30:00 UTC",
            "build_finished_at": "2026-08-12 17:31:00 +0200"}  # fmt: skip
    job = one("gitlab", "Job Hook", said)
    assert (job.time_ms, job.end_ms, job.outcome) == (AT, AT + 60_000, "failure")
    assert job.attributes["api"] == "https://git.example/api/v4/projects/4/jobs/9"
    deploy = {"deployment_id": 1, "status": "success", "short_sha": "f00d", "ref": "main",
              "environment": "staging", "status_changed_at": "2026-08-12 15:30:00 UTC"}  # fmt: skip
    assert one("gitlab", "Deployment Hook", deploy).title == "shop main deployed to staging"
    release = {"action": "create", "id": 1, "tag": "v1", "released_at": "2026-08-12 15:30:00 UTC"}
    assert one("gitlab", "Release Hook", release).attributes["type"] == "release"
    pipeline = {"object_attributes": {"id": 3, "status": "canceled", "ref": "main", "sha": "f"}}
    assert one("gitlab", "Pipeline Hook", pipeline).outcome == "cancelled"


def test_events_that_are_not_read_give_nothing():
    assert decoded("github", "ping", {"zen": "Keep it logically awesome."}) == ()
    assert decoded("gitlab", "Wiki Page Hook", {}) == ()


@pytest.mark.parametrize(
    ("body", "error", "says"),
    [
        (b"[]", BadInput, "an object is needed"),
        (b"{", BadInput, "not JSON"),
        (dumps({"action": "completed"}), BadInput, "names no repository.full_name"),
        (b'{"a":' * 70 + b"1" + b"}" * 70, TooLarge, "nests deeper"),
        (b'{"a":"' + b"x" * (5 << 20) + b'"}', TooLarge, "the limit is"),
        (
            dumps(REPOSITORY | {"action": "completed", "workflow_job": {"started_at": "at noon"}}),
            BadInput,
            "is not a date and time",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_its_reason(body, error, says):
    with pytest.raises(error, match=says):
        decode_hook("github", "workflow_job", body, now_ms=5)


def test_braces_of_a_sender_stay_what_they_are():
    said = {"action": "completed", "workflow_job": {"id": 1, "name": "{repo.__class__}"}}
    assert one("github", "workflow_job", said).title.startswith("{repo.__class__} in")
