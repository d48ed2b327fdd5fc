"""Turns blame on services, databases, queues and pipelines into suspects, in words.

In: a :class:`CallGraph` whose blame has been laid, and changes near the start. Out: a
:class:`Served` per entity that may be to blame, with a score, reasons and doubts; and whether the
traffic rose, which explains load and is nobody's fault. Pure.

A score adds up how much of all trouble ends at the entity, how surely something is wrong with it
itself, whether it was the first, and whether it was changed just before.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from twinhelm.aiops.diagnose.callgraph import Call, CallGraph, Node
from twinhelm.aiops.diagnose.changes import NearChange
from twinhelm.aiops.diagnose.vitals import Vital
from twinhelm.aiops.types import Resource, Suspect
from twinhelm.aiops.words import place
from twinhelm.core.claims import Evidence
from twinhelm.core.labels import metric_name

__all__ = ["Served", "Surge", "served_of", "surge_of", "surge_suspect"]

BASE, BLAME, CAUSE, EARLY, CHANGED = 0.15, 0.45, 0.30, 0.10, 0.40
"""What each kind of evidence adds to a score, at most."""
LEAST_BLAME = 0.04
EARLY_MS = 30_000
SURGE = 1.5
"""Traffic that rose by less than this factor explains nothing."""
UNDER_LOAD = 0.45
"""What the score of trouble that load brings is worth while traffic has surged."""
_LOAD = frozenset({Resource.CPU, Resource.SATURATION, Resource.LATENCY, Resource.DESCRIPTORS})


@dataclass(slots=True)
class Served:
    """One entity as a suspect; ``lead`` is the vital that shows best what is wrong."""

    node: Node
    score: float
    lead: Vital | None
    change: NearChange | None = None
    reasons: list[Evidence] = field(default_factory=list)
    doubts: list[Evidence] = field(default_factory=list)

    @property
    def entity(self) -> str:
        """Return the entity's key."""
        return self.node.entity

    def suspect(self) -> Suspect:
        """Put it as a suspect."""
        where = place(self.entity)
        name = f"{where}: {self.lead.text}" if self.lead else where
        if self.lead and self.lead.text.startswith(where):
            name = self.lead.text
        if self.change:
            name += f", after {self.change.text}"
        return Suspect(
            rank=0,
            kind="service" if self.entity.startswith("service:") else "resource",
            entity=self.entity,
            indicator=metric_name(self.lead.labels) if self.lead else "",
            name=name,
            confidence=min(max(self.score, 0.02), 1.0),
            evidence_for=tuple(sorted(self.reasons, key=lambda e: -e.weight)[:6]),
            evidence_against=tuple(sorted(self.doubts, key=lambda e: -e.weight)[:4]),
        )


@dataclass(frozen=True, slots=True)
class Surge:
    """Requests from outside per second, before and since, where they rose by much."""

    entities: tuple[str, ...]
    before: float
    since: float

    @property
    def factor(self) -> float:
        """Return how many times as many there are."""
        return self.since / self.before


def surge_of(graph: CallGraph) -> Surge | None:
    """Tell whether those that nobody calls from within were asked for much more."""
    called = {server for _, server in graph.calls}
    doors = [
        node
        for entity, node in sorted(graph.nodes.items())
        if entity not in called and math.isfinite(node.rate) and node.rate_before > 0.1
    ]
    if not doors:
        return None
    surge = Surge(
        tuple(node.entity for node in doors),
        sum(node.rate_before for node in doors),
        sum(node.rate for node in doors),
    )
    return surge if surge.factor >= SURGE else None


def surge_suspect(surge: Surge, score: float) -> Suspect:
    """Name the rise in traffic, which is nobody's fault."""
    text = f"{surge.since:.3g} requests/s come in, before {surge.before:.3g}/s"
    return Suspect(
        rank=0,
        kind="traffic",
        entity="other:traffic",
        indicator="traces_requests_per_second",
        name=f"Traffic rose {surge.factor:.1f} times: {text}; a load, not a fault",
        confidence=score,
        evidence_for=(Evidence(f"{text} at {', '.join(map(place, surge.entities))}", score),),
    )


