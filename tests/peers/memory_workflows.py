"""Workflows that live as long as the process: the second implementation of WorkflowPort."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from twinhelm.core.clock import Clock
from twinhelm.core.errors import NotFound
from twinhelm.core.json import dumps, loads
from twinhelm.events.workflows.run import (
    Run,
    RunEnded,
    Table,
    WorkflowFunction,
    WorkflowState,
    WorkflowStatus,
)

__all__ = ["MemoryWorkflows"]


class MemoryWorkflows(Table):
    """See :class:`WorkflowPort`; each run has a thread of its own."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._runs: dict[str, WorkflowStatus] = {}

    def resume(self) -> None:
        """See :meth:`WorkflowPort.resume`; nothing outlives the process here."""

    def start(self, name: str, args: Mapping[str, Any], *, key: str = "") -> str:
        """See :meth:`WorkflowPort.start`."""
        run_id, taken = self._begun(name, args, key)
        with self._lock:
            if run_id in self._runs:
                return run_id
            now_ms = self._clock.now_ms()
            self._runs[run_id] = WorkflowStatus(run_id, name, WorkflowState.RUNNING, now_ms)
        thread = threading.Thread(
            target=self._execute,
            args=(run_id, self._function(name), taken),
            name=f"workflow {run_id}",
            daemon=True,
        )
        thread.start()
        return run_id

    def status(self, run_id: str) -> WorkflowStatus:
        """See :meth:`WorkflowPort.status`."""
        with self._lock:
            found = self._runs.get(run_id)
        if found is None:
            raise NotFound(f"there is no workflow run {run_id!r}")
        now = self._board.of(run_id)
        return replace(found, step=now.step, done=now.done, total=now.total, message=now.message)

    def list(self, *, limit: int = 100) -> list[WorkflowStatus]:
        """See :meth:`WorkflowPort.list`."""
        with self._lock:
            ids = list(reversed(self._runs))[: max(limit, 0)]
        return [self.status(run_id) for run_id in ids]

    def cancel(self, run_id: str) -> None:
        """See :meth:`WorkflowPort.cancel`."""
        self.status(run_id)
        if self._finish(run_id, state=WorkflowState.CANCELLED):
            self._board.end(run_id)

    def close(self) -> None:
        """See :meth:`WorkflowPort.close`."""
        self._board.close(patience_s=10.0)

    def _execute(self, run_id: str, function: WorkflowFunction, args: Mapping[str, Any]) -> None:
        with self._board.running(run_id):
            if self.status(run_id).state is WorkflowState.CANCELLED:
                return
            try:
                result = loads(dumps(function(Run(run_id, self._board, _take), args)))
            except RunEnded:
                self._finish(run_id, state=WorkflowState.WAITING)
            except Exception as error:  # noqa: BLE001 - whatever it raises is how the run ended
                self._finish(run_id, state=WorkflowState.FAILED, error=str(error))
            else:
                self._finish(run_id, state=WorkflowState.DONE, result=result)

    def _finish(self, run_id: str, **changes: Any) -> bool:
        """Change a run that is not over; False where it is."""
        with self._lock:
            if self._runs[run_id].state.over:
                return False
            self._runs[run_id] = replace(self._runs[run_id], **changes)
            return True


def _take(_name: str, work: Callable[[], Any]) -> Any:
    """Do the step; its result goes through JSON, as it would on the way to a database."""
    return loads(dumps(work()))
