"""Writes a stretch of what was carried as a case of a recording.

In: rows. Out: the Parquet files of :func:`twinhelm.lab.record.write_case`, in a folder. It takes
about a second per five minutes of the lab, and some 60 MB: hence :func:`write_apart`, by which the
agent has a process of its own do it, so that its own memory, which is recorded as well, stays as
it was.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from subprocess import PIPE

import orjson

from twinhelm.lab.plan import Plan
from twinhelm.lab.stage.agent.rows import Rows
from twinhelm.lab.stage.agent.scraper import target_labels
from twinhelm.lab.stage.agent.shelf import Kept
from twinhelm.lab.stage.guard import guarded
from twinhelm.lab.words import LabError

__all__ = ["main", "write_apart", "write_rows"]

PROGRAM = "import sys; from twinhelm.lab.stage.agent.cases import main; main(*sys.argv[1:])"
COLUMNS = {
    "metrics": "timestamp service instance metric labels value",
    "logs": "timestamp service instance level message trace_id span_id resource",
    "traces": "timestamp trace_id span_id parent_id service instance operation duration_us status "
    "kind attributes resource",
    "changes": "timestamp kind service title body",
}
TYPES = {"timestamp": "DOUBLE", "value": "DOUBLE", "duration_us": "BIGINT"}


async def write_apart(
    plan: Path, kept: Iterable[Kept], folder: Path, start_s: float, end_s: float
) -> dict[str, int]:
    """Do as :func:`write_rows` with what the shelf kept, in a process of its own.

    Raises :class:`LabError` with what that process said where it failed.
    """
    bodies = list(kept)
    head = orjson.dumps([(one.at_s, one.kind, one.job, len(one.packed)) for one in bodies])
    argv = [sys.executable, "-c", PROGRAM, *map(str, (plan, folder, start_s, end_s))]
    process = await asyncio.create_subprocess_exec(
        *guarded(argv), stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    said, why = await process.communicate(b"\n".join([head, b"".join(b.packed for b in bodies)]))
    if process.returncode:
        raise LabError(why.decode("utf-8", "replace").strip()[-800:] or "a case was not written")
    rows: dict[str, int] = orjson.loads(said)
    return rows


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


def main(plan_file: str, folder: str, start_s: str, end_s: str) -> None:
    """Write what :func:`write_apart` hands over on stdin, and say on stdout how many rows."""
    head, _, packed = sys.stdin.buffer.read().partition(b"\n")
    plan, kept, at = Plan.load(Path(plan_file)), [], 0
    for at_s, kind, job, size in orjson.loads(head):
        kept.append(Kept(at_s, kind, job, packed[at : at + size]))
        at += size
    rows = Rows(lambda job: target_labels(plan, job))
    rows.add(kept)
    try:
        written = write_rows(rows, Path(folder), float(start_s), float(end_s))
    except LabError as error:
        sys.exit(str(error))
    sys.stdout.buffer.write(orjson.dumps(written))
