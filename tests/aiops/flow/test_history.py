"""The past comes in once, also where the process dies half-way, and is learnt from."""

from __future__ import annotations

import threading
import time

import httpx
import pytest

from peers.memory_workflows import MemoryWorkflows
from twinhelm.aiops.collect.past import prometheus
from twinhelm.aiops.flow import history as history_module
from twinhelm.aiops.flow.history import HistoryBooks
from twinhelm.core.labels import labels_of
from twinhelm.events.workflows import Workflows, WorkflowState

HOURS = 24
STEP_S = 60


class Books:
    """The two workflows on a wing in memory."""

    def __init__(self, wing, workflows=None):
        self.wing = wing
        self.workflows = workflows or MemoryWorkflows(wing.clock)
        self.history = HistoryBooks(
            wing.intake, wing.watch, wing.journal, self.workflows, wing.clock
        )
        self.history.register()

    def wait(self, run_id):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            status = self.workflows.status(run_id)
            if status.state not in (WorkflowState.RUNNING, WorkflowState.WAITING):
                return status
            time.sleep(0.01)
        raise AssertionError(f"{run_id} is still {status.state}")

    def stored(self):
        found = self.wing.telemetry.find_series([])
        return {info.labels: self.wing.stored(info.id) for info in found}


@pytest.fixture
def books(wing):
    made = Books(wing)
    yield made
    made.workflows.close()


@pytest.fixture
def table(tmp_path, wing):
    """A file with an hour of two columns, ending now."""
    end = wing.clock.now_ms() // 1000
    rows = [f"{end - 3600 + 60 * n},{n / 100},{n}" for n in range(60)]
    file = tmp_path / "load.csv"
    file.write_text("\n".join(["time,cpu,requests_total", *rows]) + "\n")
    return file


def test_a_file_is_read_learnt_from_and_told_of(books, table):
    run_id = books.history.import_file(table, by="ada")
    status = books.wait(run_id)
    assert status.error == ""
    assert status.result == {"samples": 120, "series": 2}
    assert {len(rows) for rows in books.stored().values()} == {60}
    assert len(books.wing.watch.detector) == 2
    started, finished = books.wing.journal.read()
    assert (started.kind, started.actor) == ("import.started", "ada")
    assert finished.body == {
        "id": run_id, "outcome": "done", "series": 2, "samples": 120, "message": "",
    }  # fmt: skip


def test_the_same_file_again_adds_nothing(books, table):
    for kept in (120, 0):
        status = books.wait(books.history.import_file(table, by="ada"))
        assert status.result["samples"] == kept


def test_a_file_that_cannot_be_read_fails_and_says_so(books, tmp_path):
    file = tmp_path / "load.csv"
    file.write_text("time,cpu\nnoon,1\n")
    status = books.wait(books.history.import_file(file, by="ada"))
    assert status.state is WorkflowState.FAILED
    assert "load.csv" in status.error
    last = books.wing.journal.read()[-1]
    assert (last.kind, last.body["outcome"]) == ("import.finished", "failed")
    assert "load.csv" in last.body["message"]


def test_an_empty_file_is_no_error_of_ours(books, tmp_path):
    file = tmp_path / "load.csv"
    file.write_text("time,cpu\n")
    status = books.wait(books.history.import_file(file, by="ada"))
    assert status.state in (WorkflowState.DONE, WorkflowState.FAILED)
    assert books.wing.journal.read()[-1].kind == "import.finished"


def test_series_past_the_limit_do_not_end_the_import(new_wing, table):
    books = Books(new_wing(limits={"max_series_per_tenant": 1}))
    status = books.wait(books.history.import_file(table, by="ada"))
    assert status.result == {"samples": 60, "series": 1}
    books.workflows.close()


def test_waiting_for_a_server_that_is_away_ends_with_the_house(wing, monkeypatch):
    """It would be asked again for 15 s; closing cuts the pause short, and the run goes on later."""
    asked = threading.Event()

    def away(request):
        asked.set()
        return httpx.Response(503, headers={"retry-after": "3600"})

    source = history_module.PrometheusSource
    monkeypatch.setattr(
        history_module,
        "PrometheusSource",
        lambda url, **more: source(url, **more, transport=httpx.MockTransport(away)),
    )
    monkeypatch.setattr(prometheus, "LONGEST_PAUSE_S", 3600.0)
    books = Books(wing)
    run_id = backfill(books)
    assert asked.wait(30)
    books.workflows.close()
    assert not books.workflows.status(run_id).state.over
    assert not [one for one in threading.enumerate() if one.name.startswith("backfill")]


