"""NVIDIA's client of the Open Inference Protocol, unchanged, at a real server's doors.

A small product is framed, built, measured and promoted; behind it stands a scikit-learn pipeline
of numbers and text, and what the client is told is held against that pipeline's own answers.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest

from peers.programs import require
from peers.server import Twinhelm
from twinhelm.core.json import dumps, loads
from twinhelm.core.roles import Role

STORY = Path(__file__).with_name("oip_story.py")
API = "/api/twinhelm/v1"
NAME = "parcels"
PATIENCE_S = 180.0
JSON_LENGTH = "inference-header-content-length"

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="models run in processes of Linux"),
    pytest.mark.timeout(900),
]

PRODUCT = """
[product]
name = "parcels"
use_case = "Tell which parcels come late."
decides = "Which parcels a dispatcher looks at again."
owner = "ada"
tier = "low"

[data]
train = "train.csv"
holdout = "holdout.csv"
task = "classification"
columns = [
    { name = "fate", type = "category", role = "target", values = ["late", "punctual"] },
    { name = "weight", type = "number" },
    { name = "stops", type = "number" },
    { name = "region", type = "category" },
]

[[gates]]
metric = "accuracy"
at_least = 0.6

[build]
recipe = "train.py"

[rollout]
kind = "direct"
"""

RECIPE = """
import mlflow, pandas as pd
from mlflow.models import infer_signature
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

table = pd.read_csv("train.csv")
x, y = table.drop(columns="fate"), table["fate"]
words = ColumnTransformer(
    [("region", OneHotEncoder(handle_unknown="ignore"), ["region"])], remainder="passthrough"
)
model = make_pipeline(words, LogisticRegression(max_iter=1000)).fit(x, y)
mlflow.set_experiment("parcels")
with mlflow.start_run():
    mlflow.sklearn.log_model(
        model, name="model", signature=infer_signature(x, model.predict(x)),
        registered_model_name="parcels", pip_requirements=["scikit-learn", "pandas"],
        serialization_format="cloudpickle",
    )
"""


def parcels(n, seed):
    """Parcels, and whether they came late, which hangs on all three columns."""
    rng = np.random.default_rng(seed)
    weight, stops = rng.gamma(2.0, 3.0, n), rng.integers(1, 9, n)
    region = rng.choice(["north", "süd", "漢"], n)
    score = weight - 6 + stops - 4 + 2.0 * (region == "süd") + rng.normal(size=n)
    fate = np.where(score > 0, "late", "punctual")
    return pd.DataFrame({"weight": weight, "stops": stops, "region": region, "fate": fate})


class Live:
    """A server with the product live, its pipeline, and rows to ask for."""

    def __init__(self, server, web):
        self.server, self.web = server, web
        folder = server.data / "models" / NAME / "1" / "model"
        (file,) = folder.glob("*.pkl")
        self.pipeline = pickle.loads(file.read_bytes())  # noqa: S301 - made by this test
        self.rows = parcels(40, 3).drop(columns="fate")

    def infer(self, body, **headers):
        return self.web.post(f"/v2/models/{NAME}/infer", content=body, headers=headers)

    def healthy(self):
        """Both doors give the pipeline's own answers."""
        wanted = self.pipeline.predict(self.rows).tolist()
        head, body = raw(self.rows)
        answer = self.infer(head + body, **{JSON_LENGTH: str(len(head))})
        assert answer.json()["outputs"][0]["data"] == wanted
        split = {"columns": list(self.rows), "data": self.rows.to_numpy().tolist()}
        answer = self.web.post(f"/models/{NAME}/invocations", json={"dataframe_split": split})
        assert answer.json()["predictions"] == wanted


def raw(rows):
    """The JSON and the bytes of a request with three raw tensors."""
    region = b"".join(
        len(each).to_bytes(4, "little") + each for each in map(str.encode, rows["region"])
    )
    parts = {
        "weight": ("FP64", rows["weight"].to_numpy("<f8").tobytes()),
        "stops": ("INT64", rows["stops"].to_numpy("<i8").tobytes()),
        "region": ("BYTES", region),
    }
    inputs = [
        {"name": name, "shape": [len(rows)], "datatype": kind,
         "parameters": {"binary_data_size": len(part)}}
        for name, (kind, part) in parts.items()
    ]  # fmt: skip
    return dumps({"inputs": inputs}), b"".join(part for _, part in parts.values())


def wait(server, what):
    deadline = time.monotonic() + PATIENCE_S
    while not (found := what()):
        assert time.monotonic() < deadline, server.log[-3000:]
        time.sleep(0.1)
    return found


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """The product, live as version 1."""
    pytest.importorskip("sklearn")
    home = tmp_path_factory.mktemp("oip")
    folder = home / "product"
    folder.mkdir()
    (folder / "train.py").write_text(RECIPE)
    parcels(400, 1).to_csv(folder / "train.csv", index=False)
    parcels(200, 2).to_csv(folder / "holdout.csv", index=False)
    server = Twinhelm(home / "data", "--no-host", patience_s=PATIENCE_S)
    server.start()
    try:
        with httpx.Client(base_url=server.url, timeout=PATIENCE_S, trust_env=False) as web:
            web.headers.update(server.headers(Role.ADMIN))
            post = lambda path, **body: web.post(f"{API}{path}", json=body).raise_for_status()  # noqa: E731
            get = lambda path: web.get(f"{API}{path}").raise_for_status().json()  # noqa: E731
            post("/products", text=PRODUCT, folder=str(folder))
            post(f"/products/{NAME}/builds")

            def built():
                (run,) = get(f"/products/{NAME}/builds")
                return run if run["state"] != "running" else None

            run = wait(server, built)
            assert run["state"] == "done", run["error"]
            wait(server, lambda: get(f"/products/{NAME}/versions/1").get("validation"))
            post(f"/products/{NAME}/versions/1/promote")
            wait(server, lambda: web.get(f"/v2/models/{NAME}/ready").status_code == 200)
            yield Live(server, web)
    finally:
        server.stop(patience_s=PATIENCE_S)


