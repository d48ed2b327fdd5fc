"""Model products through the API: who may do what, and what is answered."""

from __future__ import annotations

import math

import pytest
from pydantic import TypeAdapter

from twinhelm.core.roles import Role
from twinhelm.mlops.records import put
from twinhelm.mlops.types import (
    Check,
    Deployment,
    Health,
    Part,
    ProductVersion,
    Rollout,
    RolloutState,
    Run,
    Verdict,
)
from twinhelm.web.api.words import shape
from twinhelm.web.routes import ROUTES
from web.wing import furnish, wing

V1 = "/api/twinhelm/v1"
CANCER = f"{V1}/products/cancer"
FILE = """
[product]
name = "digits"
use_case = "Read digits."
decides = "Which digit is entered."
owner = "ada"
tier = "low"
"""


@pytest.fixture
def house(new_house, tmp_path):
    """A house in memory with ``cancer`` in it."""
    made = new_house()
    made.models = wing(made, tmp_path)
    made.workflows = made.models.workflows
    furnish(made)
    yield made
    made.workflows.close()


@pytest.fixture
def named(house):
    """``named("grace", Role.APPROVER)``: headers of a person's token."""

    def make(name, *roles):
        house.identities.add_person(name, list(roles), None, "test")
        return {
            "Authorization": f"Bearer {house.identities.create_token(name, list(roles), 'test')}"
        }

    return make


@pytest.fixture
def mia(named):
    """Headers of a data scientist."""
    return named("mia", Role.DATA_SCIENTIST)


def changes():
    """Every row of the models' API that changes something, as method and a path."""
    words = {"{name}": "cancer", "{version}": "4", "{number}": "4"}
    for row in ROUTES:
        if row.changes and row.path.startswith((f"{V1}/products", f"{V1}/approvals")):
            path = row.path
            for word, value in words.items():
                path = path.replace(word, value)
            yield row.method, path, row.right


def test_products_are_listed_and_one_is_opened(client):
    assert [each["name"] for each in client.get(f"{V1}/products").json()] == ["cancer"]
    found = client.get(CANCER).json()
    assert found["product"]["tier"] == "high"
    assert found["deployment"]["champion"] == "3"
    assert found["health"]["performance"] == {"recall": [0.94, 0.9, 0.97]}
    assert found["remarks"][0]["by"] == "grace"


@pytest.mark.parametrize(
    "path",
    ["none", "none/versions", "none/builds", "none/deployment", "none/health", "none/readiness",
     "cancer/versions/9", "cancer/versions/9/card", "cancer/builds/77/log",
     "cancer/compare?a=3&b=9", "cancer/versions/3/evidence/none.pdf",
     "cancer/versions/9/evidence", "cancer/versions/3/evidence/eu-ai-act.exe"],
)  # fmt: skip
def test_what_is_not_there_is_answered_404(client, path):
    answer = client.get(f"{V1}/products/{path}")
    assert answer.status_code == 404
    assert answer.json()["error"]


@pytest.mark.parametrize(
    ("path", "command"),
    [("none", "product list"), ("cancer/versions/9", "product show cancer"),
     ("cancer/versions/9/evidence/x.pdf", "evidence cancer 9"),
     ("cancer/compare?a=3&b=2", "validate cancer 2")],
)  # fmt: skip
def test_what_is_not_there_names_the_command_that_tells_what_is(client, path, command):
    assert f"twinhelm {command}" in client.get(f"{V1}/products/{path}").json()["hint"]


@pytest.mark.parametrize("url", ["nope", "ftp://mlflow", "http://", "http://o'brien"])
def test_an_import_says_what_an_address_looks_like(client, mia, url):
    answer = client.post(f"{V1}/mlflow-imports", json={"url": url}, headers=mia)
    assert answer.status_code == 400
    assert "such as http://mlflow.example:5000" in answer.json()["hint"]


@pytest.mark.parametrize(("method", "path", "right"), list(changes()))
def test_nobody_changes_anything_without_the_right(client, named, method, path, right):
    assert client.request(method, path, json={}).status_code == 401
    refused = client.request(method, path, json={}, headers=named("vic", Role.VIEWER))
    assert refused.status_code == 403
    assert right.value in refused.json()["error"]


