"""Ranks what may have caused an incident, with evidence for and against, or says it cannot.

In: an :class:`Incident`, its anomalies, a :class:`SeriesWindow` around its start, recent
changes and edges. Out: a :class:`Diagnosis`: suspects, surest first, and a verdict. The same
input gives the same answer.

What serves requests or data is judged by where trouble ends on the call graph
(:mod:`.blame`, :mod:`.served`), machines by what they are short of (:mod:`.machines`). A busy
machine explains what runs on it, unless one of those is what keeps it busy. A change shortly
before the start makes its entity likelier and stands beside it; rivals are entities, not
suspects. Traffic that rose explains load. Confidence falls where two entities are equally
likely: below 0.5, or with the runner-up close behind, the verdict is inconclusive. Confidences
were set by simulated faults, not learnt from history.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from twinhelm.aiops.diagnose.blame import lay_blame
from twinhelm.aiops.diagnose.callgraph import CallGraph, graph_of
from twinhelm.aiops.diagnose.changes import NearChange, change_suspect, near_changes
from twinhelm.aiops.diagnose.machines import hypotheses_of, shown_by
from twinhelm.aiops.diagnose.served import served_of, surge_of, surge_suspect
from twinhelm.aiops.diagnose.shortage import settle
from twinhelm.aiops.diagnose.vitals import vitals_of
from twinhelm.aiops.diagnose.window import SeriesWindow
from twinhelm.aiops.indicators import indicator_of
from twinhelm.aiops.kin import kin_of, known_as
from twinhelm.aiops.types import Anomaly, Incident, Suspect
from twinhelm.core.entities import Edge
from twinhelm.core.telemetry import Change

__all__ = ["RANKER", "Diagnosis", "rank"]

CONCLUSIVE_CONFIDENCE = 0.5
CONCLUSIVE_LEAD = 0.12
MAX_SUSPECTS = 8
LOOK_AHEAD_MS = 180_000
SLACK_MS = 15_000
"""Members that had ended this long before it came back say nothing of what lasts."""
RANKER = "suspects/3"
"""The name and version of what ranks, as claims and the register of products give it."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The suspects, surest first; ``verdict`` is conclusive or inconclusive."""

    suspects: tuple[Suspect, ...]
    verdict: str
    confidence: float


def rank(
    incident: Incident,
    anomalies: Sequence[Anomaly],
    *,
    now_ms: int,
    context: SeriesWindow | None = None,
    changes: Sequence[Change] = (),
    edges: Sequence[Edge] = (),
    processes: Mapping[str, Sequence[int]] | None = None,
    prior: Callable[[Suspect], float] = lambda _: 1.0,
) -> Diagnosis:
    """Rank the suspects of one incident.

    ``anomalies`` are its members; of others, those count that machines show which its entities
    lean on, whichever incident holds them. ``context`` should reach from about five
    minutes before the start until now. ``processes`` maps process names to pids alive now.
    ``prior`` says by how much to believe a suspect more or less, by what people said of its like.
    Without anomalies or changes there are no suspects and the verdict is inconclusive.
    """
    window = context or SeriesWindow.empty()
    keys, since_ms = set(incident.members), incident.since_ms
    members = [one for one in anomalies if one.key in keys and one.last_ms >= since_ms - SLACK_MS]
    proven = {word.rpartition("@")[0] for word in incident.attributes.get("signs", "").split()}
    telling = [one.last_ms for one in members if not proven or one.key in proven]
    # What came after the trouble says nothing of it.
    end_ms = min(now_ms, max(telling, default=now_ms) + 5_000, since_ms + LOOK_AHEAD_MS)
    vitals = vitals_of(window, members, proven, start_ms=since_ms, end_ms=end_ms)
    graph = graph_of(vitals, edges, now_ms)
    lay_blame(graph)
    known = {*graph.nodes, *window.entities, *(end for e in edges for end in (e.source, e.target))}
    kin = kin_of(known)
    alive = [edge for edge in edges if edge.alive(now_ms)]
    leans = {(kin.get(e.source, e.source), kin.get(e.target, e.target)) for e in alive}
    below = {target for source, target in leans if source in graph.nodes}
    others = [one for one in members if not _is_served(one, graph, kin)]
    others += [
        one
        for one in anomalies
        if one.key not in keys
        and one.entity in below
        and one.entity not in graph.nodes
        and one.last_ms >= since_ms
    ]
    if graph.nodes:
        seen = {one.series for one in others}
        shown = shown_by(vitals, window, below - set(graph.nodes), since_ms=since_ms, end_ms=end_ms)
        others += [one for one in shown if one.series not in seen]
    machines = hypotheses_of(others, proven, leans, window, now_ms)
    things = {kin.get(one, one) for one in known}
    near = near_changes(
        incident, changes, leans, lambda one: known_as(kin.get(one, one), things), graph.well
    )
    # That a run failed is what there is to explain, if its pipeline is among the suspects.
    near = [one for one in near if one.change.kind != "pipeline" or one.entity not in graph.nodes]
    surge = surge_of(graph)
    served = served_of(graph, near, surge)
    for one in machines:
        settle(one, graph, served, leans, window, end_ms)
    suspects = [one.suspect(processes or {}) for one in machines]
    suspects += [one.suspect() for one in served]
    best = {one.entity: one.score for one in served}
    suspects += [change_suspect(one, _score(one, best)) for one in near]
    if surge is not None and any(one.doubts for one in served):
        top = max((one.confidence for one in suspects), default=0.0)
        suspects.append(surge_suspect(surge, min(max(0.6, top + 0.05), 0.95)))
    suspects = [_believed(one, prior(one)) for one in suspects]
    suspects.sort(key=lambda one: (-one.confidence, one.entity, one.indicator))
    return _verdict(suspects[:MAX_SUSPECTS])


