"""A real outpost: the doors of the house over what it exported, and nothing else behind them."""

from __future__ import annotations

import os
import signal
import threading
import time

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from mlops.deploy import models
from twinhelm.core.errors import BadInput, Denied, NotFound, Refused, Unauthenticated
from twinhelm.core.settings import Settings
from twinhelm.mlops.register.seal import Verifier
from twinhelm.web.outpost import Tokens, serve_outpost

ROWS = [[1.0, 2.0, 3.0], [-1.0, -2.0, -3.0]]
V2, MLFLOW = "/v2/models/fraud/infer", "/models/fraud/invocations"
SPLIT = {"dataframe_split": {"columns": ["a", "b", "c"], "data": ROWS}}
SECRET = "a-secret-of-many-letters"


def ask(outpost, path, **how):
    return httpx.request(
        "POST" if how else "GET", outpost.url + path, timeout=60, trust_env=False, **how
    )


def until(truth, patience_s=60.0):
    deadline = time.monotonic() + patience_s
    while not truth():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_it_answers_by_every_door_of_the_house_and_tells_how_it_fares(
    exporting_house, start_outpost, tmp_path
):
    folder = exporting_house.export(models.logistic(tmp_path / "m"))
    post = start_outpost(folder, key=exporting_house.key)
    body = models.v2(ROWS, id="mine")
    answer = ask(post, V2, content=body, headers={"content-type": "application/json"})
    assert answer.json()["outputs"][0]["data"] == ["yes", "no"]
    assert (answer.json()["model_version"], answer.headers["x-prediction-id"]) == ("3", "mine")
    assert ask(post, MLFLOW, json=SPLIT).json()["predictions"] == ["yes", "no"]
    assert ask(post, MLFLOW, json={"instances": [["x"]]}).status_code == 400
    assert ask(post, "/v2/models/fraud/versions/3").json()["versions"] == ["3"]
    assert ask(post, "/v2/models/fraud/versions/2").status_code == 404
    assert ask(post, "/v2/health/ready").json()["ready"] is True

    said = ask(post, "/metrics").text
    rows = {
        (sample.name, sample.labels.get("version")): sample.value
        for family in text_string_to_metric_families(said)
        for sample in family.samples
    }
    assert rows["model_requests_total", "3"] == 3
    assert rows["model_rows_total", "3"] == 4
    assert rows["process_resident_memory_bytes", None] > 0
    assert not [name for name, _ in rows if name.startswith(("twinhelm_store", "twinhelm_tick"))]
    for path in ("/", "/products", "/api/v1/query", "/mlflow/health", "/sign-in"):
        assert ask(post, path).status_code == 404, path
    assert ask(post, "/api/v1/write", content=b"").status_code == 404
    assert post.stop() == 0


def test_who_asks_must_show_a_secret_of_the_file(exporting_house, start_outpost, tmp_path):
    folder = exporting_house.export(models.odd(tmp_path / "m"))
    (tmp_path / "tokens").write_text(f"{SECRET}\nanother-{SECRET}\n")
    flags = ("--tokens", str(tmp_path / "tokens"))
    post = start_outpost(folder, key=exporting_house.key, flags=flags)
    assert ask(post, "/-/healthy").status_code == 200
    for path in ("/metrics", "/v2"):
        assert ask(post, path).status_code == 401
    assert ask(post, MLFLOW, json=SPLIT).status_code == 401
    for secret, status in ((SECRET, 200), (f"another-{SECRET}", 200), (SECRET[:-1], 401)):
        headers = {"authorization": f"Bearer {secret}"}
        assert ask(post, MLFLOW, json=SPLIT, headers=headers).status_code == status