@pytest.fixture(scope="module")
def report(live):
    """What the client's story came to."""
    told = subprocess.run(
        [require("tritonclient"), STORY, live.server.address, NAME],
        input=dumps(live.rows[:1].to_dict("list")), env={"PATH": os.environ["PATH"]},
        capture_output=True, timeout=600, check=False,
    )  # fmt: skip
    assert told.stdout.startswith(b"REPORT "), (told.stderr[-4000:], live.server.log[-2000:])
    return loads(told.stdout.removeprefix(b"REPORT "))


@pytest.mark.peer("tritonclient")
def test_the_client_sees_a_server_and_a_model_that_are_ready(report):
    assert report["live"]
    assert report["ready"]
    assert report["model_ready"]
    assert report["version_ready"]
    assert not report["unknown_ready"]
    assert report["server"]["extensions"] == ["binary_tensor_data"]


@pytest.mark.peer("tritonclient")
def test_the_metadata_names_what_is_taken_and_what_is_given(report):
    told = report["model"]
    assert [(each["name"], each["datatype"], each["shape"]) for each in told["inputs"]] == [
        ("weight", "FP64", [-1]), ("stops", "INT64", [-1]), ("region", "BYTES", [-1]),
    ]  # fmt: skip
    assert [(each["name"], each["datatype"], each["shape"]) for each in told["outputs"]] == [
        ("predict", "BYTES", [-1]), ("predict_proba", "FP64", [-1, 2]),
    ]  # fmt: skip
    assert report["of_version"] == told


@pytest.mark.peer("tritonclient")
def test_every_way_of_asking_gives_the_models_own_answer(report, live):
    row = live.rows[:1]
    predict = live.pipeline.predict(row).tolist()
    chance = live.pipeline.predict_proba(row)
    for way, found in [*report["answers"].items(), ("again", report["again"])]:
        assert found["predict"] == predict, way
        np.testing.assert_allclose(found["chance"], chance, rtol=1e-12, err_msg=way)
        assert found["version"] == "1"
    assert report["answers"]["named"]["id"] == "case-7"
    mixed = {"json": [False, False], "mixed": [False, True]}
    for way, found in report["answers"].items():
        assert found["raw"] == mixed.get(way, [True, True]), way
    assert report["only"]["predict"] is None
    np.testing.assert_allclose(report["only"]["chance"], chance, rtol=1e-12)


@pytest.mark.peer("tritonclient")
@pytest.mark.parametrize(
    ("what", "status", "said"),
    [
        ("type", "400", "'weight' takes double, not strings"),
        ("rows", "400", "different numbers of rows: [1, 2]"),
        ("name", "400", "there is no input 'zone'; the model takes 'weight', 'stops', 'region'"),
        ("text", "400", "'region' takes string, and a value is not UTF-8"),
        ("shared", "400", "shared memory is not offered here"),
        ("classes", "400", "classification is not offered here"),
        ("output", "400", "there is no output 'logits'; there are predict, predict_proba"),
        ("model", "404", "no version of a product 'nothing' is live"),
        ("version", "404", "version '9' of parcels does not answer"),
    ],
)
def test_what_cannot_be_answered_is_told_to_the_client(report, what, status, said):
    assert report["refused"][what][0] == status
    assert said in report["refused"][what][1]


@pytest.mark.peer("tritonclient")
def test_what_is_not_offered_is_told_to_the_client(report):
    for what, (status, said) in report["unoffered"].items():
        assert status == "404", what
        assert "is not offered" in said, what


def swapped(old, new):
    """A change of the JSON alone."""
    return lambda head, body: (head.replace(old, new, 1), body)


@pytest.mark.parametrize(
    ("change", "length", "said"),
    [
        (lambda head, body: (head, body[:-1]), len, "bytes of tensors are left"),
        (lambda head, body: (head, body[:5]), len, "5 bytes of tensors are left"),
        (lambda head, body: (head, body + b"more"), len, "4 bytes follow the last tensor"),
        (lambda head, body: (head, b""), len, "0 bytes of tensors are left"),
        (swapped(b"FP64", b"FP32"), len, "160 bytes, not 320"),
        (swapped(b"FP64", b"FP80"), len, "datatype 'FP80'"),
        (swapped(b"[40]", b"[-1]"), len, "needs a shape"),
        (swapped(b"[40]", b"[4611686018427387904,4]"), len, "bytes, not 320"),
        (swapped(b":320}", b":9223372036854775807}"), len, "bytes of tensors are left"),
        (swapped(b"", b""), "7", "not JSON"),
        (swapped(b"", b""), "0", "not JSON"),
        (swapped(b"", b""), "99999999", "Inference-Header-Content-Length"),
        (swapped(b"", b""), "9" * 5000, "Inference-Header-Content-Length"),
        (swapped(b"", b""), "-3", "Inference-Header-Content-Length"),
        (swapped(b"", b""), None, "not JSON"),
        (swapped(b"", b"\0\1\0\0\0"), None, "not JSON"),
    ],
)
def test_rubbish_is_refused_and_both_doors_stay_healthy(live, change, length, said):
    head, body = change(*raw(live.rows))
    given = str(length(head)) if length is len else length
    answer = live.infer(head + body, **({} if given is None else {JSON_LENGTH: given}))
    assert answer.status_code == 400, answer.text
    assert said in answer.json()["error"]
    live.healthy()
