"""Which data is this, by its content, and what does it hold? Files, stores and queries.

In: a source as a product file names it; out: a :data:`~twinhelm.mlops.types.Table` and a digest.

| source | what is read |
| --- | --- |
| ``data/train.csv`` | a CSV (also .tsv, .gz) or Parquet file, from the product's folder |
| ``data/*.parquet`` | all files that match, by name |
| ``s3://...``, ``memory://...`` | the same through fsspec and its driver for that store |
| ``sql:SELECT ...`` | DuckDB's answer; it may read files |
| ``sql:URL SELECT ...`` | a database's answer; ``$NAME`` in the URL: from the environment |

The digest is the SHA-256 of a file's bytes; of the digests and names where there are many; of
names, kinds and values in the order given where it is a query.

Numbers come as float64 (NaN missing) or int64 (none missing), booleans as bool where none is
missing, all else, times too, as text or None. Where a contract calls a column of a CSV file text,
words such as yes and no stay what they are; true and false are booleans everywhere. Wrong for a
query without ``ORDER BY`` over a database that returns rows as it likes: equal rows in another
order are another version. Memory: the whole table.
"""

import gzip
import hashlib
import importlib
import os
import re
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import numpy as np

from twinhelm.core.errors import BadInput, Conflict, NotFound, TooLarge, Unavailable, Unsupported
from twinhelm.core.json import dumps
from twinhelm.core.logs import strike_secrets
from twinhelm.mlops.types import Table, rows_of

__all__ = ["Limits", "digest_of", "file_digest", "is_query", "read", "save"]

_URL_THEN_QUERY = re.compile(r"((?:[a-z][a-z0-9+.-]*://|\$)\S+)\s+(.+)", re.DOTALL)
_CSV = re.compile(r"\.(csv|tsv|txt)(\.gz)?$")
_ENDS = {"\r\n": "CRLF", "\n": "LF", "\r": "CR"}
_ADVICE = re.compile(r"\n(?:The search space|Possible )")
"""Where DuckDB's errors begin to speak of its own options."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest data that is taken: bytes as they lie there, and rows."""

    size_bytes: int = 4 << 30
    rows: int = 20_000_000


def is_query(source: str) -> bool:
    """Tell whether a source is a query, of which a recipe needs the answer as a file."""
    return source.startswith("sql:")


def read(
    source: str, folder: Path, *, limits: Limits = Limits(), texts: Collection[str] = ()
) -> tuple[Table, str]:
    """Read a source; paths are relative to ``folder``; ``texts`` are the columns of words.

    Raises :class:`NotFound` where nothing is there, :class:`BadInput` where it cannot be read,
    :class:`TooLarge`, :class:`Unsupported` where a driver is missing, :class:`Conflict` where a
    file was written to meanwhile, :class:`Unavailable` where a store or database is away.
    """
    if is_query(source):
        asked = _URL_THEN_QUERY.fullmatch(source[4:].strip())
        if asked:
            table = _database(asked[1], asked[2], folder, limits)
        else:
            table = _selected(source, source[4:].strip().rstrip(";"), folder, limits)
        return table, _table_digest(table)
    with _files(source, folder, limits) as (names, files):
        before = [each.stat() for each in files]
        joined = _joined(names, files)
        table = _from_files(source, files, limits, texts)
        after = [each.stat() for each in files]
    if [(s.st_size, s.st_mtime_ns) for s in before] != [(s.st_size, s.st_mtime_ns) for s in after]:
        raise Conflict(f"{source} was written to while it was read", hint="try again")
    return table, joined


def digest_of(source: str, folder: Path, *, limits: Limits = Limits()) -> str:
    """Name what lies at a source now, as :func:`read` does; files are not taken apart for it."""
    if is_query(source):
        return read(source, folder, limits=limits)[1]
    with _files(source, folder, limits) as (names, files):
        return _joined(names, files)


def save(table: Table, path: Path) -> None:
    """Write a table as Parquet, for a recipe to read."""
    with _duckdb(path.parent) as database:
        database.register("kept", dict(table))
        target = str(path).replace("'", "''")
        database.execute(f"COPY kept TO '{target}' (FORMAT parquet)")


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _joined(names: Sequence[str], files: Sequence[Path]) -> str:
    digests = [file_digest(each) for each in files]
    listed = "".join(f"{digest}  {name}\n" for digest, name in zip(digests, names, strict=True))
    return digests[0] if len(files) == 1 else hashlib.sha256(listed.encode()).hexdigest()


