"""Builds: inputs are named by content, recipes run once, repeat, resume, and tell what they made.

The tracking server is played by a folder: a recipe writes a file per run there, with the tags
that MLflow would have taken from the same variable.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from contextlib import contextmanager

import pytest

from peers.memory_records import MemoryRecords
from peers.memory_workflows import MemoryWorkflows
from twinhelm.core.clock import FakeClock
from twinhelm.core.errors import BadInput, Conflict, NotFound
from twinhelm.core.json import dumps, loads
from twinhelm.events.journal import Journal
from twinhelm.mlops import records as rows
from twinhelm.mlops.build.tracked import BUILD, close_runs, recipe_name
from twinhelm.mlops.flow.builds import Builds
from twinhelm.mlops.flow.products import ProductDesk
from twinhelm.mlops.types import ProductVersion, Run

SPEC = """\
[product]
name = "digits"
use_case = "Reads digits."
decides = "Which digit is entered."
owner = "ada"
tier = "low"
[data]
train = "train.csv"
[build]
recipe = "train.py"
seed = 5
params = {depth = 2}
"""
RECIPE = """\
import json, os, pathlib, random, secrets
run = {
    "tags": json.loads(os.environ["MLFLOW_RUN_CONTEXT"]),
    "model": True,
    "metrics": {"score": float(os.environ["DEPTH"]), "drawn": random.random()},
    "train": pathlib.Path(os.environ["TWINHELM_TRAIN"]).name,
}
place = pathlib.Path(os.environ["MLFLOW_TRACKING_URI"])
print("trained with password=hunter22")
"""
SAVE = '(place / (secrets.token_hex(4) + ".json")).write_text(json.dumps(run))\n'


class Tracking:
    """A tracking server of files."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()

    def all(self):
        files = sorted(self.folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
        return {path.stem: loads(path.read_text()) for path in files}

    def post(self, endpoint, method="POST", **fields):
        assert (endpoint, method, fields["status"]) == ("runs/update", "POST", "KILLED")
        run = self.all()[fields["run_id"]]
        path = self.folder / f"{fields['run_id']}.json"
        path.write_text(dumps({**run, "status": "KILLED"}).decode())
        return {}

    def pages(self, endpoint, what, **fields):
        if endpoint == "experiments/search":
            return iter([{"experiment_id": "0"}, {"experiment_id": "7"}])
        assert (endpoint, what, fields["experiment_ids"]) == ("runs/search", "runs", ["0", "7"])
        tag, _, value = fields["filter"].partition(" = ")
        return iter(
            {
                "info": {"run_id": key, "status": run.get("status", "FINISHED"), "start_time": at},
                "data": {
                    "metrics": [{"key": k, "value": v} for k, v in run["metrics"].items()],
                    "tags": [{"key": k, "value": v} for k, v in run["tags"].items()],
                },
            }
            for at, (key, run) in enumerate(self.all().items())
            if run["tags"].get(tag.removeprefix("tags.").strip("`")) == value.strip("'")
        )


class Shop:
    """One product with its data, recipe and desks."""

    def __init__(self, folder):
        self.folder, self.place = folder / "product", folder
        self.folder.mkdir()
        self.records, self.clock = MemoryRecords(), FakeClock()
        self.journal = Journal(self.records, self.clock)
        self.workflows = MemoryWorkflows(self.clock)
        self.desk = ProductDesk(self.records, self.journal, self.clock)
        self.tracking = Tracking(folder / "mlflow")
        self.builds = Builds(
            self.records, self.journal, self.clock, self.workflows, self.desk, folder / "runs",
            lambda: str(self.tracking.folder), self.collect, self.tracking, threads=1,
        )  # fmt: skip
        self.builds.register()
        self.put("train.csv", "x,y\n1,2\n")
        self.put("train.py", RECIPE + SAVE)
        self.frame()

    def put(self, name, text):
        (self.folder / name).write_text(text)

    def frame(self, text=SPEC):
        self.desk.frame(text, folder=str(self.folder), by="ada")

    def collect(self, run, run_id):
        if not self.tracking.all()[run_id]["model"]:
            return ""
        version = str(len(self.desk.versions("digits")) + 1)
        with self.journal.writing("twinhelm") as write:
            made = ProductVersion("digits", version, "registered", 0, "", run_id=run_id)
            rows.put(write, made)
        return version

    def wait(self, run):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.workflows.status(run.job).state.over:
                return rows.load(self.records, Run, f"digits/{run.number}")
            time.sleep(0.02)
        raise AssertionError(self.workflows.status(run.job))

    def build(self, **more):
        return self.wait(self.builds.start("digits", by="ada", **more))

    def events(self):
        return [row.kind for row in self.journal.read()]


@pytest.fixture
def shop(tmp_path):
    made = Shop(tmp_path)
    yield made
    made.workflows.close()


def test_a_run_names_all_it_was_made_with(shop):
    run = shop.build()
    assert (run.state, run.version, run.number, run.by) == ("done", "1", 1, "ada"), run.error
    assert run.metrics["score"] == 2.0
    assert len(run.data["train"]) == 64
    assert run.environment["threads"] == "1"
    assert run.environment["python"].startswith("3.")
    assert (run.seed, run.params, run.recipe) == (5, {"depth": 2}, "train.py")
    assert run.run_id in shop.tracking.all()
    assert shop.events() == ["product.framed", "build.started", "data.seen", "build.finished"]
    assert shop.records.reading().__enter__().get("data", run.data["train"]).body["rows"] == 1


def test_the_log_is_kept_without_secrets(shop):
    shop.build()
    log = shop.builds.log("digits", 1)
    assert '--- run 1 of 1: {"depth":2}' in log
    assert "trained with" in log
    assert "hunter22" not in log
    with pytest.raises(NotFound):
        shop.builds.log("digits", 2)


def test_the_very_same_is_not_made_twice(shop):
    shop.build()
    run = shop.build()
    assert (run.state, run.version, len(shop.tracking.all())) == ("cached", "1", 1)
    assert shop.events()[-1] == "build.finished"


@pytest.mark.parametrize("what", ["data", "code", "params", "seed"])
def test_whatever_changes_makes_another_version(shop, what):
    shop.build()
    if what == "data":
        shop.put("train.csv", "x,y\n1,3\n")
    elif what == "code":
        shop.put("train.py", RECIPE + SAVE + "# other\n")
    elif what == "seed":
        shop.frame(SPEC.replace("seed = 5", "seed = 6"))
    run = shop.build(params={"depth": 3} if what == "params" else None)
    assert (run.state, run.version) == ("done", "2"), run.error


def test_a_refused_version_is_no_reason_to_build_nothing(shop):
    shop.build()
    with shop.journal.writing("x") as write:
        rows.put(write, ProductVersion("digits", "1", "refused", 0, ""))
    assert shop.build().version == "2"


def test_a_repetition_gives_the_same_and_says_so(shop, tmp_path):
    for version, body in (("1", "a"), ("2", "a")):
        (tmp_path / version / "data").mkdir(parents=True)
        (tmp_path / version / "MLmodel").write_text(version)
        (tmp_path / version / "data" / "model.pkl").write_text(body)
    shop.builds.opened = lambda product, version: tmp_path / version
    first = shop.build()
    again = shop.wait(shop.builds.again("digits", 1, by="grace"))
    assert (again.state, again.version, again.again) == ("done", "2", 1)
    assert again.metrics == first.metrics
    assert again.says == "repeats run 1: the same metrics; 1 of 1 model files the same"


def test_a_repetition_that_differs_says_in_what(shop):
    shop.put("train.py", RECIPE + "run['metrics']['drawn'] = secrets.randbelow(2**40)\n" + SAVE)
    shop.build()
    again = shop.wait(shop.builds.again("digits", 1, by="ada"))
    assert "other metrics (drawn " in again.says


@pytest.mark.parametrize("name", ["train.csv", "train.py"])
def test_what_is_gone_cannot_be_repeated(shop, name):
    shop.build()
    (shop.folder / name).write_text((shop.folder / name).read_text() + "\n3,4\n")
    what = {"train.csv": "since: train", "train.py": "since: code"}[name]
    with pytest.raises(Conflict, match=what):
        shop.builds.again("digits", 1, by="ada")
    assert len(shop.builds.runs("digits")) == 1


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        ("raise SystemExit('no luck')", "train.py ended with 1: no luck"),
        (RECIPE, "logged no run"),
        (RECIPE + "run['model'] = False\n" + SAVE, "registered no model"),
    ],
)
def test_a_failed_recipe_says_why(shop, recipe, says):
    shop.put("train.py", recipe)
    run = shop.build()
    assert run.state == "failed"
    assert says in run.error
    with pytest.raises(Conflict, match="failed"):
        shop.builds.again("digits", 1, by="ada")


