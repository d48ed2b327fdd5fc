"""Weighs machines, and whatever no other room of diagnosis knows, as causes of an incident.

In: the incident's anomalies, a :class:`SeriesWindow` around the start, and who leans on whom. Out:
a :class:`Hypothesis` per (entity, resource), scored. It is as strong as its best indicator is
material; it gains from what it explains (``EXPLAINS``: a full disk explains I/O pressure and a
busy CPU, not the other way round; what an entity leans on explains the entity) and from a process
that accounts for the rise; it loses to a stronger hypothesis that began no later and explains it,
and for pressure that should be there and is not. Pure.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from twinhelm.aiops.diagnose.culprits import PROCESS_LABELS, Culprit, culprit_of, spoken_name
from twinhelm.aiops.diagnose.vitals import Vital, strength_of
from twinhelm.aiops.diagnose.window import SeriesWindow, shift_of
from twinhelm.aiops.indicators import Weight, weigh
from twinhelm.aiops.types import Anomaly, Direction, Resource, Suspect
from twinhelm.aiops.words import place, quantity, spoken, unit_of
from twinhelm.core.claims import Evidence
from twinhelm.core.labels import METRIC, Labels, metric_name

__all__ = ["ONSET_SLACK_MS", "Hypothesis", "hypotheses_of", "shown_by", "what"]

ONSET_SLACK_MS = 20_000
"""Detection dates onsets no better than this."""
LOOK_AHEAD_MS = 180_000
UNPROVEN = 0.6
"""What a sign counts that was never material in correlation's eyes."""

_EFFECTS = frozenset({Resource.LATENCY, Resource.ERRORS, Resource.SATURATION, Resource.TRAFFIC})
EXPLAINS: Mapping[Resource, frozenset[Resource]] = {
    Resource.DISK: frozenset({Resource.CPU, Resource.PRESSURE, Resource.OTHER}) | _EFFECTS,
    Resource.MEMORY: frozenset({Resource.CPU, Resource.PRESSURE, Resource.OTHER}) | _EFFECTS,
    Resource.CPU: frozenset({Resource.PRESSURE, Resource.NETWORK, Resource.OTHER}) | _EFFECTS,
    Resource.NETWORK: _EFFECTS | {Resource.CPU},
    Resource.DESCRIPTORS: frozenset({Resource.ERRORS, Resource.LATENCY}),
    Resource.SATURATION: frozenset({Resource.LATENCY, Resource.ERRORS}),
    Resource.TRAFFIC: frozenset({Resource.CPU, Resource.LATENCY, Resource.SATURATION}),
}
"""What trouble of one resource brings about in others of the same place."""
_NOUNS = {
    Resource.CPU: "CPU",
    Resource.DISK: "disk",
    Resource.MEMORY: "memory",
    Resource.DESCRIPTORS: "file descriptors",
    Resource.OTHER: "unusual behaviour",
}
FULL = 0.8
_PRESSURE_WORD = {Resource.CPU: "cpu", Resource.MEMORY: "memory", Resource.DISK: "io"}


@dataclass(slots=True)
class Hypothesis:
    """One resource of one entity as a cause; ``strength`` and ``score`` are 1 at their surest."""

    entity: str
    resource: Resource
    lead: Anomaly
    weight: Weight
    others: list[Anomaly]
    strength: float
    onset_ms: int
    score: float = 0.0
    culprit: Culprit | None = None
    reasons: list[Evidence] = field(default_factory=list)
    doubts: list[Evidence] = field(default_factory=list)

    def suspect(self, processes: Mapping[str, Sequence[int]]) -> Suspect:
        """Put it as a suspect; ``processes`` maps names to pids alive now."""
        noun = _NOUNS.get(self.resource, self.resource.value)
        name = f"{noun[:1].upper()}{noun[1:]} of {place(self.entity)}"
        if self.culprit:
            by = "used by" if self.culprit.direct else "perhaps used by"
            name += f", {by} {spoken_name(self.culprit.process, processes)}"
        kind = "service" if self.entity.startswith("service:") else "resource"
        return Suspect(
            rank=0,
            kind=kind,
            entity=self.entity,
            indicator=metric_name(self.lead.labels),
            name=name,
            confidence=min(max(self.score, 0.02), 1.0),
            evidence_for=tuple(sorted(self.reasons, key=lambda e: -e.weight)[:6]),
            evidence_against=tuple(sorted(self.doubts, key=lambda e: -e.weight)[:4]),
        )


