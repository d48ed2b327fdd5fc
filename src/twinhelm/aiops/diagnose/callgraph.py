"""Who calls whom, and what each shows: the vitals of a neighbourhood sorted into a graph.

In: the :class:`Vital` s of a neighbourhood, those of calls between two entities among them, and the
edges of the entity graph. Out: a :class:`CallGraph` on which :mod:`.blame` follows trouble to where
it ends. Two names of one thing are one node (:mod:`twinhelm.aiops.kin`). Pure; cost grows with
vitals and edges. Wrong where calls are not in the traces.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from twinhelm.aiops.diagnose.vitals import Vital
from twinhelm.aiops.kin import kin_of
from twinhelm.aiops.types import Resource
from twinhelm.core.entities import Edge, split_key
from twinhelm.core.labels import metric_name

__all__ = ["SERVED", "Call", "CallGraph", "Node", "graph_of", "is_ratio", "strength"]

REAL = 0.5
"""Amounts below this share of the bar are not followed."""
SERVED = ("service", "database", "queue", "pipeline", "container", "dataset", "model", "deployment")
"""Kinds of entity that call each other; machines and their parts are judged elsewhere."""
_OWN: Mapping[Resource, float] = {
    Resource.CPU: 0.9,
    Resource.MEMORY: 1.0,
    Resource.DISK: 1.0,
    Resource.DESCRIPTORS: 1.0,
    Resource.DATA: 0.9,
    Resource.SATURATION: 0.6,
}
"""Signs that point at the entity itself, and how surely: a full pool may be a slow database's."""


@dataclass(slots=True)
class Call:
    """What one entity's calls to another did; rates per second before and since."""

    client: str
    server: str
    errors: Vital | None = None
    slow: Vital | None = None
    rate: Vital | None = None
    share: float = 0.0
    """Of the client's trouble, the part that went on along this call."""
    refused: bool = False
    """The server turned calls down and is itself well: the fault may be the client's."""

    @property
    def strength(self) -> float:
        """Return how strongly it is in trouble, in [0, 1)."""
        return max(strength(self.errors), strength(self.slow))


@dataclass(slots=True)
class Node:
    """One entity: what it shows by itself, and how much of all trouble ends at it."""

    entity: str
    own: list[Vital] = field(default_factory=list)
    errors: list[Vital] = field(default_factory=list)
    itself: Vital | None = None
    """Time that it spends itself on a request."""
    slow: Vital | None = None
    rate: float = math.nan
    rate_before: float = math.nan
    down: Vital | None = None
    blame: float = 0.0
    across: bool = False
    """Blame came along calls that fail or are slow while it is well where it serves them."""

    @property
    def gone(self) -> bool:
        """Tell whether it does not answer at all."""
        return self.down is not None and self.down.amount >= 1.0

    @property
    def cause(self) -> float:
        """Return in [0, 1] how surely something is wrong with it itself, not with its requests."""
        if self.gone:
            return 1.0
        return max(
            (one.strength * _OWN[one.row.resource] for one in self.own if one.amount >= REAL),
            default=0.0,
        )

    @property
    def felt(self) -> float:
        """Return in [0, 1] how much is wrong with what it does for others."""
        served = max(strength(self.slow), strength(self.itself))
        return max([served, *(strength(one) for one in self.errors)])

    @property
    def unwell(self) -> bool:
        """Tell whether anything is wrong with it, where it serves."""
        return self.cause >= 0.3 or self.felt >= 0.3

    @property
    def traced(self) -> bool:
        """Tell whether it sends spans of its own."""
        return self.itself is not None or math.isfinite(self.rate)

    @property
    def onset_ms(self) -> int | None:
        """Return when its first clear sign showed."""
        signs = [*self.own, *self.errors, self.itself, self.slow, self.down]
        known = [one.onset_ms for one in signs if one and one.onset_ms and one.amount >= 0.8]
        return min(known, default=None)


