# ruff: noqa: S608 - names of columns and tables are our own, paths are quoted
"""Which rows of a recording arrive when? Reads them as encoded steps, in order of time.

In: a :class:`~twinhelm.lab.record.Recording`. Out: one :class:`Step` for every two seconds in
which something arrived. Rows are sorted on disk first (a temporary database), so that a recording
may be larger than memory; rows that stand in several cases, because their stretches overlap, are
there once. A span arrives when it ends. The same files give the same steps, byte for byte.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import numpy as np

from twinhelm.lab.record import Recording, quoted
from twinhelm.lab.replay.encode import (
    Post,
    changes_posts,
    logs_posts,
    samples_posts,
    series_prefix,
    spans_posts,
)
from twinhelm.lab.words import LabError

__all__ = ["STEP_S", "Step", "bounds", "steps"]

STEP_S = 2
EARLIEST_S, LATEST_S = 6.4e7, 4.1e9
CHUNK_STEPS = 150
"""Read from disk at a time."""
_NAMED = ("metric", "service", "instance", "labels")
_COLUMNS = {
    "metrics": {"timestamp": "DOUBLE", **dict.fromkeys(_NAMED, "VARCHAR"), "value": "DOUBLE"},
    "traces": {
        "timestamp": "DOUBLE",
        **dict.fromkeys(
            ("trace_id", "span_id", "parent_id", "service", "instance", "operation"), "VARCHAR"
        ),
        "duration_us": "BIGINT",
        **dict.fromkeys(("status", "kind", "attributes", "resource"), "VARCHAR"),
    },
    "logs": {
        "timestamp": "DOUBLE",
        **dict.fromkeys(
            ("service", "instance", "level", "message", "trace_id", "span_id", "resource"),
            "VARCHAR",
        ),
    },
    "changes": {
        "timestamp": "DOUBLE", **dict.fromkeys(("kind", "service", "title", "body"), "VARCHAR")
    },
}  # fmt: skip
"""What is read of each kind; a column that a recording lacks is NULL."""
_WHEN = dict.fromkeys(_COLUMNS, "timestamp")
_WHEN["traces"] = "(timestamp + coalesce(duration_us, 0) / 1e6)"


@dataclass(frozen=True, slots=True)
class Step:
    """What arrived in the two seconds before ``end_s``, encoded."""

    end_s: int
    rows: int
    posts: tuple[Post, ...]


def bounds(recording: Recording, case_id: str = "") -> tuple[int, int]:
    """Return the start of the first step and the end of the last, epoch s, of one case or of all.

    Raises :class:`LabError` where there is nothing to read.
    """
    with duckdb.connect() as database:
        sources = [
            f"SELECT min({_WHEN[kind]}) AS low, max({_WHEN[kind]}) AS high "
            f"FROM {_source(database, kind, files)} WHERE isfinite({_WHEN[kind]})"
            for kind in _COLUMNS
            if (files := recording.files(kind, case_id))
        ]
        every = " UNION ALL ".join(sources) or "SELECT NULL AS low, NULL AS high"
        ((low, high),) = database.execute(f"SELECT min(low), max(high) FROM ({every})").fetchall()
    if low is None:
        of = f" of {case_id}" if case_id else ""
        raise LabError(f"{recording.folder} holds no telemetry{of}")
    if not EARLIEST_S < low <= high < LATEST_S:
        raise LabError(
            f"{recording.folder} holds the times {low:g} to {high:g}",
            hint="write epoch seconds, from 1972 to 2100",
        )
    return (math.ceil(low / STEP_S) - 1) * STEP_S, math.ceil(high / STEP_S) * STEP_S


def steps(
    recording: Recording, case_id: str = "", *, shift_s: int = 0
) -> Generator[Step, None, None]:
    """Read a recording, or one case of it, as steps in order of time; empty ones are left out.

    All times move by ``shift_s``, a whole number of steps.
    """
    with (
        TemporaryDirectory(prefix="twinhelm-replay-") as folder,
        duckdb.connect(str(Path(folder) / "rows.duckdb")) as database,
    ):
        for kind in _COLUMNS:
            _load(database, kind, recording.files(kind, case_id))
        yield from _walk(database, shift_s)


def _load(database: duckdb.DuckDBPyConnection, kind: str, files: list[Path]) -> None:
    """Make the table of one kind: step, then the columns to encode, sorted."""
    select = (
        f"SELECT {'DISTINCT' if len(files) > 1 else ''} CAST(ceil({_WHEN[kind]} / {STEP_S}) "
        f"AS BIGINT) AS step, * FROM {_source(database, kind, files)} "
        f"WHERE isfinite({_WHEN[kind]})"
    )
    if kind != "metrics":
        database.execute(f"CREATE TABLE {kind} AS {select} ORDER BY ALL")
        return
    database.execute(f"CREATE TEMP TABLE picked AS {select} AND value IS NOT NULL")
    names = ", ".join(_NAMED)
    database.execute(
        f"CREATE TABLE series AS SELECT row_number() OVER (ORDER BY {names}) - 1 AS id, * "
        f"FROM (SELECT DISTINCT {names} FROM picked)"
    )
    same = " AND ".join(f"p.{name} IS NOT DISTINCT FROM s.{name}" for name in _NAMED)
    database.execute(
        "CREATE TABLE metrics AS SELECT step, CAST(round(timestamp * 1000) AS BIGINT) AS time_ms, "
        f"id, value FROM picked AS p JOIN series AS s ON {same} ORDER BY ALL"
    )
    database.execute("DROP TABLE picked")


def _source(database: duckdb.DuckDBPyConnection, kind: str, files: list[Path]) -> str:
    """Write the query that reads one kind with all its columns, absent ones as NULL."""
    there, read = {"timestamp"}, "(SELECT NULL AS timestamp WHERE false)"
    if files:
        read = f"read_parquet([{', '.join(map(quoted, files))}], union_by_name => true)"
        there = {row[0] for row in database.execute(f"DESCRIBE FROM {read}").fetchall()}
    picked = ", ".join(
        f"CAST({name if name in there else 'NULL'} AS {type_}) AS {name}"
        for name, type_ in _COLUMNS[kind].items()
    )
    return f"(SELECT {picked} FROM {read})"


def _walk(database: duckdb.DuckDBPyConnection, shift_s: int) -> Iterator[Step]:
    prefixes = [
        series_prefix(*row)
        for row in database.execute(
            f"SELECT {', '.join(_NAMED)} FROM series ORDER BY id"
        ).fetchall()
    ]
    every = " UNION ".join(f"SELECT step FROM {kind}" for kind in _COLUMNS)
    numbers = [row[0] for row in database.execute(f"{every} ORDER BY step").fetchall()]
    for start in range(0, len(numbers), CHUNK_STEPS):
        wanted = numbers[start : start + CHUNK_STEPS]
        between = f"WHERE step BETWEEN {wanted[0]} AND {wanted[-1]}"
        samples = database.execute(f"FROM metrics {between} ORDER BY ALL").fetchnumpy()
        edges = np.searchsorted(samples["step"], np.array([*wanted, wanted[-1] + 1]))
        others = {
            kind: {
                number: [row[1:] for row in rows]
                for number, rows in groupby(
                    database.execute(f"FROM {kind} {between} ORDER BY ALL").fetchall(),
                    key=itemgetter(0),
                )
            }
            for kind in ("traces", "logs", "changes")
        }
        for place, number in enumerate(wanted):
            part = slice(int(edges[place]), int(edges[place + 1]))
            traces, logs, changes = (others[kind].get(number, []) for kind in others)
            if shift_s:
                traces, logs = _shifted(traces, shift_s), _shifted(logs, shift_s)
            posts = (
                *samples_posts(
                    prefixes,
                    samples["id"][part],
                    samples["time_ms"][part] + shift_s * 1000,
                    samples["value"][part],
                ),
                *spans_posts(traces),
                *logs_posts(logs),
                *changes_posts(changes, shift_s),
            )
            rows = part.stop - part.start + len(traces) + len(logs) + len(changes)
            yield Step(number * STEP_S + shift_s, rows, posts)


def _shifted(rows: list[tuple[Any, ...]], shift_s: int) -> list[tuple[Any, ...]]:
    return [(row[0] + shift_s, *row[1:]) for row in rows]