class Server:
    """Answers the query API with a ramp per series, as Prometheus would; may fail once."""

    def __init__(self, now_ms, names=("a", "b")):
        self.end_s = now_ms // 1000
        self.names = names
        self.asked = []

    def __call__(self, request):
        self.asked.append(request)
        form = dict(httpx.QueryParams(request.content.decode() or request.url.query.decode()))
        if "label/" in request.url.path:
            return self._answer(list(self.names))
        selector, _, span = form["query"].rstrip("]").rpartition("[")
        seconds = int(span.removesuffix("ms")) // 1000 if span.endswith("ms") else int(span[:-1])
        end = float(form["time"])
        times = [
            at
            for at in range(self.end_s - HOURS * 3600, self.end_s + 1, STEP_S)
            if end - seconds < at <= end
        ]
        result = [
            {"metric": {"__name__": name}, "values": [[at, str(float(at % 997))] for at in times]}
            for name in self.names
            if f'"{name}"' in selector or f"{name}{{" in selector or selector == name
        ]
        return self._answer({"resultType": "matrix", "result": result if times else []})

    def _answer(self, data):
        return httpx.Response(200, json={"status": "success", "data": data})


@pytest.fixture
def server(wing, monkeypatch):
    """A server with a day of history, which sources of this test reach without a network."""
    made = Server(wing.clock.now_ms())
    source = history_module.PrometheusSource
    monkeypatch.setattr(
        history_module,
        "PrometheusSource",
        lambda url, **more: source(url, **more, transport=httpx.MockTransport(made)),
    )
    return made


def backfill(books, url="http://ann:hunter2@prom:9090", **more):
    now = books.wing.clock.now_ms()
    wish = {"selector": '{__name__=~".+"}', "start_ms": now - HOURS * 3_600_000, "end_ms": now}
    return books.history.backfill(url, **{**wish, **more}, by="ada")


COUNT = HOURS * 3600 // STEP_S


def test_history_of_another_server_is_read_and_learnt_from(books, server):
    status = books.wait(backfill(books))
    assert status.error == ""
    assert status.result == {"samples": 2 * COUNT, "series": 2}
    rows = books.stored()[labels_of([("__name__", "a")])]
    assert [value for _, _, value in rows] == [float(at // 1000 % 997) for _, at, _ in rows]
    assert len(books.wing.watch.detector) == 2


def test_no_secret_reaches_the_journal_or_the_name_of_the_run(books, server):
    run_id = backfill(books)
    books.wait(run_id)
    assert "hunter2" not in run_id
    assert all("hunter2" not in str(row.body) for row in books.wing.journal.read())


def test_the_same_wish_is_the_same_run_until_it_is_over(books, server, monkeypatch):
    monkeypatch.setattr(books.workflows, "status", books.workflows.status)
    first = backfill(books)
    books.wait(first)
    second = backfill(books)
    assert second != first
    assert books.wait(second).result["samples"] == 0
    assert backfill(books, selector="a") != second


def test_a_long_address_is_no_problem(books, server):
    assert books.wait(backfill(books, "http://prom/" + "x" * 300)).state is WorkflowState.DONE


def test_killed_half_way_it_goes_on_and_nothing_is_kept_twice(
    new_wing, server, tmp_path, monkeypatch
):
    """The process ends inside a step; the next one takes the run up where it was lost."""
    monkeypatch.setattr(history_module, "STRETCHES_PER_STEP", 2)
    wing = new_wing()
    url = f"sqlite:///{tmp_path / 'workflows.sqlite'}"
    books = Books(wing, Workflows(url))
    take = wing.intake.take_history
    taken = []

    class Killed(BaseException):
        pass

    def dying(received, **more):
        taken.append(1)
        receipt = take(received, **more)
        if len(taken) == 5:
            books.workflows._board._closing = True  # as if the process ended here
        return receipt

    monkeypatch.setattr(type(wing.intake), "take_history", lambda self, *a, **k: dying(*a, **k))
    run_id = backfill(books)
    deadline = time.monotonic() + 30
    while len(taken) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    books.workflows.close()
    monkeypatch.setattr(type(wing.intake), "take_history", lambda self, *a, **k: take(*a, **k))
    again = Books(wing, Workflows(url))
    again.workflows.resume()
    status = again.wait(run_id)
    again.workflows.close()
    assert status.state is WorkflowState.DONE, status.error
    assert {len(rows) for rows in again.stored().values()} == {COUNT}
    for rows in again.stored().values():
        times = [at for _, at, _ in rows]
        assert times == sorted(set(times))
    assert [row.kind for row in wing.journal.read()] == ["backfill.started", "backfill.finished"]