def test_the_time_limit_of_the_file_holds(shop):
    shop.frame(SPEC + "time_limit_minutes = 0.02\n")
    shop.put("train.py", "import time\ntime.sleep(600)")
    assert "took more than 1.2 s" in shop.build().error


def test_data_that_breaks_its_contract_is_not_learnt_from(shop):
    shop.frame(f'{SPEC}[[data.columns]]\nname = "x"\ntype = "number"\nmin = 5\n')
    run = shop.build()
    assert run.state == "failed"
    assert "x: 1 of 1 are below 5, such as 1 in row 1" in run.error
    assert not shop.tracking.all()
    with pytest.raises(BadInput, match="below 5"):
        shop.builds.table("digits", "train")


def test_a_query_is_handed_to_the_recipe_as_a_file(shop):
    with sqlite3.connect(shop.folder / "d.sqlite") as database:
        database.execute("CREATE TABLE t AS SELECT 1 AS x")
    database.close()
    query = 'train = "sql:sqlite:///d.sqlite SELECT * FROM t"'
    shop.frame(SPEC.replace('train = "train.csv"', query))
    run = shop.build()
    assert run.state == "done", run.error
    assert shop.tracking.all()[run.run_id]["train"] == "train.parquet"


def test_a_recipe_signs_in_by_a_name_of_its_own_while_it_runs(shop):
    let_in = []

    @contextmanager
    def access(name):
        let_in.append(name)
        yield {"MLFLOW_TRACKING_TOKEN": f"of {name}"}
        let_in.append("over")

    shop.builds.access = access
    shop.put("train.py", RECIPE + "run['train'] = os.environ['MLFLOW_TRACKING_TOKEN']\n" + SAVE)
    run = shop.build()
    name = recipe_name("digits", 1)
    assert shop.tracking.all()[run.run_id]["train"] == f"of {name}"
    assert let_in == [name, "over"]


