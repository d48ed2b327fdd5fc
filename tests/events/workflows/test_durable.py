"""What only durable workflows do: outlive the process, and stay out of its way until needed."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from peers.memory_blobs import MemoryBlobs
from twinhelm.core.errors import Conflict, DatabaseDown
from twinhelm.events.workflows import Workflows, WorkflowState

PATIENCE_S = 30.0

PROGRAM = """
import os, sys, threading, time
from twinhelm.events.workflows import Workflows, WorkflowState

url, log, mode = sys.argv[1:]

def note(line):
    with open(log, "a") as file:
        file.write(line + "\\n")

def three(run, args):
    def step(name):
        note(f"begin {name}")
        if mode == "hang" and name == "two":
            print("hanging", flush=True)
            time.sleep(600)
        note(f"end {name}")
        return name
    return [run.step(name, step, name) for name in args["names"]]

workflows = Workflows(url)
workflows.register("three", three)
workflows.resume()
if mode == "resume":
    run_id = "three-k"
else:
    run_id = workflows.start("three", {"names": ["one", "two", "three"]}, key="k")
while (status := workflows.status(run_id)).state in (WorkflowState.WAITING, WorkflowState.RUNNING):
    time.sleep(0.02)
note(f"{status.state} {status.result}")
workflows.close()
"""


@pytest.fixture(params=["sqlite", pytest.param("pg", marks=pytest.mark.peer("postgresql"))])
def url(request, tmp_path) -> str:
    if request.param == "pg":
        return request.getfixturevalue("postgresql")
    return f"sqlite:///{tmp_path}/workflows.sqlite"


def program(url: str, log: Path, mode: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, url, str(log), mode],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_killed_half_way_it_resumes_at_the_lost_step(url, tmp_path):
    log = tmp_path / "log"
    with program(url, log, "hang") as first:
        assert first.stdout.readline() == "hanging\n"
        os.kill(first.pid, signal.SIGKILL)
    with program(url, log, "resume") as second:
        _, errors = second.communicate(timeout=60)
    assert (second.returncode, errors) == (0, "")
    assert log.read_text().splitlines() == [
        "begin one",
        "end one",
        "begin two",
        "begin two",
        "end two",
        "begin three",
        "end three",
        "done ['one', 'two', 'three']",
    ]
    with program(url, log, "resume") as third:
        third.communicate(timeout=60)
    assert log.read_text().splitlines()[8:] == ["done ['one', 'two', 'three']"]


def test_a_run_under_way_at_closing_is_gone_on_with_later(tmp_path):
    url = f"sqlite:///{tmp_path}/workflows.sqlite"
    began, closing, ran = threading.Event(), threading.Event(), []

    def work(run):
        ran.append("work")
        began.set()
        while not closing.is_set():
            run.progress(1)
        return len(ran)

    def both(run, args):
        run.step("first", lambda: ran.append("first"))
        return run.step("work", work, run)

    first = Workflows(url)
    first.register("both", both)
    run_id = first.start("both", {}, key="k")
    assert began.wait(PATIENCE_S)
    first.close()
    assert ran == ["first", "work"]

    closing.set()
    second = Workflows(url)
    second.register("both", both)
    second.resume()
    deadline = threading.Event()
    while (status := second.status(run_id)).state is not WorkflowState.DONE:
        assert not deadline.wait(0.02)
        assert status.state in (WorkflowState.WAITING, WorkflowState.RUNNING)
    second.close()
    assert ran == ["first", "work", "work"]
    assert status.result == 3


def test_what_was_done_can_be_asked_for_later(tmp_path):
    url = f"sqlite:///{tmp_path}/workflows.sqlite"
    done = threading.Event()
    for _ in range(2):
        workflows = Workflows(url)
        workflows.register("a", lambda run, args: run.step("only", done.set))
        workflows.resume()
        run_id = workflows.start("a", {}, key="k")
        assert done.wait(PATIENCE_S)
        while (status := workflows.status(run_id)).state is not WorkflowState.DONE:
            threading.Event().wait(0.02)
        assert (status.name, status.step) == ("a", "only")
        assert [found.id for found in workflows.list()] == [run_id]
        workflows.close()


def test_two_at_once_are_refused(tmp_path):
    first = Workflows(f"sqlite:///{tmp_path}/a.sqlite")
    second = Workflows(f"sqlite:///{tmp_path}/b.sqlite")
    for workflows in (first, second):
        workflows.register("a", lambda run, args: None)
    first.start("a", {})
    with pytest.raises(Conflict, match="close"):
        second.start("a", {})
    second.close()
    first.close()


def test_a_database_that_is_away_is_said(tmp_path):
    workflows = Workflows("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    workflows.register("a", lambda run, args: None)
    for ask in (workflows.resume, workflows.list, lambda: workflows.start("a", {})):
        with pytest.raises(DatabaseDown, match="workflows"):
            ask()
    workflows.close()
    again = Workflows(f"sqlite:///{tmp_path}/workflows.sqlite")
    again.register("a", lambda run, args: None)
    again.start("a", {})
    again.close()


def test_nothing_is_loaded_or_made_until_something_is_started(tmp_path):
    script = f"""
