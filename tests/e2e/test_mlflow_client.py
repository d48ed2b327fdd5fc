"""The MLflow client as users have it, against our door and MLflow's own server side behind it.

``TWINHELM_MLFLOW_CLIENTS`` names further Python interpreters (separated by ``:``), each with
another minor of MLflow's client, which walk through the same story.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
import uvicorn

from peers.memory_records import MemoryRecords
from peers.memory_workflows import MemoryWorkflows
from twinhelm.core.clock import FakeClock
from twinhelm.core.errors import Denied, NotFound, TooLarge
from twinhelm.core.json import loads
from twinhelm.core.settings import Settings
from twinhelm.events.journal import Journal
from twinhelm.mlops.tracking import Client, Tracking, import_workflow
from twinhelm.web.mlflow import MlflowDoor

STORY = Path(__file__).with_name("mlflow_story.py")
CLIENTS = [sys.executable, *filter(None, os.environ.get("TWINHELM_MLFLOW_CLIENTS", "").split(":"))]


class House:
    """A gate by the version's number, and a register that takes every version's files."""

    def __init__(self, client: Client, folder: Path) -> None:
        self.client, self.folder, self.heard, self.wrong = client, folder, [], []

    def promote(self, product, version, *, by):
        if version == "1":
            raise Denied("gate accuracy failed: 0.91 is below 0.95", hint="validate a better one")
        return "" if version == "3" else "approval iris/2/1 waits for 1 other person"

    def may_unset(self, product, version, *, by):
        if version in {"", "3"}:
            raise Denied(f"{product}/3 is live", hint="roll back or retire it")

    may_delete = may_unset

    def registered(self, product, version, by):
        self.heard.append((product, version, by))
        try:
            source = self.client.version(product, version)["source"]
            goal = self.folder / product / version
            self.client.download(source, goal, max_bytes=1 << 24)
        except Exception as error:
            self.wrong.append(repr(error))
            raise


@pytest.fixture(scope="module", params=CLIENTS)
def served(tmp_path_factory, request):
    """A door on a port, with MLflow's real server side behind it; a fresh one for each client."""
    folder = tmp_path_factory.mktemp("mlflow")
    tracking = Tracking(folder / "mlflow")
    house = House(tracking.client(patience_s=120), folder / "register")
    settings = Settings(data=folder)
    door = MlflowDoor(tracking, house, house.registered, settings)
    asker = SimpleNamespace(identity=SimpleNamespace(name="ada"))

    loops = []

    async def app(scope, receive, send):
        loops.append(asyncio.get_running_loop())
        if scope["type"] == "http":
            scope["state"] = {"headers": dict(scope["headers"]), "asker": asker}
            await door(scope, receive, send)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="warning"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/mlflow"
        try:
            tracking.wait_ready(120)
            yield SimpleNamespace(
                url=url, tracking=tracking, house=house, folder=folder, python=request.param
            )
        finally:
            asyncio.run_coroutine_threadsafe(door.close(), loops[0]).result(60)
            server.should_exit = True
            thread.join()
            house.client.close()
            tracking.close()


