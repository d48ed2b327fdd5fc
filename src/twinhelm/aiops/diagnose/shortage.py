"""Settles who brought trouble upon whom: a machine upon what runs on it, or one of those upon it.

In: the :class:`Hypothesis` of a machine, the call graph, and the :class:`Served` that are suspects.
Out: nothing; scores, reasons and doubts of both change. What used up the machine by its own account
is to blame for it. Else a machine that is short of something explains why what runs on it became
slow, where most of it did, and none of it long before; a leak, a drift, a full pool or a process
that is gone are its own fault wherever it runs. Pure.
"""

import math
from collections.abc import Sequence

from twinhelm.aiops.diagnose.callgraph import CallGraph, Node, strength
from twinhelm.aiops.diagnose.machines import ONSET_SLACK_MS, Hypothesis, what
from twinhelm.aiops.diagnose.served import Served
from twinhelm.aiops.diagnose.window import SeriesWindow, shift_of
from twinhelm.aiops.types import Resource
from twinhelm.aiops.words import place
from twinhelm.core.claims import Evidence
from twinhelm.core.labels import metric_name

__all__ = ["settle"]

USED = 0.5
"""Share of what a machine's CPU or memory use rose by that makes its user the one to look at."""
MOST, LEAST = 0.4, 3
"""Share of the services on a machine that its shortage slows, where there are at least so many."""
SHORT = 0.4
OWN = 0.4


def settle(
    one: Hypothesis,
    graph: CallGraph,
    served: Sequence[Served],
    leans: set[tuple[str, str]],
    window: SeriesWindow,
    end_ms: int,
) -> None:
    """Weigh a machine's shortage against what runs on it."""
    on_it = [each for each in served if (each.entity, one.entity) in leans]
    users = sorted(((_use(each, one.resource), each) for each in on_it), key=lambda pair: -pair[0])
    rise = _rise(one, window, end_ms)
    used = sum(use for use, _ in users)
    if used > 0.0 and used >= USED * rise:
        top, user = users[0]
        share = min(top / max(rise, 1e-12), 1.0)
        text = f"{place(user.entity)} uses {share:.0%} of what it rose by"
        one.doubts.append(Evidence(text, 0.6 * one.score))
        one.score *= 0.4
        if top >= USED * rise:
            user.score += 0.1
            user.reasons.append(Evidence(f"{what(one)} is short because of it", 0.1))
        return
    hosted = [
        node for node in graph.nodes.values() if node.traced and (node.entity, one.entity) in leans
    ]
    slow = sum(_slowed(node) >= 0.3 for node in hosted)
    if len(hosted) >= LEAST and slow < MOST * len(hosted):
        text = f"of {len(hosted)} services that run on it, {slow} became slower"
        one.doubts.append(Evidence(text, 0.5 * one.score))
        one.score *= 0.5
        return
    for each in on_it:
        if one.strength >= SHORT and each.node.cause < OWN:
            _explain(one, each)


def _explain(one: Hypothesis, each: Served) -> None:
    """Let a machine explain a service that runs on it, or be told that it came too late."""
    if one.onset_ms > (each.node.onset_ms or one.onset_ms) + ONSET_SLACK_MS:
        one.doubts.append(Evidence(f"{place(each.entity)} was in trouble before it", 0.1))
        one.score -= 0.1
        return
    each.score -= 0.45 * one.strength
    text = f"it may be an effect of {what(one)}"
    each.doubts.append(Evidence(text, 0.45 * one.strength))
    gain = 0.25 * min(each.node.felt, 1.0)
    one.score += gain
    one.reasons.append(Evidence(f"it explains why {place(each.entity)} is in trouble", gain))


def _slowed(node: Node) -> float:
    return max(strength(node.itself), strength(node.slow))


def _use(one: Served, resource: Resource) -> float:
    """Return by how much an entity's own use of a resource rose."""
    return sum(vital.rise for vital in one.node.own if vital.row.resource is resource)


def _rise(one: Hypothesis, window: SeriesWindow, end_ms: int) -> float:
    """Return by how much the use of a machine rose, in cores or bytes; at most what is known."""
    lead = one.lead
    rise = abs(lead.value - lead.expected)
    if one.resource is Resource.CPU and not metric_name(lead.labels).endswith("_total"):
        rise *= _latest(window, one.entity, "host_cpu_count", end_ms, 1.0)
    elif one.resource is Resource.MEMORY and "ratio" in metric_name(lead.labels):
        rise *= _latest(window, one.entity, "node_memory_MemTotal_bytes", end_ms, 0.0)
    return rise


def _latest(window: SeriesWindow, entity: str, name: str, end_ms: int, absent: float) -> float:
    for column, labels in enumerate(window.labels):
        if window.entities[column] == entity and metric_name(labels) == name:
            level = shift_of(window, column, end_ms - 60_000, end_ms).since
            return level if math.isfinite(level) else absent
    return absent
