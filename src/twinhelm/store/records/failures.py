"""What a database error means to the caller: down, full, in conflict, or a defect of ours."""

import sqlite3

import sqlalchemy as sa

from twinhelm.core.errors import Conflict, DatabaseDown, Overloaded, StoreFull, TwinhelmError

__all__ = ["meaning_of"]

_DISK_FULL = "53100"
"""PostgreSQL's SQLSTATE disk_full (documentation, appendix A)."""


def meaning_of(error: sa.exc.SQLAlchemyError, *, database: str) -> TwinhelmError | None:
    """Translate a driver's error; None where it says that our own statement is wrong.

    ``database`` names the database in the message, without its password.
    """
    if isinstance(error, sa.exc.TimeoutError):
        return Overloaded(f"every connection to {database} is busy", retry_after_s=1.0)
    if not isinstance(error, sa.exc.DBAPIError):
        return None
    cause = error.orig
    text = str(cause).strip().split("\n")[0]
    code = getattr(cause, "sqlite_errorcode", None) or 0
    if code & 0xFF == sqlite3.SQLITE_FULL or getattr(cause, "sqlstate", None) == _DISK_FULL:
        return StoreFull(
            f"no room is left for {database}: {text}",
            hint="free some disk; nothing was half-written",
        )
    if isinstance(error, sa.exc.IntegrityError):
        return Conflict(f"{database} refused the change: {text}", hint="read again and repeat")
    if code & 0xFF in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return DatabaseDown(
            f"{database} is damaged: {text}",
            hint="stop the server and restore a backup (twinhelm restore)",
            retry_after_s=60.0,
        )
    down = (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.InternalError)
    if isinstance(error, down) or error.connection_invalidated:
        return DatabaseDown(
            f"{database} does not answer: {text}",
            hint="nothing was half-written; check that the database runs and can be reached",
        )
    return None