def test_a_product_file_is_taken_in_the_askers_name(client, house, mia):
    made = client.post(f"{V1}/products", json={"text": FILE}, headers=mia)
    assert (made.status_code, made.json()["name"]) == (201, "digits")
    row = house.journal.read(kind="product.framed", newest_first=True, limit=1)[0]
    assert (row.actor, row.subject) == ("mia", "product/digits")


def test_a_product_file_with_an_error_is_refused_by_line_and_column(client, mia):
    wrong = FILE.replace('tier = "low"', 'tier = "none"')
    answer = client.post(f"{V1}/products", json={"text": wrong}, headers=mia)
    assert answer.status_code == 400
    assert ":7:" in answer.json()["error"]


def test_a_version_is_opened_with_schema_validation_and_requests(client):
    found = client.get(f"{CANCER}/versions/4").json()
    assert found["version"]["schema"]["inputs"][0]["name"] == "radius"
    assert found["validation"]["passed"] is True
    assert found["approvals"] == []
    assert [each["version"] for each in client.get(f"{CANCER}/versions").json()] == ["4", "3", "2"]


def test_a_promotion_is_asked_for_and_agreed_to_by_a_named_reviewer_alone(
    client, house, named, mia
):
    asked = client.post(f"{CANCER}/versions/4/promote", json={"note": "better"}, headers=mia)
    assert asked.status_code == 202, asked.text
    request = asked.json()["approval"]["id"]
    assert [each["id"] for each in client.get(f"{V1}/approvals").json()] == [request]
    yes = {"id": request, "agrees": True, "note": "read it"}
    eve = client.post(f"{V1}/approvals", json=yes, headers=named("eve", Role.APPROVER))
    assert eve.status_code == 403
    assert "reviewer" in eve.json()["error"]
    grace = named("grace", Role.APPROVER)
    agreed = client.post(f"{V1}/approvals", json=yes, headers=grace)
    assert agreed.json()["state"] == "approved"
    assert client.post(f"{V1}/approvals", json=yes, headers=grace).status_code == 409
    assert client.get(f"{V1}/approvals").json() == []
    traffic = client.get(f"{CANCER}/deployment").json()
    assert [each["version"] for each in traffic["rollouts"]][:1] == ["4"]
    assert house.journal.verify().ok


def test_a_promotion_that_a_gate_keeps_back_is_refused_with_the_reason(client, mia):
    answer = client.post(f"{CANCER}/versions/3/promote", json={}, headers=mia)
    assert answer.status_code == 403
    assert "live already" in answer.json()["error"]


def test_a_rollback_moves_all_traffic_to_the_champion_before(client, named):
    oscar = named("oscar", Role.OPERATOR)
    made = client.post(f"{CANCER}/deployment/rollback", json={"reason": "slow"}, headers=oscar)
    assert made.json()["champion"] == "2"
    again = client.post(f"{CANCER}/deployment/rollback", json={}, headers=oscar)
    assert again.status_code == 409


def put_by_ada(house, *values):
    with house.journal.writing("ada") as write:
        for value in values:
            put(write, value)


def test_a_build_under_way_is_cancelled_in_the_askers_name(client, house, mia):
    put_by_ada(house, Run("cancer", 9, "running", "ada", 1, job="build-cancer/9"))
    ended = client.post(f"{CANCER}/builds/9/cancel", headers=mia)
    assert (ended.json()["state"], ended.json()["error"]) == ("failed", "cancelled by mia")
    (row,) = house.journal.read(kind="build.finished", newest_first=True, limit=1)
    assert (row.actor, row.body["number"], row.body["outcome"]) == ("mia", 9, "failed")
    again = client.post(f"{CANCER}/builds/9/cancel", headers=mia)
    assert (again.status_code, "is over: failed" in again.json()["error"]) == (409, True)
    assert client.post(f"{CANCER}/builds/99/cancel", headers=mia).status_code == 404


