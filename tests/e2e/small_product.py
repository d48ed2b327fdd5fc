"""The smallest product that is real: two columns, an MLflow recipe, people, and a server to ask.

Its recipe says ``fitting`` and, where the file that the variable ``GATE`` names is a pipe, waits
for somebody to open the other end: a test finds it in the middle of training for sure.
"""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import numpy as np

from twinhelm.core import json
from twinhelm.core.roles import Role

__all__ = ["API", "NAME", "PATIENCE_S", "Desk", "question", "rows", "write_product"]

API = "/api/twinhelm/v1"
NAME = "sum"
PATIENCE_S = 180.0

FILE = """
[product]
name = "sum"
use_case = "Tell whether two numbers add up to more than nothing."
decides = "Which of two heaps a sheet goes to."
owner = "ada"
tier = "{tier}"

[data]
train = "train.csv"
holdout = "holdout.csv"
task = "classification"
columns = [
    {{ name = "a", type = "number" }},
    {{ name = "b", type = "number" }},
    {{ name = "sum", type = "category", role = "target", values = ["less", "more"] }},
]

[[gates]]
metric = "accuracy"
at_least = 0.9

[build]
recipe = "train.py"

[rollout]
kind = "{rollout}"
shares = [0.2, 0.5]
step_s = 0.2
min_requests = 20
max_latency_ms = 60000

[monitor]
window_minutes = 0.1
min_rows = 200
false_alarms = 0.001
psi = 1.0

[retrain]
on = ["drift"]
cooldown_hours = 1
"""

RECIPE = '''
"""Train a model that tells whether two numbers add up to more than nothing."""

import os
from pathlib import Path

import mlflow
import pandas as pd
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression

table = pd.read_csv("train.csv")
x, y = table[["a", "b"]], table["sum"]
mlflow.set_experiment("sum")
with mlflow.start_run():
    print("fitting", flush=True)
    gate = Path(os.environ.get("GATE", ""))
    if gate.is_fifo():
        gate.read_bytes()
    strength = float(os.environ.get("STRENGTH", "1"))
    model = LogisticRegression(C=strength).fit(x, y)
    mlflow.log_param("strength", strength)
    mlflow.sklearn.log_model(
        model,
        name="model",
        signature=infer_signature(x, model.predict(x)),
        registered_model_name="sum",
        pip_requirements=["scikit-learn"],
        serialization_format="cloudpickle",
    )
'''


def rows(count: int, seed: int, shift: float = 0.0) -> np.ndarray:
    """Pairs of numbers (n, 2), the first of them moved by ``shift``."""
    return np.random.default_rng(seed).normal([shift, 0.0], size=(count, 2))


def write_product(folder: Path, *, tier: str, rollout: str) -> str:
    """Write recipe and data; returns the text of the product file."""
    folder.mkdir()
    (folder / "train.py").write_text(RECIPE)
    (folder / "train.csv").write_text("a,b,sum\n")
    (folder / "holdout.csv").write_text("a,b,sum\n")
    learn(folder / "train.csv", rows(400, seed=1))
    learn(folder / "holdout.csv", rows(200, seed=2))
    return FILE.format(tier=tier, rollout=rollout)


def learn(file: Path, pairs: np.ndarray) -> None:
    """Add pairs and their truth to a file of data."""
    with file.open("a") as out:
        out.writelines(f"{a},{b},{'more' if a + b > 0 else 'less'}\n" for a, b in pairs.tolist())


def question(pair: np.ndarray) -> bytes:
    """One pair, as a request of Open Inference Protocol v2."""
    columns = zip(("a", "b"), pair.tolist(), strict=True)
    usual = {"shape": [1], "datatype": "FP64"}
    return json.dumps({"inputs": [{"name": name, **usual, "data": [at]} for name, at in columns]})


class Desk:
    """The API of a server as ada, who builds, and grace, who approves, ask it."""

    def __init__(self, server, web: httpx.Client):
        self.server, self.web, self.tokens = server, web, {}
        for name, role in (("ada", Role.DATA_SCIENTIST), ("grace", Role.APPROVER)):
            said = {"name": name, "roles": [role.value]}
            admin = server.headers(Role.ADMIN)
            self.web.post(f"{API}/people", json=said, headers=admin).raise_for_status()
            made = self.web.post(f"{API}/tokens", json=said, headers=admin)
            self.tokens[name] = {
                "Authorization": f"Bearer {made.raise_for_status().json()['secret']}"
            }

    def get(self, path, **asked):
        return self.web.get(f"{API}{path}", params=asked).raise_for_status().json()

    def post(self, path, body=None, *, by="ada"):
        answer = self.web.post(f"{API}{path}", json=body or {}, headers=self.tokens[by])
        assert answer.status_code < 300, answer.text
        return answer.json()

    def look(self):
        """What :meth:`until` does each time it asks."""

    def until(self, said, what=""):
        """Ask until a truthy answer comes, and return it."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            self.look()
            if found := said():
                return found
            assert time.monotonic() < deadline, f"{what or said} never; {self.server.log[-4000:]}"
            time.sleep(0.05)

    def built(self, number):
        """Wait for the end of a build; returns its version."""

        def over():
            run = next(r for r in self.get(f"/products/{NAME}/builds") if r["number"] == number)
            return run if run["state"] != "running" else None

        run = self.until(over, f"the end of run {number}")
        assert run["state"] == "done", run
        return run["version"]

    def validated(self, version):
        """Wait until a version is measured."""
        path = f"/products/{NAME}/versions/{version}"
        found = self.until(lambda: self.get(path)["validation"], f"validation of {version}")
        assert all(each["verdict"] == "pass" for each in found["checks"]), found["checks"]

    def deployment(self):
        return self.get(f"/products/{NAME}/deployment")["deployment"] or {"parts": []}

    def champions(self):
        return [p["version"] for p in self.deployment()["parts"] if p["role"] == "champion"]

    def journal(self, kind="", after_seq=0):
        return self.get("/journal", kind=kind, after_seq=after_seq, limit=1000)

    def approvals(self, version):
        return self.get(f"/products/{NAME}/versions/{version}")["approvals"]

    def infer(self, pair):
        """Ask for a prediction; returns the whole answer."""
        headers = {"Content-Type": "application/json"}
        content = question(pair)
        return self.web.post(f"/v2/models/{NAME}/infer", content=content, headers=headers)
