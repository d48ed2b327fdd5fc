"""Every kind of event that the journal knows, by name.

``EVENT_KINDS`` maps the kind as it stands in the journal to the documented dataclass that makes
it; ``docs/events.md`` is checked against it. A new kind is a class in the module of its noun and
a place in that module's list.
"""

from __future__ import annotations

from twinhelm.events.event import Event
from twinhelm.events.kinds import house, incidents, people

__all__ = ["EVENT_KINDS"]

EVENT_KINDS: dict[str, type[Event]] = {
    kind.kind: kind for kind in (*house.KINDS, *incidents.KINDS, *people.KINDS)
}
