"""Weighs what was changed shortly before an incident as its cause.

In: an incident, recent changes, and who leans on whom. Out: a :class:`NearChange` per change near
the start, the likeliest first, and :class:`Suspect` s of them. A change is the likelier the closer
before the start it was made and the closer to what is in trouble; one made after the start, or
more than half an hour before it, is no suspect, nor is one that a later change of the same thing
replaced, nor a pipeline that ran as it always does. Pure.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from twinhelm.aiops.types import Incident, Suspect
from twinhelm.aiops.words import place
from twinhelm.core.claims import Evidence
from twinhelm.core.telemetry import Change

__all__ = ["NearChange", "change_suspect", "near_changes"]

BEFORE_MS = 1_800_000
AFTER_MS = 30_000
"""Onsets are dated late or early by about this much."""
FADES_MS = 240_000
WELL = 0.4
"""What a change counts whose entity is well itself."""
KEPT = 5
_FAILED = ("fail", "error", "abort", "rolled_back")


@dataclass(frozen=True, slots=True)
class NearChange:
    """A change near the start: ``soon`` and ``near`` in [0, 1], ``entity`` as others call it."""

    change: Change
    entity: str
    before_ms: int
    soon: float
    near: float

    @property
    def score(self) -> float:
        """Return how likely it is the cause, by time and place alone."""
        failed = any(word in self.change.outcome.lower() for word in _FAILED)
        return 0.7 * self.soon * self.near + (0.1 if failed else 0.0)

    @property
    def when(self) -> str:
        """Say when it was made."""
        return f"{self.before_ms / 1000:.0f} s before" if self.before_ms >= 0 else "just after"

    @property
    def text(self) -> str:
        """Name it with its kind, once."""
        kind, title = self.change.kind, self.change.title
        return title if kind in title.lower() else f"{kind} {title}"


def near_changes(
    incident: Incident,
    changes: Iterable[Change],
    leans: set[tuple[str, str]],
    named: Callable[[str], str],
    well: Callable[[str], bool] = lambda entity: False,
) -> list[NearChange]:
    """List the changes that may have caused the incident; at most five.

    ``named`` gives the name under which the incident knows an entity; ``well`` tells whether one
    is known to be well itself.
    """
    newest: dict[str, NearChange] = {}
    for one in changes:
        before_ms = incident.since_ms - one.time_ms
        if not -AFTER_MS <= before_ms <= BEFORE_MS or one.kind == "incident":
            continue
        if one.kind == "pipeline" and not any(word in one.outcome.lower() for word in _FAILED):
            continue
        entity = named(one.entity)
        soon = math.exp(-max(before_ms, 0) / FADES_MS)
        near = _nearness(entity, incident.entities, leans) * (WELL if well(entity) else 1.0)
        known = newest.get(entity or one.id)
        if known is None or one.time_ms >= known.change.time_ms:
            newest[entity or one.id] = NearChange(one, entity, before_ms, soon, near)
    found = list(newest.values())
    found.sort(key=lambda one: (-one.score, one.change.id))
    return found[:KEPT]


def change_suspect(one: NearChange, score: float) -> Suspect:
    """Put a change as a suspect of that score."""
    change = one.change
    where = f"it touched {place(one.entity)}" if one.entity else "it names no entity"
    reasons = [
        Evidence(f"{change.kind} '{change.title}' was made {one.when} the trouble began", score),
        Evidence(where, 0.3 * one.near),
    ]
    if any(word in change.outcome.lower() for word in _FAILED):
        reasons.append(Evidence(f"its outcome was {change.outcome}", 0.1))
    far = Evidence("nothing links it to what is in trouble", 0.4)
    return Suspect(
        rank=0,
        kind="change",
        entity=one.entity,
        indicator=change.id,
        name=f"{change.kind}: {change.title}",
        confidence=score,
        evidence_for=tuple(reasons),
        evidence_against=(far,) if one.near < 0.5 else (),
    )


def _nearness(entity: str, troubled: Sequence[str], leans: set[tuple[str, str]]) -> float:
    """Say in [0, 1] how close a changed entity is to those in trouble."""
    if entity in troubled:
        return 1.0
    if any((entity, other) in leans or (other, entity) in leans for other in troubled):
        return 0.8
    return 0.3