import sys
from twinhelm.events.workflows import Workflows
workflows = Workflows("sqlite:///{tmp_path}/workflows.sqlite")
workflows.register("a", lambda run, args: None)
workflows.resume()
assert workflows.list() == []
workflows.close()
sys.exit("dbos" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], check=True)
    assert list(tmp_path.iterdir()) == []


def test_a_warm_start_with_nothing_left_undone_does_not_load_dbos(url, tmp_path):
    log = tmp_path / "log"
    with program(url, log, "run") as first:
        out, errors = first.communicate(timeout=60)
    assert (first.returncode, out, errors) == (0, "", "")
    script = (
        "import sys; from twinhelm.events.workflows import Workflows; "
        f"Workflows({url!r}).resume(); sys.exit('dbos' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_values_are_kept_as_json(tmp_path):
    url = f"sqlite:///{tmp_path}/workflows.sqlite"
    with program(url, tmp_path / "log", "run") as process:
        process.communicate(timeout=60)
    dump = dumped(tmp_path)
    assert '"names":["one","two","three"]' in dump
    assert '\'["one","two","three"]\'' in dump
    assert "gASV" not in dump  # how a pickle begins in base64


def dumped(folder: Path) -> str:
    with closing(sqlite3.connect(folder / "workflows.sqlite")) as file:
        return "\n".join(file.iterdump())


class Asking:
    """A workflow that shows its headers in a step, then does as it is told to."""

    def __init__(self, folder: Path, secrets: MemoryBlobs) -> None:
        self.seen: list[dict[str, str]] = []
        self.asks, self.may_end, self.fails = threading.Event(), threading.Event(), False
        self.workflows = Workflows(
            f"sqlite:///{folder}/workflows.sqlite", secret={"headers"}, secrets=secrets
        )
        self.workflows.register("ask", lambda run, args: run.step("ask", self._ask, run, args))

    def _ask(self, run, args):
        self.seen.append(args["headers"])
        self.asks.set()
        while not self.may_end.is_set():
            run.progress(1)
        if self.fails:
            raise ValueError("refused")

    def start(self) -> str:
        run_id = self.workflows.start("ask", {"url": "u", "headers": {"A": "hush"}}, key="k")
        assert self.asks.wait(PATIENCE_S)
        return run_id

    def ended(self, run_id: str) -> WorkflowState:
        pause = threading.Event()
        while not (status := self.workflows.status(run_id)).state.over:
            assert not pause.wait(0.02)
        return status.state


@pytest.mark.parametrize("end", list(WorkflowState)[2:])
def test_a_secret_is_never_in_the_table_and_nowhere_once_the_run_is_over(tmp_path, end):
    secrets = MemoryBlobs()
    asking = Asking(tmp_path, secrets)
    asking.fails = end is WorkflowState.FAILED
    run_id = asking.start()
    assert "hush" not in dumped(tmp_path)
    assert len(list(secrets.names())) == 1
    if end is WorkflowState.CANCELLED:
        asking.workflows.cancel(run_id)
    asking.may_end.set()
    assert asking.ended(run_id) is end
    asking.workflows.close()
    assert asking.seen == [{"A": "hush"}]
    assert "hush" not in dumped(tmp_path)
    assert list(secrets.names()) == []


def test_a_run_that_was_cut_off_has_its_secret_again(tmp_path):
    secrets = MemoryBlobs()
    first = Asking(tmp_path, secrets)
    run_id = first.start()
    first.workflows.close()
    second = Asking(tmp_path, secrets)
    second.may_end.set()
    second.workflows.resume()
    assert second.ended(run_id) is WorkflowState.DONE
    second.workflows.close()
    assert second.seen == [{"A": "hush"}]
    assert list(secrets.names()) == []


def test_a_secret_that_is_gone_fails_the_run_and_one_left_behind_is_swept(tmp_path):
    secrets = MemoryBlobs()
    first = Asking(tmp_path, secrets)
    run_id = first.start()
    first.workflows.close()
    (name,) = secrets.names()
    left = secrets.get(name)
    secrets.delete(name)
    second = Asking(tmp_path, secrets)
    second.workflows.resume()
    assert second.ended(run_id) is WorkflowState.FAILED
    assert "headers of this run were kept apart and are gone" in (
        second.workflows.status(run_id).error
    )
    second.workflows.close()

    secrets.put(name, left)  # as a crash would leave it, between the end of a run and its note
    third = Asking(tmp_path, secrets)
    third.workflows.resume()
    assert list(secrets.names()) == []
    third.workflows.close()
