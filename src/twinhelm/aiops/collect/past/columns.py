"""Tell which column of a table is the time, which are values, and which name the series.

In: the header, which columns hold numbers, and what the user said; out: a :class:`ColumnMap`.
Two layouts are known. *Long*: one value column, with a metric column (or the file's name) and
label columns beside it. *Wide*: every column of numbers is a metric of its own, and columns of
text are labels. A column called ``value`` makes a table long.

Wrong where names mislead: say ``time``, ``value``, ``metric``, ``labels`` then. Columns that are
neither are listed in ``ignored``. Pure.

>>> guess_columns(["ts", "cpu", "host"], {"ts", "cpu"}, ColumnChoice(), name="x")
ColumnMap(time='ts', values=('cpu',), metric='', labels=('host',), name='', ignored=())
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from twinhelm.core.errors import BadInput

__all__ = ["ColumnChoice", "ColumnMap", "guess_columns"]

TIME_NAMES = (
    "timestamp",
    "time",
    "ts",
    "datetime",
    "date",
    "@timestamp",
    "_time",
    "epoch",
    "time_ms",
    "timestamp_ms",
    "time_ns",
    "timestamp_ns",
    "unix",
    "unix_time",
)
METRIC_NAMES = ("metric", "metric_name", "__name__", "measurement", "kpi", "kpi_name", "name")
VALUE_NAMES = ("value", "val", "_value", "y")


@dataclass(frozen=True, slots=True)
class ColumnChoice:
    """What the user said of columns; empty or None leaves it to be guessed.

    ``values`` with several names, or with one and no ``metric``, is the wide layout unless it is
    one of the usual names of a value column.
    """

    time: str = ""
    metric: str = ""
    values: tuple[str, ...] = ()
    labels: tuple[str, ...] | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """What each column means.

    Long where ``metric`` (a column) or ``name`` (one name for all) is set: ``values`` is then a
    single column. Otherwise each of ``values`` is a metric.
    """

    time: str
    values: tuple[str, ...]
    metric: str = ""
    labels: tuple[str, ...] = ()
    name: str = ""
    ignored: tuple[str, ...] = ()


def guess_columns(
    header: Sequence[str], numeric: Collection[str], choice: ColumnChoice, *, name: str
) -> ColumnMap:
    """Map a header; ``numeric`` names the columns that hold numbers (or nothing).

    ``name`` is what a lone value column's metric is called, such as the file's name. Raises
    :class:`BadInput` for a repeated or unknown column, and where no time or no value is found.
    """
    repeated = sorted({c for c in header if c and list(header).count(c) > 1})
    if repeated:
        raise BadInput(f"column {repeated[0]!r} stands in the header twice", hint="rename one")
    chosen = (choice.time, choice.metric, *choice.values, *(choice.labels or ()))
    unknown = [column for column in chosen if column and column not in header]
    if unknown:
        raise BadInput(
            f"there is no column {unknown[0]!r}", hint=f"the columns are {_listed(header)}"
        )
    time = choice.time or _named(header, TIME_NAMES)
    if not time:
        raise BadInput(
            f"none of the columns {_listed(header)} is called like a time",
            hint="say which one is the time",
        )
    # A column without a name is an index that some tool wrote along.
    rest = [column for column in header if column and column != time]
    metric = choice.metric or _named([c for c in rest if c not in numeric], METRIC_NAMES)
    value = _named(choice.values or [c for c in rest if c in numeric], VALUE_NAMES)
    if choice.metric and not value:
        value = choice.values[0] if choice.values else ""
    long = bool(value) and len(choice.values) <= 1
    values = (value,) if long else choice.values or tuple(c for c in rest if c in numeric)
    values = tuple(column for column in values if column != metric)
    if not values or (choice.metric and not long):
        raise BadInput(
            f"the columns {_listed(rest)} hold no values", hint="say which columns are values"
        )
    if not long and metric and not choice.metric:
        # A text column called "name" beside many metrics is a label like any other.
        metric = ""
    labels = choice.labels
    if labels is None:
        labels = tuple(c for c in rest if c not in numeric and c not in (*values, metric))
    taken = {time, metric, *values, *labels}
    return ColumnMap(
        time,
        values,
        metric,
        labels,
        (choice.name or name) if long and not metric else "",
        tuple(column for column in header if column not in taken),
    )


def _named(columns: Sequence[str], names: Sequence[str]) -> str:
    """Return the column that bears the first of ``names`` that any bears, in any case."""
    lower = {column.strip().lower(): column for column in reversed(columns)}
    return next((lower[name] for name in names if name in lower), "")


def _listed(columns: Sequence[str]) -> str:
    """Show the first columns."""
    shown = ", ".join(repr(column[:40]) for column in columns[:20])
    return shown + (" ..." if len(columns) > 20 else "")
