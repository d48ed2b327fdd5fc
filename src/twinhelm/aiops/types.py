"""The words of the AIOps wing, shared by its rooms.

``key`` of an anomaly is ``series id:start``; ids of incidents count from 1 and are never
reused. Times are epoch ms. Scores and confidences lie in [0, 1].
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from twinhelm.core.arrays import BOOL, F64, I64, U32
from twinhelm.core.claims import Evidence
from twinhelm.core.entities import Edge
from twinhelm.core.labels import Labels
from twinhelm.core.telemetry import Alert, Change, LogBlock, MetricMeta, SampleBlock, SpanBlock

__all__ = [
    "LIVE",
    "Anomaly",
    "Answer",
    "Describe",
    "Described",
    "Deviation",
    "Direction",
    "Forecast",
    "Incident",
    "IncidentState",
    "Intern",
    "Received",
    "Rejected",
    "Rejection",
    "Resource",
    "Scores",
    "Suspect",
]


Intern = Callable[[list[Labels]], U32]
"""Gives each label set its dense id, in order."""


class Direction(StrEnum):
    """Which way a value left its expected range."""

    UP = "up"
    DOWN = "down"


class Resource(StrEnum):
    """What a series measures, where its name tells; OTHER where it does not.

    DATA is what flows through pipelines and models: how fresh, how much, how it is spread.
    """

    CPU = "cpu"
    MEMORY = "memory"
    DISK = "disk"
    NETWORK = "network"
    DESCRIPTORS = "descriptors"
    PRESSURE = "pressure"
    LATENCY = "latency"
    ERRORS = "errors"
    TRAFFIC = "traffic"
    SATURATION = "saturation"
    DATA = "data"
    OTHER = "other"


Described = tuple[Labels, str, Resource]
"""What one series is: its labels, its entity, what it measures."""

Describe = Callable[[int], Described]
"""Tell what a series is, by its id."""


@dataclass(frozen=True, slots=True)
class Scores:
    """The detector's judgement, one row per sample given, in the order given.

    ``signal`` is what was judged: the value, or the rate per second of a counter. ``expected``,
    ``low`` and ``high`` are the range it was expected in before it was seen (NaN while the
    series is too young to say). ``score`` lies in [0, 1]; ``flagged`` is the decision.
    """

    series: U32
    time_ms: I64
    signal: F64
    expected: F64
    low: F64
    high: F64
    score: F64
    flagged: BOOL


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A stretch in which one series left its expected range.

    ``end_ms`` is None while it lasts; ``last_ms`` is the newest flagged sample. ``deviation``
    is how far the worst value lay outside the range, in widths of the range (>= 0).
    """

    series: int
    labels: Labels
    entity: str
    resource: Resource
    direction: Direction
    start_ms: int
    last_ms: int
    end_ms: int | None
    peak_score: float
    value: float
    expected: float
    low: float
    high: float
    deviation: float
    samples: int

    @property
    def key(self) -> str:
        """Identify the anomaly over its life."""
        return f"{self.series}:{self.start_ms}"


class IncidentState(StrEnum):
    """The life of an incident.

    OPEN: it lasts and nobody has taken it. ACKNOWLEDGED: somebody has. RESOLVED: it is over, by
    a person or because the signs ended. REOPENED: the signs came back within the damping time.
    """

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    REOPENED = "reopened"


LIVE = (IncidentState.OPEN, IncidentState.ACKNOWLEDGED, IncidentState.REOPENED)
"""The states of an incident that lasts."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """One answer to "why": what is to blame, how surely, and on what evidence.

    ``kind`` is resource, process, service, change or alert; ``name`` says which one in words
    ("CPU of host a, used by stress (pid 4242)"). ``indicator`` is the metric name that shows it
    best, or the id of a change.
    """

    rank: int
    kind: str
    entity: str
    indicator: str
    name: str
    confidence: float
    evidence_for: tuple[Evidence, ...]
    evidence_against: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Incident:
    """A few words about trouble: what belongs together, since when, and who has it.

    ``members`` are anomaly keys and alert fingerprints. ``grouping`` says why they belong
    together. ``flaps`` counts how often it came back.
    """

    id: int
    state: IncidentState
    title: str
    severity: str
    entities: tuple[str, ...]
    started_ms: int
    updated_ms: int
    resolved_ms: int | None = None
    owner: str = ""
    members: tuple[str, ...] = ()
    grouping: tuple[str, ...] = ()
    verdict: str = "inconclusive"
    flaps: int = 0
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def since_ms(self) -> int:
        """When the trouble of now began: later than ``started_ms`` where it came back."""
        return int(self.attributes.get("again", self.started_ms))


@dataclass(frozen=True, slots=True)
class Forecast:
    """When something runs out: a range of time in which a threshold will be crossed.

    ``earliest_ms`` <= ``likely_ms`` <= ``latest_ms`` (None: perhaps never). ``skill`` compares
    its error on held-out recent points with a naive forecast's: 0 no better, 1 perfect.
    """

    series: int
    labels: Labels
    entity: str
    resource: Resource
    threshold: float
    now: float
    earliest_ms: int
    likely_ms: int
    latest_ms: int | None
    confidence: float
    skill: float
    text: str


@dataclass(frozen=True, slots=True)
class Deviation:
    """How far a series was out of range, in what answers can speak of.

    ``series`` is the narrowest kin, ``kin`` the next (a metric, wherever it is measured); ``way``
    is up or down. ``size`` is how much it matters, in one measure for all series, ``surprise``
    how strange it is for its own series, and ``hour`` the half hour of the week (0 to 335, UTC).
    """

    series: str
    kin: str
    way: str
    size: float
    surprise: float
    lasted_s: float
    hour: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person said of something twinhelm asserted or did: right or wrong, and why.

    ``about`` refers to it (``anomaly/KEY``, ``incident/N/member/KEY``, ``incident/N/cause/RANK``,
    ``repair/KEY``, ``forecast/SERIES``) and ``of`` is its kind: anomaly, grouping, suspect,
    action, forecast. ``facts`` are what it looked like then. ``applied``: what it teaches is in
    force; until then it runs in shadow.
    """

    id: int
    of: str
    about: str
    right: bool
    reason: str
    by: str
    time_ms: int
    facts: Mapping[str, Any] = field(default_factory=dict)
    applied: bool = False


@dataclass(frozen=True, slots=True)
class Rejection:
    """Telemetry that was not kept: how much, why, and one sample of it.

    ``reason`` is one of the reasons that :mod:`twinhelm.aiops.clean` documents.
    """

    door: str
    tenant: str
    reason: str
    count: int
    example: str
    first_ms: int
    last_ms: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """A part of one request that was not kept: which reason, how much, and one example of it.

    Decoders and :mod:`twinhelm.aiops.clean` return these; the flow adds them up as
    :class:`Rejection`.
    """

    reason: str
    count: int
    example: str


@dataclass(frozen=True, slots=True)
class Received:
    """What one request brought, decoded: whatever it did not bring is empty.

    ``samples`` carries ids already interned by the decoder's ``intern`` callable.
    """

    samples: SampleBlock = field(default_factory=SampleBlock.empty)
    logs: LogBlock | None = None
    spans: SpanBlock | None = None
    changes: tuple[Change, ...] = ()
    alerts: tuple[Alert, ...] = ()
    edges: tuple[Edge, ...] = ()
    metas: tuple[MetricMeta, ...] = ()
    rejected: tuple[Rejected, ...] = ()
