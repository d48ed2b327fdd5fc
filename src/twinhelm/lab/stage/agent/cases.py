"""Writes a stretch of what was carried as a case of a recording.

In: rows. Out: the Parquet files of :func:`twinhelm.lab.record.write_case`, in a folder. Blocks
for about a second per five minutes of the lab.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import orjson

from twinhelm.lab.stage.agent.rows import Rows

__all__ = ["write_rows"]

COLUMNS = {
    "metrics": "timestamp service instance metric labels value",
    "logs": "timestamp service instance level message trace_id span_id resource",
    "traces": "timestamp trace_id span_id parent_id service instance operation duration_us status "
    "kind attributes resource",
    "changes": "timestamp kind service title body",
}
TYPES = {"timestamp": "DOUBLE", "value": "DOUBLE", "duration_us": "BIGINT"}


def write_rows(rows: Rows, folder: Path, start_s: float, end_s: float) -> dict[str, int]:
    """Write a case; returns how many rows of each kind it has.

    Raises :class:`LabError` where the folder cannot be written.
    """
    import duckdb

    from twinhelm.lab.record import write_case

    with duckdb.connect() as database, tempfile.TemporaryDirectory() as scratch:
        for kind, columns in COLUMNS.items():
            typed = {name: TYPES.get(name, "VARCHAR") for name in columns.split()}
            file = Path(scratch) / f"{kind}.json"
            file.write_bytes(b"\n".join(map(orjson.dumps, getattr(rows, kind))))
            database.execute(
                f"CREATE TABLE {kind} AS SELECT * FROM read_json('{file}', "  # noqa: S608 - our own names
                f"format = 'newline_delimited', columns = {typed})"
            )
        return write_case(database.cursor(), folder, start_s, end_s)
