"""Says which signs belong together.

In: :class:`Sign` s (anomalies and alerts, weighed) and alive edges. Out: groups, each with the
reasons for it in words. Two signs belong together when they start within ``NEAR_MS`` of each
other and stand on the same entity, on entities of which one leans on the other (through at most
``HOPS`` edges) or both lean on a third that is no machine, or on entities that show the same
metric going the same way under the same scope label (cluster, namespace, job). Groups are the
connected parts of that relation. Pure; cost grows with signs and edges, not with pairs.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from twinhelm.aiops.correlate.signs import MACHINES, Sign
from twinhelm.aiops.kin import kin_of
from twinhelm.aiops.types import Direction
from twinhelm.aiops.words import place
from twinhelm.core.entities import Edge, split_key
from twinhelm.core.labels import metric_name

__all__ = ["NEAR_MS", "Neighbours", "group", "places", "related"]

NEAR_MS = 75_000
"""Symptoms of one fault start within this; detection of the slow ones takes about a minute."""
HOPS = 3
"""Trouble travels this far along calls before it is somebody else's."""
LEAST = 0.5
SCOPE_LABELS = frozenset({"cluster", "namespace", "job", "service", "service_name", "app"})


class Neighbours:
    """Who leans on whom, by alive edges of confidence ``LEAST`` or more; answers are kept.

    ``apart`` tells which two signs people said do not belong together.
    """

    def __init__(
        self,
        edges: Iterable[Edge],
        now_ms: int,
        apart: Callable[[Sign, Sign], bool] = lambda _one, _other: False,
    ) -> None:
        self.apart = apart
        self._below: dict[str, set[str]] = defaultdict(set)
        self._above: dict[str, set[str]] = defaultdict(set)
        alive = [edge for edge in edges if edge.confidence >= LEAST and edge.alive(now_ms)]
        for edge in alive:
            self._below[edge.source].add(edge.target)
            self._above[edge.target].add(edge.source)
        for name, same in kin_of({end for e in alive for end in (e.source, e.target)}).items():
            # Two names of one thing lean on each other.
            self._below[name].add(same)
            self._below[same].add(name)
            self._above[name].add(same)
            self._above[same].add(name)
        self._around: dict[str, dict[str, str]] = {}

    def alone(self, entity: str) -> bool:
        """Tell whether nobody is known to call it, nor it anybody; it may run on a machine."""
        return not self._above.get(entity) and all(
            below.startswith(MACHINES) for below in self._below.get(entity, ())
        )

    def leans(self, entity: str, on: str) -> bool:
        """Tell whether ``entity`` leans on the other one, directly or through others."""
        return on in _within(self._below, entity)

    def around(self, entity: str) -> Mapping[str, str]:
        """Map every entity that trouble may share with this one to why, in words."""
        if entity not in self._around:
            found: dict[str, str] = {}
            for base in sorted(self._below.get(entity, ())):
                if base.startswith(MACHINES):
                    continue  # neighbours on a machine share its trouble only, which shows itself
                both = f"lean on {place(base)}"
                found |= dict.fromkeys(self._above[base] - {entity}, both)
            other = "lean on each other"
            found |= dict.fromkeys(_within(self._above, entity), other)
            found |= dict.fromkeys(_within(self._below, entity), other)
            self._around[entity] = found
        return self._around[entity]


def _within(links: Mapping[str, set[str]], entity: str) -> set[str]:
    """List what ``HOPS`` links lead to, without ``entity`` itself."""
    found: set[str] = set()
    edge = {entity}
    for _ in range(HOPS):
        edge = {other for one in edge for other in links.get(one, ())} - found - {entity}
        found |= edge
    return found


def related(one: Sign, other: Sign, near: Neighbours) -> str:
    """Say why two signs that are close in time belong together; empty where they do not."""
    if near.apart(one, other):
        return ""
    if one.entity == other.entity:
        return f"both on {place(one.entity)}"
    if why := near.around(one.entity).get(other.entity, ""):
        return f"{place(one.entity)} and {place(other.entity)} {why}"
    space = _space(one.entity)
    lonely = near.alone(one.entity) or near.alone(other.entity)
    if space and lonely and space == _space(other.entity):
        return f"both of {space}"
    a, b = one.anomaly, other.anomaly
    same = a and b and a.direction == b.direction and metric_name(a.labels)
    if same and same == metric_name(other.labels):
        shared = [f"{k} {v}" for k, v in one.labels if k in SCOPE_LABELS and (k, v) in other.labels]
        if shared:
            way = "rose" if a and a.direction is Direction.UP else "fell"
            return f"{same} {way} on several parts of {shared[0]}"
    return ""


def _space(entity: str) -> str:
    """Return the namespace of a service, empty for anything else."""
    kind, name = split_key(entity)
    return name.rpartition("/")[0] if kind == "service" else ""


def group(signs: Sequence[Sign], near: Neighbours) -> list[tuple[list[Sign], tuple[str, ...]]]:
    """Split signs into groups that belong together, earliest first, with the reasons."""
    ordered = sorted(signs, key=lambda sign: (sign.onset_ms, sign.key))
    root = list(range(len(ordered)))
    reasons: dict[int, list[str]] = defaultdict(list)

    def find(i: int) -> int:
        while root[i] != i:
            root[i] = root[root[i]]
            i = root[i]
        return i

    newest: dict[object, int] = {}
    for i, sign in enumerate(ordered):
        # Linking to the newest of each place suffices: earlier ones are linked to it already.
        own = list(places(sign))
        around = near.around(sign.entity)
        for j in sorted({newest[k] for k in (*own, *around) if k in newest}, reverse=True):
            gap = sign.onset_ms - ordered[j].onset_ms
            a, b = find(j), find(i)
            if gap <= NEAR_MS and a != b and (why := related(ordered[j], sign, near)):
                root[max(a, b)] = min(a, b)
                merged = reasons.pop(max(a, b), [])
                reasons[min(a, b)] += [*merged, f"{why}, {gap / 1000:.0f} s apart"]
        newest |= dict.fromkeys(own, i)
    groups: dict[int, list[Sign]] = defaultdict(list)
    for i, sign in enumerate(ordered):
        groups[find(i)].append(sign)
    return [(members, tuple(dict.fromkeys(reasons[at]))) for at, members in groups.items()]


def places(sign: Sign) -> Iterator[object]:
    """List what two signs must share, or one with an entity around the other, to be related.

    The entity, the namespace, and under what a sign can be like one elsewhere: metric, direction
    and scope label.
    """
    yield sign.entity
    if space := _space(sign.entity):
        yield "namespace", space
    if sign.anomaly is not None:
        name, way = metric_name(sign.labels), sign.anomaly.direction.value
        for label, value in sign.labels:
            if label in SCOPE_LABELS:
                yield name, way, label, value
