"""What the wings, the journal and the pages ask of stores: small interfaces, strict contracts.

Each port has an implementation in :mod:`twinhelm.store`, one in memory for tests, and one test
suite that both pass. All methods may be called from any thread.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from twinhelm.core.arrays import U32
from twinhelm.core.labels import Labels, Matcher
from twinhelm.core.telemetry import (
    Change,
    LogBlock,
    LogRecord,
    MetricMeta,
    SampleBlock,
    SeriesInfo,
    Span,
    SpanBlock,
)

__all__ = [
    "Blobs", "JournalRow", "Label", "Labelling", "Prediction", "Predictions", "Record", "Records",
    "RecordsUnit", "StoreStats", "TelemetryStore",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class StoreStats:
    """What rests in the store now: counts since it was made, bytes on disk, bytes free.

    ``taking`` is False while there is no room, and for some seconds after telemetry was refused
    for want of it, so that whoever looks now and then hears of it; ``reason`` says why.
    """

    series: int
    samples: int
    logs: int
    spans: int
    changes: int
    disk_bytes: int
    free_bytes: int
    pending_rows: int
    taking: bool
    reason: str = ""


class TelemetryStore(Protocol):
    """Where metrics, logs, spans and changes rest.

    Writing: when an ``append_*`` call returns, the rows survive ``kill -9`` of this process and
    are visible to readers. It raises :class:`StoreFull` when the disk has no room, having
    written nothing. Reading: all ranges are closed, ``start_ms <= t <= end_ms``.
    """

    def intern(self, labels: Sequence[Labels], *, tenant: str) -> U32:
        """Give each label set its dense id (from 0, never reused), making new ones durable."""

    def series(self, ids: U32) -> list[SeriesInfo]:
        """Describe ids, in order; raises :class:`NotFound` for an id never given out."""

    def series_count(self, tenant: str | None = None) -> int:
        """Count the series ever interned, of one tenant or of all."""

    def find_series(
        self,
        matchers: Sequence[Matcher],
        *,
        tenant: str | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 10_000,
    ) -> list[SeriesInfo]:
        """Find series that satisfy all matchers and were heard of within the range, by id.

        At most ``limit`` come back; ask for one more than you can show to know of a cut.
        """

    def label_names(self, matchers: Sequence[Matcher], *, tenant: str | None = None) -> list[str]:
        """List the label names in use on matching series, sorted."""

    def label_values(
        self, name: str, matchers: Sequence[Matcher], *, tenant: str | None = None
    ) -> list[str]:
        """List the values of one label on matching series, sorted."""

    def append_samples(self, block: SampleBlock) -> None:
        """Keep samples. The caller has removed duplicates (:mod:`twinhelm.aiops.clean`)."""

    def read_samples(self, ids: U32, start_ms: int, end_ms: int) -> SampleBlock:
        """Read samples of ``ids``, ordered by position in ``ids`` (given ascending), then time."""

    def last_times(self) -> Mapping[int, int]:
        """Return, per series id, the time in ms of its newest sample (absent if none)."""

    def put_metric_meta(self, metas: Sequence[MetricMeta]) -> None:
        """Keep what metric families say of themselves; the newest statement wins."""

    def metric_meta(self) -> dict[str, MetricMeta]:
        """Return what is known of each metric family, by name."""

    def append_logs(self, block: LogBlock, *, tenant: str, digest: bytes = b"") -> bool:
        """Keep log records; False (nothing written) if ``digest`` was taken in the last 10 min.

        ``digest`` identifies the request body, so that a sender's retry is not a second copy.
        """

    def read_logs(
        self,
        matchers: Sequence[Matcher],
        start_ns: int,
        end_ns: int,
        *,
        contains: str = "",
        tenant: str | None = None,
        limit: int = 1000,
        newest_first: bool = True,
    ) -> list[LogRecord]:
        """Read log records whose stream matches and whose body contains a text."""

    def append_spans(self, block: SpanBlock, *, tenant: str, digest: bytes = b"") -> bool:
        """Keep spans; see :meth:`append_logs` for ``digest``."""

    def read_spans(
        self,
        matchers: Sequence[Matcher],
        start_ns: int,
        end_ns: int,
        *,
        trace_id: str = "",
        tenant: str | None = None,
        limit: int = 1000,
    ) -> list[Span]:
        """Read spans whose resource matches, by start time."""

    def append_changes(self, changes: Sequence[Change]) -> None:
        """Keep changes; one with a known ``id`` replaces the earlier."""

    def read_changes(
        self, start_ms: int, end_ms: int, *, entity: str | None = None, limit: int = 1000
    ) -> list[Change]:
        """Read changes that start within the range, oldest first."""

    def stats(self) -> StoreStats:
        """Say what rests here."""

    def flush(self) -> None:
        """Move pending rows from the append log into the database; safe at any moment."""

    def tidy(self, now_ms: int) -> None:
        """Drop what retention says is over and re-sort what has settled; safe at any moment."""

    def backup(self, target: Path) -> None:
        """Write a complete copy into the empty directory ``target`` while serving goes on."""

    def close(self) -> None:
        """Flush and let go of the files."""


@dataclass(frozen=True, slots=True)
class Record:
    """One thing that twinhelm keeps and changes: an incident, a claim, an entity, an alert.

    ``kind`` and ``key`` identify it; ``state``, ``parent`` and ``time_ms`` can be searched;
    ``body`` is JSON. ``revision`` counts from 1; 0 means "not stored yet".
    """

    kind: str
    key: str
    body: Mapping[str, Any]
    state: str = ""
    parent: str = ""
    time_ms: int = 0
    revision: int = 0


@dataclass(frozen=True, slots=True)
class JournalRow:
    """One line of the journal; ``hash`` covers everything before it and ``previous``."""

    seq: int
    time_ms: int
    actor: str
    kind: str
    subject: str
    body: Mapping[str, Any]
    previous: str
    hash: str


class RecordsUnit(Protocol):
    """One transaction over records and journal: all of it happens, or none of it."""

    def get(self, kind: str, key: str) -> Record | None:
        """Read one record, or None."""

    def find(
        self,
        kind: str,
        *,
        state: str | Sequence[str] | None = None,
        parent: str | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
        newest_first: bool = False,
        limit: int = 1000,
        offset: int = 0,
    ) -> list[Record]:
        """Find records by state, parent and time, ordered by (time_ms, key)."""

    def count(self, kind: str, *, state: str | Sequence[str] | None = None) -> int:
        """Count records of a kind."""

    def put(self, record: Record) -> Record:
        """Write a record and return it with its new revision.

        A revision above 0 that is not the stored one raises :class:`Conflict`.
        """

    def delete(self, kind: str, key: str) -> None:
        """Remove a record; removing what is not there is no error."""

    def last_journal_row(self) -> JournalRow | None:
        """Return the newest journal row, holding the lock that keeps the chain single."""

    def append_journal(self, row: JournalRow) -> None:
        """Append one row; ``seq`` must follow the newest."""

    def read_journal(
        self,
        *,
        after_seq: int = 0,
        subject: str | None = None,
        kind: str | None = None,
        newest_first: bool = False,
        limit: int = 1000,
    ) -> list[JournalRow]:
        """Read journal rows in order of ``seq``."""


class Records(Protocol):
    """The SQL database: records and journal. Raises :class:`DatabaseDown` when it is away."""

    def reading(self) -> AbstractContextManager[RecordsUnit]:
        """Open a read-only transaction."""

    def writing(self) -> AbstractContextManager[RecordsUnit]:
        """Open a transaction that commits on leaving, or rolls back on an exception."""

    def backup(self, target: Path) -> None:
        """Write a complete copy of the database into the directory ``target``."""

    def close(self) -> None:
        """Let go of connections."""


class Blobs(Protocol):
    """Bytes by name: detector checkpoints, reports. A put replaces the whole, atomically."""

    def put(self, name: str, data: bytes) -> None:
        """Keep ``data`` under ``name`` (letters, digits, ``-_./``), replacing what was there."""

    def get(self, name: str) -> bytes | None:
        """Return the bytes under ``name``, or None."""

    def names(self) -> Iterator[str]:
        """List all names, sorted."""

    def delete(self, name: str) -> None:
        """Forget ``name``; forgetting what is not there is no error."""


class Prediction(NamedTuple):
    """One request that a model answered, as it came and went.

    ``id`` is the caller's or ours, unique per product; row i of a request of many is labelled as
    ``id:i``. ``form`` says how to read ``request`` and ``response``: v2 or mlflow. ``role`` is
    champion, canary or shadow; a shadow's rows bear the id of the request that it shadows.
    """

    product: str
    id: str
    version: str
    role: str
    time_ms: int
    latency_us: int
    rows: int
    form: str
    request: bytes
    response: bytes


@dataclass(frozen=True, slots=True)
class Label:
    """The truth about one answered row, whenever it comes; ``value`` is a number or a class."""

    product: str
    id: str
    time_ms: int
    value: float | str


class Labelling(StrEnum):
    """What became of a label: KEPT, AGAIN (the same was known), CONFLICTING, UNKNOWN (no row)."""

    KEPT = "kept"
    AGAIN = "again"
    CONFLICTING = "conflicting"
    UNKNOWN = "unknown"


class Predictions(Protocol):
    """The prediction log: what was asked, what was answered, and what turned out to be true."""

    def append(self, rows: Sequence[Prediction]) -> None:
        """Keep predictions; durable on return. An id known for the product and role is left."""

    def label(self, labels: Sequence[Label]) -> list[Labelling]:
        """Keep labels and say, in order, what became of each; durable on return.

        A label of another value than the known one is CONFLICTING and changes nothing.
        """

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
        """Read predictions by time, ``start_ms <= t < end_ms``.

        ``labelled``: only those of which at least one row has a label.
        """

    def labels(self, product: str, ids: Sequence[str]) -> dict[str, float | str]:
        """Return the labels known of these request ids, by row id (``id`` or ``id:i``)."""

    def counts(self, product: str) -> Mapping[str, int]:
        """Count requests by version."""

    def prune(self, product: str, before_ms: int) -> int:
        """Forget what is older, labels too; returns how many requests went."""

    def backup(self, target: Path) -> None:
        """Write a complete copy into the directory ``target`` while serving goes on."""

    def close(self) -> None:
        """Let go of the file."""
