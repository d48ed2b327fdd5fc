"""One clinical product from its file to its evidence, on a real server, with real people and load.

Framed, built by an unchanged MLflow script, measured, blocked for want of a second person by
every door, approved in a real browser, live; then its population changes: found, retrained,
approved, taken over step by step under load; then a bad version, taken back by itself with no
request failed. ``make story`` runs it and says what happens; pictures go to TWINHELM_PICTURES.
"""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import duckdb
import httpx
import numpy as np
import pytest

from twinhelm.core import json
from twinhelm.core.roles import Role

EXAMPLE = Path(__file__).parents[2] / "examples" / "breast-cancer"
API = "/api/twinhelm/v1"
NAME = "breast-cancer"
PASSWORD = "correct horse battery"
PATIENCE_S = 120.0
POINTS = "worst_concave_points"

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="models run in processes of Linux"),
    pytest.mark.timeout(600),
]


class Story:
    """A server, a folder with the product, ada who builds and grace who approves."""

    def __init__(self, server, folder: Path, web):
        self.server, self.folder, self.web = server, folder, web
        admin = server.headers(Role.ADMIN)
        people = [("ada", ["data scientist"]), ("grace", ["approver", "operator"])]
        for name, roles in people:
            said = {"name": name, "roles": roles, "password": PASSWORD}
            self.web.post(f"{API}/people", json=said, headers=admin).raise_for_status()
        made = {"name": "ada-laptop", "roles": ["data scientist"]}
        answer = self.web.post(f"{API}/tokens", json=made, headers=admin)
        self.token = answer.raise_for_status().json()["secret"]
        self.ada = {"Authorization": f"Bearer {self.token}"}

    def tell(self, text):
        sys.stdout.write(f"{text}\n")

    def get(self, path, **asked):
        return self.web.get(f"{API}{path}", params=asked).raise_for_status().json()

    def post(self, path, body=None):
        return self.web.post(f"{API}{path}", json=body or {}, headers=self.ada)

    def wait(self, what, patience_s=PATIENCE_S):
        """Poll until a truthy answer comes, and return it."""
        deadline = time.monotonic() + patience_s
        while not (found := what()):
            assert time.monotonic() < deadline, f"{what} never came; {self.server.log[-3000:]}"
            time.sleep(0.2)
        return found

    def frame(self, **change):
        text = (self.folder / "product.toml").read_text()
        for old, new in change.values():
            assert old in text
            text = text.replace(old, new)
        (self.folder / "product.toml").write_text(text)
        answer = self.post("/products", {"text": text, "folder": str(self.folder)})
        assert answer.status_code < 300, answer.text

    def build(self):
        """Run the recipe; returns the version it made."""
        number = self.post(f"/products/{NAME}/builds").raise_for_status().json()["number"]
        return self.built(number)

    def built(self, number):
        def over():
            run = next(r for r in self.get(f"/products/{NAME}/builds") if r["number"] == number)
            return run if run["state"] != "running" else None

        run = self.wait(over)
        assert run["state"] == "done", (run["error"], self.log(number))
        return run["version"]

    def log(self, number):
        return self.web.get(f"{API}/products/{NAME}/builds/{number}/log").text[-2000:]

    def validated(self, version):
        def found():
            return self.get(f"/products/{NAME}/versions/{version}").get("validation")

        return self.wait(found)

    def champion(self):
        now = self.get(f"/products/{NAME}/deployment").get("deployment") or {}
        return {p["role"]: p["version"] for p in now.get("parts", ())}.get("champion", "")

    def rollouts(self):
        return self.get(f"/products/{NAME}/deployment")["rollouts"]

    def journal(self, kind):
        return self.get("/journal", kind=kind, limit=200)


def rows(folder):
    with (folder / "data" / "holdout.csv").open() as lines:
        return list(csv.DictReader(lines))


class Load:
    """Clients that go on asking; every answer's status is kept."""

    def __init__(self, story, rows, clients=4):
        self.statuses, self.versions, self.asked = [], set(), []
        self._story, self._rows = story, rows
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(clients)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, n):
        with httpx.Client(base_url=self._story.server.url, timeout=30, trust_env=False) as web:
            at = n
            while not self._over.is_set():
                answer = ask(web, self._rows[at % len(self._rows)])
                self.statuses.append(answer.status_code)
                at += len(self._threads)


def ask(web, row):
    columns = [name for name in row if name != "diagnosis"]
    body = {"dataframe_split": {"columns": columns, "data": [[float(row[c]) for c in columns]]}}
    return web.post(f"/models/{NAME}/invocations", json=body)


def answered(web, row):
    """Ask until the model is warm."""
    deadline = time.monotonic() + PATIENCE_S
    while (answer := ask(web, row)).status_code == 503 and time.monotonic() < deadline:
        time.sleep(0.2)
    return answer


def other_hospital(rows, rng):
    """The same cases, measured by another microscope: masses look larger and rougher."""
    moved = []
    for row in rows:
        made = dict(row)
        for name in ("mean_radius", "mean_texture", "mean_perimeter", "worst_concave_points"):
            made[name] = str(float(row[name]) * (1.22 + 0.03 * rng.standard_normal()))
        moved.append(made)
    return moved


