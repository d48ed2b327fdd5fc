"""What happened lately, out of the records, the journal and the changes, as finders take it.

What a person did belongs to the incident that lasted then (or ended within half an hour) and that
it names: by its entity, or by the name of one in its text; the rest stands alone. Each list is
bounded, the newest first, so a busy house is judged by its newest months.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from twinhelm.advise.types import HOUR_MS, Deed, Firing, Past, Seen
from twinhelm.aiops.automate.match import Case
from twinhelm.aiops.clean import entity_of
from twinhelm.aiops.flow.repairs.cases import Changes, sign_of, suspect_of
from twinhelm.aiops.flow.repairs.kept import find_repairs
from twinhelm.aiops.types import Anomaly, Incident, Suspect
from twinhelm.core.claims import Claim
from twinhelm.core.entities import split_key
from twinhelm.core.ports import JournalRow, Record, Records, RecordsUnit
from twinhelm.core.telemetry import Alert, Change
from twinhelm.events.event import Event
from twinhelm.events.kinds.machines import (
    AlertReceived,
    IncidentAcknowledged,
    IncidentCommented,
    IncidentResolved,
)
from twinhelm.events.kinds.products import BuildStarted
from twinhelm.events.values import load

__all__ = ["gathered", "is_person"]

MOST = 20_000
AFTER_MS = HOUR_MS // 2
SHORTEST_H, LONGEST_H = 1 / 12, 4.0
"""What a touch of an incident costs at least and at most."""
NOBODY = re.compile(r"twinhelm|system|door:.*|recipe:.*")
ROWS: tuple[type[Event], ...] = (
    AlertReceived, IncidentAcknowledged, IncidentCommented, IncidentResolved, BuildStarted,
)  # fmt: skip


def is_person(actor: str) -> bool:
    """Tell whether a journal row was written in a person's name."""
    return NOBODY.fullmatch(actor) is None


def gathered(records: Records, changes: Changes, since_ms: int, until_ms: int) -> Seen:
    """Gather what happened within the range; see the module."""
    told = changes(since_ms, until_ms)
    with records.reading() as unit:
        rows = {kind: _rows(unit, kind.kind, since_ms, until_ms) for kind in ROWS}
        found: dict[str, Any] = {"until_ms": until_ms, "newest_first": True, "limit": MOST}
        incidents = [
            load(Incident, one) for one in unit.find("incident", since_ms=since_ms, **found)
        ]
        anomalies = {one.key: load(Anomaly, one) for one in unit.find("anomaly", **found)}
        alerts = {one.key: load(Alert, one) for one in unit.find("alert", **found)}
        causes = _causes(unit.find("claim", state="cause", since_ms=since_ms, limit=MOST))
        repairs = find_repairs(unit, since_ms=since_ms, limit=MOST)[::-1]
    notes = _touched(rows)
    commands = [_deed(one) for one in told if one.source == "hand"]
    ours, alone = _shared(commands, incidents)
    pasts = tuple(
        _past(one, causes.get(f"incident/{one.id}", ()), anomalies, alerts, told,
              ours[one.id], notes[one.id])
        for one in sorted(incidents, key=lambda one: one.started_ms)
    )  # fmt: skip
    built = [
        Deed(row.time_ms, row.actor, f"build {row.body['number']} of {row.body['product']}",
             f"model:{row.body['product']}", "build")
        for row in rows[BuildStarted] if is_person(row.actor)
    ]  # fmt: skip
    deeds = sorted([*alone, *built], key=lambda deed: deed.time_ms)
    firings = _firings(rows[AlertReceived], alerts, pasts)
    return Seen(since_ms, until_ms, pasts, tuple(deeds), firings, tuple(told), tuple(repairs))


def _rows(unit: RecordsUnit, kind: str, since_ms: int, until_ms: int) -> list[JournalRow]:
    newest = unit.read_journal(kind=kind, newest_first=True, limit=MOST)
    return [row for row in newest[::-1] if since_ms <= row.time_ms <= until_ms]


def _causes(claims: Iterable[Record]) -> dict[str, list[Suspect]]:
    """Put what was claimed of causes back as suspects, by incident, the likeliest first."""
    found: dict[str, list[Suspect]] = defaultdict(list)
    for record in sorted(claims, key=lambda record: record.key):
        found[record.parent].append(suspect_of(load(Claim, record)))
    return found


