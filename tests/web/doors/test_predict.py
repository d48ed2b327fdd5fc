"""The doors to models, spoken to over HTTP; behind them real processes."""

from __future__ import annotations

import asyncio
import gzip
import zlib

import httpx
import numpy as np
import pytest

from mlops.deploy import models
from mlops.deploy.conftest import bench, seeds  # noqa: F401 - fixtures
from twinhelm.core.json import dumps, loads
from twinhelm.core.settings import Settings
from twinhelm.mlops.deploy import bind
from twinhelm.web.doors.predict import PredictDoor

LENGTH = "inference-header-content-length"
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
        ({"content-type": "application/octet-stream"}, "'application/octet-stream'"),
        ({"content-encoding": "br"}, "content encoding 'br'"),
    ],
)
def test_what_is_not_taken_is_said(http, headers, said):
    answer = http("POST", "/v2/models/m/infer", content=b"{}", headers=headers)
    assert answer.status_code == 415
    assert said in answer.json()["error"]


def raw(*rows, binary=True, **changed):
    """The JSON, and the bytes behind it, of one matrix of three columns."""
    x = np.array(rows, "<f8")
    told = {"binary_data_size": x.nbytes}
    matrix = {"name": "x", "shape": list(x.shape), "datatype": "FP64", "parameters": told}
    more = {"parameters": {"binary_data_output": True}} if binary else {}
    return dumps({"inputs": [{**matrix, **changed}], **more}), x.tobytes()


def ask_raw(http, head, body, length=None, **headers):
    headers = {LENGTH: str(len(head) if length is None else length), **headers}
    return http("POST", "/v2/models/m/infer", content=head + body, headers=headers)


def test_raw_tensors_come_and_go(http, bench):  # noqa: F811
    head, body = raw([3, 3, 3], [-3, -3, -3])
    answer = ask_raw(http, head, body, **{"content-type": "application/octet-stream"})
    assert answer.headers["content-type"] == "application/octet-stream"
    size = int(answer.headers[LENGTH])
    told = loads(answer.content[:size])
    assert [each["parameters"]["binary_data_size"] for each in told["outputs"]] == [13, 32]
    assert answer.content[size:].startswith(b"\3\0\0\0yes\2\0\0\0no")
    assert answer.headers["x-prediction-id"] == told["id"]

    # What is kept of it is what JSON would have left.
    assert bench.serving.log.flush()
    (kept,) = bench.predictions.read("m")
    assert loads(kept.request)["inputs"][0]["data"] == [3, 3, 3, -3, -3, -3]
    assert loads(kept.response)["outputs"][0]["data"] == ["yes", "no"]


def test_raw_tensors_may_be_answered_in_json(http):
    answer = ask_raw(http, *raw([3, 3, 3], binary=False))
    assert answer.headers["content-type"] == "application/json"
    assert LENGTH not in answer.headers
    assert answer.json()["outputs"][0]["data"] == ["yes"]


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_compressed_bodies_are_unpacked(http, coding):
    pack = {"gzip": gzip.compress, "deflate": zlib.compress}[coding]
    head, body = raw([3, 3, 3], binary=False)
    for sent, length in ((dumps(ROW), None), (head + body, len(head))):
        headers = {"content-encoding": coding} | ({LENGTH: str(length)} if length else {})
        answer = http("POST", "/v2/models/m/infer", content=pack(sent), headers=headers)
        assert answer.json()["outputs"][0]["data"] == ["yes"]


def test_a_body_that_unpacks_past_the_limit_is_too_large(http):
    sent, headers = gzip.compress(b" " * 100_001), {"content-encoding": "gzip"}
    answer = http("POST", "/v2/models/m/infer", content=sent, headers=headers)
    assert answer.status_code == 413
    assert "models.max_predict_bytes" in answer.json()["error"]
    headers = {"content-encoding": "gzip"}
    assert http("POST", "/v2/models/m/infer", content=b"no", headers=headers).status_code == 400


@pytest.mark.parametrize("length", ["", "x", "-1", "1.5", "99999", "9" * 4000])
def test_a_length_that_cannot_be_is_refused(http, length):
    answer = ask_raw(http, *raw([3, 3, 3]), length=length)
    assert answer.status_code == 400
    assert "Inference-Header-Content-Length" in answer.json()["error"]


def test_the_houses_own_mark_is_no_way_in(http):
    head, body = raw([3, 3, 3])
    for path in ("/v2/models/m/infer", "/models/m/invocations"):
        answer = http("POST", path, content=bind(len(head), head + body))
        assert answer.status_code == 400


@pytest.mark.parametrize(
    "path",
    ["repository/index", "repository/models/m/load", "systemsharedmemory/status", "logging",
     "cudasharedmemory/region/a/register", "trace/setting", "models/m/config",
     "models/m/versions/1/stats"],
)  # fmt: skip
def test_what_is_not_offered_is_said_in_the_protocol(http, path):
    for method in ("GET", "POST"):
        answer = http(method, f"/v2/{path}")
        assert answer.status_code == 404
        assert "is not offered" in answer.json()["error"]


def test_a_body_past_the_limit_is_too_large(http):
    answer = http("POST", "/v2/models/m/infer", content=b"[" * 100_001)
    assert answer.status_code == 413
    assert "models.max_predict_bytes" in answer.json()["error"]


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 50_000, b"\xff\xfe", b'{"inputs": NaN}'])
def test_rubbish_is_a_bad_request(http, body):
    assert http("POST", "/v2/models/m/infer", content=body).status_code == 400
    assert http("POST", "/models/m/invocations", content=body).status_code == 400


def test_server_and_model_tell_of_themselves(http):
    told = http("GET", "/v2").json()
    assert (told["name"], told["extensions"]) == ("twinhelm", ["binary_tensor_data"])
    assert http("GET", "/v2/health/live").json() == {"live": True}
    assert http("GET", "/v2/health/ready").json() == {"ready": True, "live": True}
    told = http("GET", "/v2/models/m").json()
    assert (told["name"], told["versions"], told["platform"]) == ("m", ["1"], "mlflow_sklearn")
    assert told["inputs"][0] == {"name": "a", "datatype": "FP64", "shape": [-1]}
    assert told["outputs"] == [
        {"name": "predict", "datatype": "BYTES", "shape": [-1]},
        {"name": "predict_proba", "datatype": "FP64", "shape": [-1, 2]},
    ]
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