def served_of(graph: CallGraph, changes: Sequence[NearChange], surge: Surge | None) -> list[Served]:
    """List who may be to blame, the likeliest first."""
    changed: dict[str, NearChange] = {}
    for made in changes:
        if made.entity not in changed or made.soon > changed[made.entity].soon:
            changed[made.entity] = made
    most = max((node.blame for node in graph.nodes.values()), default=0.0)
    onsets = [node.onset_ms for node in graph.nodes.values() if node.onset_ms is not None]
    found = []
    for entity, node in sorted(graph.nodes.items()):
        change = changed.get(entity)
        if node.blame < LEAST_BLAME and node.cause < 0.3 and not (change and node.felt >= 0.3):
            continue
        one = Served(node, 0.0, _lead(graph, node))
        one.score = BASE + BLAME * node.blame + CAUSE * node.cause
        _tell(graph, one)
        _date(one, min(onsets, default=None))
        if surge is not None and _is_load(node):
            text = f"its load rose: {surge.factor:.1f} times the traffic comes in"
            one.doubts.append(Evidence(text, one.score * (1 - UNDER_LOAD)))
            one.score *= UNDER_LOAD
        if change is not None:
            gain = CHANGED * change.soon**2 * (0.4 + 0.6 * (node.blame / most if most else 1.0))
            one.score += gain
            one.change = change
            named = "" if place(entity) in change.text else f" of {place(entity)}"
            text = f"{change.text}{named}, {change.when} it began"
            one.reasons.append(Evidence(text, gain + 0.2))
        found.append(one)
    return sorted(found, key=lambda one: (-one.score, one.entity))


def _lead(graph: CallGraph, node: Node) -> Vital | None:
    """Choose the sign that says best what is wrong with a node."""
    if node.gone:
        return node.down
    own = [one for one in (*node.own, node.itself) if one is not None and one.amount >= 0.5]
    calls = [call for call in graph.into(node.entity) if call.strength > 0.0]
    if node.across and calls:
        return _worst(max(calls, key=lambda call: call.strength))
    ratios = [one for one in node.errors if one.amount >= 0.5]
    best = max([*own, *ratios], key=lambda one: one.amount, default=None)
    if best is not None:
        return best
    if calls:
        return _worst(max(calls, key=lambda call: call.strength))
    return node.slow or max(node.errors, key=lambda one: one.amount, default=None)


def _worst(call: Call) -> Vital | None:
    both = [one for one in (call.errors, call.slow) if one is not None]
    return max(both, key=lambda one: one.amount, default=None)


def _tell(graph: CallGraph, one: Served) -> None:
    """Put in words what speaks for a node and what against it."""
    node = one.node
    signs = [node.down, node.itself, node.slow, *node.own, *node.errors]
    for sign in sorted((s for s in signs if s is not None), key=lambda s: -s.amount)[:4]:
        if sign.amount >= 0.5:
            one.reasons.append(Evidence(sign.text, 0.3 * sign.strength))
    callers = [call for call in graph.into(node.entity) if call.strength > 0.0]
    for call in sorted(callers, key=lambda call: -call.share)[:2]:
        text = f"{call.share:.0%} of what {place(call.client)} suffers comes from calling it"
        worst = _worst(call)
        detail = f" ({worst.text})" if worst is not None else ""
        one.reasons.append(Evidence(text + detail, 0.4 * call.share))
    if node.across:
        ways = " and ".join(sorted({place(call.client) for call in callers}))
        text = f"it is well where it serves: look at the way from {ways} to {place(node.entity)}"
        one.reasons.append(Evidence(text, 0.3))
    for call in graph.out_of(node.entity):
        if call.refused:
            text = f"{place(call.server)} turns its calls down while it serves as many as ever"
            one.reasons.append(Evidence(text, 0.3))
        elif call.share >= 0.2:
            text = f"{call.share:.0%} of what it suffers comes from calling {place(call.server)}"
            one.doubts.append(Evidence(text, call.share))


def _date(one: Served, first_ms: int | None) -> None:
    """Add what the order of onsets says."""
    onset = one.node.onset_ms
    if first_ms is None or onset is None:
        return
    later = onset - first_ms
    one.score += EARLY * math.exp(-later / EARLY_MS)
    if later <= 5_000:
        one.reasons.append(Evidence("no sign of trouble is older than its own", EARLY))
    elif later >= EARLY_MS:
        text = f"the first sign of trouble elsewhere is {later / 1000:.0f} s older"
        one.doubts.append(Evidence(text, EARLY))


def _is_load(node: Node) -> bool:
    """Tell whether load alone may bring what a node shows."""
    if node.gone:
        return False
    signs = [*node.own, *node.errors, node.itself, node.slow]
    real = [one for one in signs if one is not None and one.amount >= 1.0]
    return all(one.row.resource in _LOAD for one in real)
