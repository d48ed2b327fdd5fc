"""How are whole files answered? A durable workflow: read a range of rows, ask, write a part.

In: a Parquet file or glob, or ``sql:`` and a query that DuckDB answers (over files); a live or
approved version. Out: a Parquet file with the input's columns and ``prediction``, and per class
``probability_CLASS``. A query is answered once, into a file beside the target, so that its order
stands. ``kill -9`` at any point: the parts that are there stay, the range under way is done
anew, and the target appears whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np

from twinhelm.core.errors import BadInput
from twinhelm.events.workflows import Run, WorkflowPort
from twinhelm.mlops.types import Scored, Scorer, Table

__all__ = ["BatchScoring"]

RANGE_ROWS = 100_000
SQL = "sql:"


class BatchScoring:
    """The workflow ``score``; ``open_scorer`` opens a version (product, version) to ask it."""

    def __init__(
        self,
        workflows: WorkflowPort,
        open_scorer: Callable[[str, str], AbstractContextManager[Scorer]],
        *,
        range_rows: int = RANGE_ROWS,
    ) -> None:
        self._workflows, self._open, self._rows = workflows, open_scorer, range_rows

    def register(self) -> None:
        """Make the workflow known; runs that were cut off go on from here."""
        self._workflows.register("score", self._score)

    def start(self, product: str, version: str, source: str, target: Path, *, by: str) -> str:
        """Start answering ``source`` into ``target``; returns the id of the run."""
        if target.suffix != ".parquet":
            raise BadInput(f"{target} is no Parquet file", hint="name the target NAME.parquet")
        args = {
            "product": product, "version": version, "source": source, "target": str(target),
            "by": by,
        }  # fmt: skip
        return self._workflows.start("score", args)

    def _score(self, run: Run, args: Mapping[str, Any]) -> dict[str, int]:
        target = Path(args["target"])
        parts = target.with_suffix(".parts")
        file, rows = run.step("look", _look, args["source"], parts)
        for start in range(0, rows, self._rows):
            run.step(f"rows from {start}", self._part, run, args, file, parts, start, rows)
        run.step("join", _join, parts, target)
        return {"rows": rows}

    def _part(
        self, run: Run, args: Mapping[str, Any], file: str, parts: Path, start: int, rows: int
    ) -> int:
        run.progress(start, rows, f"{start:,} of {rows:,} rows")
        with _duck() as duck:
            found = duck.execute(
                "SELECT * FROM read_parquet(?) LIMIT ? OFFSET ?", [file, self._rows, start]
            ).fetchnumpy()
        table = {name: _plain(values) for name, values in found.items()}
        with self._open(args["product"], args["version"]) as scorer:
            scored = scorer.score(table)
        _write({**table, **_columns(scored)}, parts / f"part-{start:012d}.parquet")
        return len(scored.prediction)


def _look(source: str, parts: Path) -> tuple[str, int]:
    """Return the file to read and how many rows it holds; a query's answer is written first."""
    import duckdb

    parts.mkdir(parents=True, exist_ok=True)
    file = source
    try:
        with _duck() as duck:
            if source.startswith(SQL):
                file = str(parts / "query.parquet")
                query = source.removeprefix(SQL).strip().rstrip(";")
                duck.execute(f"COPY ({query}) TO '{_quoted(file)}' (FORMAT parquet)")
            answer = duck.execute("SELECT count(*) FROM read_parquet(?)", [file]).fetchone()
    except duckdb.Error as error:
        said = f"{source[:200]!r} cannot be read: {error}"
        raise BadInput(said, hint="name a Parquet file or glob, or a query after sql:") from error
    return file, int(answer[0]) if answer else 0


def _join(parts: Path, target: Path) -> None:
    """Make one file of all parts, then let go of them; done again after a crash, it is the same."""
    if not parts.exists():
        return
    whole = target.with_suffix(".unfinished")
    if any(parts.glob("part-*.parquet")):
        with _duck() as duck:
            parted = duck.read_parquet(f"{parts}/part-*.parquet")
            parted.write_parquet(str(whole))
    else:
        _write({"prediction": np.empty(0)}, whole)
    whole.replace(target)
    rmtree(parts)


def _write(table: Table, file: Path) -> None:
    unfinished = file.with_name(file.name + "~")
    with _duck() as duck:
        duck.register("made", dict(table))
        duck.execute(f"COPY made TO '{_quoted(str(unfinished))}' (FORMAT parquet)")
    unfinished.replace(file)


def _columns(scored: Scored) -> dict[str, Any]:
    made = {"prediction": scored.prediction}
    if scored.probability is not None:
        for at, name in enumerate(scored.classes):
            made[f"probability_{name}"] = np.ascontiguousarray(scored.probability[:, at])
    return made


def _plain(values: Any) -> Any:
    """Make a table's column of what DuckDB gives: NaN or None for what is missing."""
    if hasattr(values, "mask"):
        if values.dtype.kind in "fiu":
            return values.astype(float).filled(np.nan) if values.mask.any() else values.data
        return np.where(values.mask, None, values.data)
    return np.asarray(values)


def _duck() -> Any:
    import duckdb

    return duckdb.connect(":memory:", config={"threads": 1})


def _quoted(path: str) -> str:
    return path.replace("'", "''")