def _believed(one: Suspect, factor: float) -> Suspect:
    """Take a share of the confidence, or of the doubt where the factor is above 1."""
    sure = one.confidence * factor if factor < 1.0 else 1.0 - (1.0 - one.confidence) / factor
    return one if factor == 1.0 else replace(one, confidence=sure)


def _is_served(one: Anomaly, graph: CallGraph, kin: Mapping[str, str]) -> bool:
    """Tell whether the call graph judges what an anomaly speaks of."""
    node = graph.nodes.get(kin.get(one.entity, one.entity))
    return node is not None and (node.blame > 0.0 or indicator_of(one.labels) is not None)


def _score(one: NearChange, best: Mapping[str, float]) -> float:
    """Score a change: just below its entity where that is a suspect itself."""
    if one.entity in best:
        return min(max(one.score, 0.5 * best[one.entity]), best[one.entity] - 0.01)
    return one.score


def _verdict(ordered: Sequence[Suspect]) -> Diagnosis:
    """Turn scores into confidences that shrink where entities rival each other.

    A change is no rival of the entity that was changed.
    """
    if not ordered:
        return Diagnosis((), "inconclusive", 0.0)
    weights = [one.confidence**3 for one in ordered]
    changed = {one.entity for one in ordered if one.kind == "change"}
    rival = [one.entity if one.entity in changed else at for at, one in enumerate(ordered)]
    best: dict[object, float] = {}
    for key, weight in zip(rival, weights, strict=True):
        best[key] = max(best.get(key, 0.0), weight)
    total = sum(best.values())
    judged = []
    for one, key, weight in zip(ordered, rival, weights, strict=True):
        share = weight and weight / (total - best[key] + weight)
        sure = min(one.confidence * math.sqrt(share), 0.97)
        judged.append(replace(one, confidence=round(sure, 3)))
    judged.sort(key=lambda one: -one.confidence)
    suspects = tuple(replace(one, rank=at) for at, one in enumerate(judged, 1))
    first = suspects[0].confidence
    rivals = [
        one
        for one in suspects[1:]
        if one.entity != suspects[0].entity or "change" not in (one.kind, suspects[0].kind)
    ]
    second = rivals[0].confidence if rivals else 0.0
    clear = first >= CONCLUSIVE_CONFIDENCE and first - second >= CONCLUSIVE_LEAD
    return Diagnosis(suspects, "conclusive" if clear else "inconclusive", first)
