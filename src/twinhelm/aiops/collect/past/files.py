r"""Read history from a CSV or Parquet file.

In: a path; out: :class:`~.history.History` in chunks, in the order of the file. Columns mean
what their names say. *Long*: a column called ``value``, with a metric column (or the file's
name) and label columns beside it. *Wide*: every column of numbers is a metric of its own, and
columns of text are labels. Names become metric and label names with underscores for what those
may not hold. An empty cell, ``NaN`` and their like are missing values and bring no sample.

Times are ISO 8601 text (UTC where no zone is named) or numbers since 1970, whose unit is told
from the size of the first one and then holds for the whole file; wrong for counts before 1973.
A cell that cannot be read stops the import with the file and line (for Parquet the row). Cost:
about 1 us a value of a wide CSV file, 4 us of a long one and half of that from Parquet.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     path = Path(folder) / "load.csv"
...     _ = path.write_text("time,cpu,host\n1700000000,0.5,a\n")
...     history = next(read_file(path))
>>> history.labels, history.value.tolist()
([(('__name__', 'cpu'), ('host', 'a'))], [0.5])
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from twinhelm.aiops.collect.history import History, Progress
from twinhelm.aiops.collect.past.tables import Chunk, Table, number_of, open_table
from twinhelm.aiops.collect.words import instant_ms, label_name
from twinhelm.core.arrays import F64, I64
from twinhelm.core.errors import BadInput, Refused
from twinhelm.core.labels import METRIC, LabelLimits, Labels, check_labels, labels_of

__all__ = ["read_file"]

TIME_NAMES = (
    *("timestamp", "time", "ts", "datetime", "date", "@timestamp", "_time", "epoch", "time_ms"),
    *("timestamp_ms", "time_ns", "timestamp_ns", "unix", "unix_time"),
)
METRIC_NAMES = ("metric", "metric_name", "__name__", "measurement", "kpi", "kpi_name", "name")
VALUE_NAMES = ("value", "val", "_value", "y")
MAX_MS = 2**53
"""Past this a float no longer tells two milliseconds apart; it is the year 287396."""
MS_PER_UNIT = ((1e11, 1e3), (1e14, 1.0), (1e17, 1e-3), (math.inf, 1e-6))
"""Numbers below the first are in units of so many ms: seconds, ms, us and ns since 1970."""
CALENDAR_NUMBERS = ((1.9e7, 2.1e7), (1.9e13, 2.1e13))
"""20231114 and 20231114221320, which would be taken for seconds and milliseconds."""
CELLS_PER_CHUNK = 1_000_000
CHUNK_ROWS = 50_000


def read_file(
    path: Path, *, cursor: str = "", progress: Progress | None = None
) -> Iterator[History]:
    """Yield the file's samples.

    ``cursor`` of a chunk read before goes on behind it. ``progress`` is told bytes (CSV) or rows
    (Parquet). Raises :class:`BadInput` with file and line for what cannot be read; what was
    yielded stays good.
    """
    if cursor and not re.fullmatch(r"[0-9]{1,15}", cursor):
        raise BadInput(f"the cursor {cursor[:40]!r} is none of ours", hint="start without one")
    skipped, taken = int(cursor or 0), 0
    with ExitStack() as stack:
        table = open_table(path, stack)
        reader = _Reader(path, table)
        for chunk in table.chunks(max(1, min(CHUNK_ROWS, CELLS_PER_CHUNK // len(table.header)))):
            start = max(0, skipped - taken)
            taken += len(chunk.rows)
            if start < len(chunk.rows):
                kept = Chunk(chunk.rows[start:], chunk.lines[start:], chunk.done)
                yield reader.read(kept, str(taken))
            if progress:
                progress(min(chunk.done, table.total), table.total)
        if progress:
            progress(table.total, table.total)


@dataclass(frozen=True, slots=True)
class _Columns:
    """What each column means: long where there is a ``metric`` column or one ``name`` for all."""

    time: str
    values: tuple[str, ...]
    labels: tuple[str, ...]
    metric: str = ""
    name: str = ""


def _columns(path: Path, table: Table) -> _Columns:
    """Tell by their names and contents what columns mean."""
    header, shown = table.header, ", ".join(repr(column[:40]) for column in table.header[:20])
    twice = next((column for column in header if column and header.count(column) > 1), None)
    if twice is not None:
        raise BadInput(f"{path}: column {twice!r} stands in the header twice", hint="rename one")
    time = _named(header, TIME_NAMES)
    if not time:
        raise BadInput(
            f"{path}: none of the columns {shown} is called like a time", hint="call it time"
        )
    # A column without a name is an index that some tool wrote along.
    rest = [column for column in header if column and column != time]
    numbers = tuple(column for column in rest if column in table.numeric)
    texts = tuple(column for column in rest if column not in table.numeric)
    if not numbers:
        raise BadInput(
            f"{path}: the columns {shown} hold no values", hint="add a column of numbers"
        )
    value = _named(numbers, VALUE_NAMES)
    if not value:
        return _Columns(time, numbers, texts)
    metric = _named(texts, METRIC_NAMES)
    labels = tuple(column for column in texts if column != metric)
    return _Columns(time, (value,), labels, metric, "" if metric else path.name.split(".")[0])


def _named(columns: Sequence[str], names: Sequence[str]) -> str:
    lower = {column.lower(): column for column in reversed(columns)}
    return next((lower[name] for name in names if name in lower), "")


class _Reader:
    """Turns chunks of rows into samples; remembers the unit of time between chunks."""

    def __init__(self, path: Path, table: Table) -> None:
        self._path = path
        self._columns = _columns(path, table)
        self._positions = {name: position for position, name in enumerate(table.header)}
        self._factor = 1.0 if self._columns.time in table.instants else 0.0

    def read(self, chunk: Chunk, cursor: str) -> History:
        """Turn one chunk into samples."""
        cells = list(zip(*chunk.rows, strict=True))
        moments = cells[self._positions[self._columns.time]]
        time_ms = np.array(list(map(self._time, moments, chunk.lines)), np.int64)
        labels, groups = self._groups(cells, chunk.lines)
        series, times, values = [], [], []
        for offset, column in enumerate(self._columns.values):
            value = self._values(cells[self._positions[column]], column, chunk.lines)
            kept = ~np.isnan(value)
            series.append(groups[kept] + offset)
            times.append(time_ms[kept])
            values.append(value[kept])
        used, lanes = np.unique(np.concatenate(series), return_inverse=True)
        return History(
            [labels[index] for index in used],
            lanes.astype(np.uint32),
            np.concatenate(times),
            np.concatenate(values),
            cursor,
        )

    def _bad(self, line: int, column: str, why: str) -> BadInput:
        where = f"{self._path}:{line}: column {column!r}"
        return BadInput(f"{where}: {why}", hint="mend the cell, or leave the row out")

    def _time(self, cell: Any, line: int) -> int:
        """Read one time as epoch ms."""
        number = number_of(cell)
        try:
            if number is None:
                return _instant(str(cell))
        except BadInput as error:
            raise self._bad(line, self._columns.time, error.message) from error
        if not self._factor and not math.isnan(number):
            if any(low <= number < high for low, high in CALENDAR_NUMBERS):
                why = f"{number:.0f} looks like a calendar date, not a count since 1970"
                raise self._bad(line, self._columns.time, why)
            self._factor = next(factor for most, factor in MS_PER_UNIT if not abs(number) >= most)
        if not abs(number * self._factor) < MAX_MS:
            raise self._bad(line, self._columns.time, f"the time {cell!r} is not since 1970")
        return round(number * self._factor)

    def _values(self, cells: Sequence[Any], column: str, lines: Sequence[int]) -> F64:
        try:
            return np.array(cells, np.float64)
        except (TypeError, ValueError):
            numbers = [number_of(cell) for cell in cells]
        if None in numbers:
            row = numbers.index(None)
            raise self._bad(lines[row], column, f"{str(cells[row])[:60]!r} is no number")
        return np.array(numbers, np.float64)

    def _groups(
        self, cells: Sequence[Sequence[Any]], lines: Sequence[int]
    ) -> tuple[list[Labels], I64]:
        """Give each row the position of its first series among all series' labels."""
        keyed = [*filter(None, [self._columns.metric]), *self._columns.labels]
        found: dict[tuple[Any, ...], int] = {}
        labels: list[Labels] = []
        groups = np.zeros(len(lines), np.int64)
        keys = zip(*(cells[self._positions[name]] for name in keyed), strict=True)
        for row, key in enumerate(keys if keyed else [()] * len(lines)):
            position = found.get(key)
            if position is None:
                position = found[key] = len(labels)
                labels.extend(self._series(dict(zip(keyed, key, strict=True)), lines[row]))
            groups[row] = position
        return labels, groups

    def _series(self, cells: Mapping[str, Any], line: int) -> list[Labels]:
        """Name the series of one row: one for each value column."""
        columns = self._columns
        common = {label_name(name): str(cells[name] or "") for name in columns.labels}
        metrics = [columns.name] if columns.name else list(columns.values)
        if columns.metric:
            metrics = [str(cells[columns.metric] or "")]
        series = [labels_of({**common, METRIC: _metric_name(metric)}) for metric in metrics]
        if len(set(series)) < len(series) or not all(metrics):
            raise BadInput(
                f"{self._path}:{line}: the metrics {', '.join(metrics)[:200]!r} have no names of "
                "their own",
                hint="rename the columns so that letters, digits and _ tell them apart",
            )
        for one in series:
            try:
                check_labels(one, LabelLimits())
            except Refused as error:
                raise BadInput(f"{self._path}:{line}: {error.message}", hint=error.hint) from error
        return series


@lru_cache(maxsize=CHUNK_ROWS)
def _instant(text: str) -> int:
    """Read one time as text; rows often share one."""
    return instant_ms(re.sub(r"\s*(UTC|GMT)$", "Z", text.strip()), zone=UTC)


def _metric_name(title: str) -> str:
    clean = re.sub(r"[^a-zA-Z0-9_:]+", "_", title.strip()).strip("_")
    return f"_{clean}" if clean[:1].isdigit() else clean or "value"