def test_a_rollout_under_way_is_stopped_and_the_champion_has_all_traffic(client, house, named):
    parts = (Part("3", "champion", 0.9), Part("4", "canary", 0.1))
    rollout = Rollout("cancer/4/1", "cancer", "4", "3", RolloutState.RUNNING, 1, (0.1,), 1, "ada")
    put_by_ada(house, rollout, Deployment("cancer", parts, 1, "2"))
    oscar = named("oscar", Role.OPERATOR)
    made = client.post(f"{CANCER}/deployment/stop", json={"reason": "wrong data"}, headers=oscar)
    assert [(one["version"], one["share"]) for one in made.json()["parts"]] == [("3", 1.0)]
    (row,) = house.journal.read(kind="rollout.ended", newest_first=True, limit=1)
    assert (row.actor, row.body["outcome"]) == ("oscar", "stopped")
    assert row.body["reason"] == "wrong data"
    assert client.post(f"{CANCER}/deployment/stop", json={}, headers=oscar).status_code == 409


def test_traffic_is_split_by_hand_among_approved_versions_only(client, mia):
    parts = [{"version": "3", "share": 0.9}, {"version": "4", "role": "canary", "share": 0.1}]
    answer = client.post(f"{CANCER}/deployment/route", json={"parts": parts}, headers=mia)
    assert answer.status_code == 409
    parts = [{"version": "3", "share": 1.5}]
    assert (
        client.post(f"{CANCER}/deployment/route", json={"parts": parts}, headers=mia).status_code
        == 400
    )


@pytest.fixture
def packed(client, named):
    """An evidence pack of cancer/3, made by grace."""
    grace = named("grace", Role.APPROVER)
    made = client.post(f"{CANCER}/versions/3/evidence", json={}, headers=grace)
    assert made.status_code == 201
    return made.json()


@pytest.mark.parametrize(
    ("ending", "kind", "begins"),
    [("pdf", "application/pdf", b"%PDF"), ("html", "text/html", b"<!"), ("json", "json", b"{")],
)
def test_an_evidence_pack_is_made_once_and_read_as_often_as_wanted(
    client, house, packed, ending, kind, begins
):
    head = house.journal.head()
    answer = client.get(f"{CANCER}/versions/3/evidence/{packed['digest']}.{ending}")
    assert answer.status_code == 200
    assert kind in answer.headers["content-type"]
    said = answer.headers["content-disposition"]
    assert said == f"attachment; filename*=UTF-8''cancer-3-eu-ai-act.{ending}"
    assert answer.content.startswith(begins)
    assert house.journal.head() == head
    (row,) = house.journal.read(kind="evidence.exported", newest_first=True, limit=1)
    assert (row.actor, row.body["digest"]) == ("grace", packed["digest"])
    assert client.get(f"{CANCER}/versions/3/evidence").json()[0] == packed


def test_a_pack_for_an_unknown_catalogue_says_which_there_are(client, mia):
    answer = client.post(f"{CANCER}/versions/3/evidence", json={"catalogue": "x"}, headers=mia)
    assert answer.status_code == 404
    assert "eu-ai-act" in answer.json()["hint"]


def test_card_bill_readiness_lineage_and_comparison_are_read(client):
    assert client.get(f"{CANCER}/versions/3/card").text.startswith("---")
    assert client.get(f"{CANCER}/versions/3/bom").json()["bomFormat"] == "CycloneDX"
    ready = client.get(f"{CANCER}/readiness").json()
    assert 0 <= ready["score"] <= 7
    assert ready["steps"][0]["step"]
    assert client.get(f"{CANCER}/lineage?version=3").json()["mermaid"]
    rows = client.get(f"{CANCER}/compare?a=3&b=4").json()
    assert {"metric", "a", "b", "difference", "verdict"} <= rows[0].keys()


def test_inventory_catalogues_and_what_was_live_are_listed(client):
    assert client.get(f"{V1}/inventory").json()[0]["product"] == "cancer"
    assert "eu-ai-act" in {each["name"] for each in client.get(f"{V1}/catalogues").json()}
    assert client.get(f"{V1}/live").json() == []
    assert client.get(f"{V1}/live?at=-1").status_code == 400


def test_a_label_for_an_unknown_prediction_says_so(client, mia):
    told = {"labels": [{"id": "p1", "value": 1}, {"id": "p1:2", "value": "yes"}]}
    answer = client.post(f"{CANCER}/labels", json=told, headers=mia)
    assert answer.json() == ["unknown", "unknown"]
    wrong = {"labels": [{"id": "p1", "value": None}]}
    assert client.post(f"{CANCER}/labels", json=wrong, headers=mia).status_code == 400


