"""Where do predictions and their labels rest? In one SQLite file, and their bytes beside it.

Two tables, ``predictions`` and ``labels``; a label finds its request by id, a row of a request of
many by ``id:row``. One connection writes, another reads, so that reading never waits for a
writer; every append is one transaction that is forced to the disk. A crash leaves whole batches.
What was asked and answered lies in segments (:mod:`twinhelm.store.bodies`), which go when the
oldest prediction left is younger. Cost: about 15 us a prediction and 1 us a kilobyte.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from itertools import accumulate, chain
from pathlib import Path
from typing import Any

from twinhelm.core.errors import NewerFormat, StoreFull, Unavailable
from twinhelm.core.ports import Label, Labelling, Prediction
from twinhelm.store.bodies import Bodies

__all__ = ["FILE", "SqlitePredictions"]

FILE = "predictions.sqlite"
FORMAT = 1
AT_ONCE = 500
"""Ids in one question, requests forgotten in one transaction, predictions in one statement."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS predictions (
  product TEXT NOT NULL, id TEXT NOT NULL, version TEXT NOT NULL, role TEXT NOT NULL,
  time_ms INTEGER NOT NULL, latency_us INTEGER NOT NULL, rows INTEGER NOT NULL,
  form TEXT NOT NULL, segment INTEGER NOT NULL, start INTEGER NOT NULL,
  request INTEGER NOT NULL, response INTEGER NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS by_id ON predictions (product, id, role);
CREATE INDEX IF NOT EXISTS by_time ON predictions (product, time_ms);
CREATE TABLE IF NOT EXISTS labels (
  product TEXT NOT NULL, request TEXT NOT NULL, id TEXT NOT NULL, time_ms INTEGER NOT NULL,
  value ANY NOT NULL, PRIMARY KEY (product, request, id)) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS counts (
  product TEXT NOT NULL, version TEXT NOT NULL, n INTEGER NOT NULL,
  PRIMARY KEY (product, version)) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS came AFTER INSERT ON predictions BEGIN
  INSERT INTO counts VALUES (new.product, new.version, 1)
  ON CONFLICT DO UPDATE SET n = n + 1; END;
CREATE TRIGGER IF NOT EXISTS went AFTER DELETE ON predictions BEGIN
  UPDATE counts SET n = n - 1 WHERE product = old.product AND version = old.version; END;