def test_an_unchanged_build_says_that_its_version_was_taken_back(shop):
    shop.build()
    with shop.journal.writing("x") as write:
        rows.put(write, ProductVersion("digits", "1", "retired", 0, "", reason="errors"))
    run = shop.build()
    assert (run.state, run.version) == ("cached", "1")
    assert run.says == "it is retired (errors), and may be asked for again"


def test_a_search_registers_the_best(shop):
    shop.frame(SPEC + 'best = "score"\nsearch = {depth = [1, 3, 2], other = ["a"]}\n')
    run = shop.build()
    assert (run.state, run.version, run.metrics["score"]) == ("done", "1", 3.0), run.error
    assert run.params == {"depth": 3, "other": "a"}
    assert len(shop.tracking.all()) == 3
    assert shop.build().state == "cached"
    again = shop.wait(shop.builds.again("digits", 1, by="ada"))
    assert (again.params, len(shop.tracking.all())) == (run.params, 4)


def test_a_search_for_the_lowest_survives_a_failed_combination(shop):
    shop.put("train.py", "import os\nassert os.environ['DEPTH'] != '1'\n" + RECIPE + SAVE)
    shop.frame(SPEC + 'best = "-score"\nsearch = {depth = [1, 2, 3]}\n')
    run = shop.build()
    assert (run.params, run.says) == ({"depth": 2}, "1 of 3 combinations failed")
    shop.frame(SPEC + 'best = "unknown"\nsearch = {depth = [2, 3]}\n')
    assert "no run logged the metric 'unknown'" in shop.build().error


def test_one_run_of_a_product_at_a_time_and_cancelling_ends_it(shop):
    shop.put("train.py", "import pathlib, time\npathlib.Path('up').touch()\ntime.sleep(600)")
    run = shop.builds.start("digits", by="ada")
    deadline = time.monotonic() + 60
    while not (shop.folder / "up").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    with pytest.raises(Conflict, match="run 1 of digits is under way"):
        shop.builds.start("digits", by="ada")
    shop.builds.cancel("digits", 1, by="grace")
    now = shop.wait(run)
    assert (now.state, now.error) == ("failed", "cancelled by grace")
    shop.builds.mend()
    assert shop.events().count("build.finished") == 1


