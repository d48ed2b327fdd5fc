"""What leans on what, as far as the labels of series tell.

The watch notes every series once; each minute the edges go to the records, last seen when one of
the series that told of them was. Edges from elsewhere (lineage, traces) go there by themselves.
An edge stays while its series report and dies with its time to live after they stop.
"""

from collections.abc import Mapping
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

    def note(self, series: int, labels: Labels, now_ms: int) -> None:
        """Take in what the labels of one series tell."""
        for ends in ends_of(labels):
            known = self._edges.get(ends)
            if known is None:
                known = self._edges[ends] = (edge_between(*ends, now_ms), [])
            witnesses = known[1]
            witnesses.append(series)
            del witnesses[:-WITNESSES]

    def keep(self, write: JournalWriter, last_times: Mapping[int, int]) -> None:
        """Write the edges and the entities at their ends, each last seen with its series."""
        seen: dict[str, int] = {}
        for edge, witnesses in list(self._edges.values()):
            last = max((last_times.get(series, 0) for series in witnesses), default=0)
            put_edge(write, replace(edge, last_seen_ms=max(last, edge.last_seen_ms)))
            for end in (edge.source, edge.target):
                seen[end] = max(seen.get(end, 0), last)
        for key, last in seen.items():
            put_entity(write, Entity(key, last))
