"""A small map of who leans on whom, and how each of them is.

In: the entity graph as far as services, databases and queues go, live incidents, and which series
reported lately. Out: a :class:`Picture`, its callers above those they call, and its rendering: a
list of places laid over lines. Green says that telemetry comes and nothing is strange, grey that
none comes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from twinhelm.aiops.types import Incident
from twinhelm.core.entities import Edge, split_key
from twinhelm.events.values import load
from twinhelm.web.pages.kit import html
from twinhelm.web.pages.kit.html import Node

if TYPE_CHECKING:
    from twinhelm.app import House

__all__ = ["Picture", "Place", "draw_map", "layers", "picture"]

SHOWN = ("service", "database", "queue")
SURE = 0.5
HEARD_MS = 30_000
ROW_PX = 64
WIDEST = 7
WORDS = {"red": "first suspect", "amber": "in the incident", "green": "quiet", "": "not heard"}


@dataclass(frozen=True, slots=True)
class Place:
    """One thing on the map: its middle in per cent of the width, its row, its health."""

    entity: str
    across: float
    row: int
    health: str
    incident: int | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """Places by entity, and who leans on whom."""

    places: Mapping[str, Place]
    lines: tuple[tuple[str, str], ...]


def picture(house: House, live: Sequence[Incident], suspect: str, namespace: str) -> Picture:
    """Draw what the services of a namespace are and lean on; ``suspect`` is blamed first."""
    now = house.clock.now_ms()
    with house.records.reading() as unit:
        edges = [load(Edge, record) for record in unit.find("edge", limit=5000)]
    ours = f"service:{namespace}/"
    lines = sorted(
        {
            (edge.source, edge.target)
            for edge in edges
            if edge.alive(now) and edge.confidence >= SURE
            if split_key(edge.source)[0] in SHOWN and split_key(edge.target)[0] in SHOWN
            if edge.source.startswith(ours) or edge.target.startswith(ours)
        }
    )
    last = house.telemetry.last_times()
    heard: set[str] = set()
    for series, (_, entity, _) in list(house.watch.known.described.items()):
        if entity not in heard and now - last.get(series, 0) <= HEARD_MS:
            heard.add(entity)
    known = {end for line in lines for end in line}
    known |= {entity for entity in heard if entity.startswith(ours)}
    within = {entity: incident.id for incident in live for entity in incident.entities}
    places = {}
    for row, entities in enumerate(layers(known, lines)):
        for at, entity in enumerate(entities):
            health = "green" if entity in heard else ""
            health = "amber" if entity in within else health
            health = "red" if entity == suspect else health
            across = (at + 0.5) * 100 / len(entities)
            places[entity] = Place(entity, across, row, health, within.get(entity))
    return Picture(places, tuple(lines))


def layers(known: Collection[str], lines: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Put callers above those they call, as far as they do not call in circles.

    >>> layers({"a", "b", "c"}, [("a", "b"), ("b", "c"), ("a", "c")])
    [['a'], ['b'], ['c']]
    """
    callers: dict[str, set[str]] = defaultdict(set)
    for source, target in lines:
        if source != target:
            callers[target].add(source)
    depth = dict.fromkeys(sorted(known), 0)
    for _ in depth:
        for entity in depth:
            below = max((depth[each] + 1 for each in callers[entity]), default=0)
            depth[entity] = min(below, len(depth) - 1)
    rows: dict[int, list[str]] = defaultdict(list)
    for entity in depth:
        rows[depth[entity]].append(entity)
    placed: dict[str, float] = {}
    made: list[list[str]] = []

    def middle(entity: str) -> tuple[float, str]:
        above = [placed[each] for each in callers[entity] if each in placed]
        return (sum(above) / len(above) if above else 0.5, entity)

    for at in sorted(rows):
        row = sorted(rows[at], key=middle)  # near those that call it: lines cross little
        placed |= {entity: (at + 0.5) / len(row) for at, entity in enumerate(row)}
        wide = ceil(len(row) / ceil(len(row) / WIDEST))
        made += [row[first : first + wide] for first in range(0, len(row), wide)]
    return made


def draw_map(shown: Picture) -> None:
    """Draw it inside the element that is open."""
    Node("h2", "Who leans on whom")
    if not shown.places:
        Node("p", "No traces have come yet: who leans on whom is not known.", "muted")
        return
    if not shown.lines:
        Node("p", "Within a minute, traces will have told who calls whom.", "muted small")
    rows = max(place.row for place in shown.places.values()) + 1
    with Node("div", classes="map", style=f"height:{rows * ROW_PX}px"):
        with Node("svg", aria_hidden="true"):
            for source, target in shown.lines:
                above, below = shown.places[source], shown.places[target]
                Node(
                    "line",
                    x1=f"{above.across:.1f}%",
                    y1=(above.row + 0.5) * ROW_PX,
                    x2=f"{below.across:.1f}%",
                    y2=(below.row + 0.5) * ROW_PX,
                )
        with Node("ul", aria_label="Services and how they are"):
            for place in shown.places.values():
                top = (place.row + 0.5) * ROW_PX
                style = f"left:{place.across:.1f}%;top:{top:.0f}px"
                name = split_key(place.entity)[1].rpartition("/")[2]
                says = WORDS[place.health]
                with Node("li", classes=place.health, style=style, title=f"{place.entity}: {says}"):
                    html.dot(place.health)
                    href = f"/incidents/{place.incident}" if place.incident else ""
                    html.linked(name, href, "oneline")
                    Node("span", says, "small muted oneline")
