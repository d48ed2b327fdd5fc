"""The desk where people ask about incidents and act on them.

Questions read the records and change nothing. Each action is one transaction: the incident in
its new state and the line in the journal that says who did it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from twinhelm.aiops.clean import SignalMaker, twin_of
from twinhelm.aiops.correlate import Decision
from twinhelm.aiops.detect import detect_array
from twinhelm.aiops.flow.casework import Casework
from twinhelm.aiops.flow.known import stated
from twinhelm.aiops.records import find_incidents, incident_ref, load_incident, put_incident
from twinhelm.aiops.types import Anomaly, Forecast, Incident, IncidentState, Scores
from twinhelm.aiops.words import spoken
from twinhelm.core.claims import Claim
from twinhelm.core.clock import Clock
from twinhelm.core.errors import BadInput, Conflict, NotFound
from twinhelm.core.labels import Matcher, MatchKind, metric_name
from twinhelm.core.ports import JournalRow, Records, TelemetryStore
from twinhelm.core.telemetry import Alert, Change
from twinhelm.events.journal import Journal, JournalWriter
from twinhelm.events.kinds.machines import IncidentAcknowledged, IncidentCommented, IncidentResolved
from twinhelm.events.values import Reading, load

__all__ = ["IncidentDesk", "IncidentFile", "TimelineEntry", "take"]

CHANGES_BEFORE_MS = 2 * 3_600_000
"""Changes up to this long before an incident's start are shown beside it."""

ROUTINE, GOOD = ("pipeline", "ci"), ("success", "passed")
MAX_COMMENT = 4000
WARM_UP_MS = 12 * 3_600_000


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One line of an incident's story: when, what kind (anomaly, alert, change, action), what."""

    time_ms: int
    kind: str
    text: str
    who: str = ""


@dataclass(frozen=True, slots=True)
class IncidentFile:
    """Everything that is known of one incident, as one page shows it."""

    incident: Incident
    anomalies: tuple[Anomaly, ...]
    alerts: tuple[Alert, ...]
    claims: tuple[Claim, ...]
    changes: tuple[Change, ...]
    timeline: tuple[TimelineEntry, ...]


@dataclass(slots=True)
class IncidentDesk:
    """Questions about incidents and forecasts, and what people do with them."""

    records: Records
    journal: Journal
    telemetry: TelemetryStore
    casework: Casework
    clock: Clock

    def incidents(
        self, *, states: Sequence[IncidentState] | None = None, limit: int = 100
    ) -> list[Incident]:
        """List incidents, the one that started last first; all states unless told which."""
        with self.records.reading() as unit:
            return find_incidents(unit, states=states, limit=limit)

    def counts(self) -> dict[str, int]:
        """Count incidents by state; every state is there, 0 where there is none."""
        with self.records.reading() as unit:
            return {state.value: unit.count("incident", state=state) for state in IncidentState}

    def file(self, incident_id: int) -> IncidentFile:
        """Gather everything about one incident; raises :class:`NotFound`."""
        ref = incident_ref(incident_id)
        with self.records.reading() as unit:
            incident = _must_find(unit, incident_id)
            anomalies = [load(Anomaly, each) for each in unit.find("anomaly", parent=ref)]
            alerts = [load(Alert, each) for each in unit.find("alert", parent=ref)]
            claims = [
                load(Claim, each)
                for each in sorted(unit.find("claim", parent=ref), key=lambda each: each.key)
            ]
            rows = unit.read_journal(subject=ref)
        until = incident.resolved_ms or self.clock.now_ms()
        since = incident.started_ms - CHANGES_BEFORE_MS
        changes = _telling(self.telemetry.read_changes(since, until), incident)
        return IncidentFile(
            incident,
            tuple(anomalies),
            tuple(alerts),
            tuple(claims),
            tuple(changes),
            _timeline(anomalies, alerts, changes, rows),
        )

    def forecasts(self) -> list[Forecast]:
        """List what will run out, the likeliest soonest first."""
        with self.records.reading() as unit:
            found = [load(Forecast, record) for record in unit.find("forecast")]
        return sorted(found, key=lambda forecast: forecast.likely_ms)

    def decisions(self, limit: int = 100) -> list[Decision]:
        """List what became of the newest signs and why, raised or not, the newest first."""
        return list(self.casework.decisions.values())[::-1][:limit]

    def band(self, series: int, start_ms: int, end_ms: int) -> Scores:
        """Judge one series over a range, as the detector would, for a chart's expected band.

        The detector runs causally over the range and :data:`WARM_UP_MS` before it, so the band
        at each moment is made of what was known then. Raises :class:`NotFound` for an id never
        given out.
        """
        infos = self.telemetry.series(np.array([series], np.uint32))
        if twin := twin_of(infos[0].labels):  # the mean of a sum needs its count
            same = [Matcher(name, MatchKind.EQUAL, value) for name, value in twin]
            found = self.telemetry.find_series(same, tenant=infos[0].tenant)
            infos += [info for info in found if info.labels == twin]
        metas = self.telemetry.metric_meta()
        maker = SignalMaker()
        for info in infos:
            maker.declare(info.id, info.labels, stated(metric_name(info.labels), metas))
        ids = np.array(sorted(info.id for info in infos), np.uint32)
        signals = maker.signals(self.telemetry.read_samples(ids, start_ms - WARM_UP_MS, end_ms))
        own = signals.series == series
        scores = detect_array(signals.value[own], signals.time_ms[own])
        inside = scores.time_ms >= start_ms
        return Scores(
            np.full(int(inside.sum()), series, np.uint32),
            *(
                getattr(scores, name)[inside]
                for name in ("time_ms", "signal", "expected", "low", "high", "score", "flagged")
            ),
        )

    def acknowledge(self, incident_id: int, *, by: str) -> Incident:
        """Take an incident; raises :class:`NotFound`, or :class:`Conflict` once it is over."""
        with self.journal.writing(by) as write:
            return take(write, incident_id, by=by, now_ms=self.clock.now_ms())

    def resolve(self, incident_id: int, *, by: str, note: str = "") -> Incident:
        """Close an incident; raises :class:`NotFound`, or :class:`Conflict` if it is closed."""
        with self.journal.writing(by) as write:
            incident = _must_find(write, incident_id)
            if incident.state is IncidentState.RESOLVED:
                raise Conflict(f"incident {incident_id} is resolved already")
            now = self.clock.now_ms()
            closed = replace(
                incident, state=IncidentState.RESOLVED, updated_ms=now, resolved_ms=now
            )
            put_incident(write, closed)
            write.event(IncidentResolved(incident_id, f"resolved by {by}", note))
        return closed

    def comment(self, incident_id: int, *, by: str, text: str) -> None:
        """Add a remark to the timeline; raises :class:`BadInput` for an empty or huge one."""
        if not text.strip() or len(text) > MAX_COMMENT:
            raise BadInput(
                f"a comment has {len(text)} characters", hint=f"write 1 to {MAX_COMMENT}"
            )
        with self.journal.writing(by) as write:
            _must_find(write, incident_id)
            write.event(IncidentCommented(incident_id, text.strip()))


