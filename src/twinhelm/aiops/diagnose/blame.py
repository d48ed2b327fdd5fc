"""Follows trouble along calls to where it ends, and so tells whose fault it is.

In: a :class:`CallGraph`. Out: the same graph, whose nodes carry ``blame``, shares of all trouble
that add up to 1, and whose calls carry the share of the client's trouble that went along them.

Everything in trouble starts with as much blame as it suffers. Each node keeps what is its own:
time that it spends itself, errors that no call of its explains, a busy process, a leak, a full
pool, a process that is gone. What it spends waiting for others, or fails because others fail,
goes on to them in proportion: ``calls per request x how much longer a call takes``. What arrives
where nothing is wrong stays there: a thing without spans of its own, or the way to it. This is a
walk over the graph of anomalies as in MicroRCA (Wu and others, NOMS 2020), with shares that are
measured (as a trace's critical path would) instead of correlated, so that each step can be told
in a sentence; it ends after ``HOPS`` steps and holds no randomness.

Wrong where a slow caller alone makes its calls look slow: that is told apart only by its other
callers' calls and the callee's own time. Pure; cost: nodes times calls.
"""

import math
from collections import defaultdict

from twinhelm.aiops.diagnose.callgraph import Call, CallGraph, Node, is_ratio, strength
from twinhelm.aiops.diagnose.vitals import Vital

__all__ = ["lay_blame"]

HOPS = 8
BYSTANDER = 0.3
"""What the trouble of an entity counts that has no part in the calls that suffer."""
REAL = 0.5
"""Amounts below this share of the bar are not followed."""


def lay_blame(graph: CallGraph) -> None:
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
        if call.share >= 0.2 and call.strength >= 0.3 and not target.unwell and target.traced:
            target.across = True


def _split(graph: CallGraph, node: Node) -> tuple[float, dict[str, float]]:
    """Say how much of a node's trouble is its own, and how much each callee's."""
    later: dict[str, float] = {}
    failing: dict[str, float] = {}
    goes: dict[str, float] = defaultdict(float)
    own = node.cause
    kept_later = kept_failing = 0.0
    weight_later, weight_failing = max(strength(node.slow), strength(node.itself)), 0.0
    for call in graph.out_of(node.entity):
        each = _per_request(call, node)
        slow, errors = each * _rise(call.slow), min(each, 1.0) * _rise(call.errors)
        well = _refuses(graph.nodes[call.server])
        call.refused = errors > 0.0 and slow <= 0.0 and well
        weight_later = max(weight_later, strength(call.slow))
        weight_failing = max(weight_failing, strength(call.errors))
        # A caller that is busy itself measures slow calls though nobody is slow.
        mine = _blameless(graph, call) if own >= 0.4 else 0.0
        mine = max(mine, 0.4 if _only_mine(graph, call) else 0.0)
        kept_later += mine * slow
        later[call.server] = (1.0 - mine) * slow
        mine = max(mine, 0.7 if call.refused else 0.0, 0.6 if _only_mine(graph, call) else 0.0)
        kept_failing += mine * errors
        failing[call.server] = (1.0 - mine) * errors
    for one in node.errors:
        if is_ratio(one):
            weight_failing = max(weight_failing, strength(one))
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
            goes[call.client] += max(user.cause, strength(user.itself), 0.6 * user.felt)
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
    ratio = max((strength(e) for e in server.errors if is_ratio(e)), default=0.0)
    served = server.rate >= 0.6 * server.rate_before
    return served and ratio == 0.0 and not server.gone


def _only_mine(graph: CallGraph, call: Call) -> bool:
    """Tell whether others' calls to a server that is well go as ever."""
    others = [one for one in graph.into(call.server) if one.client != call.client]
    heard = [one for one in others if one.slow is not None or one.errors is not None]
    return (
        bool(heard)
        and not any(one.strength for one in heard)
        and not graph.nodes[call.server].unwell
    )


def _blameless(graph: CallGraph, call: Call) -> float:
    """Say in [0, 1] how surely a slow call is not the server's doing."""
    server = graph.nodes[call.server]
    if server.unwell:
        return 0.0
    if server.traced:
        return 0.9
    others = [one for one in graph.into(call.server) if one.client != call.client and one.slow]
    if any(strength(one.slow) > 0.0 for one in others):
        return 0.0
    return 0.9 if others else 0.5


def _rise(one: Vital | None) -> float:
    return one.rise if one is not None and one.amount >= REAL else 0.0
