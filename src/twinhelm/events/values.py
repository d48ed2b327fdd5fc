"""How values of the wings rest in the records: their fields as JSON, read back with their types.

Which kind, key, state and parent a value has is its wing's to say (``records.py`` of each).
Reading checks types, so a body that was written by hand and does not fit is heard of here.
"""

from typing import Any, TypeVar

from pydantic import TypeAdapter

from twinhelm.core.ports import Record, RecordsUnit
from twinhelm.events.journal import JournalWriter

__all__ = ["Reading", "load"]

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