def _touched(rows: Mapping[type[Event], Sequence[JournalRow]]) -> dict[int, list[Deed]]:
    """List what people did with each incident in this house: took it, spoke of it, closed it."""
    found: dict[int, list[Deed]] = defaultdict(list)
    for kind in (IncidentAcknowledged, IncidentCommented, IncidentResolved):
        for row in filter(lambda row: is_person(row.actor), rows[kind]):
            text = str(row.body.get("text") or row.body.get("note") or "")
            deed = Deed(row.time_ms, row.actor, text, "", "note")
            found[int(row.body["incident"])].append(deed)
    return found


def _deed(change: Change) -> Deed:
    told = change.attributes
    hours = float(told.get("minutes", 0)) / 60
    who, kind = told.get("who", ""), told.get("type", "")
    return Deed(change.time_ms, who, change.title, change.entity, kind, hours)


def _shared(
    deeds: Sequence[Deed], incidents: Sequence[Incident]
) -> tuple[dict[int, list[Deed]], list[Deed]]:
    """Part what was done for an incident (the newest that fits) from what was not."""
    ours: dict[int, list[Deed]] = defaultdict(list)
    alone = []
    for deed in deeds:
        fitting = (one for one in incidents if _meant(deed, one))
        if one := max(fitting, key=lambda one: one.started_ms, default=None):
            ours[one.id].append(deed)
        else:
            alone.append(deed)
    return ours, alone


def _meant(deed: Deed, incident: Incident) -> bool:
    end = incident.resolved_ms or incident.started_ms + int(LONGEST_H * HOUR_MS)
    if not incident.started_ms <= deed.time_ms <= end + AFTER_MS:
        return False
    names = {split_key(each)[1].rpartition("/")[2] for each in incident.entities}
    words = set(re.findall(r"[\w.-]+", deed.text))
    return deed.entity in incident.entities or bool({each for each in names if each} & words)


def _past(
    incident: Incident,
    suspects: Sequence[Suspect],
    anomalies: Mapping[str, Anomaly],
    alerts: Mapping[str, Alert],
    changes: Sequence[Change],
    commands: Sequence[Deed],
    notes: Sequence[Deed],
) -> Past:
    known: Sequence[Mapping[str, Anomaly | Alert]] = (anomalies, alerts)
    signs = [sign_of(of[key]) for of in known for key in incident.members if key in of]
    named = {suspect.indicator for suspect in suspects}
    case = Case(incident, tuple(suspects), tuple(signs),
                {one.id: one for one in changes if one.id in named})  # fmt: skip
    entity = suspects[0].entity if suspects else next(iter(incident.entities), "")
    own = [sign for sign in signs if sign.entity == entity] or signs
    deeds = sorted([*commands, *notes], key=lambda deed: deed.time_ms)
    hours = sum(deed.hours for deed in deeds)
    if deeds and not hours:
        end = max(incident.resolved_ms or 0, deeds[-1].time_ms)
        hours = min(max((end - deeds[0].time_ms) / HOUR_MS, SHORTEST_H), LONGEST_H)
    people = tuple(sorted({deed.who for deed in deeds if deed.who}))
    shows = min((sign.metric for sign in own if sign.metric), default="")
    return Past(case, entity, shows, tuple(deeds), people, hours)


def _firings(
    rows: Sequence[JournalRow], alerts: Mapping[str, Alert], pasts: Sequence[Past]
) -> tuple[Firing, ...]:
    """List each time that a rule fired, and whether somebody touched its incident."""
    touched: dict[str, list[Past]] = defaultdict(list)
    for past in pasts:
        for member in past.case.incident.members:
            touched[member].append(past)
    begun: dict[str, JournalRow] = {}
    found = []

    def ended(row: JournalRow, end_ms: int | None) -> None:
        key, start = row.body["fingerprint"], row.body["starts_ms"]
        alert = alerts.get(key)
        during = [past for past in touched[key] if start <= (past.case.incident.resolved_ms
                  or start) and past.time_ms <= (end_ms or start) + AFTER_MS]  # fmt: skip
        booked = alert is not None and bool(dict(alert.annotations).get("runbook_url"))
        entity = entity_of(alert.labels) if alert else ""
        acted = any(past.people for past in during)
        found.append(Firing(row.body["name"], entity, start, end_ms, acted, booked))

    for row in rows:
        key = row.body["fingerprint"]
        if row.body["firing"]:
            begun[key] = row
        elif first := begun.pop(key, None):
            ended(first, row.time_ms)
    for row in begun.values():
        ended(row, None)
    return tuple(sorted(found, key=lambda one: one.start_ms))
