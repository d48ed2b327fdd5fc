"""Models answer, are split, shadowed, switched and logged, with real processes behind."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from mlops.deploy import models
from mlops.deploy.conftest import until
from twinhelm.core.errors import NotFound, Unavailable
from twinhelm.core.json import dumps, loads
from twinhelm.mlops.deploy import Form, bind
from twinhelm.mlops.deploy.serving import _Route
from twinhelm.mlops.types import Deployment, Part

CLIENTS = 50
SWITCHES = 20


def said(reply):
    return loads(reply.body)["outputs"][0]["data"]


def spec(**more):
    column = lambda name, personal: SimpleNamespace(name=name, personal=personal)  # noqa: E731
    columns = (column("a", True), column("b", False), column("c", False))
    return SimpleNamespace(
        monitor=SimpleNamespace(log=more.get("log", 1.0)), data=SimpleNamespace(columns=columns)
    )


def test_it_answers_in_both_protocols_with_an_id(bench, tmp_path):
    bench.live("1", models.logistic(tmp_path / "m"))
    reply = bench.ask([[3.0, 3.0, 3.0], [-3.0, -3.0, -3.0]])
    assert (reply.status, said(reply), reply.rows) == (200, ["yes", "no"], 2)
    assert loads(reply.body)["id"] == reply.id
    assert bench.ask(body=models.v2([[0, 0, 0]], id="mine")).id == "mine"
    body = dumps({"dataframe_records": [{"a": 3, "b": 3, "c": 3}]})
    assert loads(bench.ask(form=Form.MLFLOW, body=body).body)["predictions"] == ["yes"]


def test_what_is_wrong_is_told_in_the_callers_protocol(bench, tmp_path):
    bench.live("1", models.logistic(tmp_path / "m"))
    reply = bench.ask(body=b'{"inputs": []}')
    assert (reply.status, loads(reply.body)) == (400, {"error": "missing: 'a', 'b', 'c'"})
    reply = bench.ask(form=Form.MLFLOW, body=b"{")
    assert reply.status == 400
    assert loads(reply.body)["error_code"] == "BAD_REQUEST"
    nan = dumps({"inputs": {"a": [None], "b": [1], "c": [1]}})
    reply = bench.ask(form=Form.MLFLOW, body=nan)
    assert reply.status == 500
    assert "contains NaN" in loads(reply.body)["message"]
    measures = bench.serving.measures("m", "1")
    assert (measures["requests"], measures["errors"]) == (3, 1)


def test_unknown_products_and_versions_are_not_found(bench, tmp_path):
    with pytest.raises(NotFound, match="no version of a product 'm' is live"):
        bench.ask()
    bench.live("1", models.odd(tmp_path / "m"))
    with pytest.raises(NotFound, match="'2' of m does not answer"):
        bench.ask(version="2")
    assert bench.ask(version="1").version == "1"


def test_while_it_is_not_known_who_answers_the_caller_is_asked_to_come_again(bench, tmp_path):
    bench.serving.waits = True
    with pytest.raises(Unavailable, match="who answers is not known yet"):
        bench.ask()
    bench.live("1", models.odd(tmp_path / "m"))
    assert bench.ask().version == "1"


def test_requests_that_wait_together_are_answered_together(bench, tmp_path):
    body = "time.sleep(0.2)\nkept.append(len(x))\nx = x * 0 + len(kept)"
    bench.live("1", models.odd(tmp_path / "m", body))

    async def many():
        asked = [bench.serving.predict("m", Form.V2, models.v2([[i, 0, 0]])) for i in range(20)]
        return await asyncio.gather(*asked)

    calls = {said(reply)[0] for reply in bench.run(many())}
    assert len(calls) <= 4


def test_one_bad_request_does_not_spoil_those_beside_it(bench, tmp_path):
    body = "time.sleep(0.05)\nassert not (x[:, 0] == 13).any(), 'thirteen'"
    bench.live("1", models.odd(tmp_path / "m", body))

    async def many():
        asked = [bench.serving.predict("m", Form.V2, models.v2([[i, 0, 0]])) for i in range(20)]
        return await asyncio.gather(*asked)

    replies = bench.run(many())
    assert [reply.status for reply in replies] == [500 if i == 13 else 200 for i in range(20)]
    assert "AssertionError: thirteen" in loads(replies[13].body)["error"]
    assert said(replies[7]) == [7.0]


def test_the_split_keeps_its_share_within_a_hundredth():
    parts = (Part("1", "champion", 0.9), Part("2", "canary", 0.1))
    route = _Route(Deployment("m", parts, 0), None)
    counted = Counter(route.next().version for _ in range(20_000))
    assert abs(counted["2"] / 20_000 - 0.1) < 0.001


def test_switches_under_many_clients_lose_nothing_and_answer_from_the_living(bench, tmp_path):
    folders = [models.odd(tmp_path / str(at), times=float(at)) for at in (1, 2)]
    bench.live("1", folders[0])
    over, living, wrong, answered = threading.Event(), {1.0}, [], Counter()

    async def client():
        body = models.v2([[1.0, 0.0, 0.0]])
        while not over.is_set():
            before = set(living)
            reply = await bench.serving.predict("m", Form.V2, body)
            answered[reply.status] += 1
            if said(reply)[0] not in before | living:
                wrong.append(said(reply))

    async def clients():
        await asyncio.gather(*(client() for _ in range(CLIENTS)))

    running = asyncio.run_coroutine_threadsafe(clients(), bench.loop)
    try:
        for at in range(SWITCHES):
            new = 2 - at % 2
            bench.hold(str(new), folders[new - 1])
            living.add(float(new))
            bench.turn((str(new), "champion", 1.0))
            seen = answered.total()
            until(lambda seen=seen: answered.total() > seen + CLIENTS)
            living.discard(float(3 - new))
            until(lambda new=new: not bench.serving.holds("m", str(3 - new)))
    finally:
        over.set()
    running.result(60)
    assert set(answered) == {200}
    assert not wrong


def test_a_canary_that_fails_costs_its_callers_nothing(bench, tmp_path):
    bench.hold("1", models.odd(tmp_path / "good"))
    bench.hold("2", models.odd(tmp_path / "bad", "assert x[0, 0] == 0, 'no'"))
    bench.turn(("1", "champion", 0.5), ("2", "canary", 0.5))
    replies = [bench.ask() for _ in range(10)]
    assert {(reply.status, reply.version) for reply in replies} == {(200, "1")}
    assert bench.serving.measures("m", "2")["errors"] == 5


def test_a_canary_that_refuses_what_the_champion_takes_has_failed(bench, tmp_path):
    bench.hold("1", models.odd(tmp_path / "good"))
    bench.hold("2", models.odd(tmp_path / "more", inputs=models.columns("a", "b", "c", "d")))
    bench.turn(("1", "champion", 0.5), ("2", "canary", 0.5))
    assert {bench.ask().status for _ in range(4)} == {200}
    assert bench.serving.measures("m", "2")["errors"] == 2
    assert bench.ask(body=b"{}").status == bench.ask(body=b"{}").status == 400
    assert bench.serving.measures("m", "2")["errors"] == 2


def test_a_shadow_is_asked_the_same_and_compared_but_never_heard(bench, tmp_path):
    bench.hold("1", models.logistic(tmp_path / "one"))
    bench.hold("2", models.logistic(tmp_path / "two", flip=True))
    bench.turn(("1", "champion", 1.0), ("2", "shadow", 0.0))
    rng = np.random.default_rng(0)
    replies = [bench.ask(rng.normal(size=(5, 3))) for _ in range(10)]
    assert {reply.version for reply in replies} == {"1"}
    until(lambda: bench.serving.measures("m", "2")["compared"] == 50)
    assert bench.serving.measures("m", "2")["disagreement"] > 0.9
    with pytest.raises(NotFound):
        bench.ask(version="2")
    assert bench.serving.log.flush()
    logged = {(row.role, row.id) for row in bench.predictions.read("m")}
    assert logged == {(role, r.id) for r in replies for role in ("champion", "shadow")}


def test_what_is_logged_can_be_read_back(bench, tmp_path):
    bench.live("1", models.odd(tmp_path / "m"))
    reply = bench.ask([[1, 2, 3]])
    assert bench.serving.log.flush()
    (row,) = bench.predictions.read("m")
    assert (row.id, row.version, row.role, row.rows, row.form) == (
        reply.id,
        "1",
        "champion",
        1,
        "v2",
    )
    assert (row.request, row.response) == (models.v2([[1, 2, 3]]), reply.body)
    assert row.latency_us > 0


def test_a_share_is_logged_and_personal_columns_are_struck_out(bench, tmp_path):
    bench.hold("1", models.odd(tmp_path / "m"))
    bench.turn(("1", "champion", 1.0), spec=spec(log=0.25))
    for _ in range(40):
        bench.ask([[9.0, 2.0, 3.0]])
    assert bench.serving.log.flush()
    rows = bench.predictions.read("m")
    assert 9 <= len(rows) <= 11
    inputs = {each["name"]: each["data"] for each in loads(rows[0].request)["inputs"]}
    assert inputs == {"a": [None], "b": [2.0], "c": [3.0]}


def test_raw_tensors_are_mirrored_and_logged_as_json_without_what_is_personal(bench, tmp_path):
    bench.hold("1", models.logistic(tmp_path / "a"))
    bench.hold("2", models.logistic(tmp_path / "b", flip=True))
    bench.turn(("1", "champion", 1.0), ("2", "shadow", 0.0), spec=spec())
    x = np.array([[3.0, 3.0, 3.0], [-3.0, -3.0, -3.0]])
    inputs = [
        {"name": name, "shape": [2], "datatype": "FP64", "parameters": {"binary_data_size": 16}}
        for name in "abc"
    ]
    head = dumps({"inputs": inputs, "parameters": {"binary_data_output": True}})
    bench.ask(body=bind(len(head), head + x.T.tobytes()))
    until(lambda: bench.serving.measures("m", "2")["compared"] == 2)
    assert bench.serving.measures("m", "2")["disagreement"] == 1.0
    assert bench.serving.log.flush()
    for kept in bench.predictions.read("m"):
        columns = {each["name"]: each["data"] for each in loads(kept.request)["inputs"]}
        assert columns == {"a": [None, None], "b": [3.0, -3.0], "c": [3.0, -3.0]}
        assert set(loads(kept.response)["outputs"][0]["data"]) == {"yes", "no"}


@pytest.mark.parametrize(
    "body", [b'{"inputs": [{"name": "a", "shape": 5}], "outputs": 7}', b"\0\1"]
)
def test_rubbish_costs_no_process(bench, tmp_path, body):
    bench.live("1", models.odd(tmp_path / "m"))
    pids = [worker.pid for worker in bench.pool().workers]
    assert bench.ask(body=body).status == 400
    assert bench.ask().status == 200
    assert [worker.pid for worker in bench.pool().workers] == pids


def test_what_failed_is_not_logged(bench, tmp_path):
    bench.live("1", models.odd(tmp_path / "m"))
    bench.ask(body=b"{}")
    assert bench.serving.log.flush()
    assert bench.predictions.read("m") == []


def test_about_tells_what_answers_and_what_it_takes(bench, tmp_path):
    bench.live("1", models.odd(tmp_path / "m"))
    about = bench.serving.about("m")
    assert (about.version, about.versions, about.ready) == ("1", ("1",), True)
    assert [field.name for field in about.schema.inputs] == ["a", "b", "c"]
    assert bench.serving.ready()
    bench.turn()
    with pytest.raises(NotFound):
        bench.serving.about("m")


def test_measures_are_told_as_series(bench, tmp_path):
    bench.live("1", models.odd(tmp_path / "m"))
    bench.ask()
    told = {name: (labels, value) for name, labels, _, value in bench.serving.series(5)}
    assert told["model_requests_total"] == ({"product": "m", "version": "1"}, 1.0)
    assert told["model_latency_p99_seconds"][1] > 0