@contextmanager
def _files(
    source: str, folder: Path, limits: Limits
) -> Iterator[tuple[Sequence[str], Sequence[Path]]]:
    """Find a source's files, fetched where they lie elsewhere."""
    if "://" in source:
        with TemporaryDirectory(prefix="twinhelm-data-") as place:
            yield _fetched(source, Path(place), limits)
        return
    path = folder / source
    # Of a pattern only the part from the first * on is one: folders may have brackets in names.
    parts = Path(source).parts
    wild = next((number for number, part in enumerate(parts) if re.search(r"[*?\[]", part)), None)
    files = [path]
    if wild is not None and not path.exists():
        files = sorted(folder.joinpath(*parts[:wild]).glob("/".join(parts[wild:])))
    files = [each for each in files if each.is_file()]
    if not source or not files:
        raise NotFound(
            f"there is no data at {source!r} below {folder}",
            hint="set data.train in the product file",
        )
    _within(source, sum(each.stat().st_size for each in files), limits)
    yield [each.name for each in files], files


def _fetched(source: str, place: Path, limits: Limits) -> tuple[list[str], list[Path]]:
    try:
        fsspec = importlib.import_module("fsspec")
        store, path = fsspec.core.url_to_fs(source)
    except ImportError as error:
        raise Unsupported(
            f"{source} needs {error.name}", hint=f"pip install {error.name}"
        ) from error
    except ValueError as error:
        raise Unsupported(str(error), hint="such as s3://BUCKET/train.csv") from error
    try:
        found = sorted(store.glob(path)) if re.search(r"[*?\[]", path) else [path]
        _within(source, sum(store.size(each) or 0 for each in found), limits)
        files = [place / f"{number}-{each.rsplit('/', 1)[-1]}" for number, each in enumerate(found)]
        for each, file in zip(found, files, strict=True):
            with store.open(each, "rb") as theirs, file.open("wb") as ours:
                shutil.copyfileobj(theirs, ours, 1 << 20)
    except FileNotFoundError as error:
        raise NotFound(f"there is no data at {source}", hint="mend data.train") from error
    except OSError as error:
        raise Unavailable(f"{source} cannot be read: {error}", hint="check its access") from error
    if not files:
        raise NotFound(f"nothing matches {source}", hint="mend data.train")
    return [each.rsplit("/", 1)[-1] for each in found], files


def _from_files(
    source: str, files: Sequence[Path], limits: Limits, texts: Collection[str]
) -> Table:
    parquet = [each.name.endswith((".parquet", ".pq")) for each in files]
    if not all(parquet) and not all(_CSV.search(each.name) for each in files):
        said = f"{source}: {files[0].name} is neither CSV nor Parquet, or both are mixed"
        raise Unsupported(said, hint="name it .csv, .csv.gz, .tsv or .parquet")
    names = ", ".join("'" + str(each).replace("'", "''") + "'" for each in files)
    folder = files[0].parent
    if parquet[0]:
        return _selected(source, f"FROM read_parquet([{names}])", folder, limits)
    read_csv = f"FROM read_csv([{names}], sample_size = -1"
    try:
        told = _selected(source, f"DESCRIBE {read_csv})", folder, Limits()) if texts else {}
        kinds = dict(zip(told.get("column_name", ()), told.get("column_type", ()), strict=True))
        words = [each for each in texts if kinds.get(each) == "BOOLEAN"]
        forced = ", ".join("'" + each.replace("'", "''") + "': 'VARCHAR'" for each in words)
        query = f"{read_csv}, types = {{{forced}}})" if words else f"{read_csv})"
        table = _selected(source, query, folder, limits)
        return {name: _words(values) if name in words else values for name, values in table.items()}
    except BadInput:
        for each in files:
            if mixed := _mixed_ends(each):
                said = f"{source}: the line ends of {each.name} are mixed: {mixed}"
                hint = "write it with one kind of line end, by `dos2unix` or your editor"
                raise BadInput(said, hint=hint) from None
        raise


def _words(values: Any) -> Any:
    """Leave words what they are, but true and false, which are booleans everywhere."""
    told = [word and word.lower() for word in values.tolist()]
    if not {*told} <= {"true", "false", None}:
        return values
    return np.array(told, object) if None in told else np.array(told) == "true"


def _mixed_ends(file: Path) -> str:
    """Say at which line a text's lines begin to end in another way; empty where they do not."""
    with (
        gzip.open(file, "rt", newline="", encoding="latin-1")
        if file.suffix == ".gz"
        else file.open(newline="", encoding="latin-1")
    ) as lines:
        first = ""
        for number, line in enumerate(lines, 1):
            end = _ENDS.get(line[len(line.rstrip("\r\n")) :], first)
            first = first or end
            if end != first:
                return f"line {number:,} ends in {end}, those before it in {first}"
    return ""


@contextmanager
def _duckdb(folder: Path) -> Iterator[Any]:
    import duckdb

    # One thread: rows keep the order of their files.
    wanted: dict[str, Any] = {"threads": 1, "autoinstall_known_extensions": False}
    with duckdb.connect(config=wanted) as database:
        database.execute("SET file_search_path = ?", [str(folder)])
        yield database