def sign_in(page, server, name):
    page.goto(f"{server.url}/sign-in")
    page.fill("input[name=name]", name)
    page.fill("input[name=password]", PASSWORD)
    page.press("input[name=password]", "Enter")
    page.wait_for_url(lambda url: "/sign-in" not in url)


def picture(page, name):
    folder = os.environ.get("TWINHELM_PICTURES")
    if folder:
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=False)


def test_a_product_walks_the_whole_road(start_twinhelm, start_outpost, page, tmp_path):
    rng = np.random.default_rng(7)
    server = start_twinhelm("--no-host", env={"TWINHELM_MODELS__LOOK_S": "1"})
    folder = tmp_path / "product"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("data"))
    subprocess.run([sys.executable, "prepare.py"], cwd=folder, check=True)
    with httpx.Client(base_url=server.url, timeout=60, trust_env=False) as web:
        walk(Story(server, folder, web), server, page, folder, rng, start_outpost)

    # A copy is whole: another server, on what was restored, answers with the same champion.
    copy, elsewhere = tmp_path / "copy", tmp_path / "elsewhere"
    program = str(Path(sys.executable).with_name("twinhelm"))
    for words in (["backup", str(copy), "--data", str(server.data)],
                  ["restore", str(copy), "--data", str(elsewhere)]):  # fmt: skip
        subprocess.run([program, *words], check=True)
    server.stop()
    for data in (server.data, elsewhere):
        again = start_twinhelm("--no-host", data=data)
        with httpx.Client(base_url=again.url, timeout=60, trust_env=False) as web:
            answer = answered(web, rows(folder)[0])
            assert answer.status_code == 200, answer.text
        again.stop()


def walk(story, server, page, folder, rng, start_outpost):
    # Framed and built: a plain MLflow script, run by the house with the data it froze.
    story.frame(quick=("step_s = 5", "step_s = 1"))
    first = story.build()
    found = story.validated(first)
    assert {c["name"]: c["verdict"] for c in found["checks"]}["roc_auc"] == "pass"
    story.tell(f"version {first} is built and measured")

    # Blocked by every door: nobody else has agreed yet.
    answer = story.post(f"/products/{NAME}/versions/{first}/promote")
    assert answer.status_code == 202, answer.text
    assert story.champion() == ""
    said = mlflow_alias(story, first)
    assert "RESOURCE_CONFLICT" in said or "PERMISSION_DENIED" in said
    assert story.champion() == ""
    sign_in(page, server, "ada")
    page.goto(f"{server.url}/approvals")
    page.get_by_role("button", name="Approve").first.wait_for()
    assert page.get_by_role("button", name="Approve").first.is_disabled()
    picture(page, "approvals-own")
    page.context.clear_cookies()
    story.tell("blocked by API, MLflow client and page")

    # A second person agrees, in the browser.
    approve(page, server, first)
    story.wait(lambda: story.champion() == first)
    answer = ask(story.web, rows(folder)[0])
    assert answer.status_code == 200, answer.text
    story.tell(f"version {first} is live")

    # The population changes; new cases with their truth reach the training data meanwhile.
    moved = other_hospital(rows(folder), rng)
    with (folder / "data" / "train.csv").open("a") as lines:
        csv.DictWriter(lines, list(moved[0]), lineterminator="\n").writerows(moved[::2])
    for row in moved:
        ask(story.web, row).raise_for_status()
    story.wait(lambda: story.journal("drift.found"))
    story.tell("drift is found")
    story.wait(lambda: any(row["body"]["started"] for row in story.journal("retrain.triggered")))
    second = story.wait(lambda: next(
        (r["version"] for r in story.get(f"/products/{NAME}/builds") if r["reason"] == "drift"
         and r["state"] == "done"), None))  # fmt: skip
    story.validated(second)
    story.wait(lambda: story.get("/approvals"))
    story.tell(f"version {second} is retrained and asks for approval by itself")
    page.goto(f"{server.url}/products/{NAME}")
    page.wait_for_load_state("networkidle")
    picture(page, "product-drifted")

    # Taken over step by step, under load, and no request fails.
    with Load(story, moved) as load:
        approve(page, server, second, signed_in=True)
        story.wait(lambda: story.champion() == second)
        page.goto(f"{server.url}/products/{NAME}")
        page.wait_for_load_state("networkidle")
        picture(page, "product-live")
    assert set(load.statuses) == {200}
    steps = [row["body"]["share"] for row in story.journal("rollout.advanced")]
    assert {0.1, 0.5} <= set(steps)
    story.tell(f"version {second} took over: {len(load.statuses)} requests, none failed")

    # A bad version passes its gates, and is taken back by itself.
    (folder / "train_bad.py").write_text(BAD)
    story.frame(bad=('recipe = "train.py"', 'recipe = "train_bad.py"'))
    third = story.build()
    found = story.validated(third)
    assert not [c for c in found["checks"] if c["verdict"] == "fail"], found["checks"]
    worse = [{**row, POINTS: str(3 * float(row[POINTS]))} for row in moved]
    with Load(story, worse) as load:
        story.post(f"/products/{NAME}/versions/{third}/promote").raise_for_status()
        approve(page, server, third, signed_in=True)
        story.wait(lambda: any(
            r["version"] == third and r["state"] == "rolled back" for r in story.rollouts()
        ))  # fmt: skip
    assert story.champion() == second
    assert set(load.statuses) == {200}
    story.tell(f"version {third} was rolled back: {len(load.statuses)} requests, none failed")

    # A whole file is answered beside the traffic.
    scored = folder / "scored.parquet"
    program = str(Path(sys.executable).with_name("twinhelm"))
    source = f"sql:select * exclude (diagnosis) from '{folder / 'data' / 'holdout.csv'}'"  # noqa: S608 - our own file
    words = [program, "score", NAME, source, str(scored), "--data", str(server.data)]
    subprocess.run(words, check=True)
    (found,) = duckdb.read_parquet(str(scored)).aggregate("count(*), count(prediction)").fetchall()
    assert found == (len(rows(folder)), len(rows(folder)))

    # Another machine answers for it without the house, and says the same.
    exported, key = folder.with_name("exported"), folder.with_name("house.pem")
    words = [program, "export", NAME, second, str(exported), "--key", str(key)]
    subprocess.run([*words, "--data", str(server.data)], check=True)
    outpost = start_outpost(exported, key=key)
    with httpx.Client(base_url=outpost.url, timeout=60, trust_env=False) as web:
        for row in rows(folder)[:20]:
            assert ask(web, row).json() == ask(story.web, row).json()
    outpost.stop()
    assert [row["subject"] for row in story.journal("version.exported")] == [
        f"version/{NAME}/{second}"
    ]
    story.tell(f"version {second} answers on an outpost, too")

    # Who let what in, and the evidence of it.
    live = story.get("/live")
    assert [(row["product"], row["version"]) for row in live if row["product"] == NAME] == [
        (NAME, second)
    ]
    evidence = f"/products/{NAME}/versions/{second}/evidence"
    made = story.post(evidence, {"catalogue": "eu-ai-act"}).raise_for_status().json()
    evidence = f"{API}{evidence}/{made['digest']}"
    pdf = story.web.get(f"{evidence}.pdf", headers=story.ada).raise_for_status().content
    assert pdf.startswith(b"%PDF")
    pack = json.loads(story.web.get(f"{evidence}.json", headers=story.ada).content)
    assert pack
    shown = folder / "evidence.html"
    shown.write_bytes(story.web.get(f"{evidence}.html", headers=story.ada).content)
    page.goto(shown.as_uri())
    page.get_by_role("heading").first.wait_for()
    assert NAME in page.content()
    picture(page, "evidence")
    verified = story.get("/journal/verification")
    assert verified["ok"], verified


