"""Says which incidents there are, from all signs of trouble; few of them, and never silently.

In: the incidents of the last hour or so, all open and recently closed anomalies, alerts that
fire, and the entity graph. Out: the incidents that were opened or changed, and one
:class:`Decision` in words for every sign: what it became part of, or why it became nothing.

An incident opens for a sign that is material by itself (:mod:`twinhelm.aiops.indicators`), for
an alert that fires, or for at least three different metrics of one neighbourhood that are
strange together: unknown ones for half a minute, or known ones of different kinds that each come
near their bar. What is strange near it in time and topology joins it. It
resolves by itself once all its members have ended and ``QUIET_MS`` went by. A sign of the same
resource on the same entity within ``DAMPING_MS`` after that reopens it instead of opening
another; the more it has flapped, the longer.

A fault of another resource on the same machine, more than ``NEAR_MS`` after the newest material
sign, is another incident; among services one more than ``NEAR_MS`` after the incident began,
unless calls lead from the one to the other and it began within three minutes. Pure and
deterministic; about 20 us per sign.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from twinhelm.aiops.correlate.desk import QUIET_MS, Desk, raised_of
from twinhelm.aiops.correlate.grouping import Neighbours, group, related
from twinhelm.aiops.correlate.signs import MACHINES, Decision, Sign, Window, of_alert, of_anomaly
from twinhelm.aiops.types import Anomaly, Incident, Resource
from twinhelm.core.entities import Edge
from twinhelm.core.labels import metric_name
from twinhelm.core.telemetry import Alert

__all__ = ["Correlation", "correlate"]

TOGETHER_METRICS = 3
TOGETHER_SCORE = 2.0
TOGETHER_SECONDS = 30.0
_HURTS = frozenset({Resource.LATENCY, Resource.ERRORS, Resource.CPU, Resource.SATURATION})
FADED, FADED_FROM_WORST = 0.4, 0.5
"""A sign that was material has faded once its level is less than this much of its bar, or below
its bar and less than this much of what was worst."""
MODEST = 0.5
"""A known sign that reaches this much of its bar counts together with others."""


@dataclass(frozen=True, slots=True)
class Correlation:
    """Incidents that were opened or changed, and a decision per sign."""

    incidents: list[Incident]
    decisions: list[Decision]


def correlate(
    incidents: Sequence[Incident],
    anomalies: Sequence[Anomaly],
    alerts: Sequence[Alert],
    edges: Sequence[Edge] | Neighbours,
    *,
    now_ms: int,
    sensitivity: float = 0.5,
    maintenance: Sequence[Window] = (),
    levels: Mapping[str, float] | None = None,
    alert_entities: Mapping[str, str] | None = None,
    answered: Callable[[Anomaly], str] = lambda _: "",
    next_id: int | None = None,
) -> Correlation:
    """Take one look at everything and say what changed.

    ``incidents``: live ones and those resolved within the last hour. ``anomalies``: all open
    ones and those closed since the oldest live incident began. ``edges`` may come as
    :class:`Neighbours` made of them, which keep what they found from one look to the next.
    ``levels``: per anomaly key the newest typical value (:class:`Levels`); without it the worst
    value counts, and short peaks with a weak tail may be raised. ``alert_entities``: per
    fingerprint the entity an alert speaks of. ``answered`` says why an anomaly counts no more, by
    what people said of its like. ``next_id``: the first free incident id, by default
    one more than the highest given.
    """
    near = edges if isinstance(edges, Neighbours) else Neighbours(edges, now_ms)
    levels = levels or {}
    entities = alert_entities or {}
    raised = {key: at for one in incidents for key, at in raised_of(one).items()}
    signs = [
        _weighed(one, sensitivity, levels.get(one.key), raised, now_ms, answered(one))
        for one in anomalies
    ]
    signs += [of_alert(one, entities.get(one.fingerprint, ""), now_ms) for one in alerts]
    desk = Desk(incidents, signs, near, now_ms, next_id)
    free = []
    for sign in sorted(signs, key=lambda sign: (sign.start_ms, sign.key)):
        known = desk.holder.get(sign.key)
        if known is not None and not desk.came_back(sign, known):
            desk.decide(sign, "grouped", known, f"{sign.text}: part of incident {known}")
        elif window := next((w for w in maintenance if w.covers(sign, now_ms)), None):
            text = f"{sign.text}: not raised, expected during {window.reason}"
            desk.decide(sign, "maintenance", None, text)
        else:
            free.append(sign)
    free = [sign for sign in free if not (_raising(sign) and desk.join(sign))]
    free = [sign for sign in free if _raising(sign) or not desk.attach(sign)]
    for members, why in _openings(free, near, now_ms):
        desk.open(members, why)
    for sign in free:
        if sign.key not in desk.holder and not desk.attach(sign):
            desk.refuse(sign)
    desk.review()
    return Correlation(list(desk.changed.values()), desk.decisions)


def _weighed(
    one: Anomaly,
    sensitivity: float,
    level: float | None,
    raised: Mapping[str, int],
    now_ms: int,
    answered: str,
) -> Sign:
    """Weigh an anomaly by its newest level, and remember that it was material once."""
    sign = of_anomaly(one, sensitivity, level, answered)
    at = raised.get(one.key)
    if at is not None:
        worst = of_anomaly(one, sensitivity, None, answered)
        now, fresh = sign.weight.amount, sign.raises
        faded = level is not None and (
            now < FADED or now < min(1.0, FADED_FROM_WORST * worst.weight.amount)
        )
        if one.entity.startswith(MACHINES):
            # What a machine was worst at stays its title; one slow request of a service does not.
            sign = worst
        weight = sign.weight.proven()
        return replace(sign, raised_ms=at, weight=weight, faded=faded, fresh=fresh)
    return replace(sign, raised_ms=now_ms) if sign.raises else sign


def _openings(
    free: Sequence[Sign], near: Neighbours, now_ms: int
) -> list[tuple[list[Sign], tuple[str, ...]]]:
    """Find the groups of free signs that deserve an incident."""
    fresh = [sign for sign in free if _recent(sign, now_ms)]
    raising = [sign for sign in fresh if _raising(sign)]
    found = group(raising, near)
    taken = {sign.key for sign in raising}
    odd = [sign for sign in fresh if sign.key not in taken and (_odd(sign) or _modest(sign))]
    for members, why in group(odd, near):
        counts: dict[tuple[str, str], float] = defaultdict(float)
        resources = {sign.weight.resource for sign in members if _modest(sign)}
        for sign in members:
            # One unknown metric counts once, however many series it has.
            where = sign.entity if _modest(sign) else ""
            key = (metric_name(sign.labels), where)
            counts[key] = max(counts[key], _count(sign))
        alike = len(resources) == 1 and all(_modest(sign) for sign in members)
        if len(counts) >= TOGETHER_METRICS and sum(counts.values()) >= TOGETHER_SCORE and not alike:
            near_raising = any(related(a, b, near) for a in members[:3] for b in raising)
            if not near_raising:
                found.append((members, (f"{len(counts)} metrics went strange together", *why)))
    return found


def _raising(sign: Sign) -> bool:
    """Tell whether a sign deserves an incident now; what is over raises nothing new."""
    return sign.raises and sign.end_ms is None and not sign.faded


def _odd(sign: Sign) -> bool:
    """Tell whether a sign that no indicator row knows may count together with others.

    Metrics of machines may not: their indicators are all known, the rest is chatter.
    """
    known = sign.weight.indicator or sign.anomaly is None
    lasted = (sign.last_ms - sign.start_ms) / 1000
    counts = not known and not sign.answered
    return counts and lasted >= TOGETHER_SECONDS and not sign.of_machine


def _modest(sign: Sign) -> bool:
    """Tell whether a known sign of a service falls short of its bar by little."""
    weight = sign.weight
    known = weight.indicator and weight.alone and weight.resource in _HURTS
    known = known and sign.anomaly is not None and not (sign.of_machine or sign.answered)
    return known and weight.amount >= MODEST and weight.lasting >= 1.0


def _count(sign: Sign) -> float:
    if _modest(sign):
        return min(sign.weight.amount, 1.0)
    return sign.anomaly.peak_score if sign.anomaly else 0.0


def _recent(sign: Sign, now_ms: int) -> bool:
    """Tell whether a sign is still news: it lasts, or ended moments ago."""
    return sign.end_ms is None or now_ms - sign.last_ms <= 3 * QUIET_MS
