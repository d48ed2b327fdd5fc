"""What may a step ask a database, or have it do? A question that only reads, or a listed repair.

``database`` is the name of a secret that holds an SQLAlchemy address (SQLite, PostgreSQL), one of
those that the settings list. Either ``query`` with ``test`` and ``value``: one SELECT in a
transaction that cannot write, whose first value is compared. Or ``statement``: the name of SQL in
``automate.statements``, done and committed. ``values`` are bound, so no parameter is ever part of
the SQL text. A deed that must end cancels what the database is doing.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator
from sqlalchemy import Connection, create_engine, event, make_url, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from twinhelm.aiops.automate.steps.actor import (
    BEAT_S,
    Actor,
    Arguments,
    Given,
    Limit,
    Outcome,
    shown,
)
from twinhelm.core.errors import BadInput
from twinhelm.core.own.secrets import struck
from twinhelm.core.policy import Condition

__all__ = ["Sql", "SqlGiven"]

CONNECT_S = 10
SCHEMES = ("sqlite", "postgresql")

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,100}$")]
Value = bool | int | float | str


class SqlGiven(Given):
    """What ``sql`` takes: a query and what its answer must be, or the name of a statement."""

    database: Name
    query: Annotated[str, Field(min_length=1, max_length=10_000)] | None = None
    statement: Name | None = None
    values: dict[str, Value] = Field(default_factory=dict)
    test: str = "present"
    value: Value | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "SqlGiven":
        if (self.query is None) == (self.statement is None):
            raise ValueError("either a query or the name of a statement")
        if self.query is not None and ";" in self.query:
            raise ValueError("one query, without a semicolon")
        try:
            self.condition.holds({})
        except BadInput as error:
            raise ValueError(str(error)) from error
        return self

    @property
    def condition(self) -> Condition:
        """What must hold of the first value of the answer, which is called ``answer``."""
        return Condition("answer", self.test, self.value)


class Sql(Actor):
    """Asks a database, or has it do something that was written down before."""

    name = "sql"
    given = SqlGiven
    fixed: ClassVar = ("database", "query", "statement", "test", "value")

    def forbidden(self, given: SqlGiven) -> list[str]:
        """See :meth:`Actor.forbidden`."""
        wrong = []
        if given.database not in self._settings.databases:
            wrong = self.not_listed(f"the database {given.database}", "databases")
        if given.statement is not None and given.statement not in self._settings.statements:
            wrong += self.not_listed(f"the statement {given.statement}", "statements")
        return wrong

    def changes(self, arguments: Arguments) -> bool:
        """See :meth:`Actor.changes`: a query cannot."""
        return "statement" in arguments

    def repeatable(self, arguments: Arguments) -> bool:
        """See :meth:`Actor.repeatable`: a query changes nothing."""
        return not self.changes(arguments)

    def dangerous(self, arguments: Arguments) -> bool:
        """See :meth:`Actor.dangerous`: data that are gone do not come back."""
        return self.changes(arguments)

    def told(self, given: SqlGiven) -> str:
        """See :meth:`Actor.told`."""
        text = given.query or self._settings.statements.get(given.statement or "", "")
        bound = f" with {given.values}" if given.values else ""
        wanted = "" if given.query is None else f"; the answer must be {given.test}"
        wanted += "" if given.value is None else f" {given.value!r}"
        return f"Ask {given.database}: {' '.join(text.split())}{bound}{wanted}"

    def do(self, given: SqlGiven, limit: Limit) -> Outcome:
        """See :meth:`Actor.do`; ``answer`` is the first value of a query."""
        held = self._secrets.get(given.database)
        try:
            with _connected(held, writes=given.query is None) as connection:
                return self._ask(connection, given, limit)
        except (SQLAlchemyError, OSError, ValueError) as error:
            said = str(getattr(error, "orig", None) or error)
            return Outcome(False, limit.over() or shown(struck(said, [held])))

    def _ask(self, connection: Connection, given: SqlGiven, limit: Limit) -> Outcome:
        sql = given.query or self._settings.statements[given.statement or ""]
        with _cancelled_by(limit, connection):
            result = connection.execute(text(sql), given.values)
            if given.query is None:
                connection.commit()
                return Outcome(True, f"{given.statement} was done ({max(result.rowcount, 0)} rows)")
            row = result.first()
            connection.rollback()
        facts: dict[str, Any] = {} if row is None or row[0] is None else {"answer": row[0]}
        told = shown(f"the answer is {facts['answer']!r:.200}" if facts else "there is no answer")
        ok = given.condition.holds(facts)
        return Outcome(ok, told, {name: shown(str(value)) for name, value in facts.items()})


@contextmanager
def _connected(address: str, *, writes: bool) -> Iterator[Connection]:
    """Connect for one deed, to a transaction that cannot write unless it shall."""
    url = make_url(address)
    kind = url.get_backend_name()
    if kind not in SCHEMES:
        raise BadInput(f"databases of the kind {kind} are not known", hint=" or ".join(SCHEMES))
    more: dict[str, Any] = {"connect_timeout": CONNECT_S}
    if kind == "sqlite":
        # Waits for the lock of others for as long; the watch on the limit runs in another thread.
        more = {"timeout": CONNECT_S, "check_same_thread": False}
    engine = create_engine(url, poolclass=NullPool, connect_args=more)
    if kind == "sqlite" and not writes:

        @event.listens_for(engine, "connect")
        def _only_read(raw: Any, _record: Any) -> None:
            raw.execute("PRAGMA query_only = ON")

    try:
        with engine.connect() as connection:
            if kind == "postgresql" and not writes:
                connection.execution_options(postgresql_readonly=True)
            yield connection
    finally:
        engine.dispose()


@contextmanager
def _cancelled_by(limit: Limit, connection: Connection) -> Iterator[None]:
    """Look from beside whether the deed must end, and cancel what the database does then."""
    raw: Any = connection.connection.driver_connection
    stop = raw.interrupt if connection.dialect.name == "sqlite" else raw.cancel
    done, raised = threading.Event(), list[BaseException]()

    def watch() -> None:
        try:
            while not limit.over():
                if done.wait(BEAT_S):
                    return
        except BaseException as error:  # noqa: BLE001 - raised again below, in the deed's thread
            raised.append(error)
        while not done.wait(BEAT_S):
            with suppress(Exception):  # it may have ended by itself just now
                stop()

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    finally:
        done.set()
        watching.join()
        if raised:
            raise raised[0]
