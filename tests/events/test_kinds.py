"""Every kind of event is documented, well named, and comes through the journal as it is."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, get_type_hints

import pytest

from peers.memory_records import MemoryRecords
from twinhelm.core.clock import FakeClock
from twinhelm.core.json import dumps, loads
from twinhelm.events import kinds
from twinhelm.events.event import Event, event
from twinhelm.events.journal import Journal

SAMPLES: dict[Any, object] = {
    int: 3,
    float: 2.5,
    str: "text",
    bool: True,
    str | None: "text",
    tuple[str, ...]: ("a", "b"),
    list[int]: [1, 2],
    tuple[tuple[str, str, float], ...]: (("1", "champion", 1.0),),
    dict[str, str]: {"server.listen": "127.0.0.1:9700"},
    dict[str, float]: {"data": 1.5},
}


def sample(kind: type[Event]) -> Event:
    hints = get_type_hints(kind)
    return kind(**{field.name: SAMPLES[hints[field.name]] for field in dataclasses.fields(kind)})


@pytest.mark.parametrize("kind", kinds.EVENT_KINDS.values(), ids=list(kinds.EVENT_KINDS))
def test_an_event_comes_through_the_journal(kind):
    journal = Journal(MemoryRecords(), FakeClock())
    event = sample(kind)
    with journal.writing("ada") as write:
        write.event(event)
    (row,) = journal.read(kind=kind.kind)
    assert row.subject == event.subject
    assert "{" not in row.subject
    assert row.body == loads(dumps(event.body))


def test_kinds_are_noun_and_past_verb():
    assert [name for name in kinds.EVENT_KINDS if not re.fullmatch(r"[a-z]+\.[a-z_]+", name)] == []


def test_every_event_class_is_registered_and_exported():
    classes = {
        kind.__name__ for kind in Event.__subclasses__() if "events.kinds" in kind.__module__
    }
    assert classes == {kind.__name__ for kind in kinds.EVENT_KINDS.values()}
    parts = [getattr(kinds, name) for name in kinds.__all__ if name != "EVENT_KINDS"]
    assert classes == {name for part in parts for name in part.__all__}


def test_no_two_classes_share_a_kind():
    with pytest.raises(ValueError, match=r"two classes of events are called 'person.added'"):
        event("person.added", "person/{name}")(Event)


def test_an_event_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        sample(kinds.machines.IncidentOpened).title = "else"  # type: ignore[misc]
