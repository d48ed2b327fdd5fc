"""Every kind of event that the journal knows, by name.

``EVENT_KINDS`` maps the kind as it stands in the journal to the documented dataclass that makes
it; ``docs/events.md`` is checked against it. A new kind is a class in the module of its noun and
a place in that module's list.
"""

from __future__ import annotations

from twinhelm.events.event import Event
from twinhelm.events.kinds import house, incidents, people
from twinhelm.events.kinds.house import (
    BackfillFinished,
    BackfillStarted,
    BackupTaken,
    DetectorRegistered,
    ImportFinished,
    ImportStarted,
    RestoreDone,
    ServerStarted,
    ServerStopped,
    SettingsSeen,
    TakingResumed,
    TakingStopped,
)
from twinhelm.events.kinds.incidents import (
    AlertReceived,
    IncidentAcknowledged,
    IncidentCommented,
    IncidentOpened,
    IncidentReopened,
    IncidentResolved,
    IncidentUpdated,
)
from twinhelm.events.kinds.people import (
    LinkCreated,
    PersonAdded,
    PersonPasswordChanged,
    PersonRemoved,
    PersonRolesChanged,
    SignedIn,
    SignedOut,
    SignInFailed,
    TokenCreated,
    TokenRevoked,
)

__all__ = [
    "EVENT_KINDS",
    "AlertReceived",
    "BackfillFinished",
    "BackfillStarted",
    "BackupTaken",
    "DetectorRegistered",
    "ImportFinished",
    "ImportStarted",
    "IncidentAcknowledged",
    "IncidentCommented",
    "IncidentOpened",
    "IncidentReopened",
    "IncidentResolved",
    "IncidentUpdated",
    "LinkCreated",
    "PersonAdded",
    "PersonPasswordChanged",
    "PersonRemoved",
    "PersonRolesChanged",
    "RestoreDone",
    "ServerStarted",
    "ServerStopped",
    "SettingsSeen",
    "SignInFailed",
    "SignedIn",
    "SignedOut",
    "TakingResumed",
    "TakingStopped",
    "TokenCreated",
    "TokenRevoked",
]

EVENT_KINDS: dict[str, type[Event]] = {
    kind.kind: kind for kind in (*house.KINDS, *incidents.KINDS, *people.KINDS)
}
