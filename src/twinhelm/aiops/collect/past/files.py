r"""Read history from a CSV or Parquet file.

In: a path and, where guessing is not enough, what the columns mean; out:
:class:`~.history.History` in chunks, in the order of the file. Column names become metric and
label names with underscores for what those may not hold. An empty cell, ``NaN`` and their like
are missing values and bring no sample.

Times are ISO 8601 text (without a zone: in ``zone``) or numbers since 1970, whose unit is told
from the size of the first one and then holds for the whole file. A cell that cannot be read
stops the import with the file and line (for Parquet the row), or with ``skip_bad`` is counted
as ``malformed`` and left out. Cost: about 1 us a value of a wide CSV file, 4 us of a long one
and half of that from Parquet.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     path = Path(folder) / "load.csv"
...     _ = path.write_text("time,cpu,host\n1700000000,0.5,a\n")
...     history = next(read_file(path))
>>> history.labels, history.value.tolist()
([(('__name__', 'cpu'), ('host', 'a'))], [0.5])
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import tzinfo
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from twinhelm.aiops.collect.past.columns import ColumnChoice, ColumnMap, guess_columns
from twinhelm.aiops.collect.past.tables import Chunk, Table, number_of, open_table
from twinhelm.aiops.collect.history import History, Progress
from twinhelm.aiops.collect.words.instants import instant_ms, ms_per_unit
from twinhelm.aiops.collect.words.names import label_name, metric_name_of
from twinhelm.aiops.types import Rejected
from twinhelm.core.arrays import BOOL, F64, I64
from twinhelm.core.errors import BadInput, Refused
from twinhelm.core.labels import METRIC, LabelLimits, Labels, check_labels, labels_of

__all__ = ["TimeUnit", "read_columns", "read_file"]

TimeUnit = Literal["auto", "s", "ms", "us", "ns"]

MS_PER_UNIT = {"s": 1e3, "ms": 1.0, "us": 1e-3, "ns": 1e-6}
MAX_MS = 2**53
"""Past this a float no longer tells two milliseconds apart; it is the year 287396."""
CALENDAR_NUMBERS = ((1.9e7, 2.1e7), (1.9e13, 2.1e13))
"""20231114 and 20231114221320, which would be taken for seconds and milliseconds."""
CELLS_PER_CHUNK = 1_000_000
CHUNK_ROWS = 50_000


def read_columns(path: Path, choice: ColumnChoice | None = None) -> ColumnMap:
    """Say what the columns of a file would be taken for, without reading it."""
    with ExitStack() as stack:
        return _mapped(path, open_table(path, stack), choice)


def read_file(
    path: Path,
    *,
    choice: ColumnChoice | None = None,
    labels: Mapping[str, str] | None = None,
    zone: str = "UTC",
    unit: TimeUnit = "auto",
    skip_bad: bool = False,
    limits: LabelLimits | None = None,
    cursor: str = "",
    progress: Progress | None = None,
) -> Iterator[History]:
    """Yield the file's samples.

    ``labels`` are added to every series. ``cursor`` of a chunk read before goes on behind it.
    ``progress`` is told bytes (CSV) or rows (Parquet). Raises :class:`BadInput` with file and
    line for what cannot be read, :class:`TooLarge` for labels past ``limits``; what was yielded
    stays good.
    """
    try:
        where = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadInput(f"{zone!r} is no time zone", hint="such as Europe/Berlin") from error
    if cursor and not re.fullmatch(r"[0-9]{1,15}", cursor):
        raise BadInput(f"the cursor {cursor[:40]!r} is none of ours", hint="start without one")
    skipped = int(cursor or 0)
    with ExitStack() as stack:
        table = open_table(path, stack)
        columns = _mapped(path, table, choice)
        size = max(1, min(CHUNK_ROWS, CELLS_PER_CHUNK // len(table.header)))
        reader = _Reader(path, table, columns, dict(labels or {}), where, unit, skip_bad, limits)
        taken = 0
        for chunk in table.chunks(size):
            start = max(0, skipped - taken)
            taken += len(chunk.rows)
            if start < len(chunk.rows):
                kept = Chunk(chunk.rows[start:], chunk.lines[start:], chunk.done)
                yield reader.read(kept, str(taken))
            if progress:
                progress(min(chunk.done, table.total), table.total)
        if progress:
            progress(table.total, table.total)


def _mapped(path: Path, table: Table, choice: ColumnChoice | None) -> ColumnMap:
    """Guess the columns, naming the file where that fails."""
    stem = path.name.split(".")[0]
    try:
        return guess_columns(table.header, table.numeric, choice or ColumnChoice(), name=stem)
    except BadInput as error:
        raise BadInput(f"{path}: {error.message}", hint=error.hint) from error


class _Reader:
    """Turns chunks of rows into samples; remembers the unit of time between chunks."""

    def __init__(
        self,
        path: Path,
        table: Table,
        columns: ColumnMap,
        labels: Mapping[str, str],
        zone: tzinfo,
        unit: TimeUnit,
        skip_bad: bool,
        limits: LabelLimits | None,
    ) -> None:
        self._path = path
        self._columns = columns
        self._labels = {label_name(name): value for name, value in labels.items()}
        self._zone = zone
        self._skip_bad = skip_bad
        self._limits = limits or LabelLimits()
        self._positions = {name: position for position, name in enumerate(table.header)}
        if columns.time in table.instants:
            unit = "ms"
        self._factor = MS_PER_UNIT.get(unit)
        self._known: dict[str, int] = {}
        self._bad: list[str] = []

    def read(self, chunk: Chunk, cursor: str) -> History:
        """Turn one chunk into samples."""
        self._bad = []
        cells = list(zip(*chunk.rows, strict=True))
        time_ms, good = self._times(cells[self._positions[self._columns.time]], chunk.lines)
        labels, groups = self._groups(cells, chunk.lines)
        parts = []
        for offset, column in enumerate(self._columns.values):
            value, fine = self._values(cells[self._positions[column]], column, chunk.lines)
            kept = good & fine & ~np.isnan(value)
            parts.append((groups[kept] + offset, time_ms[kept], value[kept]))
        series = np.concatenate([part[0] for part in parts])
        used, series = np.unique(series, return_inverse=True)
        rejected = (Rejected("malformed", len(self._bad), self._bad[0][:200]),) if self._bad else ()
        return History(
            [labels[index] for index in used],
            series.astype(np.uint32),
            np.concatenate([part[1] for part in parts]),
            np.concatenate([part[2] for part in parts]),
            cursor,
            rejected,
        )

    def _times(self, cells: Sequence[Any], lines: Sequence[int]) -> tuple[I64, BOOL]:
        """Read the time column; returns epoch ms, and which of them could be read."""
        numbers = [number_of(cell) for cell in cells]
        if self._factor is None:
            first = next((n for n in numbers if n is not None and not math.isnan(n)), None)
            if first is not None:
                if any(low <= first < high for low, high in CALENDAR_NUMBERS):
                    raise BadInput(
                        f"{self._path}:{lines[0]}: {first:.0f} looks like a calendar date, not "
                        "a count since 1970",
                        hint="write it as 2023-11-14T22:13:20, or say its unit",
                    )
                self._factor = ms_per_unit(first)
        time_ms = np.zeros(len(cells), np.int64)
        good = np.zeros(len(cells), np.bool_)
        factor = self._factor or 1.0
        for row, (cell, number) in enumerate(zip(cells, numbers, strict=True)):
            try:
                if number is not None:
                    if not abs(number * factor) < MAX_MS:
                        raise BadInput(f"the time {cell!r} is not since 1970")
                    time_ms[row] = round(number * factor)
                else:
                    time_ms[row] = self._instant(str(cell))
                good[row] = True
            except BadInput as error:
                self._complain(lines[row], self._columns.time, error.message, error.hint)
        return time_ms, good

    def _instant(self, text: str) -> int:
        """Read one time as text; rows often share one."""
        known = self._known.get(text)
        if known is None:
            plain = text.removesuffix("UTC").removesuffix("GMT").strip()
            moment = plain + "Z" if plain != text.strip() else plain
            known = instant_ms(moment, zone=self._zone)
            if len(self._known) >= CHUNK_ROWS:
                self._known.clear()
            self._known[text] = known
        return known

    def _values(self, cells: Sequence[Any], column: str, lines: Sequence[int]) -> tuple[F64, BOOL]:
        """Read a column of numbers; NaN for a missing one, and which could be read."""
        good = np.ones(len(cells), np.bool_)
        try:
            return np.array(cells, np.float64), good
        except (TypeError, ValueError):
            value = np.full(len(cells), np.nan)
        for row, cell in enumerate(cells):
            number = number_of(cell)
            if number is None:
                good[row] = False
                self._complain(lines[row], column, f"{str(cell)[:60]!r} is no number", "")
            else:
                value[row] = number
        return value, good

    def _groups(
        self, cells: Sequence[Sequence[Any]], lines: Sequence[int]
    ) -> tuple[list[Labels], I64]:
        """Give each row the position of its first series among all series' labels."""
        columns = self._columns
        keyed = ([columns.metric] if columns.metric else []) + list(columns.labels)
        found: dict[tuple[Any, ...], int] = {}
        labels: list[Labels] = []
        groups = np.zeros(len(lines), np.int64)
        keys = zip(*(cells[self._positions[name]] for name in keyed), strict=True) if keyed else ()
        for row, key in enumerate(keys or [()] * len(lines)):
            position = found.get(key)
            if position is None:
                position = found[key] = len(labels)
                labels.extend(self._series(dict(zip(keyed, key, strict=True)), lines[row]))
            groups[row] = position
        return labels, groups

    def _series(self, cells: Mapping[str, Any], line: int) -> list[Labels]:
        """Name the series of one row: one for each value column."""
        columns = self._columns
        common = dict(self._labels)
        for name in columns.labels:
            common[label_name(name)] = "" if cells[name] is None else str(cells[name])
        if columns.metric:
            metrics = [str(cells[columns.metric] or "")]
        else:
            metrics = [columns.name] if columns.name else list(columns.values)
        series = [labels_of({**common, METRIC: metric_name_of(metric)}) for metric in metrics]
        if len(set(series)) < len(series) or not all(metrics):
            raise BadInput(
                f"{self._path}:{line}: the metrics {', '.join(metrics)[:200]!r} have no names of "
                "their own",
                hint="rename the columns so that letters, digits and _ tell them apart",
            )
        for one in series:
            try:
                check_labels(one, self._limits)
            except Refused as error:
                raise BadInput(f"{self._path}:{line}: {error.message}", hint=error.hint) from error
        return series

    def _complain(self, line: int, column: str, why: str, hint: str) -> None:
        """Stop at a bad cell, or count it."""
        message = f"{self._path}:{line}: column {column!r}: {why}"
        if not self._skip_bad:
            raise BadInput(
                message, hint=hint or "name the columns, or skip bad rows to leave it out"
            )
        self._bad.append(message)