def take(
    write: JournalWriter, incident_id: int, *, by: str, now_ms: int, note: str = ""
) -> Incident:
    """Acknowledge an incident inside a transaction; raises as :meth:`IncidentDesk.acknowledge`."""
    incident = _must_find(write, incident_id)
    if incident.state is IncidentState.RESOLVED:
        raise Conflict(
            f"incident {incident_id} is resolved, there is nothing to acknowledge",
            hint="it reopens by itself if the signs come back",
        )
    taken = replace(incident, state=IncidentState.ACKNOWLEDGED, owner=by, updated_ms=now_ms)
    put_incident(write, taken)
    write.event(IncidentAcknowledged(incident_id, by, note))
    return taken


def _must_find(unit: Reading, incident_id: int) -> Incident:
    incident = load_incident(unit, incident_id)
    if incident is None:
        raise NotFound(
            f"there is no incident {incident_id}", hint="`twinhelm incidents` lists them"
        )
    return incident


def _telling(changes: Sequence[Change], incident: Incident) -> list[Change]:
    """Leave out what goes on all the time: good runs elsewhere, but the last before the start."""
    good = (one for one in changes if one.kind in ROUTINE and one.outcome in GOOD)
    routine = [one for one in good if one.entity not in incident.entities]
    before = (one for one in routine if one.time_ms <= incident.started_ms)
    last = {(one.entity, one.title): one.id for one in before}.values()
    left_out = {one.id for one in routine} - set(last)
    return [one for one in changes if one.id not in left_out]


def _timeline(
    anomalies: Sequence[Anomaly],
    alerts: Sequence[Alert],
    changes: Sequence[Change],
    rows: Sequence[JournalRow],
) -> tuple[TimelineEntry, ...]:
    entries: list[TimelineEntry] = []
    for anomaly in anomalies:
        name = dict(anomaly.labels).get("__name__", "a series")
        entries.append(TimelineEntry(anomaly.start_ms, "anomaly", spoken(anomaly)))
        if anomaly.end_ms is not None:
            entries.append(TimelineEntry(anomaly.end_ms, "anomaly", f"{name} is back in range"))
    for alert in alerts:
        name = dict(alert.labels).get("alertname", "an alert")
        entries.append(TimelineEntry(alert.starts_ms, "alert", f"{name} fires", alert.source))
        if alert.ends_ms is not None:
            entries.append(TimelineEntry(alert.ends_ms, "alert", f"{name} ended", alert.source))
    entries.extend(
        TimelineEntry(change.time_ms, "change", change.title, change.source) for change in changes
    )
    for row in rows:
        said = " ".join(
            str(row.body[name])
            for name in ("title", "reason", "change", "note", "text")
            if row.body.get(name)
        )
        words = row.kind.replace("_", " ").replace(".", " ")
        text = f"{words}: {said}" if said else words
        entries.append(TimelineEntry(row.time_ms, "action", text, row.actor))
    return tuple(sorted(entries, key=lambda entry: entry.time_ms))
