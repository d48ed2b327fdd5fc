"""How values of the wings rest in the records: their fields as JSON, read back with their types.

Which kind, key, state and parent a value has is its wing's to say, in a :class:`Shelf`.
Reading checks types, so a body that was written by hand and does not fit is heard of here.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from pydantic import TypeAdapter

from twinhelm.core.ports import Record, RecordsUnit
from twinhelm.events.journal import JournalWriter

__all__ = ["Place", "Reading", "Shelf", "load"]

T = TypeVar("T")
_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}

Reading = RecordsUnit | JournalWriter
"""A transaction to read in: one that only reads, or one that writes."""


def load(of: type[T], record: Record) -> T:
    """Read a record's body as the dataclass ``of``; raises ValueError where it does not fit."""
    if of not in _ADAPTERS:
        _ADAPTERS[of] = TypeAdapter(of)
    value: T = _ADAPTERS[of].validate_python(dict(record.body))
    return value


Place = tuple[str, str, str, int]
"""Key, state, parent and time (epoch ms) of a value."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where the nouns of a room rest: the kind of each, and where a value of it stands."""

    nouns: Mapping[type, tuple[str, Callable[[Any], Place]]]

    def get(self, unit: Reading, noun: type[T], key: str) -> T | None:
        """Read one value by its key, or None."""
        record = unit.get(self.nouns[noun][0], key)
        return None if record is None else load(noun, record)

    def find(self, unit: Reading, noun: type[T], **which: Any) -> list[T]:
        """Find values of one kind; ``which`` are the words of :meth:`RecordsUnit.find`."""
        return [load(noun, record) for record in unit.find(self.nouns[noun][0], **which)]

    def put(self, write: Reading, value: Any) -> None:
        """Write a value under its own key, replacing what was there."""
        kind, place = self.nouns[type(value)]
        key, state, parent, time_ms = place(value)
        write.put(Record(kind, key, asdict(value), state, parent, time_ms))
