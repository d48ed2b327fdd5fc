"""The laws that workflows in memory and durable ones keep alike."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from peers.memory_workflows import MemoryWorkflows
from twinhelm.core.clock import SystemClock
from twinhelm.core.errors import BadInput, Conflict, NotFound
from twinhelm.events.workflows import (
    RunEnded,
    WorkflowPort,
    Workflows,
    WorkflowState,
    WorkflowStatus,
)

PATIENCE_S = 20.0


@pytest.fixture(params=["memory", "sqlite"])
def workflows(request: pytest.FixtureRequest, tmp_path) -> Iterator[WorkflowPort]:
    opened: WorkflowPort = (
        MemoryWorkflows(SystemClock())
        if request.param == "memory"
        else Workflows(f"sqlite:///{tmp_path}/workflows.sqlite")
    )
    yield opened
    opened.close()


def ended(workflows: WorkflowPort, run_id: str) -> WorkflowStatus:
    """Wait until a run is over."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        status = workflows.status(run_id)
        if status.state.over:
            return status
        threading.Event().wait(0.01)
    pytest.fail(f"not over after {PATIENCE_S} s: {status}")


def test_a_run_goes_through_its_steps_to_a_result(workflows):
    def add(run, args):
        one = run.step("one", lambda a: a + 1, args["n"])
        return {"sum": run.step("two", lambda: one + 10)}

    workflows.register("add", add)
    status = ended(workflows, workflows.start("add", {"n": 1}))
    assert (status.name, status.state, status.result) == ("add", WorkflowState.DONE, {"sum": 12})
    assert status.step == "two"
    assert status.started_ms > 0


def test_one_key_is_one_run(workflows):
    ran = []
    workflows.register("count", lambda run, args: run.step("s", lambda: ran.append(1)))
    first = workflows.start("count", {}, key="k")
    ended(workflows, first)
    assert workflows.start("count", {}, key="k") == first
    other = workflows.start("count", {}, key="other")
    ended(workflows, other)
    assert other != first
    assert len(ran) == 2


def test_without_a_key_every_start_is_a_run(workflows):
    workflows.register("none", lambda run, args: None)
    ids = [workflows.start("none", {}) for _ in range(3)]
    for run_id in ids:
        ended(workflows, run_id)
    assert sorted(status.id for status in workflows.list()) == sorted(ids)


def test_progress_is_seen_while_it_runs(workflows):
    seen, go_on = threading.Event(), threading.Event()

    def slow(run, args):
        def work():
            run.progress(3, 10, "three of ten")
            seen.set()
            assert go_on.wait(PATIENCE_S)

        run.step("work", work)

    workflows.register("slow", slow)
    run_id = workflows.start("slow", {})
    assert seen.wait(PATIENCE_S)
    status = workflows.status(run_id)
    go_on.set()
    assert (status.state, status.step) == (WorkflowState.RUNNING, "work")
    assert (status.done, status.total, status.message) == (3, 10, "three of ten")
    assert ended(workflows, run_id).state is WorkflowState.DONE


def test_a_failing_step_fails_the_run_with_its_words(workflows):
    def fail():
        raise ValueError("the tape is torn")

    workflows.register("fail", lambda run, args: run.step("s", fail))
    status = ended(workflows, workflows.start("fail", {}))
    assert (status.state, status.error) == (WorkflowState.FAILED, "the tape is torn")
    assert status.result is None


def test_a_workflow_may_catch_what_a_step_raises(workflows):
    def fail():
        raise ValueError("torn")

    def cope(run, args):
        try:
            run.step("s", fail)
        except ValueError:
            return run.step("undo", lambda: "undone")

    workflows.register("cope", cope)
    assert ended(workflows, workflows.start("cope", {})).result == "undone"


def test_a_result_that_is_not_json_fails_the_run(workflows):
    workflows.register("odd", lambda run, args: run.step("s", lambda: object()))
    assert ended(workflows, workflows.start("odd", {})).state is WorkflowState.FAILED


def test_cancelling_ends_the_run_inside_its_step(workflows):
    started, noticed = threading.Event(), threading.Event()

    def endless(run, args):
        def work():
            try:
                while True:
                    run.progress(1)
                    started.set()
                    time.sleep(0.001)
            except RunEnded:
                noticed.set()
                raise

        run.step("work", work)
        run.step("never", lambda: pytest.fail("went on"))

    workflows.register("endless", endless)
    run_id = workflows.start("endless", {})
    assert started.wait(PATIENCE_S)
    workflows.cancel(run_id)
    assert noticed.wait(PATIENCE_S)
    assert ended(workflows, run_id).state is WorkflowState.CANCELLED


@pytest.mark.parametrize("end", ["cancel", "close"])
def test_a_run_that_pauses_ends_at_once_where_it_is_to_end(workflows, end):
    """Also in a thread that its step began; the pause is longer than the test may take."""
    pausing, noticed = threading.Event(), threading.Event()

    def patient(run, args):
        def wait():
            pausing.set()
            try:
                run.pause(3600)
            except RunEnded:
                noticed.set()
                raise

        with ThreadPoolExecutor(1) as pool:
            run.step("wait", lambda: pool.submit(wait).result())
        pytest.fail("went on")

    workflows.register("patient", patient)
    run_id = workflows.start("patient", {})
    assert pausing.wait(PATIENCE_S)
    if end == "cancel":
        workflows.cancel(run_id)
    else:
        workflows.close()
    assert noticed.wait(PATIENCE_S)


def test_cancelling_what_is_over_changes_nothing(workflows):
    workflows.register("none", lambda run, args: 7)
    run_id = workflows.start("none", {})
    ended(workflows, run_id)
    workflows.cancel(run_id)
    assert workflows.status(run_id).state is WorkflowState.DONE


def test_unknown_runs_and_names_are_not_found(workflows):
    for ask in (workflows.status, workflows.cancel, lambda name: workflows.start(name, {})):
        with pytest.raises(NotFound, match="nothing"):
            ask("nothing")
    assert workflows.list() == []


def test_a_name_is_registered_once(workflows):
    workflows.register("a", lambda run, args: None)
    with pytest.raises(Conflict):
        workflows.register("a", lambda run, args: None)


def test_a_key_too_long_is_refused(workflows):
    workflows.register("a", lambda run, args: None)
    with pytest.raises(BadInput):
        workflows.start("a", {}, key="k" * 201)


def test_arguments_that_are_not_json_are_refused(workflows):
    workflows.register("a", lambda run, args: None)
    with pytest.raises(BadInput, match="arguments"):
        workflows.start("a", {"x": object()})


def test_arguments_are_taken_as_they_were_at_the_start(workflows):
    go_on = threading.Event()

    def late(run, args):
        assert go_on.wait(PATIENCE_S)
        return args

    workflows.register("late", late)
    args = {"list": [1]}
    run_id = workflows.start("late", args)
    args["list"].append(2)
    go_on.set()
    assert ended(workflows, run_id).result == {"list": [1]}
