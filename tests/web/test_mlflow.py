"""The door at /mlflow: what it hands on, what it puts to the house, and how it says no."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import httpx
import pytest

from twinhelm.core import json
from twinhelm.core.errors import Denied, Unavailable
from twinhelm.core.settings import Settings
from twinhelm.web import mlflow
from twinhelm.web.mlflow import MlflowDoor

API = "/mlflow/api/2.0/mlflow/"
FILES = "/mlflow/api/2.0/mlflow-artifacts/artifacts/"


class Server(httpx.AsyncBaseTransport):
    """Stands for MLflow: keeps what it was asked, answers what it was told to."""

    def __init__(self):
        self.asked = []
        self.answer = httpx.Response(200, json={"ok": True}, headers={"server": "x"})
        self.broken = None

    async def handle_async_request(self, request):
        body = await request.aread()
        self.asked.append((request.method, request.url.raw_path.decode(), body, request.headers))
        if self.broken:
            raise self.broken
        stream = httpx.ByteStream(self.answer.content)
        return httpx.Response(self.answer.status_code, headers=self.answer.headers, stream=stream)


class Tracking:
    """Stands for the supervisor."""

    socket = Path("/nowhere")

    def __init__(self, *, ready=True):
        self.ready, self.started = ready, 0

    def start(self):
        self.started += 1

    def trouble(self):
        return Unavailable("MLflow's server side is not ready; it said: importing")


class Gate:
    """Version 1 may not, 2 waits, 3 is live."""

    def __init__(self):
        self.asked = []

    def promote(self, product, version, *, by):
        self.asked.append(("promote", product, version, by))
        if version == "1":
            raise Denied("accuracy is below 0.95", hint="validate a better one")
        return "" if version == "3" else "approval m/2/1 waits for 1 other person"

    def may_unset(self, product, version, *, by):
        self.asked.append(("unset", product, version, by))
        raise Denied("m/3 is live", hint="roll back")

    def may_delete(self, product, version, *, by):
        self.asked.append(("delete", product, version, by))


def house(*, ready=True, registered=lambda *_: None, **sections):
    """Make a door before a server that stands for MLflow."""
    made = SimpleNamespace(server=Server(), tracking=Tracking(ready=ready), gate=Gate())
    made.door = MlflowDoor(
        made.tracking, made.gate, registered, Settings(**sections), transport=made.server
    )
    return made


def ask(made, method, path, *, body=b"", headers=(), drip=None, then=None):
    """Ask the door once; returns status, headers and body. ``drip`` are the body's messages."""

    async def once():
        raw, _, query = path.partition("?")
        asker = SimpleNamespace(identity=SimpleNamespace(name="ada"))
        pairs = [(name.encode(), text.encode()) for name, text in headers]
        scope = {
            "type": "http", "method": method, "path": unquote(raw),
            "raw_path": raw.encode("latin-1"), "query_string": query.encode(), "headers": pairs,
            "state": {"headers": dict(pairs), "asker": asker},
        }  # fmt: skip
        parts = iter(drip or [{"type": "http.request", "body": body}])
        sent = []

        async def receive():
            return next(parts)

        async def send(message):
            sent.append(message)

        await made.door(scope, receive, send)
        if then:
            await then()
        await made.door.close()
        return sent

    sent = asyncio.run(once())
    if not sent:
        return None, {}, b""
    told = {name.decode(): text.decode() for name, text in sent[0]["headers"]}
    return sent[0]["status"], told, b"".join(each.get("body", b"") for each in sent[1:])


def said(answer):
    status, _, body = answer
    read = json.loads(body)
    return status, read["error_code"], read["message"]


def test_a_call_is_handed_on_as_it_came_without_who_asked():
    made = house()
    headers = [("authorization", "Bearer th_x"), ("cookie", "a=b"), ("host", "x"),
               ("content-type", "application/json"), ("user-agent", "mlflow")]  # fmt: skip
    path = "/mlflow/api/2.0/mlflow/runs/search?a=%C3%A9"
    status, told, body = ask(made, "POST", path, body=b'{"x": 1}', headers=headers)
    assert (status, json.loads(body)) == (200, {"ok": True})
    assert "server" not in told
    method, url, handed, sent = made.server.asked[0]
    assert (method, url, handed) == ("POST", "/api/2.0/mlflow/runs/search?a=%C3%A9", b'{"x": 1}')
    assert sent["user-agent"] == "mlflow"
    assert not {"authorization", "cookie"} & set(sent)