def test_what_is_asked_is_answered_before_it_ends(exporting_house, start_outpost, tmp_path):
    began, may_end = tmp_path / "began", tmp_path / "may-end"
    body = f"""
while x[0, 0] == 7.0 and not os.path.exists({str(may_end)!r}):
    open({str(began)!r}, "w").close()
    time.sleep(0.01)"""
    post = start_outpost(
        exporting_house.export(models.odd(tmp_path / "m", body)), key=exporting_house.key
    )
    asked = {"dataframe_split": {"columns": ["a", "b", "c"], "data": [[7.0, 0.0, 0.0]]}}
    answers = []
    asking = threading.Thread(target=lambda: answers.append(ask(post, MLFLOW, json=asked)))
    asking.start()
    until(began.exists)
    os.kill(post.pid, signal.SIGTERM)
    until(lambda: "Shutting down" in post.log)
    may_end.touch()
    asking.join(60)
    assert answers[0].json()["predictions"] == [7.0]
    assert post.stop() == 0


def test_killed_it_takes_its_models_with_it(exporting_house, start_outpost, tmp_path):
    model = models.odd(tmp_path / "m", "x[:, 0] = os.getpid()")
    post = start_outpost(exporting_house.export(model), key=exporting_house.key)
    worker = int(ask(post, MLFLOW, json=SPLIT).json()["predictions"][0])
    os.kill(worker, 0)
    post.kill9()
    until(lambda: not os.path.exists(f"/proc/{worker}"))  # noqa: PTH110


def test_nothing_of_a_model_is_opened_unless_all_of_it_verifies(
    exporting_house, start_outpost, tmp_path
):
    opened = tmp_path / "opened"
    model = models.odd(tmp_path / "m")
    code = (model / "code" / "odd.py").read_text()
    (model / "code" / "odd.py").write_text(f"open({str(opened)!r}, 'w').close()\n{code}")
    folder = exporting_house.export(model)
    changed = folder / "model" / "MLmodel"
    changed.chmod(0o600)
    text = changed.read_text()
    changed.write_text(text + "\n")
    with pytest.raises(AssertionError, match="ended with 1") as told:
        start_outpost(folder, key=exporting_house.key)
    assert "MLmodel is not as it was signed" in str(told.value)
    assert not opened.exists()
    changed.write_text(text)
    start_outpost(folder, key=exporting_house.key)
    assert opened.exists()


def serving(house, *folders, listen="127.0.0.1:0", tokens=None):
    settings = Settings(server={"listen": listen}, auth={"required": tokens is not None})
    serve_outpost(
        folders, Verifier(house.key), settings, tokens=Tokens(tokens), on_ready=lambda *_: None
    )


def test_others_may_not_reach_it_without_a_secret(exporting_house, tmp_path):
    folder = exporting_house.export(models.odd(tmp_path / "m"))
    with pytest.raises(Refused, match="no token is asked for") as caught:
        serving(exporting_house, folder, listen="0.0.0.0:0")
    assert "--tokens" in caught.value.hint


def test_one_product_has_one_version(exporting_house, tmp_path):
    folders = [
        exporting_house.export(models.odd(tmp_path / f"m{version}"), version=version)
        for version in "12"
    ]
    with pytest.raises(BadInput, match="fraud, fraud"):
        serving(exporting_house, *folders)


def test_what_is_no_export_or_of_another_house_is_refused(exporting_house, tmp_path):
    with pytest.raises(NotFound, match="no exported version") as caught:
        serving(exporting_house, models.odd(tmp_path / "bare"))
    assert "twinhelm export" in caught.value.hint
    folder = exporting_house.export(models.odd(tmp_path / "m"))
    exporting_house.key.write_bytes(type(exporting_house.seal)(tmp_path / "other.pem").public)
    with pytest.raises(Denied, match=r"not made with the key house\.pem"):
        serving(exporting_house, folder)


@pytest.mark.parametrize("text", ["", "\n", "short", f"{SECRET}\nshort\n", "sécret" * 9])
def test_a_file_without_a_secret_to_rely_on_is_refused(tmp_path, text):
    (tmp_path / "tokens").write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match="tokens"):
        Tokens(tmp_path / "tokens")


def test_nobody_is_known_without_a_file():
    with pytest.raises(Unauthenticated):
        Tokens(None).resolve_token("")