@dataclass(slots=True)
class CallGraph:
    """Nodes by entity, calls by (client, server), and likewise by each end."""

    nodes: dict[str, Node] = field(default_factory=dict)
    calls: dict[tuple[str, str], Call] = field(default_factory=dict)
    incoming: dict[str, list[Call]] = field(default_factory=dict)
    outgoing: dict[str, list[Call]] = field(default_factory=dict)

    def well(self, entity: str) -> bool:
        """Tell whether an entity is known to serve others as it should."""
        node = self.nodes.get(entity)
        return node is not None and node.traced and not node.unwell

    def into(self, entity: str) -> list[Call]:
        """List the calls that others make to an entity."""
        return self.incoming.get(entity, [])

    def out_of(self, entity: str) -> list[Call]:
        """List the calls that an entity makes."""
        return self.outgoing.get(entity, [])


def graph_of(vitals: Sequence[Vital], edges: Iterable[Edge], now_ms: int) -> CallGraph:
    """Sort vitals into nodes and calls; nobody is blamed yet."""
    pairs = [_pair(one) for one in vitals]
    heard = {one.entity for one in vitals} | {end for pair in pairs if pair for end in pair}
    alive = [
        edge
        for edge in edges
        if edge.kind == "calls"
        and edge.alive(now_ms)
        and (edge.source in heard or edge.target in heard)
    ]
    kin = kin_of(heard.union(*((edge.source, edge.target) for edge in alive)))
    graph = CallGraph()

    def node(entity: str) -> Node:
        entity = kin.get(entity, entity)
        return graph.nodes.setdefault(entity, Node(entity))

    def call(client: str, server: str) -> Call:
        key = node(client).entity, node(server).entity
        return graph.calls.setdefault(key, Call(*key))

    for edge in alive:
        if edge.source != edge.target:
            call(edge.source, edge.target)
    for pair, vital in zip(pairs, vitals, strict=True):
        if pair is not None:
            if pair[0] != pair[1]:
                _note_call(call(*pair), vital)
        elif split_key(vital.entity)[0] in SERVED:
            _note(node(vital.entity), vital)
    for entity in [key for key in graph.nodes if split_key(key)[0] not in SERVED]:
        del graph.nodes[entity]
    graph.calls = {
        key: one for key, one in graph.calls.items() if all(end in graph.nodes for end in key)
    }
    for one in graph.calls.values():
        graph.incoming.setdefault(one.server, []).append(one)
        graph.outgoing.setdefault(one.client, []).append(one)
    return graph


def _pair(one: Vital) -> tuple[str, str] | None:
    by_name = dict(one.labels)
    client, server = by_name.get("client", ""), by_name.get("server", "")
    return (client, server) if ":" in client and ":" in server else None


def _note_call(call: Call, one: Vital) -> None:
    name = metric_name(one.labels)
    if one.row.resource is Resource.ERRORS:
        call.errors = _worse(call.errors, one)
    elif one.row.resource is Resource.LATENCY:
        call.slow = _worse(call.slow, one)
    elif "per_second" in name:
        call.rate = one


def _note(node: Node, one: Vital) -> None:
    name, resource = metric_name(one.labels), one.row.resource
    if name == "up":
        node.down = _worse(node.down, one)
    elif resource is Resource.TRAFFIC:
        if name.endswith("requests_per_second") and "operation" not in dict(one.labels):
            node.rate, node.rate_before = one.since, one.before
    elif resource is Resource.ERRORS:
        node.errors.append(one)
    elif resource is Resource.LATENCY and "self_duration" in name:
        node.itself = _worse(node.itself, one)
    elif resource is Resource.LATENCY:
        node.slow = _worse(node.slow, one)
    elif resource in _OWN:
        node.own.append(one)


def _worse(known: Vital | None, one: Vital) -> Vital:
    return one if known is None or one.amount > known.amount else known


def strength(one: Vital | None) -> float:
    """Return the strength of a vital that is there and real, else 0."""
    return one.strength if one is not None and one.amount >= REAL else 0.0


def is_ratio(one: Vital) -> bool:
    """Tell whether it says which share of requests fails."""
    return metric_name(one.labels).endswith("_ratio")
