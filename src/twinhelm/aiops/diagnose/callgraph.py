"""Follows trouble along calls to where it ends, and so tells whose fault it is.

In: the :class:`Vital` s of a neighbourhood, series of edges among them, and the edges of the
entity graph. Out: a :class:`CallGraph` whose nodes carry ``blame``, shares of all trouble that
add up to 1.

Everything in trouble starts with as much blame as it suffers. Each node keeps what is its own:
time that it spends itself, errors that no call of its explains, a busy process, a leak, a full
pool, a process that is gone. What it spends waiting for others, or fails because others fail,
goes on to them in proportion: ``calls per request x how much longer a call takes``. What arrives
where nothing is wrong stays there: a thing without spans of its own, or the way to it. This is a
walk over the graph of anomalies as in MicroRCA (Wu and others, NOMS 2020), with shares that are
measured (as a trace's critical path would) instead of correlated, so that each step can be told
in a sentence; it ends after ``HOPS`` steps and holds no randomness.

Wrong where calls are not in the traces, and where a slow caller alone makes its calls look slow
(told apart only by its other callers' calls and the callee's own time). Cost: nodes times edges.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from twinhelm.aiops.diagnose.vitals import Vital
from twinhelm.aiops.kin import kin_of
from twinhelm.aiops.types import Resource
from twinhelm.core.entities import Edge, split_key
from twinhelm.core.labels import metric_name

__all__ = ["SERVED", "Call", "CallGraph", "Node", "graph_of"]

HOPS = 8
REAL = 0.5
"""Amounts below this share of the bar are not followed."""
SERVED = ("service", "database", "queue", "pipeline", "container", "dataset", "model", "deployment")
"""Kinds of entity that call each other; machines and their parts are judged elsewhere."""
BYSTANDER = 0.3
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
        return max(_strength(self.errors), _strength(self.slow))


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
        served = max(_strength(self.slow), _strength(self.itself))
        return max([served, *(_strength(one) for one in self.errors)])

    @property
    def onset_ms(self) -> int | None:
        """Return when its first clear sign showed."""
        signs = [*self.own, *self.errors, self.itself, self.slow, self.down]
        known = [one.onset_ms for one in signs if one and one.onset_ms and one.amount >= 0.8]
        return min(known, default=None)


@dataclass(slots=True)
class CallGraph:
    """Nodes by entity and calls by (client, server)."""

    nodes: dict[str, Node]
    calls: dict[tuple[str, str], Call]

    def well(self, entity: str) -> bool:
        """Tell whether an entity is known to serve others as it should."""
        node = self.nodes.get(entity)
        return node is not None and _traced(node) and not _unwell(node)

    def into(self, entity: str) -> list[Call]:
        """List the calls that others make to an entity."""
        return [call for (_, server), call in self.calls.items() if server == entity]

    def out_of(self, entity: str) -> list[Call]:
        """List the calls that an entity makes."""
        return [call for (client, _), call in self.calls.items() if client == entity]


def graph_of(vitals: Sequence[Vital], edges: Iterable[Edge], now_ms: int) -> CallGraph:
    """Sort vitals into nodes and calls, and lay blame."""
    alive = [edge for edge in edges if edge.alive(now_ms) and edge.kind == "calls"]
    ends = [end for edge in alive for end in (edge.source, edge.target)]
    pairs = [_pair(one) for one in vitals]
    ends += [end for pair in pairs if pair for end in pair] + [one.entity for one in vitals]
    kin = kin_of(ends)
    graph = CallGraph({}, {})

    def node(entity: str) -> Node:
        entity = kin.get(entity, entity)
        return graph.nodes.setdefault(entity, Node(entity))

    def call(client: str, server: str) -> Call:
        key = node(client).entity, node(server).entity
        return graph.calls.setdefault(key, Call(*key))

    for edge in alive:
        if edge.source != edge.target:
            call(edge.source, edge.target)
    for pair, one in zip(pairs, vitals, strict=True):
        if pair is not None:
            if pair[0] != pair[1]:
                _note_call(call(*pair), one)
        elif split_key(one.entity)[0] in SERVED:
            _note(node(one.entity), one)
    for entity in [key for key in graph.nodes if split_key(key)[0] not in SERVED]:
        del graph.nodes[entity]
    graph.calls = {
        key: one for key, one in graph.calls.items() if all(end in graph.nodes for end in key)
    }
    _lay_blame(graph)
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


def _strength(one: Vital | None) -> float:
    return one.strength if one is not None and one.amount >= REAL else 0.0


def _rise(one: Vital | None) -> float:
    return one.rise if one is not None and one.amount >= REAL else 0.0


def _lay_blame(graph: CallGraph) -> None:
    """Let blame walk until it rests; see the module."""
    splits = {entity: _split(graph, node) for entity, node in sorted(graph.nodes.items())}
    called = {end for key, call in graph.calls.items() if call.strength > 0.0 for end in key}
    mass = {}
    for entity, node in sorted(graph.nodes.items()):
        asked = (call.strength for call in graph.into(entity) if not call.refused)
        suffers = 0.5 * max(asked, default=0.0)
        # What nobody calls while others' calls suffer is a bystander, or looks on from outside.
        felt = node.felt if entity in called or not called else BYSTANDER * node.felt
        mass[entity] = max(felt, node.cause, suffers)
    total = sum(mass.values())
    if total <= 0.0:
        return
    mass = {entity: each / total for entity, each in mass.items() if each > 0.0}
    for hop in range(HOPS):
        moved: dict[str, float] = defaultdict(float)
        for entity, each in mass.items():
            stays, goes = splits[entity]
            whole = stays + sum(goes.values())
            if whole <= 0.0 or hop == HOPS - 1:
                graph.nodes[entity].blame += each
                continue
            graph.nodes[entity].blame += each * stays / whole
            for server, part in goes.items():
                moved[server] += each * part / whole
        mass = moved
    for (client, server), call in graph.calls.items():
        stays, goes = splits[client]
        whole = stays + sum(goes.values())
        call.share = goes.get(server, 0.0) / whole if whole > 0.0 else 0.0
        target = graph.nodes[server]
        if call.share >= 0.2 and call.strength >= 0.3 and not _unwell(target) and _traced(target):
            target.across = True


def _split(graph: CallGraph, node: Node) -> tuple[float, dict[str, float]]:
    """Say how much of a node's trouble is its own, and how much each callee's."""
    later: dict[str, float] = {}
    failing: dict[str, float] = {}
    goes: dict[str, float] = defaultdict(float)
    own = node.cause
    kept_later = kept_failing = 0.0
    weight_later, weight_failing = max(_strength(node.slow), _strength(node.itself)), 0.0
    for call in graph.out_of(node.entity):
        each = _per_request(call, node)
        slow, errors = each * _rise(call.slow), min(each, 1.0) * _rise(call.errors)
        well = _refuses(graph.nodes[call.server])
        call.refused = errors > 0.0 and slow <= 0.0 and well
        weight_later = max(weight_later, _strength(call.slow))
        weight_failing = max(weight_failing, _strength(call.errors))
        # A caller that is busy itself measures slow calls though nobody is slow.
        mine = _blameless(graph, call) if own >= 0.4 else 0.0
        mine = max(mine, 0.4 if _only_mine(graph, call) else 0.0)
        kept_later += mine * slow
        later[call.server] = (1.0 - mine) * slow
        mine = max(mine, 0.7 if call.refused else 0.0, 0.6 if _only_mine(graph, call) else 0.0)
        kept_failing += mine * errors
        failing[call.server] = (1.0 - mine) * errors
    for one in node.errors:
        if _is_ratio(one):
            weight_failing = max(weight_failing, _strength(one))
            rest = _rise(one) - sum(failing.values()) - kept_failing
            kept_failing += rest if rest > 0.3 * _rise(one) else 0.0
    called = sum(later.values()) + kept_later
    kept_later += (
        _rise(node.itself) if node.itself is not None else max(_rise(node.slow) - called, 0.0)
    )
    for parts, kept, weight in (
        (later, kept_later, weight_later),
        (failing, kept_failing, weight_failing),
    ):
        whole = sum(parts.values()) + kept
        if whole > 0.0:
            own += weight * kept / whole
            for server, part in parts.items():
                goes[server] += weight * part / whole
    if node.entity.startswith("queue:"):
        # Work piles up because of who takes it, or who brings it.
        for call in graph.out_of(node.entity):
            if call.rate is not None and call.rate.since <= 0.4 * call.rate.before:
                goes[call.server] += 0.8
        for call in graph.into(node.entity):
            user = graph.nodes[call.client]
            goes[call.client] += max(user.cause, _strength(user.itself), 0.6 * user.felt)
    return own, {server: part for server, part in goes.items() if part > 0.0}


def _per_request(call: Call, node: Node) -> float:
    """Return how often a node makes a call per request that it serves."""
    rate = call.rate.since if call.rate is not None else math.nan
    if not (math.isfinite(rate) and math.isfinite(node.rate)) or node.rate <= 0.0:
        return 1.0
    return min(max(rate / node.rate, 0.02), 20.0)


def _refuses(server: Node) -> bool:
    """Tell whether a server answers as many requests as ever and calls none of them failed."""
    if not (math.isfinite(server.rate) and math.isfinite(server.rate_before)):
        return False
    ratio = max((_strength(e) for e in server.errors if _is_ratio(e)), default=0.0)
    served = server.rate >= 0.6 * server.rate_before
    return served and ratio == 0.0 and not server.gone


def _is_ratio(one: Vital) -> bool:
    return metric_name(one.labels).endswith("_ratio")


def _unwell(node: Node) -> bool:
    return node.cause >= 0.3 or max(_strength(node.itself), node.felt) >= 0.3


def _traced(node: Node) -> bool:
    return node.itself is not None or math.isfinite(node.rate)


def _only_mine(graph: CallGraph, call: Call) -> bool:
    """Tell whether others' calls to a server that is well go as ever."""
    others = [one for one in graph.into(call.server) if one.client != call.client]
    heard = [one for one in others if one.slow is not None or one.errors is not None]
    return (
        bool(heard)
        and not any(one.strength for one in heard)
        and not _unwell(graph.nodes[call.server])
    )


def _blameless(graph: CallGraph, call: Call) -> float:
    """Say in [0, 1] how surely a slow call is not the server's doing."""
    server = graph.nodes[call.server]
    if _unwell(server):
        return 0.0
    if _traced(server):
        return 0.9
    others = [one for one in graph.into(call.server) if one.client != call.client and one.slow]
    if any(_strength(one.slow) > 0.0 for one in others):
        return 0.0
    return 0.9 if others else 0.5