"""
"""The counts are kept as rows come and go, since counting millions takes seconds."""

_FIELDS = (
    "product, id, version, role, time_ms, latency_us, rows, form, segment, start, request, response"
)
_MARKS = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


class SqlitePredictions:
    """See :class:`twinhelm.core.ports.Predictions`; ``file`` is made where it is not.

    Raises :class:`StoreFull` where the disk has no room, :class:`NewerFormat` for a file of a
    newer release, :class:`Unavailable` where the file cannot be used.
    """

    def __init__(self, file: Path) -> None:
        with _told(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            self._file = file
            self._write = self._open()
            (version,) = self._write.execute("PRAGMA user_version").fetchone()
            if version > FORMAT:
                self._write.close()
                said = f"{file} was written in format {version}, this release knows {FORMAT}"
                raise NewerFormat(said, hint="use the newer release; nothing was changed")
            file.chmod(0o600)
            self._write.execute("PRAGMA auto_vacuum = INCREMENTAL")
            self._write.execute("PRAGMA journal_mode = WAL")
            self._write.executescript(SCHEMA)
            self._write.execute(f"PRAGMA user_version = {FORMAT}")
            self._read = self._open()
            self._bodies = Bodies(file.with_suffix(""))
            self._writing, self._reading = threading.Lock(), threading.Lock()
            self._pruning = threading.Lock()

    def append(self, rows: Sequence[Prediction]) -> None:
        """See the port."""
        with self._change() as write:
            # Within the transaction, so that no pruning takes the segment before it is named.
            parts = [part for row in rows for part in (row.request, row.response)]
            segment, start = self._bodies.append(parts)
            starts = accumulate(
                (len(row.request) + len(row.response) for row in rows), initial=start
            )
            made = [
                (*row[:8], segment, start, len(row.request), len(row.response))
                for row, start in zip(rows, starts, strict=False)
            ]
            for at in range(0, len(made), AT_ONCE):
                part = made[at : at + AT_ONCE]
                # One statement, since another thread takes its turn after each.
                write.execute(
                    f"INSERT OR IGNORE INTO predictions ({_FIELDS}) VALUES "  # noqa: S608
                    + ", ".join([_MARKS] * len(part)),
                    list(chain.from_iterable(part)),
                )

    def label(self, labels: Sequence[Label]) -> list[Labelling]:
        """See the port."""
        with self._change() as write:
            return [_labelled(write, each) for each in labels]

    def read(
        self,
        product: str,
        *,
        version: str | None = None,
        role: str | None = None,
        start_ms: int = 0,
        end_ms: int | None = None,
        newest_first: bool = False,
        labelled: bool = False,
        limit: int = 10_000,
    ) -> list[Prediction]:
        """See the port."""
        where, values = "product = ? AND time_ms >= ?", [product, start_ms]
        asked = (("version =", version), ("role =", role), ("time_ms <", end_ms))
        for what, value in asked:
            if value is not None:
                where += f" AND {what} ?"
                values.append(value)
        if labelled:
            where += " AND id IN (SELECT request FROM labels WHERE product = ?)"
            values.append(product)
        order = "DESC" if newest_first else "ASC"
        question = (
            f"SELECT {_FIELDS} FROM predictions WHERE {where}"  # noqa: S608 - names, not values
            f" ORDER BY time_ms {order}, rowid {order} LIMIT ?"
        )
        made = []
        with _told(self._file), self._reading, ExitStack() as files:
            found = self._read.execute(question, [*values, max(limit, 0)]).fetchall()
            segments = {row[8] for row in found}
            opened = {each: files.enter_context(self._bodies.opened(each)) for each in segments}
            for row in found:
                segment, start, request, response = row[8:]
                body = os.pread(opened[segment], request + response, start)
                whole: tuple[Any, ...] = (*row[:8], body[:request], body[request:])
                made.append(Prediction(*whole))
        return made

    def labels(self, product: str, ids: Sequence[str]) -> dict[str, float | str]:
        """See the port."""
        made: dict[str, float | str] = {}
        for at in range(0, len(ids), AT_ONCE):
            part = ids[at : at + AT_ONCE]
            marks = ", ".join("?" * len(part))
            made.update(
                self._rows(
                    f"SELECT id, value FROM labels WHERE product = ? AND request IN ({marks})",  # noqa: S608
                    [product, *part],
                )
            )
        return made

    def counts(self, product: str) -> Mapping[str, int]:
        """See the port."""
        return dict(
            self._rows("SELECT version, n FROM counts WHERE product = ? AND n > 0", [product])
        )

    def prune(self, product: str, before_ms: int) -> int:
        """See the port; in small transactions, so that appending never waits long."""
        gone = 0
        with self._pruning:
            while some := self._prune_some(product, before_ms):
                gone += some
            with _told(self._file), self._writing, self._reading:
                self._write.execute("PRAGMA incremental_vacuum").fetchall()
                oldest = self._write.execute(
                    "SELECT segment FROM predictions ORDER BY rowid LIMIT 1"
                ).fetchone()
                self._bodies.forget(oldest[0] if oldest else None)
        return gone

    def _prune_some(self, product: str, before_ms: int) -> int:
        with self._change() as write:
            old = write.execute(
                "SELECT rowid, id FROM predictions WHERE product = ? AND time_ms < ? LIMIT ?",
                [product, before_ms, AT_ONCE],
            ).fetchall()
            write.executemany("DELETE FROM predictions WHERE rowid = ?", [row[:1] for row in old])
            write.executemany(
                "DELETE FROM labels WHERE product = ?1 AND request = ?2 AND NOT EXISTS"
                " (SELECT 1 FROM predictions WHERE product = ?1 AND id = ?2)",
                [(product, row[1]) for row in old],
            )
        return len(old)

    def backup(self, target: Path) -> None:
        """See the port: one moment of the whole, by SQLite's own backup."""
        with _told(target), self._pruning:
            target.mkdir(parents=True, exist_ok=True)
            with closing(self._open()) as source, closing(sqlite3.connect(target / FILE)) as made:
                source.backup(made)
            # After the rows, so that whatever they name is there.
            self._bodies.copy((target / FILE).with_suffix(""))

    def close(self) -> None:
        """See the port."""
        with self._writing, self._reading:
            self._write.close()
            self._read.close()
            self._bodies.close()

    def _open(self) -> sqlite3.Connection:
        made = sqlite3.connect(self._file, check_same_thread=False, isolation_level=None)
        made.execute("PRAGMA synchronous = FULL")
        made.execute("PRAGMA busy_timeout = 10000")
        return made

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """Open a transaction that commits on leaving and rolls back on an exception."""
        with _told(self._file), self._writing:
            self._write.execute("BEGIN IMMEDIATE")
            try:
                yield self._write
                self._write.execute("COMMIT")
            except BaseException:
                if self._write.in_transaction:
                    self._write.execute("ROLLBACK")
                raise

    def _rows(self, question: str, values: Iterable[object]) -> list[tuple[Any, ...]]:
        with _told(self._file), self._reading:
            return self._read.execute(question, list(values)).fetchall()


def _labelled(write: sqlite3.Connection, label: Label) -> Labelling:
    """Keep one label; a request of one row is labelled by its id, or by ``id:0``."""
    request, _, row = label.id.rpartition(":")
    found = write.execute(
        "SELECT max(rows) FROM predictions WHERE product = ? AND id = ?", [label.product, label.id]
    ).fetchone()
    if found[0] == 1:
        request, name = label.id, label.id
    else:
        found = write.execute(
            "SELECT max(rows) FROM predictions WHERE product = ? AND id = ?",
            [label.product, request],
        ).fetchone()
        if found[0] is None or not (row.isascii() and row.isdigit() and int(row) < found[0]):
            return Labelling.UNKNOWN
        name = request if found[0] == 1 else f"{request}:{int(row)}"
    value = label.value if isinstance(label.value, str) else float(label.value)
    known = write.execute(
        "SELECT value FROM labels WHERE product = ? AND request = ? AND id = ?",
        [label.product, request, name],
    ).fetchone()
    if known is not None:
        return Labelling.AGAIN if known[0] == value else Labelling.CONFLICTING
    write.execute(
        "INSERT INTO labels VALUES (?, ?, ?, ?, ?)",
        [label.product, request, name, label.time_ms, value],
    )
    return Labelling.KEPT


@contextmanager
def _told(file: Path) -> Iterator[None]:
    """Say in our words what SQLite and the kernel say."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        if "full" in str(error):
            hint = "make room; predictions are answered meanwhile, but not logged"
            raise StoreFull(f"no room for {file}: {error}", hint=hint) from error
        raise Unavailable(f"{file} cannot be used: {error}", hint="see its rights") from error