def shown_by(
    vitals: Iterable[Vital], window: SeriesWindow, machines: set[str], *, since_ms: int, end_ms: int
) -> list[Anomaly]:
    """List what the window shows machines to be full of, whether that was flagged or not.

    A machine whose use swings for a living is short of something all the same when it is full.
    """
    ids = dict(zip(window.labels, window.ids, strict=True))
    found = []
    for one in vitals:
        told = one.entity in machines and one.labels in ids
        full = unit_of(metric_name(one.labels)) == "ratio" and one.since >= FULL
        if not (told and full) or one.amount < 1.0 or not one.row.alone:
            continue
        found.append(
            Anomaly(
                series=ids[one.labels],
                labels=one.labels,
                entity=one.entity,
                resource=one.row.resource,
                direction=Direction.UP,
                start_ms=one.onset_ms or since_ms,
                last_ms=end_ms,
                end_ms=None,
                peak_score=0.5,
                value=one.since,
                expected=one.before,
                low=one.before,
                high=one.before,
                deviation=1.0,
                samples=1,
            )
        )
    return found


def hypotheses_of(
    members: Sequence[Anomaly],
    proven: set[str],
    leans: set[tuple[str, str]],
    window: SeriesWindow,
    now_ms: int,
) -> list[Hypothesis]:
    """Make a hypothesis of every resource of every entity among ``members``, and score each.

    ``proven`` are the signs that lasted long enough to raise the incident; where correlation
    names them, the other ones count for less.
    """
    found = _hypotheses(members, proven)
    for one in found:
        one.culprit = _culprit(one, window, now_ms)
        _explain(one, found, leans)
        _corroborate(one, members, window, now_ms)
    return found


def _hypotheses(members: Iterable[Anomaly], proven: set[str]) -> list[Hypothesis]:
    """Group anomalies by what they say is wrong, and where."""
    groups: dict[tuple[str, Resource], list[tuple[Weight, Anomaly]]] = defaultdict(list)
    for one in members:
        if any(name in PROCESS_LABELS for name, _ in one.labels):
            continue  # processes are evidence, named through their host
        weight = weigh(one, sensitivity=0.5)
        if one.key in proven:
            weight = weight.proven()
        groups[one.entity, weight.resource].append((weight, one))

    def strength(weight: Weight, one: Anomaly) -> float:
        return _strength(weight, one) * (1.0 if not proven or one.key in proven else UNPROVEN)

    found = []
    for (entity, resource), rows in sorted(groups.items()):
        weight, lead = max(rows, key=lambda row: (strength(*row), -row[1].start_ms, row[1].key))
        found.append(
            Hypothesis(
                entity=entity,
                resource=resource,
                lead=lead,
                weight=weight,
                others=[one for _, one in rows if one is not lead],
                strength=strength(weight, lead),
                onset_ms=min(
                    (one.start_ms for w, one in rows if strength(w, one) >= 0.2),
                    default=lead.start_ms,
                ),
            )
        )
    return found


def _strength(weight: Weight, anomaly: Anomaly) -> float:
    """Say in [0, 1] how strong a sign is: what it amounts to, and for how long."""
    if weight.indicator:
        lasting = min(1.0, 0.5 + 0.5 * weight.lasting)
        return strength_of(weight.amount) * lasting * (1.0 if weight.alone else 0.6)
    deviation = anomaly.deviation if math.isfinite(anomaly.deviation) else 0.0
    return 0.5 * anomaly.peak_score * (1.0 - math.exp(-deviation / 4.0))


def _culprit(one: Hypothesis, window: SeriesWindow, now_ms: int) -> Culprit | None:
    if not one.entity.startswith("host:"):
        return None
    column = window.ids.index(one.lead.series) if one.lead.series in window.ids else None
    indicator = None if column is None else window.values[:, column]
    end_ms = min(now_ms, one.onset_ms + LOOK_AHEAD_MS)
    start_ms = one.onset_ms - ONSET_SLACK_MS // 2
    return culprit_of(
        window, one.entity, one.resource, start_ms=start_ms, end_ms=end_ms, indicator=indicator
    )