def test_what_cannot_be_run_is_refused(shop):
    with pytest.raises(NotFound):
        shop.builds.start("other", by="ada")
    shop.desk.retire("digits", "replaced", by="ada")
    with pytest.raises(Conflict, match="retired"):
        shop.builds.start("digits", by="ada")
    shop.desk.retire("digits", "", by="ada")
    shop.frame(SPEC.replace('recipe = "train.py"\n', ""))
    with pytest.raises(BadInput, match="no recipe"):
        shop.builds.start("digits", by="ada")
    with pytest.raises(NotFound, match="holdout"):
        shop.builds.table("digits", "holdout")


def test_the_data_is_handed_out_with_its_digest(shop):
    table, digest = shop.builds.table("digits", "train")
    assert {name: column.tolist() for name, column in table.items()} == {"x": [1], "y": [2]}
    assert len(digest) == 64
    assert shop.builds.training_data("digits") == digest


def test_a_run_whose_job_was_lost_is_begun(shop):
    run = Run("digits", 1, "running", "ada", 0, job="build-digits/1", recipe="train.py",
              params={"depth": 1})  # fmt: skip
    with shop.journal.writing("ada") as write:
        rows.put(write, run)
    shop.builds.mend()
    assert shop.wait(run).state == "done"


def test_what_a_killed_try_logged_is_closed_before_the_next(shop):
    left = {"tags": {BUILD: "digits/1/1"}, "model": True, "metrics": {}, "status": "RUNNING"}
    (shop.tracking.folder / "left.json").write_text(dumps(left).decode())
    run = shop.build()
    assert shop.tracking.all()["left"]["status"] == "KILLED"
    assert run.run_id != "left"
    assert close_runs(shop.tracking, BUILD, "digits/1/1", end_ms=1) == 0


def test_a_locked_environment_needs_uv(shop, monkeypatch, tmp_path):
    shop.frame(SPEC + 'environment = "locked"\n')
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    run = shop.build()
    assert "needs uv" in run.error
    assert "pip install uv" in run.error


UV = """\
#!{python}
import pathlib, sys
words = sys.argv[1:]
pathlib.Path("{calls}").open("a").write(" ".join(words[:2]) + "\\n")
if "compile" in words:
    pathlib.Path(words[-1]).write_text(pathlib.Path(words[-3]).read_text())
elif words[0] == "venv":
    place = pathlib.Path(words[-1]) / "bin"
    place.mkdir(parents=True)
    (place / "python").symlink_to("{python}")
"""


def test_a_locked_environment_is_made_once_for_the_same_requirements(shop, monkeypatch, tmp_path):
    uv, calls = tmp_path / "bin" / "uv", tmp_path / "calls"
    uv.parent.mkdir()
    uv.write_text(UV.format(python=sys.executable, calls=calls))
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{uv.parent}:{os.environ['PATH']}")
    shop.frame(SPEC + 'environment = "locked"\n')
    assert "no " in shop.build().error
    shop.put("requirements.txt", "numpy==2.1\n")
    first = shop.build()
    assert first.environment["environment"] == "locked", first.error
    shop.build(params={"depth": 9})
    told = calls.read_text().splitlines()
    assert told == ["pip compile", "venv --quiet", "pip sync", "pip compile"]
    again = shop.wait(shop.builds.again("digits", 1 + 1, by="ada"))
    assert again.environment == first.environment, again.error
    assert "same metrics" in again.says


def test_a_target_of_yes_and_no_keeps_its_contract(shop):
    shop.put("train.csv", "x,left\n1,yes\n2,no\n")
    columns = 'columns = [{name = "left", type = "category", role = "target", '
    columns += 'values = ["no", "yes"]}]\n'
    shop.frame(SPEC.replace('"train.csv"\n', f'"train.csv"\n{columns}'))
    assert shop.builds.table("digits", "train")[0]["left"].tolist() == ["yes", "no"]
