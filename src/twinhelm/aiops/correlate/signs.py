"""A sign of trouble, as correlation sees it: an anomaly or an alert, weighed and put in words.

In: :class:`Anomaly` and :class:`Alert`. Out: :class:`Sign`, one shape for both, and the two
values that speak about signs: the :class:`Window` in which they are expected and the
:class:`Decision` that says what became of one.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from twinhelm.aiops.indicators import Weight, weigh
from twinhelm.aiops.types import Anomaly, Resource
from twinhelm.aiops.words import place, spoken
from twinhelm.core.labels import Labels, metric_name
from twinhelm.core.telemetry import Alert

__all__ = ["MACHINES", "Decision", "Sign", "Window", "of_alert", "of_anomaly"]

SMOULDER_MS = 60_000
"""A material sign is found out at most about this long after it began to matter."""
QUIET_LEAST_MS = 12_000
MACHINES = ("host:", "device:")
_EFFECTS = frozenset(
    {Resource.LATENCY, Resource.ERRORS, Resource.SATURATION, Resource.TRAFFIC, Resource.CPU}
)
_QUIET_ALERTS = frozenset({"none", "info", "debug"})


@dataclass(frozen=True, slots=True)
class Sign:
    """An anomaly or alert as correlation sees it.

    ``end_ms`` is None while it lasts; ``raised_ms`` is when it first was material, if ever.
    ``faded``: it was, but its newest level is next to usual again, strange as it may still be;
    ``fresh``: by its newest level it is material now. ``answered``: why it counts no more, where
    people said so of its like.
    """

    key: str
    entity: str
    labels: Labels
    start_ms: int
    last_ms: int
    end_ms: int | None
    weight: Weight
    text: str
    anomaly: Anomaly | None = None
    raised_ms: int | None = None
    faded: bool = False
    fresh: bool = True
    answered: str = ""

    @property
    def onset_ms(self) -> int:
        """When it began to matter: what smouldered for long did so shortly before it was raised."""
        if self.raised_ms is None:
            return self.start_ms
        return max(self.start_ms, self.raised_ms - SMOULDER_MS)

    @property
    def raises(self) -> bool:
        """Tell whether it raises an incident by itself."""
        return self.weight.material and not self.answered

    @property
    def of_machine(self) -> bool:
        """Tell whether it speaks of a machine, not of what runs on it."""
        return self.entity.startswith(MACHINES)

    @property
    def effect(self) -> bool:
        """Tell whether trouble elsewhere may bring it about in a service, by calls."""
        return self.weight.resource in _EFFECTS and metric_name(self.labels) != "up"

    def lasts(self, now_ms: int) -> bool:
        """Tell whether it is neither over nor about to be."""
        return self.end_ms is None and not self.over_by(now_ms)

    def over_by(self, time_ms: int) -> bool:
        """Tell whether it had gone quiet by then, though it may take a minute to be called over."""
        if self.faded:
            return True
        if self.weight.stands:
            return self.end_ms is not None
        each = 0 if self.anomaly is None else self.last_ms - self.start_ms
        each //= max(self.anomaly.samples - 1, 1) if self.anomaly else 1
        return self.last_ms + max(QUIET_LEAST_MS, 4 * each) < time_ms


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch in which trouble of some entities, or of all, is expected.

    ``entities`` are patterns, such as ``service:shop/*``; none means all.
    """

    start_ms: int
    end_ms: int
    entities: tuple[str, ...] = ()
    reason: str = "maintenance"

    def covers(self, sign: Sign, now_ms: int) -> bool:
        """Tell whether a sign started in this window, on its entities, and it is not over yet.

        What lasts longer than the window was not expected, and may be raised when it ends.
        """
        inside = self.start_ms <= sign.start_ms <= self.end_ms and now_ms <= self.end_ms
        entities = self.entities or ("*",)
        return inside and any(fnmatchcase(sign.entity, each) for each in entities)


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of one sign, in words.

    ``subject`` is an anomaly key, alert fingerprint or ``incident/N``; ``outcome`` one of
    raised, grouped, reopened, resolved, waiting, not_raised, maintenance.
    """

    subject: str
    time_ms: int
    outcome: str
    incident: int | None
    text: str


def of_anomaly(
    anomaly: Anomaly, sensitivity: float, level: float | None, answered: str = ""
) -> Sign:
    """Weigh an anomaly; ``level`` is its newest typical value, where known."""
    return Sign(
        key=anomaly.key,
        entity=anomaly.entity,
        labels=anomaly.labels,
        start_ms=anomaly.start_ms,
        last_ms=anomaly.last_ms,
        end_ms=anomaly.end_ms,
        weight=weigh(anomaly, sensitivity=sensitivity, level=level),
        text=spoken(anomaly, value=level),
        anomaly=anomaly,
        answered=answered,
    )


def of_alert(alert: Alert, entity: str, now_ms: int) -> Sign:
    """Weigh somebody else's alert: it raises unless it calls itself informational."""
    labels, notes = dict(alert.labels), dict(alert.annotations)
    name = labels.get("alertname", "alert")
    severity = labels.get("severity", "warning").lower()
    summary = notes.get("summary") or notes.get("description") or ""
    quiet = severity in _QUIET_ALERTS
    ended = alert.ends_ms is not None and alert.ends_ms <= now_ms
    weight = Weight(
        amount=0.0 if quiet else 1.5,
        lasting=1.0,
        resource=Resource.OTHER,
        title=f"{name}: {summary[:160]}" if summary else f"{name} fires",
        critical=severity in ("critical", "page", "error"),
        indicator=True,
        alone=not quiet,
        why_not=f"its severity is {severity}" if quiet else "",
    )
    where = entity or f"other:{name}"
    last_ms = alert.ends_ms if ended and alert.ends_ms is not None else now_ms
    end_ms = last_ms if ended else None
    text = f"alert {name} of {place(where)}"
    return Sign(
        alert.fingerprint, where, alert.labels, alert.starts_ms, last_ms, end_ms, weight, text
    )
