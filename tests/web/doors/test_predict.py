"""The doors to models, spoken to over HTTP; behind them real processes."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from mlops.deploy import models
from mlops.deploy.conftest import bench, seeds  # noqa: F401 - fixtures
from twinhelm.core.settings import Settings
from twinhelm.web.doors.predict import PredictDoor

ROW = {"inputs": [{"name": n, "shape": [1], "datatype": "FP64", "data": [3.0]} for n in "abc"]}


@pytest.fixture
def http(bench, tmp_path):  # noqa: F811
    """``http(method, path, ...)`` at the door to a product ``m`` whose version 1 is live."""
    bench.live("1", models.logistic(tmp_path / "m"))
    door = PredictDoor(bench.serving, Settings(models={"max_predict_bytes": 100_000}))

    async def app(scope, receive, send):
        scope.setdefault("state", {})["headers"] = dict(scope["headers"])
        await door(scope, receive, send)

    async def ask(method, path, **more):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
            return await client.request(method, path, **more)

    return lambda *args, **more: bench.run(ask(*args, **more))


def test_v2_infers_with_an_id_in_body_and_header(http):
    answer = http("POST", "/v2/models/m/infer", json=ROW)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["outputs"][0]["data"] == ["yes"]
    assert answer.json()["model_version"] == "1"
    assert answer.headers["x-prediction-id"] == answer.json()["id"]


def test_a_version_may_be_named_while_it_answers(http):
    assert http("POST", "/v2/models/m/versions/1/infer", json=ROW).status_code == 200
    answer = http("POST", "/v2/models/m/versions/2/infer", json=ROW)
    assert answer.status_code == 404
    assert "these do: 1" in answer.json()["error"]


def test_mlflow_scores_with_an_id_in_the_header(http):
    body = {"dataframe_split": {"columns": ["a", "b", "c"], "data": [[3, 3, 3], [-3, -3, -3]]}}
    answer = http("POST", "/models/m/invocations", json=body)
    assert answer.json()["predictions"] == ["yes", "no"]
    assert answer.headers["x-prediction-id"]


@pytest.mark.parametrize("path", ["/v2/models/x/infer", "/models/x/invocations"])
def test_an_unknown_model_is_told_in_the_protocol(http, path):
    answer = http("POST", path, json=ROW)
    assert answer.status_code == 404
    key = "error" if path.startswith("/v2") else "message"
    assert "no version of a product 'x' is live" in answer.json()[key]
    if key == "message":
        assert answer.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"content-type": "text/csv"}, "content type 'text/csv'"),
        ({"content-encoding": "gzip"}, "content encoding 'gzip'"),
        ({"inference-header-content-length": "9"}, "binary tensors"),
    ],
)
def test_what_is_not_taken_is_said(http, headers, said):
    answer = http("POST", "/v2/models/m/infer", content=b"{}", headers=headers)
    assert answer.status_code == 415
    assert said in answer.json()["error"]


def test_a_body_past_the_limit_is_too_large(http):
    answer = http("POST", "/v2/models/m/infer", content=b"[" * 100_001)
    assert answer.status_code == 413
    assert "models.max_predict_bytes" in answer.json()["error"]


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 50_000, b"\xff\xfe", b'{"inputs": NaN}'])
def test_rubbish_is_a_bad_request(http, body):
    assert http("POST", "/v2/models/m/infer", content=body).status_code == 400
    assert http("POST", "/models/m/invocations", content=body).status_code == 400


def test_server_and_model_tell_of_themselves(http):
    assert http("GET", "/v2").json()["name"] == "twinhelm"
    assert http("GET", "/v2/health/live").json() == {"live": True}
    assert http("GET", "/v2/health/ready").json() == {"ready": True, "live": True}
    told = http("GET", "/v2/models/m").json()
    assert (told["name"], told["versions"], told["platform"]) == ("m", ["1"], "mlflow_sklearn")
    assert told["inputs"][0] == {"name": "a", "datatype": "FP64", "shape": [-1]}
    assert http("GET", "/v2/models/m/ready").json() == {"name": "m", "ready": True}
    assert http("GET", "/v2/models/m/versions/1/ready").status_code == 200
    assert http("GET", "/v2/models/m/versions/7").status_code == 404
    assert http("GET", "/models/m/ping").status_code == 200
    assert http("GET", "/models/m/version").text == "3.17.2"


@pytest.mark.parametrize("path", ["/v2/models/m/what", "/models/m/what", "/v2/models"])
def test_addresses_that_mean_nothing_are_refused(http, path):
    assert http("GET", path).status_code in (400, 404)
    assert http("POST", path, json=ROW).status_code in (400, 404)


def test_a_model_that_hangs_gives_504_and_answers_the_next(bench, tmp_path):  # noqa: F811
    slow = models.odd(tmp_path / "m", "if x[0, 0] == 7: time.sleep(600)")
    bench.live("1", slow, timeout_s=0.5)
    door = PredictDoor(bench.serving, Settings())
    scope = {"type": "http", "method": "POST", "path": "/v2/models/m/infer",
             "state": {"headers": {}}, "headers": []}  # fmt: skip

    def ask(value):
        sent = []

        async def receive():
            return {"type": "http.request", "body": models.v2([[value, 0, 0]])}

        async def send(message):
            sent.append(message)
            await asyncio.sleep(0)

        bench.run(door(scope, receive, send))
        return sent[0]["status"], sent[1]["body"]

    status, body = ask(7.0)
    assert status == 504
    assert b"no answer within 0.5 s" in body
    assert ask(1.0)[0] == 200
