"""What happens to the installation, to what it watches, and to who may come in.

Who did it is the journal row's ``actor``: a person or token by name, or ``system``.
"""

from twinhelm.events.event import Event, event

__all__ = [
    "AlertReceived", "BackfillFinished", "BackfillStarted", "BackupTaken",
    "DetectorRegistered", "ImportFinished", "ImportStarted", "IncidentAcknowledged",
    "IncidentCommented", "IncidentOpened", "IncidentReopened", "IncidentResolved",
    "IncidentUpdated", "JobCancelled", "LinkCreated", "PersonAdded", "PersonPasswordChanged",
    "PersonRemoved", "PersonRolesChanged", "RestoreDone", "ServerStarted", "ServerStopped",
    "SettingsSeen", "SignInFailed", "SignedIn", "SignedOut", "TakingResumed", "TakingStopped",
    "TokenCreated", "TokenRevoked",
]  # fmt: skip

# The installation itself: its runs, its stores, its history, its detectors.


@event("server.started", "server/{pid}")
class ServerStarted(Event):
    """The server began to answer at ``listen``, as process ``pid``."""

    listen: str
    pid: int
    version: str = ""


@event("server.stopped", "server/{pid}")
class ServerStopped(Event):
    """The server ended in order; after a crash this row is missing."""

    pid: int


@event("settings.seen", "settings/all")
class SettingsSeen(Event):
    """Settings differ from those of the last start; secrets are left out."""

    changed: dict[str, str]


@event("backfill.started", "backfill/{id}")
class BackfillStarted(Event):
    """Reading history from another system began."""

    id: str
    source: str
    start_ms: int
    end_ms: int


@event("backfill.finished", "backfill/{id}")
class BackfillFinished(Event):
    """Reading history ended; ``outcome`` is done or failed, ``job.cancelled`` tells of the rest."""

    id: str
    outcome: str
    series: int
    samples: int
    message: str = ""


@event("import.started", "import/{id}")
class ImportStarted(Event):
    """Reading a file began."""

    id: str
    source: str


@event("import.finished", "import/{id}")
class ImportFinished(Event):
    """Reading a file ended; ``outcome`` is done or failed, ``job.cancelled`` tells of the rest."""

    id: str
    outcome: str
    series: int
    samples: int
    message: str = ""


@event("job.cancelled", "{name}/{id}")
class JobCancelled(Event):
    """Somebody ended a back-fill or an import before it was done; what it had kept stays."""

    id: str
    name: str


@event("backup.taken", "backup/{target}")
class BackupTaken(Event):
    """A complete copy was written."""

    target: str
    size_bytes: int


@event("restore.done", "backup/{source}")
class RestoreDone(Event):
    """The data directory was filled from a backup."""

    source: str
    records: int
    journal_rows: int


@event("store.stopped_taking", "store/telemetry")
class TakingStopped(Event):
    """The store takes no telemetry; ``reason`` says why."""

    reason: str
    free_bytes: int


@event("store.resumed_taking", "store/telemetry")
class TakingResumed(Event):
    """The store takes telemetry again, after ``stopped_s`` seconds.

    For 10 s after a refusal it counts as full, and it is looked at every 5 s.
    """

    stopped_s: float
    free_bytes: int


@event("detector.registered", "detector/{name}")
class DetectorRegistered(Event):
    """A detector or ranker stands ready under this name and version."""

    name: str
    version: str
    digest: str


# Incidents and alerts, and what people answer. Ids of incidents count from 1.


@event("incident.opened", "incident/{incident}")
class IncidentOpened(Event):
    """Signs were put together as one new incident; ``grouping`` says why they belong.

    ``cause`` is the entity that is to blame, empty while that is not conclusive.
    """

    incident: int
    title: str
    severity: str
    entities: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    grouping: tuple[str, ...] = ()
    cause: str = ""


@event("incident.updated", "incident/{incident}")
class IncidentUpdated(Event):
    """Signs joined or left, or its title, severity or cause changed; ``change`` says what."""

    incident: int
    change: str
    members: tuple[str, ...] = ()
    verdict: str = ""
    cause: str = ""


@event("incident.acknowledged", "incident/{incident}")
class IncidentAcknowledged(Event):
    """Somebody has taken it: ``owner``."""

    incident: int
    owner: str
    note: str = ""


@event("incident.resolved", "incident/{incident}")
class IncidentResolved(Event):
    """It is over, by a person or because the signs ended; ``reason`` says which."""

    incident: int
    reason: str
    note: str = ""


@event("incident.reopened", "incident/{incident}")
class IncidentReopened(Event):
    """The signs came back, for the ``flaps``-th time, or somebody disagreed with its end."""

    incident: int
    reason: str
    flaps: int = 0
    cause: str = ""


@event("incident.commented", "incident/{incident}")
class IncidentCommented(Event):
    """Somebody wrote a remark."""

    incident: int
    text: str


@event("alert.received", "alert/{fingerprint}")
class AlertReceived(Event):
    """Somebody else's rule began to fire, or ended (``firing`` false)."""

    fingerprint: str
    name: str
    source: str
    firing: bool
    starts_ms: int


# Who may come in, who came in, and who did not get in; never a secret or a digest of one.


@event("person.added", "person/{name}")
class PersonAdded(Event):
    """A person may sign in from now on."""

    name: str
    roles: tuple[str, ...]
    first: bool = False


@event("person.removed", "person/{name}")
class PersonRemoved(Event):
    """A person may no longer sign in; their sessions have ended."""

    name: str


@event("person.roles_changed", "person/{name}")
class PersonRolesChanged(Event):
    """What a person may do has changed, at once and in open sessions too."""

    name: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@event("person.password_changed", "person/{name}")
class PersonPasswordChanged(Event):
    """A person's password was set; their other sessions have ended."""

    name: str


@event("token.created", "token/{name}")
class TokenCreated(Event):
    """A token was made for a program, or a person's programs; its secret was shown once."""

    name: str
    roles: tuple[str, ...]
    person: str = ""


@event("token.revoked", "token/{name}")
class TokenRevoked(Event):
    """A token no longer opens anything."""

    name: str


@event("link.created", "person/{person}")
class LinkCreated(Event):
    """A one-time sign-in link was made; it lasts until ``expires_ms``."""

    person: str
    expires_ms: int
    first_run: bool = False


@event("session.signed_in", "person/{name}")
class SignedIn(Event):
    """A person came in; ``how`` is password or link."""

    name: str
    how: str


@event("session.signed_out", "person/{name}")
class SignedOut(Event):
    """A person left."""

    name: str


@event("session.sign_in_failed", "person/{name}")
class SignInFailed(Event):
    """Somebody tried this name and did not get in; ``name`` need not exist."""

    name: str
    failures: int