@pytest.fixture(scope="module")
def report(served):
    """What the client's story came to."""
    env = {
        "PATH": os.environ["PATH"], "HOME": str(served.folder), "OMP_NUM_THREADS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
        "GIT_PYTHON_REFRESH": "quiet", "TQDM_DISABLE": "1", "LOGNAME": "bob",
    }  # fmt: skip
    told = subprocess.run(
        [served.python, str(STORY), served.url],
        env=env, cwd=served.folder, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    lines = [line for line in told.stdout.splitlines() if line.startswith("REPORT ")]
    assert lines, told.stdout[-2000:] + told.stderr[-4000:]
    return loads(lines[0].removeprefix("REPORT "))


def test_tracking_autolog_and_registry_work_as_with_any_server(report):
    assert report["stage"] == "Staging"
    assert report["children"] >= 2
    assert report["missing"] == "RESOURCE_DOES_NOT_EXIST"


def test_a_run_bears_who_began_it_unless_the_client_says(report):
    assert report["bare_user"] == "ada"
    assert report["outer_user"] not in {None, "ada"}


def test_a_refused_promotion_says_why_and_what_to_do(report):
    for way in ("alias_refused", "stage_refused"):
        code, message = report[way]
        assert code == "PERMISSION_DENIED"
        assert "0.91 is below 0.95" in message
        assert "validate a better one" in message


def test_a_promotion_under_way_is_not_told_as_done(report, served):
    code, message = report["alias_pending"]
    assert code == "RESOURCE_CONFLICT"
    assert "approval iris/2/1 waits" in message
    assert "/products/iris" in message


def test_what_is_live_already_may_be_called_so(report, served):
    assert report["alias_live"][0] == report["stage_live"][0] == "done"
    found = served.house.client.get("registered-models/alias", name="iris", alias="champion")
    assert found["model_version"]["version"] == "3"


@pytest.mark.parametrize(
    "what", ["archive_live", "alias_gone", "version_gone", "model_gone", "renamed"]
)
def test_what_is_live_is_not_taken_away(report, what):
    assert report[what] == [
        "PERMISSION_DENIED",
        "PERMISSION_DENIED: iris/3 is live (roll back or retire it)",
    ]


def test_what_the_house_does_not_hold_may_go(report):
    assert report["other_gone"][0] == "done"


def test_files_may_not_lie_elsewhere(report):
    assert report["elsewhere"][0] == "INVALID_PARAMETER_VALUE"
    assert "file:///etc" in report["elsewhere"][1]


def test_the_house_hears_of_every_version_and_finds_its_files(report, served):
    assert served.house.wrong == []
    assert served.house.heard == [("iris", number, "ada") for number in ("1", "2", "3")]
    for number in ("1", "2", "3"):
        assert (served.folder / "register/iris" / number / "MLmodel").exists()


def test_the_client_of_the_house_finds_runs_by_every_kind_of_source(report, served, tmp_path):
    client = served.house.client
    run = client.run(report["simple"])
    assert run["params"]["max_iter"] == "200"
    assert run["metrics"]["training_accuracy_score"] > 0.9
    sources = ["models:/iris/1", "models:/iris@champion", report["model_uri"], report["source"],
               f"runs:/{report['simple']}/model", f"runs:/{report['run']}/model"]  # fmt: skip
    for number, source in enumerate(sources):
        client.download(source, tmp_path / str(number), max_bytes=1 << 24)
        assert (tmp_path / str(number) / "MLmodel").exists(), source
    with pytest.raises(TooLarge):
        client.download("models:/iris/1", tmp_path / "small", max_bytes=10)
    with pytest.raises(NotFound):
        client.download("models:/iris/99", tmp_path / "none", max_bytes=10)


def test_killed_it_comes_back_with_all_that_was_answered(report, served):
    before = served.tracking.pid
    os.kill(before, 9)
    deadline = threading.Event()
    for _ in range(600):
        if served.tracking.ready and served.tracking.pid != before:
            break
        deadline.wait(0.1)
    answer = httpx.get(f"{served.url}/api/2.0/mlflow/runs/get", params={"run_id": report["run"]})
    assert answer.status_code == 200


def test_another_server_is_copied_whole_and_once(report, served, tmp_path):
    here = Tracking(tmp_path / "mlflow")
    journal = Journal(MemoryRecords(), FakeClock())
    workflows = MemoryWorkflows(FakeClock())
    heard = []
    try:
        with here.client(patience_s=120) as client:
            work = import_workflow(
                client, journal, lambda *told: heard.append(told), max_bytes=1 << 24
            )
            workflows.register("mlflow-import", work)
            told = [copied(workflows, served.url) for _ in range(2)]
            bare = client.get("experiments/get-by-name", experiment_name="bare")["experiment"]
            asked = {"experiment_ids": [bare["experiment_id"]], "max_results": 100}
            runs = list(client.pages("runs/search", "runs", **asked))
            assert client.version("iris", "2")["tags"]
            client.download("models:/iris/2", tmp_path / "got", max_bytes=1 << 24)
    finally:
        workflows.close()
        here.close()
    assert told[0] == told[1]
    assert told[0]["left"] == []
    assert told[0]["models"] == ["iris"]
    assert heard == [("iris", "1", "ada"), ("iris", "2", "ada")]  # 2 was deleted there, 3 is 2
    assert (tmp_path / "got/MLmodel").exists()
    assert len(runs) == 3
    outer, inner = (next(each for each in runs if each["info"]["run_name"] == name)
                    for name in ("outer", "inner"))  # fmt: skip
    assert {"key": "mlflow.parentRunId", "value": outer["info"]["run_id"]} in inner["data"]["tags"]
    assert len(outer["data"]["params"]) == 50


def copied(workflows, url):
    run_id = workflows.start("mlflow-import", {"url": url, "by": "ada"})
    deadline = threading.Event()
    for _ in range(2000):
        status = workflows.status(run_id)
        if status.state.over:
            assert not status.error
            return status.result
        deadline.wait(0.1)
    raise AssertionError(f"not over: {status}")
