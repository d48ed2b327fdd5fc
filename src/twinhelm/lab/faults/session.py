"""A database session that somebody forgot: runs one statement and keeps its transaction open.

``python -m twinhelm.lab.faults.session PLAN NAME STATEMENT``. In: the lab's plan, under which name
the session shows in the database, and what it runs; a statement that fails (a lock that it does
not get) is tried again. Ends with its process, and then the database undoes what it did. ``LOCK
TABLE`` means the write lock on the whole file where the database is SQLite.
"""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from twinhelm.lab.plan import Plan
from twinhelm.lab.shop.database import connect

__all__ = ["main"]

log = logging.getLogger(__name__)


def main(plan: str, name: str, statement: str) -> None:
    """Run a statement and stay; returns never."""
    engine = connect(Plan.load(Path(plan)).database_url, name=name)
    if engine.dialect.name == "sqlite" and statement.startswith("LOCK TABLE"):
        statement = "BEGIN IMMEDIATE"
    with engine.connect() as connection:
        while True:
            try:
                connection.execute(text(statement))
                break
            except DBAPIError as error:
                log.warning("%s: %s; once more", name, error.orig)
                connection.rollback()
        log.warning("%s: %s", name, statement)
        while True:
            signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
