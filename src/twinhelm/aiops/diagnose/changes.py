"""Weighs what was changed shortly before an incident as its cause.

In: an incident, recent changes, and who leans on whom. Out: a :class:`Suspect` per change near
the start, the nearest first. A change is the likelier the closer before the start it was made
and the closer to what is in trouble; one made after the start, or more than half an hour before
it, is no suspect. Pure.
"""

import math
from collections.abc import Sequence

from twinhelm.aiops.types import Incident, Suspect
from twinhelm.aiops.words import place
from twinhelm.core.claims import Evidence
from twinhelm.core.telemetry import Change

__all__ = ["change_suspects"]

BEFORE_MS = 1_800_000
AFTER_MS = 30_000
"""Onsets are dated late or early by about this much."""
HALF_LIFE_MS = 420_000
_FAILED = ("fail", "error", "abort", "rolled_back")


def change_suspects(
    incident: Incident, changes: Sequence[Change], leans: set[tuple[str, str]]
) -> list[Suspect]:
    """List the changes that may have caused the incident; at most five."""
    found = []
    for one in changes:
        before_ms = incident.started_ms - one.time_ms
        if not -AFTER_MS <= before_ms <= BEFORE_MS or one.kind == "incident":
            continue
        near = _nearness(one.entity, incident.entities, leans)
        soon = math.exp(-max(before_ms, 0) / HALF_LIFE_MS)
        score = 0.7 * soon * near
        when = f"{before_ms / 1000:.0f} s before" if before_ms >= 0 else "just after"
        where = f"it touched {place(one.entity)}" if one.entity else "it names no entity"
        reasons = [
            Evidence(f"{one.kind} '{one.title}' was made {when} the trouble began", score),
            Evidence(where, 0.3 * near),
        ]
        if any(word in one.outcome.lower() for word in _FAILED):
            score += 0.1
            reasons.append(Evidence(f"its outcome was {one.outcome}", 0.1))
        doubts = []
        if near < 0.5:
            doubts.append(Evidence("nothing links it to what is in trouble", 0.4))
        found.append(
            Suspect(
                rank=0,
                kind="change",
                entity=one.entity,
                indicator=one.id,
                name=f"{one.kind}: {one.title}",
                confidence=score,
                evidence_for=tuple(reasons),
                evidence_against=tuple(doubts),
            )
        )
    found.sort(key=lambda one: (-one.confidence, one.indicator))
    return found[:5]


def _nearness(entity: str, troubled: Sequence[str], leans: set[tuple[str, str]]) -> float:
    """Say in [0, 1] how close a changed entity is to those in trouble."""
    if entity in troubled:
        return 1.0
    if any((entity, other) in leans or (other, entity) in leans for other in troubled):
        return 0.8
    return 0.3
