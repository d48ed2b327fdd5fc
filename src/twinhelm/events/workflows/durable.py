"""Workflows that survive the death of the process, kept by DBOS.

DBOS takes 0.6 s to import and holds a few threads, so it is loaded at the first start of a run,
or at :meth:`Workflows.resume` when an earlier process left something undone. On SQLite its tables
have a file of their own; on PostgreSQL, the schema ``twinhelm_workflows``. Values are kept as
JSON: nothing is unpickled. DBOS keeps one instance per process, so there is one
:class:`Workflows` at a time.

Arguments that are secrets do not rest in those tables (:mod:`~twinhelm.events.workflows.apart`).

``kill -9`` at any point: every finished step stays finished, the step under way runs again, and
a run that had returned is not repeated.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from twinhelm.core.errors import Conflict, DatabaseDown, NotFound, TwinhelmError, Unavailable
from twinhelm.core.json import dumps, loads
from twinhelm.core.ports import Blobs
from twinhelm.events.workflows.apart import Apart
from twinhelm.events.workflows.run import Run, Table, WorkflowState, WorkflowStatus

if TYPE_CHECKING:
    from dbos import WorkflowStatus as Kept

__all__ = ["Workflows"]

log = logging.getLogger(__name__)

_SCHEMA = "twinhelm_workflows"
_VERSION = "1"
"""Runs are resumed by a process of the same version only; raise it when old runs must not be."""

_STATES = {
    "DELAYED": WorkflowState.WAITING,
    "ENQUEUED": WorkflowState.WAITING,
    "PENDING": WorkflowState.RUNNING,
    "SUCCESS": WorkflowState.DONE,
    "CANCELLED": WorkflowState.CANCELLED,
    "ERROR": WorkflowState.FAILED,
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": WorkflowState.FAILED,
}

_launching = threading.Lock()
_current: Workflows | None = None
_entry: Callable[[str, dict[str, Any]], Any] | None = None


class Workflows(Table):
    """See :class:`WorkflowPort`; ``url`` is ``sqlite:///FILE`` or ``postgresql+psycopg://...``.

    The arguments named in ``secret`` lie in ``secrets`` while a run lasts, and not in its row.
    """

    def __init__(
        self, url: str, *, secret: Collection[str] = (), secrets: Blobs | None = None
    ) -> None:
        super().__init__()
        self._url = sa.make_url(url)
        self._apart = Apart(secret, secrets)

    def resume(self) -> None:
        """See :meth:`WorkflowPort.resume`; costs one query where nothing was left."""
        undone = self._left_undone()
        if undone:
            self._launch()
        for run_id in self._apart.runs():
            if not undone or self._is_over(run_id):
                self._forget(run_id)

    def start(self, name: str, args: Mapping[str, Any], *, key: str = "") -> str:
        """See :meth:`WorkflowPort.start`."""
        run_id, taken = self._begun(name, args, key)
        entry = self._launch()
        from dbos import DBOS, SetWorkflowID

        told = self._apart.keep(run_id, taken)
        with _reaching(), SetWorkflowID(run_id):
            DBOS.start_workflow(entry, name, told)
        if told is not taken and self._is_over(run_id):
            self._forget(run_id)
        return run_id

    def status(self, run_id: str) -> WorkflowStatus:
        """See :meth:`WorkflowPort.status`."""
        if not self._kept_anything():
            raise NotFound(f"there is no workflow run {run_id!r}")
        self._launch()
        from dbos import DBOS

        with _reaching():
            kept = DBOS.get_workflow_status(run_id)
            if kept is None:
                raise NotFound(f"there is no workflow run {run_id!r}")
            return self._status_of(kept)

    def list(self, *, limit: int = 100) -> list[WorkflowStatus]:
        """See :meth:`WorkflowPort.list`."""
        if not self._kept_anything():
            return []
        self._launch()
        from dbos import DBOS

        with _reaching():
            found = DBOS.list_workflows(limit=max(limit, 0), sort_desc=True)
            return [self._status_of(kept) for kept in found]

    def cancel(self, run_id: str) -> None:
        """See :meth:`WorkflowPort.cancel`."""
        if not self.status(run_id).state.over:
            from dbos import DBOS

            with _reaching():
                DBOS.cancel_workflow(run_id)
            self._board.end(run_id)
            self._forget(run_id)

    def close(self) -> None:
        """See :meth:`WorkflowPort.close`."""
        global _current
        with _launching:
            if _current is not self:
                return
            if not self._board.close(patience_s=10.0):
                log.warning("a workflow step did not end in time; it will run again")
            from dbos import DBOS

            DBOS.destroy()
            _current = None

    def _launch(self) -> Callable[[str, dict[str, Any]], Any]:
        """Start DBOS unless it runs; it goes on with what was left undone by itself."""
        global _current, _entry
        with _launching:
            if _current is self and _entry is not None:
                return _entry
            if _current is not None:
                raise Conflict("another Workflows is open in this process", hint="close it first")
            # Before DBOS sees its logger: with a handler there it installs none on the console.
            logging.getLogger("dbos").addHandler(logging.NullHandler())
            from dbos import DBOS

            from twinhelm.events.workflows.kept import JsonSerializer

            _entry = _entry or DBOS.workflow(name="twinhelm")(_execute)
            if self._url.drivername == "sqlite" and self._url.database:
                Path(self._url.database).touch(mode=0o600)
            DBOS(
                config={
                    "name": "twinhelm",
                    "system_database_url": self._url.render_as_string(hide_password=False),
                    "dbos_system_schema": _SCHEMA,
                    "application_version": _VERSION,
                    "executor_id": "twinhelm",
                    "serializer": JsonSerializer(),
                    "use_listen_notify": False,
                    "log_level": "WARNING",
                }
            )
            _current = self
            try:
                with _reaching():
                    DBOS.launch()
            except BaseException:
                DBOS.destroy()
                _current = None
                raise
            return _entry

    def _run(self, run_id: str, name: str, args: Mapping[str, Any]) -> Any:
        with self._board.running(run_id):
            try:
                whole = self._apart.give_back(run_id, args)
                made = self._function(name)(Run(run_id, self._board, _take), whole)
                result = loads(dumps(made))
            except Exception:
                if not self._board.closing:  # else it may be the closing that it failed of
                    self._forget(run_id)
                raise
            self._forget(run_id)
            return result

    def _is_over(self, run_id: str) -> bool:
        try:
            return self.status(run_id).state.over
        except NotFound:
            return True

    def _forget(self, run_id: str) -> None:
        try:
            self._apart.forget(run_id)
        except Unavailable as error:
            log.warning("secrets of a run stay until the next start", extra={"reason": str(error)})

    def _status_of(self, kept: Kept) -> WorkflowStatus:
        from dbos import DBOS

        run_id, state = kept.workflow_id, _STATES[kept.status]
        if state is WorkflowState.RUNNING and not self._board.is_running(run_id):
            state = WorkflowState.WAITING
        now = self._board.of(run_id)
        step = now.step
        if not step and (steps := DBOS.list_workflow_steps(run_id, load_output=False)):
            step = steps[-1]["function_name"]
        return WorkflowStatus(
            id=run_id,
            name=str(kept.input["args"][0]) if kept.input else "",
            state=state,
            started_ms=kept.created_at or 0,
            step=step,
            done=now.done,
            total=now.total,
            message=now.message,
            error=str(kept.error) if kept.error else "",
            result=kept.output,
        )

    def _kept_anything(self) -> bool:
        return _current is self or self._table() is not None

    def _left_undone(self) -> bool:
        """Ask DBOS's table without DBOS; where the table reads differently, let DBOS look."""
        if (name := self._table()) is None:
            return False
        engine = sa.create_engine(self._url)
        try:
            with engine.connect() as connection:
                query = sa.text(
                    f"SELECT 1 FROM {name} WHERE status IN "  # noqa: S608 - our own constants
                    "('PENDING', 'ENQUEUED', 'DELAYED') LIMIT 1"
                )
                return connection.execute(query).first() is not None
        except sa.exc.SQLAlchemyError:
            return True
        finally:
            engine.dispose()

    def _table(self) -> str | None:
        """Name DBOS's table of runs, or None where DBOS has never been here."""
        if self._url.drivername == "sqlite":
            file = Path(self._url.database or "")
            return "workflow_status" if file.is_file() and file.stat().st_size else None
        engine = sa.create_engine(self._url)
        try:
            with _reaching(), engine.connect() as connection:
                there = sa.inspect(connection).has_table("workflow_status", schema=_SCHEMA)
        finally:
            engine.dispose()
        return f"{_SCHEMA}.workflow_status" if there else None


@contextmanager
def _reaching() -> Iterator[None]:
    """Say in our words that the database does not answer."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        cause = str(error.orig).strip().split("\n")[0]
        raise DatabaseDown(
            f"the database of the workflows does not answer: {cause}",
            hint="check that it runs and can be reached",
        ) from error


def _execute(name: str, args: dict[str, Any]) -> Any:
    """Run a workflow in whichever :class:`Workflows` is open: DBOS's one entry for all of them."""
    from dbos import DBOS

    if _current is None or DBOS.workflow_id is None:
        raise TwinhelmError("a workflow was run with no Workflows open")
    return _current._run(DBOS.workflow_id, name, args)


def _take(name: str, work: Callable[[], Any]) -> Any:
    from dbos import DBOS

    return DBOS.run_step({"name": name}, lambda: loads(dumps(work())))