def _explain(one: Hypothesis, found: Sequence[Hypothesis], leans: set[tuple[str, str]]) -> None:
    """Score a hypothesis by itself, by what it explains, and by what explains it."""
    score = one.strength
    one.reasons.append(Evidence(spoken(one.lead), one.strength, _selector(one.lead.labels)))
    for other in found:
        if other is one or other.strength < 0.15:
            continue
        in_time = one.onset_ms <= other.onset_ms + ONSET_SLACK_MS
        if _brings_about(one, other, leans):
            if in_time:
                score += 0.25 * other.strength
                text = f"it explains {what(other)}, which began {_gap(one, other)}"
                one.reasons.append(Evidence(text, 0.25 * other.strength))
            else:
                text = f"{what(other)} began {_gap(one, other)}, before it"
                one.doubts.append(Evidence(text, 0.1))
                score -= 0.1
        earlier = other.onset_ms <= one.onset_ms + ONSET_SLACK_MS
        if earlier and other.strength >= 0.4 and _brings_about(other, one, leans):
            score -= 0.45 * other.strength
            text = f"it may be an effect of {what(other)}, which began {_gap(one, other)}"
            one.doubts.append(Evidence(text, 0.45 * other.strength))
    one.score = score


def _corroborate(
    one: Hypothesis, members: Sequence[Anomaly], window: SeriesWindow, now_ms: int
) -> None:
    """Add what processes, pressure and further series of the same kind say."""
    if one.culprit:
        gain = 0.15 * one.culprit.share * (1.0 if one.culprit.direct else 0.4)
        one.score += gain
        facts = {"process": one.culprit.process, "share": round(one.culprit.share, 3)}
        one.reasons.append(Evidence(one.culprit.text, gain, facts=facts))
        if one.culprit.follows >= 0.6:
            text = f"its course follows the machine's (correlation {one.culprit.follows:.2f})"
            one.reasons.append(Evidence(text, 0.05))
    elif one.entity.startswith("host:") and one.resource in _PRESSURE_WORD:
        one.doubts.append(Evidence("no watched process accounts for it", 0.05))
    for other in sorted(one.others, key=lambda a: (-a.deviation, a.key))[:2]:
        one.reasons.append(Evidence(spoken(other), 0.1, _selector(other.labels)))
    word = _PRESSURE_WORD.get(one.resource)
    if not word:
        return
    if any(a.entity == one.entity and _is_pressure(a.labels, word) for a in members):
        one.score += 0.05
        one.reasons.append(Evidence(f"work waits for {word}: its pressure rose as well", 0.05))
        return
    for column, labels in enumerate(window.labels):
        if window.entities[column] == one.entity and _is_pressure(labels, word):
            level = shift_of(window, column, one.onset_ms, now_ms).since
            if math.isfinite(level):
                text = f"nothing waits for {word}: its pressure is {quantity(level, 'ratio')}"
                one.doubts.append(Evidence(text, 0.03, _selector(labels)))
            return


def _brings_about(cause: Hypothesis, effect: Hypothesis, leans: set[tuple[str, str]]) -> bool:
    if cause.entity == effect.entity:
        if effect.resource is Resource.MEMORY and not effect.weight.indicator:
            return cause.resource is Resource.DISK  # the page cache follows what is written
        if not cause.weight.indicator:
            return False
        return effect.resource in EXPLAINS.get(cause.resource, frozenset())
    return (effect.entity, cause.entity) in leans


def what(one: Hypothesis) -> str:
    """Name the resource and its place in a sentence."""
    return f"{_NOUNS.get(one.resource, one.resource.value)} of {place(one.entity)}"


def _gap(one: Hypothesis, other: Hypothesis) -> str:
    gap_s = (other.onset_ms - one.onset_ms) / 1000
    if abs(gap_s) < 5:
        return "at the same time"
    return f"{abs(gap_s):.0f} s {'later' if gap_s > 0 else 'earlier'}"


def _is_pressure(labels: Labels, word: str) -> bool:
    name = metric_name(labels).lower()
    return "pressure" in name and (word in name or ("resource", word) in labels)


def _selector(labels: Labels) -> str:
    inside = ",".join(
        '{}="{}"'.format(k, v.replace("\\", "\\\\").replace('"', '\\"'))
        for k, v in labels
        if k != METRIC
    )
    return f"{metric_name(labels)}{{{inside}}}"
