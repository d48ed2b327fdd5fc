"""The way back from a backup: read a copy into an empty database, of either kind.

A SQLite backup can be restored into PostgreSQL and the other way round; revisions, journal
sequence and hashes come through unchanged, so the chain still verifies.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from twinhelm.core.errors import BadInput, NewerFormat, NotFound
from twinhelm.core.json import loads
from twinhelm.store.records.backup import EXPORT_NAME, FORMAT, SQLITE_NAME, Line
from twinhelm.store.records.schema import KNOWN, journal, records
from twinhelm.store.records.sql import SqlRecords, open_records

__all__ = ["restore_records"]

_HINT = "use another backup"
_WIDTHS = {table.name: len(table.columns) for table in (records, journal)}
_MAX_LINE_BYTES = 128 << 20
"""A body of 16 MiB may double when its text is quoted once more."""


def restore_records(source: Path, into: SqlRecords) -> tuple[int, int]:
    """Load the copy in the directory ``source`` into the opened, empty database ``into``.

    Returns the counts of records and journal rows. Raises :class:`NotFound` where no copy is,
    :class:`BadInput` for a cut or foreign file, :class:`NewerFormat` for one of a newer release
    and :class:`Conflict` for a database that holds anything; in each case nothing is written.
    """
    if (source / EXPORT_NAME).is_file():
        return into.load(_read_export(source / EXPORT_NAME))
    if not (source / SQLITE_NAME).is_file():
        raise NotFound(
            f"{source} holds neither {SQLITE_NAME} nor {EXPORT_NAME}",
            hint="name a directory that twinhelm backup wrote",
        )
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copy(source / SQLITE_NAME, folder)
        opened = open_records(f"sqlite:///{copy}")
        try:
            with opened.walking() as lines:
                return into.load(lines)
        finally:
            opened.close()


def _read_export(path: Path) -> Iterator[Line]:
    counts = dict.fromkeys(_WIDTHS, 0)
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for number, raw in enumerate(iter(lambda: file.readline(_MAX_LINE_BYTES), b""), start=1):
            name, *values = _parse(path, number, raw)
            if number == 1:
                _check_header(path, [name, *values])
            elif name == "end":
                if values != [*counts.values(), digest.hexdigest()] or file.read(1):
                    raise BadInput(f"{path} is spoilt: its end line does not fit", hint=_HINT)
                return
            elif isinstance(name, str) and len(values) == _WIDTHS.get(name):
                counts[name] += 1
                yield name, values
            else:
                raise BadInput(f"{path}: line {number} is no row of this format", hint=_HINT)
            digest.update(raw)
    raise BadInput(f"{path} is cut: it has no end line", hint=_HINT)


def _parse(path: Path, number: int, raw: bytes) -> list[Any]:
    value = loads(raw, max_bytes=_MAX_LINE_BYTES, what=f"line {number} of {path}")
    if not isinstance(value, list) or not value:
        raise BadInput(f"{path}: line {number} is not a row")
    return value


def _check_header(path: Path, header: list[Any]) -> None:
    if header[0] != FORMAT or len(header) != 2:
        raise BadInput(f"{path} is not an export of twinhelm records")
    if header[1] not in KNOWN:
        raise NewerFormat(
            f"{path} has schema {header[1]!r}, this release knows up to {KNOWN[-1]!r}",
            hint="restore it with the release that wrote it",
        )
