"""Windows of maintenance: who said when trouble of which entities is expected, and why.

In a window correlate opens no incident for what begins on its entities; what still lasts when it
ends is raised then. Nobody is told of what happens in it. Planning and ending are one transaction
with their event. Records of kind ``maintenance``: key the window's id, time_ms its start.
"""

import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase

from twinhelm.aiops.correlate import Window
from twinhelm.core.clock import Clock
from twinhelm.core.errors import BadInput, Conflict, NotFound
from twinhelm.core.ports import Record, Records
from twinhelm.events.journal import Journal
from twinhelm.events.kinds.notices import MaintenanceEnded, MaintenancePlanned
from twinhelm.events.values import load

__all__ = ["Maintenance", "MaintenanceDesk"]

LONGEST_MS = 30 * 86_400_000
MOST_MATCHERS = 50


@dataclass(frozen=True, slots=True)
class Maintenance:
    """One window; ``entities`` are patterns such as service:shop/*."""

    id: str
    start_ms: int
    end_ms: int
    entities: tuple[str, ...]
    reason: str
    by: str


@dataclass(slots=True)
class MaintenanceDesk:
    """Plans, ends and knows windows, read anew when the journal was written to."""

    records: Records
    journal: Journal
    clock: Clock
    _known: tuple[int, list[Maintenance]] = (-1, [])

    def plan(
        self, start_ms: int, end_ms: int, entities: Sequence[str], reason: str, *, by: str
    ) -> Maintenance:
        """Plan a window; raises :class:`BadInput` for one that is empty, over or endless."""
        hint = "give an end ahead, at most 30 days after the start, entities and a reason"
        if not start_ms < end_ms <= start_ms + LONGEST_MS or end_ms <= self.clock.now_ms():
            raise BadInput(f"a window from {start_ms} to {end_ms} ms cannot be", hint=hint)
        globs = tuple(dict.fromkeys(each.strip() for each in entities if each.strip()))
        if not globs or len(globs) > MOST_MATCHERS or not reason.strip():
            raise BadInput("a window needs entities (* for all) and a reason", hint=hint)
        made = Maintenance(secrets.token_hex(4), start_ms, end_ms, globs, reason.strip(), by)
        with self.journal.writing(by) as write:
            write.put(Record("maintenance", made.id, asdict(made), "", "", start_ms))
            write.event(MaintenancePlanned(made.id, start_ms, end_ms, globs, made.reason))
        return made

    def end(self, window: str, *, by: str) -> None:
        """End a window now; raises :class:`NotFound`, or :class:`Conflict` where it is over."""
        now = self.clock.now_ms()
        with self.journal.writing(by) as write:
            record = write.get("maintenance", window)
            if record is None:
                hint = "`twinhelm maintenance list` tells which there are"
                raise NotFound(f"there is no window {window[:40]!r}", hint=hint)
            known = load(Maintenance, record)
            if known.end_ms <= now:
                raise Conflict(f"the window {window} is over")
            ended = replace(known, start_ms=min(known.start_ms, now), end_ms=now)
            write.put(replace(record, body=asdict(ended), time_ms=ended.start_ms))
            write.event(MaintenanceEnded(window))

    def all(self, *, limit: int = 200) -> list[Maintenance]:
        """List windows, the one that starts last first."""
        with self.records.reading() as unit:
            rows = unit.find("maintenance", newest_first=True, limit=limit)
        return [load(Maintenance, row) for row in rows]

    def windows(self) -> tuple[Window, ...]:
        """Return the windows as correlate takes them."""
        return tuple(
            Window(one.start_ms, one.end_ms, one.entities, one.reason) for one in self._recent()
        )

    def expected(self, entities: Sequence[str], now_ms: int) -> str:
        """Say why trouble of all these entities is expected now; empty where it is not."""
        for one in self._recent():
            if (
                entities
                and one.start_ms <= now_ms < one.end_ms
                and all(any(fnmatchcase(each, glob) for glob in one.entities) for each in entities)
            ):
                return f"maintenance {one.id}: {one.reason}"
        return ""

    def _recent(self) -> list[Maintenance]:
        writes = self.journal.writes
        if self._known[0] != writes:
            self._known = writes, self.all()
        return self._known[1]
