"""Labelled series from a folder of Parquet files, one at a time.

In: a folder ``metrics`` or its parent. A data set is a folder in it, in one of two layouts: one
file ``series.parquet`` with columns dataset, series_id, timestamp, value, label and split, or one
file per machine with the same columns but ``value``, whose other columns are its metrics.
Out: :class:`Labelled`, rows in the order of the file. A data set's name decides nothing.

Wrong input raises :class:`BadInput` that names the file and the column.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np

from twinhelm.core.arrays import BOOL, F64, I64
from twinhelm.core.errors import BadInput, NotFound

__all__ = ["DataSet", "Labelled", "find_data_sets", "read_series"]

_FACTS = ("dataset", "series_id", "timestamp", "split", "label")
_ONE_FILE = "series.parquet"
_NUMBER = re.compile(r"(DOUBLE|FLOAT|BOOLEAN|DECIMAL.*|[A-Z]*INT(EGER)?)$")


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set found: its folder's name, its series, and the file of each."""

    name: str
    series: tuple[tuple[str, Path], ...]


@dataclass(frozen=True, slots=True)
class Labelled:
    """One series, or one machine: ``values`` is ``(n, k)``, the other columns ``(n,)``.

    ``time_ns`` is as in the file. ``scored`` marks the rows that count: all but the train part.
    """

    dataset: str
    series_id: str
    time_ns: I64
    values: F64
    label: BOOL
    scored: BOOL


def find_data_sets(data: Path, wanted: Sequence[str] | None = None) -> list[DataSet]:
    """List the data sets under ``data``, by name; ``wanted`` limits them.

    Raises :class:`NotFound` where there is none, or for a name in ``wanted`` that is not there.
    """
    root = data / "metrics" if (data / "metrics").is_dir() else data
    if not root.is_dir():
        raise NotFound(f"there is no folder {data}", hint="give --data the folder of data sets")
    found = []
    for folder in sorted(p for p in root.iterdir() if p.is_dir()):
        if wanted is None or folder.name in wanted:
            series = tuple(_series_in(folder))
            if series:
                found.append(DataSet(folder.name, series))
    missing = sorted(set(wanted or ()) - {d.name for d in found})
    if missing or not found:
        raise NotFound(
            f"no data set {', '.join(missing) or 'at all'} under {root}",
            hint="a data set is a folder with series.parquet or one .parquet file per machine",
        )
    return found


def read_series(dataset: str, series_id: str, file: Path) -> Labelled:
    """Read one series or machine.

    A missing label column or null label counts as 0, a missing split as ``all``. Raises
    :class:`BadInput` for a file without timestamps or without numbers.
    """
    with duckdb.connect() as db:
        kinds = _columns(db, file)
        one = file.name == _ONE_FILE
        numeric = (name for name, kind in kinds.items() if _NUMBER.match(kind))
        names = ["value"] if one else [name for name in numeric if name not in _FACTS]
        if "timestamp" not in kinds or not names or not set(names) <= set(kinds):
            raise BadInput(
                f"{file} has the columns {', '.join(kinds)}",
                hint="it needs timestamp, and value or one numeric column per metric",
            )
        quoted = (name.replace('"', '""') for name in names)
        numbers = ", ".join(f'"{name}"::double as v{i}' for i, name in enumerate(quoted))
        label = "coalesce(label, 0) <> 0" if "label" in kinds else "false"
        scored = "coalesce(split::varchar, 'all') <> 'train'" if "split" in kinds else "true"
        rows = db.execute(
            f"select epoch_ns(timestamp) as t, {label} as label, {scored} as scored, {numbers} "  # noqa: S608 - names come from the file's own schema, quoted
            "from read_parquet(?)" + (" where series_id::varchar = ?" if one else ""),
            [str(file), series_id] if one else [str(file)],
        ).fetchnumpy()
    columns = [np.ma.filled(rows[f"v{i}"], np.nan) for i in range(len(names))]
    flags = (np.asarray(rows[name], np.bool_) for name in ("label", "scored"))
    times = np.asarray(rows["t"], np.int64)
    return Labelled(dataset, series_id, times, np.stack(columns, axis=1), *flags)


def _series_in(folder: Path) -> Iterator[tuple[str, Path]]:
    """Name the series of a folder: those in its one file, or one per file with timestamps."""
    one = folder / _ONE_FILE
    with duckdb.connect() as db:
        if one.is_file():
            query = "select distinct series_id::varchar from read_parquet(?) order by 1"
            for (name,) in db.execute(query, [str(one)]).fetchall():
                yield name, one
            return
        for file in sorted(folder.glob("*.parquet")):
            if "timestamp" in _columns(db, file):
                yield file.stem, file


def _columns(db: duckdb.DuckDBPyConnection, file: Path) -> dict[str, str]:
    """Return a file's column names and types."""
    try:
        rows = db.execute("describe select * from read_parquet(?)", [str(file)]).fetchall()
    except duckdb.Error as error:
        raise BadInput(f"{file} cannot be read as Parquet: {error}") from error
    return {row[0]: row[1] for row in rows}
