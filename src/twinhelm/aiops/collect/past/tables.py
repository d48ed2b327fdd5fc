"""Open a CSV or Parquet file as rows, in chunks, whatever its dialect.

In: a path; out: a :class:`Table` with a header, which columns hold numbers, and chunks of rows.
CSV (also ``.gz``): UTF-8, a header line, separated by comma, semicolon, tab or bar, whichever
the header has most of; cells stay text. Parquet: through DuckDB; columns of instants come as
epoch ms, numbers as floats, everything else as text, nested columns not at all. Memory is that
of one chunk.
"""

import csv
import gzip
import io
import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import duckdb

from twinhelm.core.errors import BadInput, NotFound, Unsupported

__all__ = ["Chunk", "Table", "number_of", "open_table"]

SNIFFED_ROWS = 200
SEPARATORS = ",;\t|"
MISSING = frozenset({"", "nan", "na", "n/a", "null", "none", "nil", "-", "<na>"})
NUMBERS = ("INT", "FLOAT", "DOUBLE", "DECIMAL", "REAL", "BOOLEAN")
INSTANT = "TIMESTAMP WITH TIME ZONE"
NESTED = ("[]", "STRUCT", "MAP", "UNION")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows: ``lines`` says where each stands, ``done`` how much of the file is read."""

    rows: Sequence[Sequence[Any]]
    lines: Sequence[int]
    done: int


@dataclass(frozen=True, slots=True)
class Table:
    """A file that is open until the stack it was opened on is closed.

    ``instants`` are columns whose cells are epoch ms already. ``total`` and ``Chunk.done`` count
    bytes for CSV and rows for Parquet. ``chunks(rows)`` may be walked once.
    """

    header: list[str]
    numeric: frozenset[str]
    instants: frozenset[str]
    total: int
    chunks: Callable[[int], Iterator[Chunk]]


def open_table(path: Path, stack: ExitStack) -> Table:
    """Open a file by its name's ending; ``stack`` closes it.

    Raises :class:`NotFound`, :class:`Unsupported` for another ending, :class:`BadInput` where
    the file is not what its name says.
    """
    if not path.is_file():
        raise NotFound(f"there is no file {path}", hint="check the path")
    name = path.name.lower()
    if name.endswith((".parquet", ".pq")):
        return _parquet(path, stack)
    if name.endswith((".csv", ".tsv", ".csv.gz", ".tsv.gz", ".txt")):
        return _csv(path, stack)
    raise Unsupported(f"{path} is neither CSV nor Parquet", hint="end its name in .csv or .parquet")


def number_of(cell: object) -> float | None:
    """Read a cell as a number; NaN for a missing one, None for what is no number."""
    if cell is None:
        return math.nan
    try:
        return float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return math.nan if str(cell).strip().lower() in MISSING else None


def _csv(path: Path, stack: ExitStack) -> Table:
    """Open CSV."""
    raw = stack.enter_context(path.open("rb"))
    binary: Any = stack.enter_context(gzip.GzipFile(fileobj=raw)) if path.suffix == ".gz" else raw
    text = stack.enter_context(io.TextIOWrapper(binary, encoding="utf-8-sig", newline=""))
    rows = _csv_rows(path, text)
    header = [column.strip() for column in next(rows, (0, []))[1]]
    if not header:
        raise BadInput(f"{path} is empty", hint="the first line names the columns")
    if all(number_of(column) is not None for column in header):
        raise BadInput(
            f"{path}:1: the first line holds numbers, not names",
            hint="put a line with the names of the columns first",
        )
    first = list(islice(rows, SNIFFED_ROWS))
    numeric = frozenset(
        column
        for position, column in enumerate(header)
        if all(number_of(row[position]) is not None for _, row in first if position < len(row))
    )

    def chunks(size: int) -> Iterator[Chunk]:
        waiting = first
        while waiting or (waiting := list(islice(rows, size))):
            part, waiting = waiting[:size], waiting[size:]
            for line, row in part:
                if len(row) != len(header):
                    raise BadInput(
                        f"{path}:{line}: {len(row)} cells, the header has {len(header)}",
                        hint="quote cells that hold the separator",
                    )
            yield Chunk([row for _, row in part], [line for line, _ in part], raw.tell())

    return Table(header, numeric, frozenset(), path.stat().st_size, chunks)


def _csv_rows(path: Path, text: io.TextIOWrapper) -> Iterator[tuple[int, list[str]]]:
    line = 0
    try:
        head = text.readline(1 << 20)
        # One reader for all, so that a quoted cell may hold line breaks, in the header too.
        lines = chain([head] if head else [], text)
        reader = csv.reader(lines, delimiter=max(SEPARATORS, key=head.count), strict=True)
        for row in reader:
            line = reader.line_num
            if row:
                yield line, row
    except UnicodeDecodeError as error:
        raise BadInput(
            f"{path}: after line {line} something is not UTF-8: {error.reason}",
            hint="convert the file to UTF-8",
        ) from error
    except (csv.Error, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadInput(f"{path}:{line + 1}: {error}", hint="check the file") from error


def _parquet(path: Path, stack: ExitStack) -> Table:
    """Open Parquet."""
    database = duckdb.connect(config={"threads": 1, "autoinstall_known_extensions": False})
    connection = stack.enter_context(database)

    def asked(query: str) -> Any:
        return connection.execute(query, [str(path)])

    try:
        described = asked("DESCRIBE SELECT * FROM read_parquet(?)").fetchall()
        total = asked("SELECT sum(num_rows)::BIGINT FROM parquet_file_metadata(?)").fetchone()[0]
    except duckdb.Error as error:
        raise BadInput(
            f"{path} cannot be read as Parquet: {str(error)[:200]}", hint="check the file"
        ) from error
    kinds = {name: kind for name, kind, *_ in described if not any(n in kind for n in NESTED)}
    columns = ", ".join(_expression(name, kind) for name, kind in kinds.items())

    def chunks(size: int) -> Iterator[Chunk]:
        done = 0
        try:
            found = asked(f"SELECT {columns} FROM read_parquet(?)")  # noqa: S608 - names are quoted
            while rows := found.fetchmany(size):
                lines = range(done + 1, done + 1 + len(rows))
                done += len(rows)
                yield Chunk(rows, lines, done)
        except duckdb.Error as error:
            raise BadInput(f"{path}: after row {done}: {str(error)[:200]}") from error

    numeric = frozenset(name for name, kind in kinds.items() if _is_number(kind))
    instants = frozenset(name for name, kind in kinds.items() if kind == INSTANT)
    return Table(list(kinds), numeric, instants, total or 0, chunks)


def _is_number(kind: str) -> bool:
    return any(word in kind for word in NUMBERS)


def _expression(name: str, kind: str) -> str:
    quoted = '"' + name.replace('"', '""') + '"'
    if kind == INSTANT:
        return f"epoch_ms({quoted})"
    # Whole numbers stay whole: nanoseconds since 1970 are more than a double can hold.
    if "INT" in kind:
        return quoted
    return f"CAST({quoted} AS {'DOUBLE' if _is_number(kind) else 'VARCHAR'})"