def test_a_build_is_listed_its_log_read_and_one_without_a_folder_refused(client, mia):
    assert client.get(f"{CANCER}/builds").json()[0]["number"] == 4
    assert client.get(f"{CANCER}/builds/4/log").json() == {"log": ""}
    answer = client.post(f"{CANCER}/builds", headers=mia)
    assert answer.status_code == 400
    assert "folder" in answer.json()["error"] + answer.json()["hint"]


def test_a_validation_begins_as_a_job(client, house, mia):
    begun = client.post(f"{CANCER}/versions/4/validate", headers=mia)
    assert begun.status_code == 202
    assert house.workflows.status(begun.json()["id"]).name == "validate"


def test_people_speak_and_watch_in_their_own_name(client, mia):
    made = client.post(f"{CANCER}/remarks", json={"text": "@grace see"}, headers=mia)
    assert (made.json()["by"], made.json()["mentions"]) == ("mia", ["grace"])
    assert (
        client.request("PUT", f"{CANCER}/watch", json={"on": True}, headers=mia).status_code == 204
    )
    assert client.get(CANCER).json()["product"]["watchers"] == ["mia"]


def test_a_product_that_answers_is_not_retired_but_may_be_held(client, mia, named):
    why = {"reason": "not needed"}
    assert client.post(f"{CANCER}/retire", json=why, headers=mia).status_code == 409
    grace = named("grace", Role.APPROVER)
    assert client.post(f"{CANCER}/hold", json=why, headers=grace).json()["hold"] == "not needed"
    assert client.post(f"{CANCER}/hold", json={"reason": ""}, headers=grace).json()["hold"] == ""


def said(hint, value):
    adapter = TypeAdapter(shape(hint))
    shown = adapter.validate_python(value, from_attributes=True)
    return adapter.dump_python(shown, mode="json", by_alias=True)


def test_a_missing_number_is_null_wherever_it_stands():
    nan = math.nan
    health = Health("p", "1", 0, 1, 0, 0, performance={"recall": (nan, nan, 1.0)})
    assert said(Health, health)["performance"] == {"recall": [None, None, 1.0]}
    assert said(Check, Check("a", Verdict.UNKNOWN, "", nan))["value"] is None
    assert said(Check, Check("a", Verdict.UNKNOWN, ""))["value"] is None
    version = ProductVersion("p", "1", "live", 0, "m", metrics={"loss": nan})
    assert said(ProductVersion, version)["metrics"] == {"loss": None}


@pytest.mark.parametrize(
    ("version", "target", "status"),
    [
        ("", "/data/out.parquet", 202),
        ("3", "/data/out.parquet", 202),
        ("4", "/data/out.parquet", 409),
        ("9", "/data/out.parquet", 404),
        ("3", "out.parquet", 400),
        ("3", "/data/out.csv", 400),
    ],
    ids=["live", "by name", "not let in", "unknown", "relative", "no Parquet"],
)
def test_a_file_is_answered_by_what_was_let_in(client, mia, version, target, status):
    wish = {"source": "rows.parquet", "target": target, "version": version}
    assert client.post(f"{CANCER}/score", json=wish, headers=mia).status_code == status


@pytest.mark.parametrize(
    ("version", "target", "status"),
    [
        ("3", "/srv/cancer-3", 201),
        ("4", "/srv/cancer-4", 403),
        ("9", "/srv/x", 404),
        ("3", "x", 400),
    ],
    ids=["live", "not let in", "unknown", "relative"],
)
def test_what_was_let_in_may_leave_with_the_key_that_verifies_it(
    client, mia, version, target, status
):
    path = f"{CANCER}/versions/{version}/export"
    answer = client.post(path, json={"target": target}, headers=mia)
    assert answer.status_code == status
    if status == 201:
        assert answer.json()["folder"] == target
        assert answer.json()["key"] == "a public key"


def test_who_only_looks_may_take_nothing_away(client, named):
    path = f"{CANCER}/versions/3/export"
    viewer = named("vic", Role.VIEWER)
    assert client.post(path, json={"target": "/srv/x"}, headers=viewer).status_code == 403
