"""One run of a workflow: its steps, how far it is, and how it is told to end.

Progress lives in memory: it is for eyes, and after a restart the lost step reports anew.
"""

import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, ParamSpec, Protocol, TypeVar

from twinhelm.core.errors import BadInput, Conflict, NotFound
from twinhelm.core.json import dumps, loads

__all__ = [
    "Board", "Progress", "Run", "RunEnded", "Table", "WorkflowFunction", "WorkflowPort",
    "WorkflowState", "WorkflowStatus",
]  # fmt: skip

P = ParamSpec("P")
R = TypeVar("R")


class WorkflowState(StrEnum):
    """The life of a run.

    WAITING: taken down, not begun, or to be resumed. RUNNING: a step is under way. DONE, FAILED
    and CANCELLED are final.
    """

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        """Tell whether a run in this state changes no more."""
        return self not in (WorkflowState.WAITING, WorkflowState.RUNNING)


@dataclass(frozen=True, slots=True)
class WorkflowStatus:
    """How a run stands.

    ``step`` is the step under way or the last one; ``done`` of ``total`` and ``message`` are what
    it last reported (``total`` 0: unknown). ``error`` says why it failed; ``result`` is what it
    returned.
    """

    id: str
    name: str
    state: WorkflowState
    started_ms: int
    step: str = ""
    done: int = 0
    total: int = 0
    message: str = ""
    error: str = ""
    result: Any = None


class RunEnded(BaseException):
    """Unwinds a run that was cancelled, or whose process is closing; clean up and let it pass."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What a run last reported."""

    step: str = ""
    done: int = 0
    total: int = 0
    message: str = ""


class Board:
    """Where the runs of this process report to, and where they are told to end."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._progress: dict[str, Progress] = {}
        self._running: set[str] = set()
        self._ended: set[str] = set()
        self._closing = False

    @contextmanager
    def running(self, run_id: str) -> Iterator[None]:
        """Count the run as under way in this process."""
        with self._changed:
            self._running.add(run_id)
        try:
            yield
        finally:
            with self._changed:
                self._running.discard(run_id)
                self._ended.discard(run_id)
                self._changed.notify_all()

    @property
    def closing(self) -> bool:
        """Tell whether all runs were told to end because the process closes."""
        with self._changed:
            return self._closing

    def is_running(self, run_id: str) -> bool:
        """Tell whether the run is under way in this process."""
        with self._changed:
            return run_id in self._running

    def of(self, run_id: str) -> Progress:
        """Return what the run last reported in this process."""
        with self._changed:
            return self._progress.get(run_id, Progress())

    def report(self, run_id: str, progress: Progress) -> None:
        """Take a report; raises :class:`RunEnded` where the run is to end."""
        with self._changed:
            if self._closing or run_id in self._ended:
                raise RunEnded
            self._progress[run_id] = progress

    def wait(self, run_id: str, seconds: float) -> None:
        """Let time pass; raises :class:`RunEnded` as soon as the run is to end."""
        with self._changed:
            if self._changed.wait_for(lambda: self._closing or run_id in self._ended, seconds):
                raise RunEnded

    def end(self, run_id: str) -> None:
        """Tell a run to end at its next report or step, or in its pause."""
        with self._changed:
            if run_id in self._running:
                self._ended.add(run_id)
                self._changed.notify_all()

    def close(self, *, patience_s: float) -> bool:
        """Tell all runs to end and wait; False where one did not in time."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: not self._running, patience_s)


class Run:
    """What a workflow function is handed: its steps and its voice; ``id`` outlives a restart."""

    def __init__(
        self, run_id: str, board: Board, take: Callable[[str, Callable[[], Any]], Any]
    ) -> None:
        self.id = run_id
        self._board = board
        self._take = take

    def step(self, name: str, fn: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Do one step, or return its kept result where it was finished before.

        What ``fn`` raises fails the step and, unless caught, the run.
        """
        self._board.report(self.id, Progress(name))
        result: R = self._take(name, lambda: fn(*args, **kwargs))
        return result

    def progress(self, done: int, total: int = 0, message: str = "") -> None:
        """Report from inside a step, as often as you like; ends the run if it is cancelled."""
        now = self._board.of(self.id)
        self._board.report(self.id, replace(now, done=done, total=total, message=message))

    def pause(self, seconds: float) -> None:
        """Let time pass inside a step, in any thread of it; ends the run if it is cancelled."""
        self._board.wait(self.id, seconds)


WorkflowFunction = Callable[[Run, Mapping[str, Any]], Any]


class WorkflowPort(Protocol):
    """What doors and flows ask of workflows; two implementations, one test suite."""

    def register(self, name: str, function: WorkflowFunction) -> None:
        """Make a function known; raises :class:`Conflict` for a name that is taken."""

    def resume(self) -> None:
        """Go on with what an earlier process left; call once, when all names are registered."""

    def start(self, name: str, args: Mapping[str, Any], *, key: str = "") -> str:
        """Begin a run and return its id; the same name and key is the same run, begun once.

        Raises :class:`NotFound` for a name that is not registered.
        """

    def status(self, run_id: str) -> WorkflowStatus:
        """Return how a run stands; raises :class:`NotFound`."""

    def list(self, *, limit: int = 100) -> list[WorkflowStatus]:
        """Return the newest runs, newest first."""

    def cancel(self, run_id: str) -> None:
        """End a run at its next report or step; one that is over stays as it is."""

    def close(self) -> None:
        """Let go; runs under way end at their next report or step, and resume another time."""


class Table:
    """The workflow functions by name: where both implementations begin."""

    def __init__(self) -> None:
        self._functions: dict[str, WorkflowFunction] = {}
        self._board = Board()

    def register(self, name: str, function: WorkflowFunction) -> None:
        """See :meth:`WorkflowPort.register`."""
        if name in self._functions:
            raise Conflict(f"a workflow {name!r} is registered already")
        self._functions[name] = function

    def _function(self, name: str) -> WorkflowFunction:
        if name not in self._functions:
            known = ", ".join(sorted(self._functions)) or "none"
            raise NotFound(f"there is no workflow {name!r}", hint=f"registered: {known}")
        return self._functions[name]

    def _begun(self, name: str, args: Mapping[str, Any], key: str) -> tuple[str, dict[str, Any]]:
        """Name a run, by its key or at random, and copy its arguments by way of JSON."""
        self._function(name)
        if len(key) > 200:
            raise BadInput(f"the workflow key has {len(key)} characters, the limit is 200")
        try:
            copy: dict[str, Any] = loads(dumps(dict(args)), what="workflow arguments")
        except TypeError as error:
            raise BadInput(f"the workflow arguments are not JSON: {error}") from error
        return f"{name}-{key or secrets.token_hex(6)}", copy
