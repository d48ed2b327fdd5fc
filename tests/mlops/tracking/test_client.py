"""What a server says is read with care."""

from __future__ import annotations

import json

import httpx
import pytest

from twinhelm.core.errors import BadInput, Conflict, Denied, NotFound, TooLarge, Unavailable
from twinhelm.mlops.tracking import Client

LIST = "/api/2.0/mlflow-artifacts/artifacts"


def client(answers):
    """Make a client of a server that answers by path, with a value or by a function."""

    def answer(request):
        path = request.url.path
        found = answers.get(path, httpx.Response(404, json={"message": f"no {path}"}))
        found = found(request) if callable(found) else found
        return found if isinstance(found, httpx.Response) else httpx.Response(200, json=found)

    return Client(transport=httpx.MockTransport(answer))


def listing(tree):
    """Answer a listing of folders, given as a mapping of path to entries."""

    def answer(request):
        return {"files": tree.get(request.url.params["path"], [])}

    return answer


def file(path, size=1):
    return {"path": path, "is_dir": False, "file_size": size}


def folder(path):
    return {"path": path, "is_dir": True}


def test_a_model_is_found_by_the_way_that_mlflow_3_keeps_it():
    place = {"artifact_uri": "mlflow-artifacts:/0/models/m-12345678/artifacts"}
    with client(
        {
            "/api/2.0/mlflow/registered-models/alias": {"model_version": {"version": "2"}},
            "/api/2.0/mlflow/model-versions/get-download-uri": {
                "artifact_uri": "models:/m-12345678"
            },
            "/api/2.0/mlflow/logged-models/m-12345678": {"model": {"info": place}},
        }
    ) as made:
        for source in ("models:/a/2", "models:/a@champion", "models:/m-12345678"):
            assert made.place(source) == "0/models/m-12345678/artifacts"


@pytest.mark.parametrize(
    "source",
    ["file:///etc", "s3://b/c", "/etc", "", "mlflow-artifacts://other/x", "http://other.invalid/x"],
)
def test_files_that_lie_elsewhere_are_not_fetched(source):
    with client({}) as made, pytest.raises(BadInput, match="do not lie on this"):
        made.place(source)


def test_a_source_that_leads_in_a_circle_is_refused():
    answers = {"/api/2.0/mlflow/model-versions/get-download-uri": {"artifact_uri": "models:/a/1"}}
    with client(answers) as made, pytest.raises(BadInput):
        made.place("models:/a/1")


def test_a_folder_is_copied_with_all_below_it(tmp_path):
    tree = {"m": [file("MLmodel"), folder("code")], "m/code": [file("a b.py")]}
    with client(
        {
            LIST: listing(tree),
            f"{LIST}/m/MLmodel": httpx.Response(200, content=b"flavors: {}"),
            f"{LIST}/m/code/a b.py": httpx.Response(200, content=b"x = 1"),
        }
    ) as made:
        assert made.download("mlflow-artifacts:/m", tmp_path, max_bytes=100) == 16
    assert (tmp_path / "MLmodel").read_bytes() == b"flavors: {}"
    assert (tmp_path / "code/a b.py").read_bytes() == b"x = 1"


@pytest.mark.parametrize("name", ["..", "../x", "/etc/passwd", "a/b", "a\\b", "", ".", "a\x00"])
def test_a_name_that_leads_out_of_the_folder_ends_it(tmp_path, name):
    made = client({LIST: listing({"m": [file(name)]})})
    with made, pytest.raises(BadInput, match="plain name"):
        made.download("mlflow-artifacts:/m", tmp_path / "in", max_bytes=100)
    assert list(tmp_path.rglob("*")) == []


def test_folders_without_end_are_given_up():
    with client({LIST: {"files": [folder("again")]}}) as made, pytest.raises(TooLarge):
        made.files("m")


def test_more_bytes_than_asked_for_end_it(tmp_path):
    answers = {
        LIST: listing({"m": [file("big", 1)]}),
        f"{LIST}/m/big": httpx.Response(200, content=bytes(101)),
    }
    with client(answers) as made, pytest.raises(TooLarge):
        made.download("mlflow-artifacts:/m", tmp_path, max_bytes=100)


def test_no_files_are_nothing_to_download(tmp_path):
    made = client({LIST: {}})
    with made, pytest.raises(NotFound):
        made.download("mlflow-artifacts:/m", tmp_path, max_bytes=100)


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, BadInput), (403, Denied), (404, NotFound), (409, Conflict), (429, Unavailable),
     (500, Unavailable), (503, Unavailable)],
)  # fmt: skip
def test_errors_keep_what_mlflow_said(status, error):
    said = httpx.Response(status, json={"error_code": "X", "message": "because"})
    with client({"/api/2.0/mlflow/runs/get": said}) as made, pytest.raises(error, match="because"):
        made.get("runs/get")


def test_a_server_that_is_away_is_unavailable():
    def away(request):
        raise httpx.ConnectError("refused", request=request)

    made = Client(transport=httpx.MockTransport(away))
    with made, pytest.raises(Unavailable, match="does not answer"):
        made.get("runs/get")


def test_an_address_that_is_none_is_refused():
    with pytest.raises(BadInput):
        Client("file:///etc")


def test_pages_are_read_to_the_end():
    def answer(request):
        token = json.loads(request.content).get("page_token", "") if request.content else ""  # noqa: TID251 - what the client wrote
        return {"runs": [token or "first"], **({} if token else {"next_page_token": "second"})}

    with client({"/api/2.0/mlflow/runs/search": answer}) as made:
        assert list(made.pages("runs/search", "runs", max_results=1)) == ["first", "second"]
