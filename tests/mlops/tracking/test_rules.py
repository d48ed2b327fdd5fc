"""Which calls the house decides on, and what may pass at all."""

from __future__ import annotations

import pytest

from twinhelm.core.errors import BadInput, NotFound
from twinhelm.mlops.tracking.rules import Kind, Wish, artifact_path, endpoint_of, judged, wish_of

FILES = "/api/2.0/mlflow-artifacts/artifacts/"
ALIAS = "registered-models/alias"
STAGE = "model-versions/transition-stage"


@pytest.mark.parametrize(
    ("method", "endpoint", "fields", "wish"),
    [
        ("POST", ALIAS, {"alias": "champion", "version": "3"}, Wish(Kind.PROMOTE, "m", "3")),
        ("POST", ALIAS, {"alias": "Champion", "version": 3}, Wish(Kind.PROMOTE, "m", "3")),
        ("POST", ALIAS, {"alias": " champion ", "version": "3"}, Wish(Kind.PROMOTE, "m", "3")),
        ("POST", ALIAS, {"alias": "challenger", "version": "3"}, None),
        ("DELETE", ALIAS, {"alias": "champion"}, Wish(Kind.UNSET, "m")),
        ("DELETE", ALIAS, {"alias": "challenger"}, None),
        ("GET", ALIAS, {"alias": "champion"}, None),
        ("POST", STAGE, {"version": "3", "stage": "Production"}, Wish(Kind.PROMOTE, "m", "3")),
        ("POST", STAGE, {"version": "3", "stage": "PRODUCTION"}, Wish(Kind.PROMOTE, "m", "3")),
        ("POST", STAGE, {"version": "3", "stage": "Archived"}, Wish(Kind.UNSET, "m", "3")),
        ("POST", STAGE, {"version": "3", "stage": "Staging"}, Wish(Kind.UNSET, "m", "3")),
        ("DELETE", "model-versions/delete", {"version": "3"}, Wish(Kind.DELETE, "m", "3")),
        ("DELETE", "registered-models/delete", {}, Wish(Kind.DELETE, "m")),
        ("POST", "registered-models/rename", {"new_name": "n"}, Wish(Kind.DELETE, "m")),
        ("POST", "model-versions/create", {"source": "x"}, None),
        ("PATCH", "model-versions/update", {"version": "3"}, None),
    ],
)
def test_a_call_is_read_for_what_it_wishes(method, endpoint, fields, wish):
    assert wish_of(method, endpoint, {"name": "m", **fields}) == wish


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"name": "m", "alias": "champion"},
        {"name": "m", "alias": ["champion"], "version": "3"},
        {"name": "m", "alias": "champion", "version": True},
        {"name": {"a": 1}, "alias": "champion", "version": "3"},
        {"name": "m", "alias": "champion", "version": " "},
    ],
)
def test_what_cannot_be_read_is_refused_and_not_guessed(fields):
    with pytest.raises(BadInput):
        wish_of("POST", ALIAS, fields)


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/api/2.0/mlflow/runs/create", "runs/create"),
        ("/api/2.0/mlflow/registered-models/alias", ALIAS),
        ("/api/2.0/mlflow/logged-models/m-1/tags/a b", "logged-models/m-1/tags/a b"),
        ("/api/2.0/mlflow/logged-models", "logged-models"),
        ("/api/3.0/mlflow/server-info", "server-info"),
        ("/health", ""),
    ],
)
def test_tracking_and_registry_are_served(path, endpoint):
    assert endpoint_of(path) == endpoint


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/static-files/main.js",
        "/ajax-api/2.0/mlflow/registered-models/alias",
        "/api/2.0/mlflow/webhooks",
        "/api/3.0/mlflow/gateway/secrets/create",
        "/api/2.0/mlflow/logged-models/../registered-models/alias",
        "/api/2.0/mlflow/logged-models/./x",
        "/api/2.0/mlflow//registered-models/alias",
        "/api/2.0/mlflow/registered-models/alias/",
        "/get-artifact",
        "/graphql",
    ],
)
def test_nothing_else_is(path):
    with pytest.raises(NotFound):
        endpoint_of(path)


@pytest.mark.parametrize(
    "path", ["0/a/artifacts/model/MLmodel", "a%20b.txt", "%C3%A9", "a%2541", ""]
)
def test_plain_paths_of_artifacts_pass(path):
    artifact_path(FILES + path, "")
    artifact_path(FILES.rstrip("/"), f"path={path}")


@pytest.mark.parametrize(
    "path",
    [
        "../x",
        "a/../../x",
        "a/..",
        "a/./b",
        "/etc/passwd",
        "a//b",
        "%2e%2e/x",
        "a/%2E%2E%2Fx",
        "%252e%252e/x",
        "%25252e%25252e/x",
        "%2525252525252e/x",
        "%2Fetc/passwd",
        "a%00b",
        "a%0Ab",
        "a%5c..%5cb",
        "C:%5Cx",
        "file:///etc",
    ],
)
def test_paths_that_could_lead_out_are_refused(path):
    for raw, query in ((FILES + path, ""), (FILES.rstrip("/"), f"run_id=1&path={path}")):
        with pytest.raises(BadInput):
            artifact_path(raw, query)


def test_an_encoded_root_is_refused():
    with pytest.raises(BadInput):
        artifact_path("/api/2.0/mlflow-artifacts%2Fartifacts/%2e%2e/x", "")


def test_a_run_bears_who_began_it_unless_somebody_said():
    create = ("POST", "runs/create")
    assert judged(*create, {}, by="ada") == {"tags": [{"key": "mlflow.user", "value": "ada"}]}
    said = {"tags": [{"key": "mlflow.user", "value": "bob"}]}
    assert judged(*create, said, by="ada") == said
    assert judged(*create, {}, by="") == {}
    with pytest.raises(BadInput):
        judged(*create, {"tags": "x"}, by="ada")


@pytest.mark.parametrize("place", ["", None, "mlflow-artifacts:/mine"])
def test_an_experiment_may_keep_its_files_here(place):
    fields = {"name": "e", "artifact_location": place}
    assert judged("POST", "experiments/create", fields, by="ada") == fields


@pytest.mark.parametrize(
    "place", ["file:///etc", "/etc", "etc", "s3://b/c", "mlflow-artifacts://other/x", ["x"]]
)
@pytest.mark.parametrize("name", ["artifact_location", "artifactLocation"])
def test_an_experiment_may_not_keep_them_elsewhere(place, name):
    with pytest.raises(BadInput):
        judged("POST", "experiments/create", {"name": "e", name: place}, by="ada")
