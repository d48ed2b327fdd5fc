"""What every event is: a frozen dataclass with a kind, a subject and fields that become JSON.

>>> @event("kettle.boiled", "kettle/{name}")
... class KettleBoiled(Event):
...     name: str
>>> KettleBoiled("blue").subject, EVENT_KINDS.pop("kettle.boiled").kind
('kettle/blue', 'kettle.boiled')
"""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, dataclass_transform

__all__ = ["EVENT_KINDS", "Event", "event"]


class Event:
    """Something that happened or was decided, ready for the journal.

    ``kind`` names it; ``about`` is the form of its subject, such as ``incident/{incident}``.
    """

    __slots__ = ()

    kind: ClassVar[str]
    about: ClassVar[str]

    @property
    def subject(self) -> str:
        """The record reference that the event is about."""
        return self.about.format_map(self.body)

    @property
    def body(self) -> dict[str, Any]:
        """The event's fields, as the journal keeps them."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type]  # every event is a dataclass
        return {field.name: getattr(self, field.name) for field in fields}


E = TypeVar("E", bound=Event)

EVENT_KINDS: dict[str, type[Event]] = {}
"""Every kind of event, by its name in the journal."""


@dataclass_transform(frozen_default=True)
def event(kind: str, about: str) -> Callable[[type[E]], type[E]]:
    """Make a class of events: a frozen dataclass, known by its kind; see :class:`Event`."""

    def made(cls: type[E]) -> type[E]:
        if kind in EVENT_KINDS:
            raise ValueError(f"two classes of events are called {kind!r}")
        cls = dataclasses.dataclass(frozen=True, slots=True)(cls)
        cls.kind, cls.about = kind, about
        EVENT_KINDS[kind] = cls
        return cls

    return made
