"""How the words of the AIOps wing rest in the records: one kind of record per noun.

| kind | key | state | parent | time_ms |
| --- | --- | --- | --- | --- |
| incident | zero-padded id | open, acknowledged, resolved, reopened | | started |
| anomaly | series:start | open, closed | incident/id | start |
| alert | fingerprint | firing, resolved | incident/id | starts |
| claim | incident/id/kind/rank | | incident/id | when said |
| note | incident/id/sequence | | incident/id | when written |
| forecast | series | | | when said |
| edge | source>target>kind | | target | last seen |
| entity | key | | | last seen |
| rejection | door/tenant/reason | | | last seen |
| feedback | zero-padded id | standing, undone | what is answered | when given |
| difference | anomaly's key | | | when noted |

Bodies are the values' fields; :func:`twinhelm.events.values.load` reads them back.
"""

from collections.abc import Sequence
from dataclasses import asdict

from twinhelm.aiops.types import Anomaly, Answer, Forecast, Incident, IncidentState, Rejection
from twinhelm.core.claims import Claim
from twinhelm.core.entities import Edge, Entity
from twinhelm.core.ports import Record
from twinhelm.core.telemetry import Alert
from twinhelm.events.journal import JournalWriter
from twinhelm.events.values import Reading, load

__all__ = [
    "MOST_ANSWERS",
    "STANDING",
    "UNDONE",
    "find_answers",
    "find_incidents",
    "incident_key",
    "incident_ref",
    "load_incident",
    "put_alert",
    "put_anomaly",
    "put_answer",
    "put_claims",
    "put_edge",
    "put_entity",
    "put_forecast",
    "put_incident",
    "put_rejection",
]


STANDING, UNDONE = "standing", "undone"
"""The states of an answer; what it teaches counts while it stands."""
MOST_ANSWERS = 10_000


def incident_key(incident_id: int) -> str:
    """Key an incident so that keys sort as ids do."""
    return f"{incident_id:010d}"


def incident_ref(incident_id: int) -> str:
    """Name an incident as parent, subject and in the journal."""
    return f"incident/{incident_id}"


def load_incident(unit: Reading, incident_id: int) -> Incident | None:
    """Read one incident, or None."""
    record = unit.get("incident", incident_key(incident_id))
    return load(Incident, record) if record else None


def find_incidents(
    unit: Reading,
    *,
    states: Sequence[IncidentState] | None = None,
    before: Incident | None = None,
    limit: int = 100,
    offset: int = 0,
) -> list[Incident]:
    """Read incidents, the one that started last first; all states unless told which.

    With ``before``, only those that follow it in that order: a place that stays where it is
    while new incidents come, as ``offset`` does not.
    """
    wanted = None if states is None else [state.value for state in states]
    until = None if before is None else before.started_ms
    if before is not None:
        together = unit.find("incident", state=wanted, since_ms=until, until_ms=until)
        offset += sum(record.key >= incident_key(before.id) for record in together)
    found = unit.find(
        "incident", state=wanted, until_ms=until, newest_first=True, limit=limit, offset=offset
    )
    return [load(Incident, record) for record in found]


def put_incident(write: JournalWriter, incident: Incident) -> None:
    """Write an incident over whatever stood there."""
    key = incident_key(incident.id)
    write.put(
        Record("incident", key, asdict(incident), incident.state.value, "", incident.started_ms)
    )


def put_anomaly(write: JournalWriter, anomaly: Anomaly, incident_id: int) -> None:
    """Write an anomaly as a member of an incident."""
    state = "open" if anomaly.end_ms is None else "closed"
    parent = incident_ref(incident_id)
    write.put(Record("anomaly", anomaly.key, asdict(anomaly), state, parent, anomaly.start_ms))


def put_alert(write: JournalWriter, alert: Alert) -> None:
    """Write an alert; a repeat keeps the incident it belongs to."""
    before = write.get("alert", alert.fingerprint)
    kept = before.parent if before else ""
    state = "firing" if alert.ends_ms is None else "resolved"
    write.put(Record("alert", alert.fingerprint, asdict(alert), state, kept, alert.starts_ms))


def put_claims(write: JournalWriter, parent: str, kind: str, claims: tuple[Claim, ...]) -> None:
    """Replace the claims of one kind about ``parent``, in the order given."""
    prefix = f"{parent}/{kind}/"
    for rank, claim in enumerate(claims, start=1):
        key = f"{prefix}{rank:03d}"
        write.put(Record("claim", key, asdict(claim), claim.kind, parent, claim.time_ms))
    kept = len(claims)
    for record in write.find("claim", parent=parent):
        if record.key.startswith(prefix) and int(record.key.rsplit("/", 1)[1]) > kept:
            write.delete("claim", record.key)


def put_forecast(write: JournalWriter, forecast: Forecast, now_ms: int) -> None:
    """Write what a series is expected to do; one forecast a series."""
    write.put(
        Record("forecast", str(forecast.series), asdict(forecast), "", forecast.entity, now_ms)
    )


def put_edge(write: JournalWriter, edge: Edge) -> None:
    """Write an edge; seen again, it lives on."""
    key = f"{edge.source}>{edge.target}>{edge.kind}"
    write.put(Record("edge", key, asdict(edge), "", edge.target, edge.last_seen_ms))


def put_entity(write: JournalWriter, entity: Entity) -> None:
    """Write what exists."""
    write.put(Record("entity", entity.key, asdict(entity), "", "", entity.last_seen_ms))


def find_answers(unit: Reading, *, about: str | None = None) -> list[Answer]:
    """Read the answers that stand, in the order they were given: to one thing, or all."""
    found = unit.find("feedback", state=STANDING, parent=about, limit=MOST_ANSWERS)
    return sorted((load(Answer, each) for each in found), key=lambda one: one.id)


def put_answer(write: JournalWriter, answer: Answer, state: str = STANDING) -> None:
    """Write an answer; it counts while it stands."""
    body = asdict(answer)
    key = incident_key(answer.id)
    write.put(Record("feedback", key, body, state, answer.about, answer.time_ms))


def put_rejection(write: JournalWriter, rejection: Rejection) -> None:
    """Write how much was not kept, and why."""
    key = f"{rejection.door}/{rejection.tenant}/{rejection.reason}"
    write.put(Record("rejection", key, asdict(rejection), rejection.reason, "", rejection.last_ms))