def test_errors_of_mlflow_pass_as_they_are():
    made = house()
    made.server.answer = httpx.Response(404, json={"error_code": "RESOURCE_DOES_NOT_EXIST"})
    status, _, body = ask(made, "GET", API + "runs/get?run_id=1")
    assert (status, json.loads(body)) == (404, {"error_code": "RESOURCE_DOES_NOT_EXIST"})


@pytest.mark.parametrize("endpoint", ["", "ajax-api/2.0/mlflow/runs/get", "static-files/x.js"])
def test_pages_are_not_served_but_told_where(endpoint):
    made = house()
    status, code, message = said(ask(made, "GET", f"/mlflow/{endpoint}"))
    assert (status, code) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert "/products" in message
    assert made.server.asked == []


@pytest.mark.parametrize("raw", [API + "runs/g\xe9t", API + "runs/get#x"])
def test_an_address_that_cannot_be_one_is_refused(raw):
    made = house()
    assert said(ask(made, "GET", raw))[:2] == (400, "INVALID_PARAMETER_VALUE")


def alias(version):
    return json.dumps({"name": "m", "alias": "champion", "version": version})


def test_a_refused_promotion_never_reaches_mlflow():
    made = house()
    answer = said(ask(made, "POST", API + "registered-models/alias", body=alias("1")))
    assert answer == (403, "PERMISSION_DENIED", "accuracy is below 0.95 (validate a better one)")
    assert made.server.asked == []
    assert made.gate.asked == [("promote", "m", "1", "ada")]


def test_a_promotion_under_way_is_a_conflict():
    made = house()
    answer = said(ask(made, "POST", API + "registered-models/alias", body=alias("2")))
    assert answer[:2] == (409, "RESOURCE_CONFLICT")
    assert "m/2 is not live yet: approval m/2/1 waits" in answer[2]
    assert "/products/m" in answer[2]
    assert made.server.asked == []


def test_what_is_live_may_be_called_so_and_mlflow_gets_what_was_judged():
    made = house()
    twice = b'{"name": "m", "alias": "champion", "version": "1", "version": "3"}'
    status, _, _ = ask(made, "POST", API + "registered-models/alias", body=twice)
    assert status == 200
    assert made.gate.asked == [("promote", "m", "3", "ada")]
    assert json.loads(made.server.asked[0][2]) == json.loads(alias("3"))


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", alias("3").decode().encode("utf-16"), b'{"alias": "champion"}']
)
def test_a_body_that_cannot_be_read_is_not_handed_on(body):
    made = house()
    assert said(ask(made, "POST", API + "registered-models/alias", body=body))[0] == 400
    assert made.server.asked == []


def test_taking_away_what_is_live_is_refused():
    made = house()
    body = json.dumps({"name": "m", "alias": "champion"})
    answer = said(ask(made, "DELETE", API + "registered-models/alias", body=body))
    assert answer == (403, "PERMISSION_DENIED", "m/3 is live (roll back)")


def test_what_may_be_deleted_is():
    made = house()
    body = json.dumps({"name": "m", "version": "1"})
    assert ask(made, "DELETE", API + "model-versions/delete", body=body)[0] == 200
    assert made.gate.asked == [("delete", "m", "1", "ada")]


def test_a_run_bears_who_began_it():
    made = house()
    ask(made, "POST", API + "runs/create", body=b'{"experiment_id": "0"}')
    tags = json.loads(made.server.asked[0][2])["tags"]
    assert tags == [{"key": "mlflow.user", "value": "ada"}]


def created(*, tags=()):
    version = {"name": "m", "version": "7", "tags": [{"key": each, "value": ""} for each in tags]}
    return httpx.Response(200, json={"model_version": version})


def test_the_house_hears_of_a_new_version_before_the_client():
    heard = []
    made = house(registered=lambda *told: heard.append(told))
    made.server.answer = created()
    status, _, body = ask(made, "POST", API + "model-versions/create", body=b"{}")
    assert (status, heard) == (200, [("m", "7", "ada")])
    assert json.loads(body)["model_version"]["version"] == "7"


def test_a_prompt_is_no_model():
    heard = []
    made = house(registered=lambda *told: heard.append(told))
    made.server.answer = created(tags=["mlflow.prompt.is_prompt"])
    assert ask(made, "POST", API + "model-versions/create", body=b"{}")[0] == 200
    assert heard == []


@pytest.mark.parametrize("error", [Denied("it holds a pickle"), ValueError("a bug")])
def test_a_version_that_the_register_refuses_exists_in_mlflow_all_the_same(error, caplog):
    def registered(*_):
        raise error

    made = house(registered=registered)
    made.server.answer = created()
    assert ask(made, "POST", API + "model-versions/create", body=b"{}")[0] == 200
    assert "not in the register" in caplog.text


