"""What every event is: a frozen dataclass with a kind, a subject and fields that become JSON.

A kind is ``noun.verb`` in the past tense (``incident.opened``). A subject is a record reference
``kind/key``, written as a form over the event's own fields. One class per kind, documented; the
registry is :data:`twinhelm.events.kinds.EVENT_KINDS`.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

__all__ = ["Event"]


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    """Something that happened or was decided, ready for the journal.

    ``kind`` names it; ``about`` is the form of its subject, such as ``incident/{incident}``.
    """

    kind: ClassVar[str]
    about: ClassVar[str]

    @property
    def subject(self) -> str:
        """The record reference that the event is about."""
        return self.about.format_map(self.body)

    @property
    def body(self) -> dict[str, Any]:
        """The event's fields, as the journal keeps them."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