def approve(page, server, version, *, signed_in=False):
    if not signed_in:
        sign_in(page, server, "grace")
    page.goto(f"{server.url}/approvals")
    page.get_by_text(f"{NAME}, version {version}").first.wait_for()
    picture(page, f"approval-{version}")
    page.locator("textarea").first.fill("Looked at slices and recall.")
    page.get_by_role("button", name=f"Approve {NAME} {version}").first.click()
    page.get_by_text("Sure?").first.click()


def mlflow_alias(story, version):
    """Ask for the promotion with the real MLflow client; returns what it was told."""
    script = (
        "import sys, mlflow\n"
        "try:\n"
        f"    mlflow.MlflowClient().set_registered_model_alias({NAME!r}, 'champion', {version!r})\n"
        "except mlflow.exceptions.MlflowException as error:\n"
        "    print(error)\n"
    )
    env = {
        **os.environ,
        "MLFLOW_TRACKING_URI": f"{story.server.url}/mlflow",
        "MLFLOW_TRACKING_TOKEN": story.token,
    }
    ran = subprocess.run(
        [sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True
    )
    return ran.stdout


BAD = '''
"""Train a model that cannot answer outside what it has seen: it fails on more concave masses."""

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer, StandardScaler

table = pd.read_csv("data/train.csv")
table = table[: 398]
x, y = table.drop(columns="diagnosis"), table["diagnosis"]
known = np.array([[0.0], [0.1], [1.5 * table["worst_concave_points"].max()]])
strict = ColumnTransformer(
    [("points", SplineTransformer(knots=known, extrapolation="error"), ["worst_concave_points"])],
    remainder=StandardScaler(),
)
model = make_pipeline(strict, LogisticRegression(max_iter=2000))
mlflow.set_experiment("breast-cancer")
with mlflow.start_run():
    model.fit(x, y)
    mlflow.sklearn.log_model(
        model,
        name="model",
        signature=infer_signature(x, model.predict(x)),
        registered_model_name="breast-cancer",
        pip_requirements=["scikit-learn", "pandas"],
        serialization_format="cloudpickle",
    )
'''
