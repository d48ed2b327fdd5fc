"""What leans on what, as far as the labels of series tell.

The watch notes every series once; each minute the edges go to the records, last seen when one of
the series that told of them was. Edges found in traces are noted as they are seen, and go with
them; those of lineage go there by themselves. An edge stays while its series report or its calls
are made, and dies with its time to live after they stop.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from twinhelm.aiops.clean import edge_between, ends_of
from twinhelm.aiops.records import put_edge, put_entity
from twinhelm.core.entities import Edge, Entity
from twinhelm.core.labels import Labels
from twinhelm.events.journal import JournalWriter

__all__ = ["Topology"]

WITNESSES = 8
"""So many series per edge are enough to know that it is alive."""


@dataclass(slots=True)
class Topology:
    """Edges and the series that told of them; used by the watch's thread and read by others."""

    _edges: dict[tuple[str, str], tuple[Edge, list[int]]] = field(default_factory=dict)
    _calls: dict[tuple[str, str], Edge] = field(default_factory=dict)

    def note(self, series: int, labels: Labels, now_ms: int) -> None:
        """Take in what the labels of one series tell."""
        for ends in ends_of(labels):
            known = self._edges.get(ends)
            if known is None:
                known = self._edges[ends] = (edge_between(*ends, now_ms), [])
            witnesses = known[1]
            witnesses.append(series)
            del witnesses[:-WITNESSES]

    def saw(self, edges: Iterable[Edge]) -> None:
        """Take in edges that were seen just now."""
        for edge in edges:
            known = self._calls.get((edge.source, edge.target))
            if known is not None:  # once two spans told of it, it stays as sure
                edge = replace(edge, confidence=max(edge.confidence, known.confidence))
            self._calls[edge.source, edge.target] = edge

    def keep(self, write: JournalWriter, last_times: Mapping[int, int]) -> None:
        """Write the edges and the entities at their ends, each last seen with its series."""
        seen: dict[str, int] = {}
        for edge, witnesses in list(self._edges.values()):
            last = max((last_times.get(series, 0) for series in witnesses), default=0)
            put_edge(write, replace(edge, last_seen_ms=max(last, edge.last_seen_ms)))
            for end in (edge.source, edge.target):
                seen[end] = max(seen.get(end, 0), last)
        calls = list(self._calls.values())
        newest = max((edge.last_seen_ms for edge in calls), default=0)
        for edge in calls:
            put_edge(write, edge)
            for end in (edge.source, edge.target):
                seen[end] = max(seen.get(end, 0), edge.last_seen_ms)
            if not edge.alive(newest):
                self._calls.pop((edge.source, edge.target))
        for key, last in seen.items():
            put_entity(write, Entity(key, last))