def _selected(source: str, query: str, folder: Path, limits: Limits) -> Table:
    import duckdb

    with _duckdb(folder) as database:
        try:
            described = database.execute(f"DESCRIBE FROM ({query}\n)").fetchall()
            columns = ", ".join(_cast(name, kind) for name, kind, *_ in described)
            found = database.execute(
                f"SELECT {columns} FROM ({query}\n) LIMIT {limits.rows + 1}"  # noqa: S608 - its maker's
            ).fetchnumpy()
        except duckdb.Error as error:
            told = " ".join(_ADVICE.split(str(error))[0].split())
            said = f"{source[:200]} cannot be read: {told[:300]}"
            raise BadInput(said, hint="mend the file, or the query behind sql:") from error
    return _few({name: _plain(column) for name, column in found.items()}, source, limits)


def _cast(name: str, kind: str) -> str:
    quoted = '"' + name.replace('"', '""') + '"'
    if kind == "BOOLEAN":
        return quoted
    if re.fullmatch(r"U?(TINY|SMALL|BIG)?INT(EGER)?", kind) and kind != "UBIGINT":
        return f"{quoted}::BIGINT AS {quoted}"
    numeric = kind in ("FLOAT", "DOUBLE", "HUGEINT", "UHUGEINT", "UBIGINT")
    to = "DOUBLE" if numeric or kind.startswith("DECIMAL") else "VARCHAR"
    return f"{quoted}::{to} AS {quoted}"


def _plain(column: Any) -> Any:
    """Turn what DuckDB gives into one of a table's four kinds."""
    missing = np.ma.getmaskarray(column)
    values = np.ma.getdata(column)
    if not missing.any():
        return values
    if values.dtype.kind in "if":
        return np.where(missing, np.nan, values.astype(np.float64))
    if values.dtype.kind == "b":
        values = np.where(values, "true", "false").astype(object)
    values = values.astype(object)
    values[missing] = None
    return values


def _database(url: str, query: str, folder: Path, limits: Limits) -> Table:
    """Ask a database; nothing that the query changes is kept."""
    import sqlalchemy as sa

    try:
        place = sa.make_url(os.path.expandvars(url))
        if place.drivername.startswith("sqlite") and place.database:
            file = folder / place.database
            if not file.is_file():
                raise NotFound(f"there is no database {file}", hint="mend data.train")
            # As a URI of SQLite's own, which can be told never to write.
            place = place.set(database=f"file:{quote(str(file))}")
            place = place.update_query_dict({"mode": "ro", "uri": "true"})
        engine = sa.create_engine(place)
    except (sa.exc.ArgumentError, ImportError) as error:
        said = f"{strike_secrets(url)} is no database that can be asked: {error}"
        raise Unsupported(said, hint="SQLAlchemy's URL, such as sqlite:///file") from error
    try:
        with engine.connect() as connection:
            result = connection.exec_driver_sql(query)
            names = list(result.keys())
            rows = result.fetchmany(limits.rows + 1)
    except sa.exc.SQLAlchemyError as error:
        kind = Unavailable if isinstance(error, sa.exc.OperationalError) else BadInput
        raise kind(f"the database says: {error}", hint="check its address and the query") from error
    finally:
        engine.dispose()
    cells = zip(*rows, strict=True) if rows else [()] * len(names)
    table = {name: _typed(list(column)) for name, column in zip(names, cells, strict=True)}
    return _few(table, query, limits)


def _typed(values: list[Any]) -> Any:
    kinds = {type(value) for value in values if value is not None}
    if kinds and kinds <= {int, float, Decimal}:
        whole = kinds == {int} and None not in values and max(map(abs, values)) < 2**63
        return np.array(values, np.int64 if whole else np.float64)  # None becomes NaN
    if kinds == {bool}:
        if None not in values:
            return np.array(values)
        values = [None if value is None else str(value).lower() for value in values]
    return np.array([None if value is None else str(value) for value in values], object)


def _few(table: Table, source: str, limits: Limits) -> Table:
    if rows_of(table) > limits.rows:
        said = f"{source[:200]} has more than {limits.rows:,} rows"
        raise TooLarge(said, hint="learn from a sample, or let the recipe bring its own data")
    return table


def _within(source: str, size: int, limits: Limits) -> None:
    if size > limits.size_bytes:
        said = f"{source} has {size:,} bytes, the limit is {limits.size_bytes:,}"
        raise TooLarge(said, hint="learn from a sample, or let the recipe bring its own data")


def _table_digest(table: Table) -> str:
    digest = hashlib.sha256()
    for name, column in table.items():
        digest.update(dumps([name, column.dtype.kind, len(column)]))
        if column.dtype.kind == "O":
            digest.update(dumps(column.tolist()))
        else:
            digest.update(np.where(column != column, np.nan, column).tobytes())  # one NaN for all
    return digest.hexdigest()
