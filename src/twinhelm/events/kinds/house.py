"""What happens to the installation itself: its runs, its stores, its history, its detectors.

``subject`` is what was touched; counts are rows unless the name says bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from twinhelm.events.event import Event

__all__ = [
    "KINDS",
    "BackfillFinished",
    "BackfillStarted",
    "BackupTaken",
    "DetectorRegistered",
    "ImportFinished",
    "ImportStarted",
    "RestoreDone",
    "ServerStarted",
    "ServerStopped",
    "SettingsSeen",
    "TakingResumed",
    "TakingStopped",
]


@dataclass(frozen=True, slots=True)
class ServerStarted(Event):
    """The server began to answer at ``listen``, as process ``pid``."""

    kind: ClassVar[str] = "server.started"
    about: ClassVar[str] = "server/{pid}"

    listen: str
    pid: int
    version: str = ""


@dataclass(frozen=True, slots=True)
class ServerStopped(Event):
    """The server ended in order; after a crash this row is missing."""

    kind: ClassVar[str] = "server.stopped"
    about: ClassVar[str] = "server/{pid}"

    pid: int


@dataclass(frozen=True, slots=True)
class SettingsSeen(Event):
    """Settings differ from those of the last start; secrets are left out."""

    kind: ClassVar[str] = "settings.seen"
    about: ClassVar[str] = "settings/all"

    changed: dict[str, str]


@dataclass(frozen=True, slots=True)
class BackfillStarted(Event):
    """Reading history from another system began."""

    kind: ClassVar[str] = "backfill.started"
    about: ClassVar[str] = "backfill/{id}"

    id: str
    source: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class BackfillFinished(Event):
    """Reading history ended; ``outcome`` is done, cancelled or failed."""

    kind: ClassVar[str] = "backfill.finished"
    about: ClassVar[str] = "backfill/{id}"

    id: str
    outcome: str
    series: int
    samples: int
    message: str = ""


@dataclass(frozen=True, slots=True)
class ImportStarted(Event):
    """Reading a file began."""

    kind: ClassVar[str] = "import.started"
    about: ClassVar[str] = "import/{id}"

    id: str
    source: str


@dataclass(frozen=True, slots=True)
class ImportFinished(Event):
    """Reading a file ended; ``outcome`` is done, cancelled or failed."""

    kind: ClassVar[str] = "import.finished"
    about: ClassVar[str] = "import/{id}"

    id: str
    outcome: str
    series: int
    samples: int
    message: str = ""


@dataclass(frozen=True, slots=True)
class BackupTaken(Event):
    """A complete copy was written."""

    kind: ClassVar[str] = "backup.taken"
    about: ClassVar[str] = "backup/{target}"

    target: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class RestoreDone(Event):
    """The data directory was filled from a backup."""

    kind: ClassVar[str] = "restore.done"
    about: ClassVar[str] = "backup/{source}"

    source: str
    records: int
    journal_rows: int


@dataclass(frozen=True, slots=True)
class TakingStopped(Event):
    """The store takes no telemetry; ``reason`` says why."""

    kind: ClassVar[str] = "store.stopped_taking"
    about: ClassVar[str] = "store/telemetry"

    reason: str
    free_bytes: int


@dataclass(frozen=True, slots=True)
class TakingResumed(Event):
    """The store takes telemetry again, after ``stopped_s`` seconds."""

    kind: ClassVar[str] = "store.resumed_taking"
    about: ClassVar[str] = "store/telemetry"

    stopped_s: float
    free_bytes: int


@dataclass(frozen=True, slots=True)
class DetectorRegistered(Event):
    """A detector or ranker stands ready under this name and version."""

    kind: ClassVar[str] = "detector.registered"
    about: ClassVar[str] = "detector/{name}"

    name: str
    version: str
    digest: str


KINDS: tuple[type[Event], ...] = (
    ServerStarted,
    ServerStopped,
    SettingsSeen,
    BackfillStarted,
    BackfillFinished,
    ImportStarted,
    ImportFinished,
    BackupTaken,
    RestoreDone,
    TakingStopped,
    TakingResumed,
    DetectorRegistered,
)
