"""What the API's answers look like: the words of the wing, written for JSON.

Each model reads the value of the same name by its attributes. Labels become objects, and a
number that is missing (NaN) becomes null.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

__all__ = [
    "AlertOut",
    "AnomalyOut",
    "ChangeOut",
    "ClaimOut",
    "DecisionOut",
    "EvidenceOut",
    "ForecastOut",
    "IncidentFileOut",
    "IncidentOut",
    "IncidentsOut",
    "JournalRowOut",
    "LogOut",
    "Out",
    "PersonOut",
    "Problem",
    "RejectionOut",
    "SamplesOut",
    "SeriesOut",
    "SettingOut",
    "SpanOut",
    "StatusOut",
    "StoreOut",
    "TimelineOut",
    "TokenOut",
    "VerificationOut",
]

Number = Annotated[
    float | None,
    BeforeValidator(lambda value: None if value is None or math.isnan(value) else value),
]
LabelMap = Annotated[dict[str, str], BeforeValidator(dict)]
RoleNames = Annotated[list[str], BeforeValidator(sorted)]


class Out(BaseModel):
    """Reads a value by its attributes."""

    model_config = ConfigDict(from_attributes=True)


class Problem(BaseModel):
    """Why something was refused, and what to try."""

    error: str
    hint: str = ""


class EvidenceOut(Out):
    """One reason for or against a claim."""

    text: str
    weight: Number
    series: str
    facts: dict[str, Any]


class ClaimOut(Out):
    """A cause, ranked by ``facts.rank`` of its first evidence where it has one."""

    id: str
    kind: str
    subject: str
    text: str
    confidence: Number
    says: str
    time_ms: int
    evidence_for: list[EvidenceOut]
    evidence_against: list[EvidenceOut]


class IncidentOut(Out):
    """An incident; see the glossary for its states."""

    id: int
    state: str
    title: str
    severity: str
    entities: list[str]
    started_ms: int
    updated_ms: int
    resolved_ms: int | None
    owner: str
    members: list[str]
    grouping: list[str]
    verdict: str
    flaps: int
    attributes: dict[str, str]


class IncidentsOut(Out):
    """A page of incidents, and how many there are in each state."""

    incidents: list[IncidentOut]
    counts: dict[str, int]


class AnomalyOut(Out):
    """A stretch in which one series left its expected range."""

    key: str
    series: int
    labels: LabelMap
    entity: str
    resource: str
    direction: str
    start_ms: int
    last_ms: int
    end_ms: int | None
    peak_score: Number
    value: Number
    expected: Number
    low: Number
    high: Number
    deviation: Number
    samples: int


class AlertOut(Out):
    """An alert that another system raised."""

    fingerprint: str
    labels: LabelMap
    annotations: LabelMap
    starts_ms: int
    ends_ms: int | None
    source: str
    url: str


class ChangeOut(Out):
    """Something that was done to the system."""

    id: str
    time_ms: int
    kind: str
    entity: str
    title: str
    source: str
    end_ms: int | None
    outcome: str
    attributes: dict[str, str]


class TimelineOut(Out):
    """One line of an incident's story."""

    time_ms: int
    kind: str
    text: str
    who: str


class IncidentFileOut(Out):
    """Everything that is known of one incident; ``claims`` are its suspects, ranked."""

    incident: IncidentOut
    anomalies: list[AnomalyOut]
    alerts: list[AlertOut]
    claims: list[ClaimOut]
    changes: list[ChangeOut]
    timeline: list[TimelineOut]


class ForecastOut(Out):
    """When something runs out."""

    series: int
    labels: LabelMap
    entity: str
    resource: str
    threshold: Number
    now: Number
    earliest_ms: int
    likely_ms: int
    latest_ms: int | None
    confidence: Number
    skill: Number
    text: str


class DecisionOut(Out):
    """What became of one sign, and why."""

    subject: str
    time_ms: int
    outcome: str
    incident: int | None
    text: str


class RejectionOut(Out):
    """Telemetry that was not kept."""

    door: str
    tenant: str
    reason: str
    count: int
    example: str
    first_ms: int
    last_ms: int


class SeriesOut(Out):
    """One series."""

    id: int
    labels: LabelMap
    tenant: str
    first_ms: int
    last_ms: int


class SamplesOut(BaseModel):
    """Samples as columns of one length, and the expected range as columns of another.

    ``thinned`` tells that only the lowest and highest of each stretch are here. ``signal`` is
    what was judged: the value, or a counter's rate per second.
    """

    series: SeriesOut
    thinned: bool
    time_ms: list[int]
    value: list[float | None]
    judged_ms: list[int]
    signal: list[float | None]
    expected: list[float | None]
    low: list[float | None]
    high: list[float | None]
    flagged: list[bool]


class LogOut(Out):
    """One log record; ``attributes`` is JSON text."""

    time_ns: int
    labels: LabelMap
    severity: int
    body: str
    attributes: str
    trace_id: str
    span_id: str


class SpanOut(Out):
    """One span; ``attributes`` is JSON text."""

    start_ns: int
    end_ns: int
    labels: LabelMap
    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: int
    status: int
    attributes: str


class JournalRowOut(Out):
    """One line of the journal."""

    seq: int
    time_ms: int
    actor: str
    kind: str
    subject: str
    body: dict[str, Any]
    previous: str
    hash: str


class VerificationOut(Out):
    """What a walk over the whole journal found."""

    ok: bool
    rows: int
    head_hash: str
    first_bad_seq: int | None
    reason: str


class StoreOut(Out):
    """What rests in the store."""

    series: int
    samples: int
    logs: int
    spans: int
    changes: int
    disk_bytes: int
    free_bytes: int
    pending_rows: int
    taking: bool
    reason: str


class StatusOut(BaseModel):
    """How twinhelm is."""

    version: str
    environment: str
    ready: bool
    now_ms: int
    last_tick_ms: int
    store: StoreOut
    incidents: dict[str, int]
    asker: str
    roles: list[str]


class SettingOut(BaseModel):
    """One setting; a secret's value is struck out."""

    name: str
    value: Any = Field(description="As it stands now.")
    default: Any = Field(description="As it would be if nobody had set it.")
    description: str


class PersonOut(Out):
    """Somebody who may sign in."""

    name: str
    roles: RoleNames
    created_ms: int
    has_password: bool


class TokenOut(Out):
    """A token, without its secret."""

    name: str
    roles: RoleNames
    created_ms: int
    created_by: str
