"""What happens to incidents and alerts, and what people answer.

Ids of incidents count from 1. ``actor`` in the journal row says who did it: a person or token by
name, or ``system`` where the watch did.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from twinhelm.events.event import Event

__all__ = [
    "KINDS",
    "AlertReceived",
    "IncidentAcknowledged",
    "IncidentCommented",
    "IncidentOpened",
    "IncidentReopened",
    "IncidentResolved",
    "IncidentUpdated",
]


@dataclass(frozen=True, slots=True)
class IncidentOpened(Event):
    """Signs were put together as one new incident; ``grouping`` says why they belong."""

    kind: ClassVar[str] = "incident.opened"
    about: ClassVar[str] = "incident/{incident}"

    incident: int
    title: str
    severity: str
    entities: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    grouping: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IncidentUpdated(Event):
    """Signs joined or left, or its title, severity or verdict changed; ``change`` says what."""

    kind: ClassVar[str] = "incident.updated"
    about: ClassVar[str] = "incident/{incident}"

    incident: int
    change: str
    members: tuple[str, ...] = ()
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class IncidentAcknowledged(Event):
    """Somebody has taken it: ``owner``."""

    kind: ClassVar[str] = "incident.acknowledged"
    about: ClassVar[str] = "incident/{incident}"

    incident: int
    owner: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class IncidentResolved(Event):
    """It is over, by a person or because the signs ended; ``reason`` says which."""

    kind: ClassVar[str] = "incident.resolved"
    about: ClassVar[str] = "incident/{incident}"

    incident: int
    reason: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class IncidentReopened(Event):
    """The signs came back, for the ``flaps``-th time, or somebody disagreed with its end."""

    kind: ClassVar[str] = "incident.reopened"
    about: ClassVar[str] = "incident/{incident}"

    incident: int
    reason: str
    flaps: int = 0


@dataclass(frozen=True, slots=True)
class IncidentCommented(Event):
    """Somebody wrote a remark."""

    kind: ClassVar[str] = "incident.commented"
    about: ClassVar[str] = "incident/{incident}"

    incident: int
    text: str


@dataclass(frozen=True, slots=True)
class AlertReceived(Event):
    """Somebody else's rule began to fire, or ended (``firing`` false)."""

    kind: ClassVar[str] = "alert.received"
    about: ClassVar[str] = "alert/{fingerprint}"

    fingerprint: str
    name: str
    source: str
    firing: bool
    starts_ms: int


KINDS: tuple[type[Event], ...] = (
    IncidentOpened,
    IncidentUpdated,
    IncidentAcknowledged,
    IncidentResolved,
    IncidentReopened,
    IncidentCommented,
    AlertReceived,
)
