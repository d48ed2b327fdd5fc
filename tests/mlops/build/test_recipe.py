"""A recipe runs as if by hand, from a known beginning, and never outlives what it may."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from twinhelm.core.errors import NotFound
from twinhelm.core.json import dumps, loads
from twinhelm.mlops.build.recipe import Order, run_recipe

SAY = "import json, os, sys; print(json.dumps({}))"


class Bench:
    """A product's folder, and one recipe in it run to its end."""

    def __init__(self, folder):
        self.folder = folder / "product"
        self.work = folder / "work"
        self.folder.mkdir()
        self.work.mkdir()

    def put(self, name, text):
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def run(self, recipe="train.py", *, beat=lambda seconds, line: None, **more):
        wanted = {"seed": 3, "threads": 2, "limit_s": 60.0, **more}
        order = Order("digits", recipe, self.folder, self.work, "http://t/mlflow", **wanted)
        return run_recipe(order, beat)

    @property
    def log(self):
        return (self.work / "log").read_text()

    def said(self, **more):
        ended = self.run(**more)
        assert ended.code == 0, self.log
        return loads(self.log.splitlines()[-1])


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def gone(pid):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


def test_a_script_finds_what_it_needs_in_its_environment(bench, monkeypatch):
    monkeypatch.setenv("TWINHELM_DATABASE_URL", "a secret")
    monkeypatch.setenv("ALREADY", "mine")
    bench.put("near.py", "X = 1")
    bench.put("train.py", f"import near\n{SAY.format('[dict(os.environ), sys.argv, __name__]')}")
    said, argv, name = bench.said(
        params={"depth": 3, "already": "theirs", "not a name": 1},
        data={"train": "/data/train.csv"},
        tags={"twinhelm.build": "digits/1"},
        access={"MLFLOW_TRACKING_TOKEN": "t"},
    )
    assert (argv, name) == (["train.py"], "__main__")
    assert said["MLFLOW_TRACKING_URI"] == "http://t/mlflow"
    assert said["MLFLOW_EXPERIMENT_NAME"] == "digits"
    assert loads(said["MLFLOW_RUN_CONTEXT"]) == {"twinhelm.build": "digits/1"}
    assert (said["DEPTH"], said["ALREADY"]) == ("3", "mine")
    assert (said["PYTHONHASHSEED"], said["OMP_NUM_THREADS"]) == ("3", "2")
    assert (said["TWINHELM_TRAIN"], said["TWINHELM_HOLDOUT"]) == ("/data/train.csv", "")
    assert said["MLFLOW_TRACKING_TOKEN"] == "t"
    assert "TWINHELM_DATABASE_URL" not in said


def test_the_same_seed_draws_the_same_numbers(bench):
    bench.put("train.py", "import random, numpy\nprint([random.random(), *numpy.random.rand(2)])")
    drawn = set()
    for seed in (1, 1, 2):
        bench.run(seed=seed)
        drawn.add(bench.log.splitlines()[-1])
    assert len(drawn) == 2


def test_a_function_gets_what_it_asks_for(bench):
    bench.put(
        "pack/made.py",
        f"def fit(depth, seed, train, more=1):\n    {SAY.format('[depth, seed, train, more]')}",
    )
    said = bench.said(recipe="pack.made:fit", params={"depth": 3}, data={"train": "t.csv"})
    assert said == [3, 3, "t.csv", 1]


def test_a_notebook_runs_cell_by_cell_in_one_namespace(bench):
    def cell(*lines, kind="code"):
        return {"cell_type": kind, "source": [f"{line}\n" for line in lines]}

    cells = [
        cell("# Title", kind="markdown"),
        cell("%matplotlib inline", "x = 20"),
        cell("if x:", "    !pip list", "x += 1"),
        cell(SAY.format("[x, __name__]")),
    ]
    bench.put("n.ipynb", dumps({"cells": cells}).decode())
    assert bench.said(recipe="n.ipynb") == [21, "__main__"]
    assert "left out: !pip list" in bench.log
    bench.put("n.ipynb", dumps({"cells": [cell("x = 1"), cell("1 / 0")]}).decode())
    assert bench.run("n.ipynb").code == 1
    assert 'n.ipynb[code cell 2]", line 1' in bench.log
    bench.put("n.ipynb", dumps({"cells": [cell("%%bash", "ls")]}).decode())
    assert "for Jupyter alone" in bench.run("n.ipynb").last_line


def test_a_failing_script_says_why(bench):
    bench.put("train.py", "raise ValueError('no such column')")
    ended = bench.run()
    assert (ended.code, ended.last_line) == (1, "ValueError: no such column")
    with pytest.raises(NotFound, match=r"other\.py"):
        bench.run("other.py")


def test_the_recipe_cannot_wait_for_the_keyboard(bench):
    bench.put("train.py", "input()")
    assert "EOFError" in bench.run().last_line


def test_the_time_limit_ends_children_too(bench):
    bench.put(
        "train.py",
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid, flush=True)\ntime.sleep(600)",
    )
    ended = bench.run(limit_s=4.0)
    assert ended.code is None
    assert gone(int(ended.last_line))


def test_what_a_recipe_leaves_behind_ends_with_it(bench):
    bench.put(
        "train.py",
        "import subprocess, sys\n"
        "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']).pid)",
    )
    ended = bench.run()
    assert ended.code == 0
    assert gone(int(ended.last_line))


class Cancelled(BaseException):
    pass


def test_whoever_cancels_ends_the_group(bench):
    bench.put("train.py", "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)")
    pids = []

    def beat(_seconds, line):
        if line:
            pids.append(int(line))
            raise Cancelled

    with pytest.raises(Cancelled):
        bench.run(beat=beat)
    assert gone(pids[0])
