"""What does one flush write, and what does opening read back? The catalog and pending parts.

In: pending parts (:mod:`.pending`) and the catalog (:mod:`.catalog`). Out: rows of the database
(:mod:`.database`), and at the next start the catalog again. The caller holds the transaction,
so all of a batch and the append-log position are there, or none of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cramjam
import numpy as np

from twinhelm.core.telemetry import MetricMeta, MetricType, SampleBlock
from twinhelm.store.telemetry.catalog import Catalog
from twinhelm.store.telemetry.database import Reading, insert
from twinhelm.store.telemetry.pending import COUNTED, Part, Pending
from twinhelm.store.telemetry.rows import Kind, fields_of
from twinhelm.store.telemetry.settle import Ids, insert_samples

__all__ = ["Saved", "load", "pack_heard", "save"]

_FOREVER = (-(2**63), 2**63 - 1)
_MERGE_NAMES = 1000
"""Once the names lie in this many pieces, opening writes them as one."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What a flush writes besides rows, as it stands when the flush begins."""

    next_segment: int
    metas: dict[str, MetricMeta]
    digests: dict[bytes, int]
    heard: bytes
    """First and last times of all series (:func:`pack_heard`); empty to leave what is stored."""
    next_page: int


def save(reading: Reading, parts: Sequence[Part], saved: Saved, ids: Ids, now_ms: int) -> None:
    """Write the parts and the append-log position."""
    insert_samples(reading, SampleBlock.joined([part.samples() for part in parts]), ids, now_ms)
    for part in parts:
        for table, some in part.blocks.items():
            for columns in some:
                insert(reading.cursor, table, columns)
    if changes := {key: change for part in parts for key, change in part.changes.items()}:
        reading.cursor.execute("DELETE FROM changes WHERE list_contains(?, id)", [list(changes)])
        _insert_table(reading, "changes", [fields_of(change) for change in changes.values()])
    names = [(kind, first, _shorter(new)) for part in parts for kind, first, new in part.names]
    _insert_table(reading, "names", names)
    if any(part.other for part in parts):
        reading.cursor.execute("DELETE FROM metas")
        rows = [(m.name, str(m.type), m.unit, m.help) for m in saved.metas.values()]
        _insert_table(reading, "metas", rows)
        reading.cursor.execute("DELETE FROM digests")
        _insert_table(reading, "digests", list(saved.digests.items()))
    if saved.heard:
        reading.cursor.execute("DELETE FROM heard")
        reading.cursor.execute("INSERT INTO heard VALUES (?, ?)", [saved.next_page, saved.heard])
    reading.cursor.execute(
        "UPDATE position SET next_segment = ?, "  # noqa: S608 - names from COUNTED
        + ", ".join(f"{name} = {name} + ?" for name in COUNTED),
        [saved.next_segment, *(sum(part.added[name] for part in parts) for name in COUNTED)],
    )


def load(reading: Reading, pending: Pending) -> tuple[int, int]:
    """Fill the catalog and the counts from the database.

    Returns the next page's id, and from which page on the times of series were not saved: those
    pages have been read.
    """
    cursor, catalog = reading.cursor, pending.catalog
    for kind, index in ((Kind.SERIES, catalog.series), (Kind.SOURCES, catalog.sources)):
        rows = cursor.execute(
            "SELECT data FROM names WHERE kind = ? ORDER BY id", [int(kind)]
        ).fetchall()
        for (data,) in rows:
            index.apply(_longer(data))
        if len(rows) > _MERGE_NAMES:
            cursor.execute("DELETE FROM names WHERE kind = ?", [int(kind)])
            cursor.execute(
                "INSERT INTO names VALUES (?, 0, ?)", [int(kind), _shorter(index.dump())]
            )
    for name, kind_text, unit, text in cursor.execute("FROM metas").fetchall():
        catalog.metas[name] = MetricMeta(name, MetricType(kind_text), unit, text)
    catalog.digests.update(cursor.execute("FROM digests").fetchall())
    heard_page = 0
    for row in cursor.execute("FROM heard").fetchall():
        heard_page, data = row
        times = np.frombuffer(_longer(data), np.int64)
        catalog.restore_heard(times[: len(times) // 2], times[len(times) // 2 :])
    names = ", ".join(COUNTED)
    (counts,) = cursor.execute(f"SELECT {names} FROM position").fetchall()  # noqa: S608 - our own
    pending.counts.update(zip(COUNTED, counts, strict=True))
    found = cursor.execute("SELECT id FROM pages WHERE id >= ? ORDER BY id", [heard_page])
    ids = found.fetchnumpy()["id"]
    for some in np.array_split(ids, len(ids) // 1000 + 1):
        block = reading.decode(some, None, *_FOREVER)
        catalog.heard(block.series, block.time_ms)
    return max(heard_page, int(ids[-1]) + 1 if len(ids) else 1), heard_page


def pack_heard(catalog: Catalog) -> bytes:
    """Write first and last times of all series."""
    both = np.concatenate(catalog.heard_state())
    return _shorter(both.tobytes())


def _shorter(data: bytes) -> bytes:
    return bytes(cramjam.zstd.compress(data, level=3))


def _longer(data: bytes) -> bytes:
    return bytes(cramjam.zstd.decompress(data))


def _insert_table(reading: Reading, table: str, rows: Sequence[tuple[object, ...]]) -> None:
    if rows:
        marks = ", ".join("?" for _ in rows[0])
        reading.cursor.executemany(
            f"INSERT INTO {table} VALUES ({marks})",  # noqa: S608 - names from TABLES
            [list(row) for row in rows],
        )
