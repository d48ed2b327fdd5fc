"""What does the shop's database say of itself? A page like any ``/metrics``.

In: the database's address. Out: connections by state, waiting locks, the oldest transaction, rows
read, scans and rows by table. Of SQLite, rows by table alone. One connection, kept; a question
takes at most a second. Where the database does not answer, :class:`OSError`.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from typing import Any

import psycopg
from sqlalchemy import make_url

__all__ = ["DatabasePage"]

STATEMENT_MS = 1000
ONE = """
SELECT
  (SELECT count(*) FROM pg_locks WHERE NOT granted) AS "db_locks_waiting",
  (SELECT coalesce(extract(epoch FROM max(now() - xact_start)), 0) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid())
    AS "db_oldest_transaction_seconds",
  xact_commit AS "db_commits_total", xact_rollback AS "db_rollbacks_total",
  tup_returned AS "db_rows_read_total", deadlocks AS "db_deadlocks_total",
  pg_database_size(current_database()) AS "db_size_bytes",
  current_setting('max_connections')::int AS "db_connections_max"
FROM pg_stat_database WHERE datname = current_database()"""
CONNECTIONS = """
SELECT coalesce(state, 'none'), count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() GROUP BY 1"""
STATES = ("active", "idle", "idle in transaction")
TABLES = "SELECT relname, n_live_tup, seq_scan, coalesce(idx_scan, 0) FROM pg_stat_user_tables"
BY_TABLE = ("db_rows", "db_sequential_scans_total", "db_index_scans_total")


class DatabasePage:
    """The database's page; one question at a time."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url)
        self._connection: psycopg.AsyncConnection[tuple[Any, ...]] | None = None

    async def page(self) -> str:
        """Ask now; raises :class:`OSError` where the database does not answer."""
        try:
            if self._url.drivername.startswith("sqlite"):
                return await asyncio.to_thread(_of_sqlite, str(self._url.database))
            return await self._of_postgresql()
        except (psycopg.Error, sqlite3.Error) as error:
            await self.close()
            raise OSError(f"the database does not answer: {error}") from error

    async def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _of_postgresql(self) -> str:
        if self._connection is None:
            self._connection = await psycopg.AsyncConnection.connect(
                host=self._url.host,
                port=self._url.port,
                user=self._url.username,
                password=self._url.password,
                dbname=self._url.database,
                autocommit=True,
                connect_timeout=2,
                application_name="agent",
                options=f"-c statement_timeout={STATEMENT_MS}",
            )
        lines: list[str] = []
        one = await self._connection.execute(ONE)
        values = await one.fetchone()
        names = [column.name for column in one.description or ()]
        lines += [f"{name} {value}" for name, value in zip(names, values or (), strict=True)]
        found: dict[str, int] = dict.fromkeys(STATES, 0)
        found.update(await (await self._connection.execute(CONNECTIONS)).fetchall())
        lines += [f'db_connections{{state="{state}"}} {count}' for state, count in found.items()]
        tables = await (await self._connection.execute(TABLES)).fetchall()
        return "\n".join([*lines, *_by_table(tables)])


def _of_sqlite(file: str) -> str:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=1.0)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        counted = [
            (name, connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0])  # noqa: S608 - a name from the database itself
            for (name,) in tables.fetchall()
        ]
    return "\n".join(_by_table(counted))


def _by_table(rows: Iterable[tuple[Any, ...]]) -> list[str]:
    return [
        f'{metric}{{table="{table}"}} {value}'
        for table, *values in rows
        for metric, value in zip(BY_TABLE, values, strict=False)
    ]
