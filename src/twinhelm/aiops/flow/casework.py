"""Casework: from anomalies and alerts to incidents with causes, in the records.

Each tick the watch hands over the anomalies that last or ended lately. Casework loads what is
open, asks correlate what belongs together, asks diagnose why, and writes both down in one
transaction with the events that tell of it. It holds no judgement: which anomaly matters is
correlate's to say, what caused it diagnose's.

A crash before the transaction loses nothing: the same anomalies come again from the resumed
watch. Diagnosis is repeated while an incident is young, since evidence is still coming in.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from twinhelm.aiops.clean import entity_of
from twinhelm.aiops.correlate import Decision, Neighbours, Window, correlate
from twinhelm.aiops.diagnose import RANKER, Diagnosis, rank
from twinhelm.aiops.flow.context import gather
from twinhelm.aiops.flow.feedback import Learning
from twinhelm.aiops.records import (
    incident_ref,
    load_incident,
    put_anomaly,
    put_claims,
    put_incident,
)
from twinhelm.aiops.types import LIVE, Anomaly, Described, Incident, IncidentState, Suspect
from twinhelm.core.claims import Claim
from twinhelm.core.entities import Edge
from twinhelm.core.meters import Meters
from twinhelm.core.ports import Records, TelemetryStore
from twinhelm.core.settings import DetectSettings
from twinhelm.core.telemetry import Alert
from twinhelm.events.journal import Journal, JournalWriter
from twinhelm.events.kinds.machines import (
    IncidentOpened,
    IncidentReopened,
    IncidentResolved,
    IncidentUpdated,
)
from twinhelm.events.values import load

__all__ = ["Casework", "claims_of"]

log = logging.getLogger(__name__)

DAMPING_MS = 3_600_000
"""Resolved incidents this young are shown to correlate, so that a return reopens them."""
EDGES_KEPT_MS = 30_000
YOUNG_MS = 180_000
AGAIN_MS = 5_000
LATER_MS = 60_000
DECISIONS_KEPT = 500

_Loaded = tuple[list[Incident], list[Incident], list[Alert], int]


@dataclass(slots=True)
class Casework:
    """Turns anomalies into incidents; called by one thread only.

    ``processes`` names the running processes (name to process ids) where the host is watched,
    so that a suspect can say which one it is; ``maintenance`` when trouble is expected.
    """

    records: Records
    journal: Journal
    telemetry: TelemetryStore
    settings: DetectSettings
    meters: Meters
    learning: Learning
    processes: Callable[[], Mapping[str, Sequence[int]]] = dict
    maintenance: Callable[[], Sequence[Window]] = tuple
    decisions: dict[str, Decision] = field(default_factory=dict)
    _edges: list[Edge] = field(default_factory=list)
    _near: Neighbours = field(default_factory=lambda: Neighbours((), 0))
    _edges_ms: int = 0
    _diagnosed: dict[int, tuple[int, Diagnosis]] = field(default_factory=dict)
    _loaded: tuple[int, _Loaded] | None = None

    def walk(
        self,
        anomalies: Collection[Anomaly],
        known: Mapping[int, Described],
        levels: Mapping[str, float],
        now: int,
    ) -> None:
        """Bring the incidents up to date with ``anomalies`` and the alerts on record.

        ``known`` describes every series, ``levels`` gives an anomaly's newest typical value.
        Raises :class:`DatabaseDown` with nothing written.
        """
        live, recent, alerts, next_id = self._load(now)
        self.meters.open_incidents.set(len(live))
        if not anomalies and not live and not alerts:
            return
        edges = self._known_edges(now)
        seen = correlate(
            [*live, *recent],
            list(anomalies),
            alerts,
            self._near,
            now_ms=now,
            sensitivity=self.settings.sensitivity,
            maintenance=self.maintenance(),
            levels=levels,
            alert_entities={alert.fingerprint: entity_of(alert.labels) for alert in alerts},
            answered=self.learning.answered,
            next_id=next_id,
        )
        self._remember(seen.decisions)
        before = {incident.id: incident for incident in (*live, *recent)}
        changed = {incident.id: incident for incident in seen.incidents}
        current = [changed.get(incident.id, incident) for incident in before.values()]
        current += [incident for key, incident in changed.items() if key not in before]
        looked = {
            incident.id: found
            for incident in current
            if incident.state in LIVE
            and (
                found := self._diagnose(
                    incident, incident.id in changed, anomalies, known, edges, now
                )
            )
            is not None
        }
        diagnoses = {
            key: found
            for key, found in looked.items()
            if found != self._diagnosed.get(key, (0, None))[1]
        }
        if changed or diagnoses:
            self._keep(current, changed.keys(), before, diagnoses, anomalies, alerts, now)
        # Only now: what could not be written is found and told again.
        lasting = {incident.id for incident in current if incident.state in LIVE}
        kept = {key: value for key, value in self._diagnosed.items() if key in lasting}
        self._diagnosed = {**kept, **{key: (now, found) for key, found in looked.items()}}

    def _keep(
        self,
        current: Iterable[Incident],
        changed: Collection[int],
        before: Mapping[int, Incident],
        diagnoses: Mapping[int, Diagnosis],
        anomalies: Iterable[Anomaly],
        alerts: Iterable[Alert],
        now: int,
    ) -> None:
        by_key = {anomaly.key: anomaly for anomaly in anomalies}
        prints = {alert.fingerprint for alert in alerts}
        self.learning.lessons()  # not to be read first while a transaction is open
        with self.journal.writing("twinhelm") as write:
            for incident in current:
                if incident.id in changed or incident.id in diagnoses:
                    self._write(
                        write,
                        before.get(incident.id),
                        incident,
                        diagnoses.get(incident.id),
                        by_key,
                        prints,
                        now,
                    )

    def _load(self, now: int) -> _Loaded:
        """Return live and lately resolved incidents, alerts, and the first free incident id.

        The records are read anew only when something was written since the last time.
        """
        writes = self.journal.writes
        if self._loaded is None or self._loaded[0] != writes:
            self._loaded = writes, self._read(now)
        live, over, alerts, next_id = self._loaded[1]
        held = {member for incident in live for member in incident.members} if alerts else ()
        return (
            live,
            [incident for incident in over if now - (incident.resolved_ms or 0) <= DAMPING_MS],
            [
                alert
                for alert in alerts
                if alert.ends_ms is None
                or alert.starts_ms >= now - DAMPING_MS
                or alert.fingerprint in held
            ],
            next_id,
        )

    def _read(self, now: int) -> _Loaded:
        with self.records.reading() as unit:
            live = unit.find("incident", state=[state.value for state in LIVE])
            over = unit.find(
                "incident", state=IncidentState.RESOLVED.value, newest_first=True, limit=200
            )
            alerts = unit.find("alert", state="firing", limit=5000)
            alerts += unit.find("alert", state="resolved", since_ms=now - DAMPING_MS, limit=1000)
            # Those of live incidents however long ago they began.
            for record in live:
                parent = incident_ref(int(record.key))
                alerts += unit.find("alert", state="resolved", parent=parent)
            next_id = unit.count("incident") + 1
        return (
            [load(Incident, record) for record in live],
            [load(Incident, record) for record in over],
            [load(Alert, record) for record in {record.key: record for record in alerts}.values()],
            next_id,
        )

    def _known_edges(self, now: int) -> list[Edge]:
        if now - self._edges_ms > EDGES_KEPT_MS:
            with self.records.reading() as unit:
                found = [load(Edge, record) for record in unit.find("edge", limit=20_000)]
            self._edges = [edge for edge in found if edge.alive(now)]
            self._near = Neighbours(self._edges, now, self.learning.apart)
            self._edges_ms = now
        return self._edges

    def _remember(self, decisions: Iterable[Decision]) -> None:
        for decision in decisions:
            self.decisions.pop(decision.subject, None)
            self.decisions[decision.subject] = decision
        while len(self.decisions) > DECISIONS_KEPT:
            del self.decisions[next(iter(self.decisions))]

    def _diagnose(
        self,
        incident: Incident,
        changed: bool,
        anomalies: Iterable[Anomaly],
        known: Mapping[int, Described],
        edges: Sequence[Edge],
        now: int,
    ) -> Diagnosis | None:
        """Rank suspects anew where that may tell more than last time; None where it cannot."""
        last, before = self._diagnosed.get(incident.id, (0, None))
        pause = AGAIN_MS if now - incident.since_ms <= YOUNG_MS else LATER_MS
        if not changed and now - last < pause:
            return None
        members = set(incident.members)
        own = [anomaly for anomaly in anomalies if anomaly.key in members]
        if not own and before is not None:
            return None
        context, changes = gather(self.telemetry, incident, own, known, self._near, now)
        try:
            return rank(
                incident,
                list(anomalies),
                now_ms=now,
                context=context,
                changes=changes,
                edges=edges,
                processes=self.processes(),
                prior=self.learning.prior,
            )
        except Exception:
            # A defect met by one incident's evidence must not keep the others from being told.
            log.exception("incident %d cannot be diagnosed", incident.id)
            return None

    def _write(
        self,
        write: JournalWriter,
        before: Incident | None,
        incident: Incident,
        diagnosis: Diagnosis | None,
        anomalies: Mapping[str, Anomaly],
        alerts: Collection[str],
        now: int,
    ) -> None:
        ref = incident_ref(incident.id)
        stored = load_incident(write, incident.id)
        if stored is not None and before is not None and _acted(before, stored):
            # Somebody acted while we were thinking: what people say stands.
            incident = replace(
                incident, state=stored.state, owner=stored.owner, resolved_ms=stored.resolved_ms
            )
            before = stored
        if diagnosis is not None:
            incident = replace(incident, verdict=diagnosis.verdict)
            if diagnosis.verdict == "conclusive":
                found = {**incident.attributes, "cause": diagnosis.suspects[0].entity}
                incident = replace(incident, attributes=found)
            says = self.learning.says(RANKER, "suspect")
            put_claims(write, ref, "cause", claims_of(ref, diagnosis.suspects, now, says))
        put_incident(write, incident)
        for member in incident.members:
            if member in anomalies:
                put_anomaly(write, anomalies[member], incident.id)
            elif member in alerts and (alert := write.get("alert", member)):
                write.put(replace(alert, parent=ref))
        _tell(write, before, incident)


def _acted(before: Incident, stored: Incident) -> bool:
    return (before.state, before.owner) != (stored.state, stored.owner)


def claims_of(
    ref: str, suspects: Iterable[Suspect], now: int, says: str = RANKER
) -> tuple[Claim, ...]:
    """Put suspects as claims about an incident, in their order."""
    return tuple(
        Claim(
            id=f"{ref}/cause/{suspect.rank:03d}",
            kind="cause",
            subject=suspect.entity,
            text=suspect.name,
            confidence=suspect.confidence,
            says=says,
            time_ms=now,
            evidence_for=suspect.evidence_for,
            evidence_against=suspect.evidence_against,
            facts={"kind": suspect.kind, "indicator": suspect.indicator},
        )
        for suspect in suspects
    )


def _tell(write: JournalWriter, before: Incident | None, now: Incident) -> None:
    """Say in the journal what became of an incident."""
    cause = _cause(now)
    if before is None:
        told = now.id, now.title, now.severity, now.entities, now.members, now.grouping
        write.event(IncidentOpened(*told, cause))
    elif before.state is not now.state and now.state is IncidentState.RESOLVED:
        write.event(IncidentResolved(now.id, "the signs ended"))
    elif before.state is not now.state and now.state is IncidentState.REOPENED:
        write.event(IncidentReopened(now.id, "the signs came back", now.flaps, cause))
    elif _told_of(before) != _told_of(now):
        change = _difference(before, now)
        write.event(IncidentUpdated(now.id, change, now.members, now.verdict, cause))


def _told_of(one: Incident) -> tuple[object, ...]:
    return one.members, one.title, one.severity, one.verdict, _cause(one)


def _cause(incident: Incident) -> str:
    """Name what is to blame; an older finding no longer counts once it is inconclusive."""
    return incident.attributes.get("cause", "") if incident.verdict == "conclusive" else ""


def _difference(before: Incident, now: Incident) -> str:
    parts = []
    joined = len(set(now.members) - set(before.members))
    if joined:
        parts.append(f"{joined} sign{'s' if joined > 1 else ''} joined")
    if before.severity != now.severity:
        parts.append(f"{before.severity} became {now.severity}")
    if before.verdict != now.verdict:
        parts.append(f"the cause is {now.verdict}")
    elif _cause(before) != _cause(now):
        parts.append(f"the cause is {_cause(now)}")
    if before.title != now.title:
        parts.append(f"now: {now.title}")
    return "; ".join(parts) or "signs left"