def test_a_version_that_takes_long_to_register_is_answered_meanwhile(monkeypatch):
    monkeypatch.setattr(mlflow, "REGISTER_S", 0.01)
    go, told = threading.Event(), []

    def registered(*_):
        go.wait(30)
        told.append("registered")

    made = house(registered=registered)
    made.server.answer = created()

    async def answered():
        told.append("answered")
        go.set()

    assert ask(made, "POST", API + "model-versions/create", body=b"{}", then=answered)[0] == 200
    assert told == ["answered", "registered"]


def test_a_refused_version_is_not_heard_of():
    heard = []
    made = house(registered=lambda *told: heard.append(told))
    made.server.answer = httpx.Response(400, json={"error_code": "INVALID_PARAMETER_VALUE"})
    assert ask(made, "POST", API + "model-versions/create", body=b"{}")[0] == 400
    assert heard == []


@pytest.mark.parametrize("path", ["../x", "a/%2e%2e/x", "%252e%252e/x", "a%00b", "/etc/passwd"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_paths_that_could_lead_out_never_reach_mlflow(method, path):
    made = house()
    status, code, _ = said(ask(made, method, FILES + path, body=b"x"))
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert made.server.asked == []


def test_a_file_passes_in_parts():
    made = house()
    parts = [{"type": "http.request", "body": b"one", "more_body": True},
             {"type": "http.request", "body": b"two", "more_body": False}]  # fmt: skip
    assert ask(made, "PUT", FILES + "0/a%20b.txt", drip=parts)[0] == 200
    method, url, body, _ = made.server.asked[0]
    assert (method, body) == ("PUT", b"onetwo")
    assert url == "/api/2.0/mlflow-artifacts/artifacts/0/a%20b.txt"


@pytest.mark.parametrize("headers", [[("content-length", "11")], []])
def test_a_file_that_is_too_large_is_refused_by_its_length_or_as_it_comes(headers):
    made = house(models={"max_artifact_bytes": 10})
    parts = [{"type": "http.request", "body": bytes(6), "more_body": True}] * 3
    answer = ask(made, "PUT", FILES + "0/big", headers=headers, drip=parts)
    status, code, message = said(answer)
    assert (status, code) == (413, "INVALID_PARAMETER_VALUE")
    assert "max_artifact_bytes" in message
    assert answer[1]["connection"] == "close"


def test_a_call_that_is_too_large_is_refused():
    made = house(limits={"max_body_bytes": 10})
    status, _, message = said(ask(made, "POST", API + "runs/log-batch", body=bytes(11)))
    assert status == 413
    assert "max_body_bytes" in message


def test_a_client_that_goes_away_in_the_middle_ends_it_quietly():
    made = house()
    parts = [{"type": "http.request", "body": b"x", "more_body": True},
             {"type": "http.disconnect"}]  # fmt: skip
    assert ask(made, "PUT", FILES + "0/a", drip=parts)[0] is None


def test_while_it_warms_up_calls_wait_and_then_say_when_to_come_back(monkeypatch):
    monkeypatch.setattr(mlflow, "WARM_S", 0.05)
    monkeypatch.setattr(mlflow, "LOOK_S", 0.01)
    made = house(ready=False)
    status, told, _ = answer = ask(made, "GET", API + "experiments/get?experiment_id=0")
    assert said(answer) == (
        503, "TEMPORARILY_UNAVAILABLE",
        "MLflow's server side is not ready; it said: importing",
    )  # fmt: skip
    assert int(told["retry-after"]) >= 1
    assert (status, made.tracking.started) == (503, 1)


def test_a_call_that_comes_while_it_warms_up_is_answered_once_it_is_there(monkeypatch):
    monkeypatch.setattr(mlflow, "LOOK_S", 0.01)
    made = house(ready=False)

    def start():
        made.tracking.ready = True

    made.tracking.start = start
    assert ask(made, "GET", API + "experiments/get?experiment_id=0")[0] == 200


@pytest.mark.parametrize(
    ("error", "status"),
    [(httpx.ConnectError("gone"), 503), (httpx.ReadError(""), 503), (httpx.PoolTimeout(""), 429)],
)
def test_where_mlflow_breaks_off_the_client_may_try_again(error, status):
    made = house()
    made.server.broken = error
    answer = ask(made, "GET", API + "runs/get?run_id=1")
    assert said(answer)[0] == status
    assert int(answer[1]["retry-after"]) >= 1
