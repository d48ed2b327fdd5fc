"""Nothing is offered that does nothing: settings, events and meters are used by the source."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

from pydantic import BaseModel

from twinhelm.core.meters import Meters
from twinhelm.core.settings import Settings
from twinhelm.events.kinds import EVENT_KINDS

SOURCE = Path(__file__).parents[2] / "src" / "twinhelm"


@functools.cache
def named(*, apart_from: str) -> frozenset[str]:
    """Every name and attribute that the source uses, apart from the place that defines it."""
    found: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        if not path.relative_to(SOURCE).as_posix().startswith(apart_from):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Attribute):
                    found.add(node.attr)
                elif isinstance(node, ast.Name):
                    found.add(node.id)
    return frozenset(found)


def test_every_setting_is_read_somewhere():
    used = named(apart_from="core/settings.py")
    unread = []
    for name, info in Settings.model_fields.items():
        section = info.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            unread += [f"{name}.{key}" for key in section.model_fields if key not in used]
        elif name not in used:
            unread.append(name)
    assert not unread


def test_every_kind_of_event_is_written_somewhere():
    used = named(apart_from="events/kinds")
    assert not [kind for kind, event in EVENT_KINDS.items() if event.__name__ not in used]


def test_every_meter_is_moved_somewhere():
    used = named(apart_from="core/meters.py")
    assert not [name for name in vars(Meters()) if name not in used | {"registry"}]
