"""Windows of maintenance: who said when trouble of which entities is expected, and why.

In a window correlate opens no incident for what begins on its entities; what still lasts when it
ends is raised then. Nobody is told of what happens in it. One that recurs holds each week at its
hours, from its start to its end. Planning and ending are one transaction with their event. Records
of kind ``maintenance``: key the window's id, time_ms its start, state weekly where it recurs.
"""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase

from twinhelm.aiops.correlate import Window
from twinhelm.core.clock import Clock
from twinhelm.core.documents.hours import Hours, Zone, days_around, zone_of
from twinhelm.core.errors import BadInput, Conflict, NotFound
from twinhelm.core.ports import Record, Records
from twinhelm.events.journal import Journal
from twinhelm.events.kinds.notices import MaintenanceEnded, MaintenancePlanned
from twinhelm.events.values import load

__all__ = ["Maintenance", "MaintenanceDesk", "Weekly"]

DAY_MS = 86_400_000
MOST_MATCHERS = 50


class Weekly(Hours):
    """The hours of each week at which a window holds, by the clocks of a zone."""

    zone: Zone = "UTC"

    def __str__(self) -> str:
        """Say them as people do."""
        return f"{', '.join(self.days)} {self.begin} to {self.end} {self.zone}"


@dataclass(frozen=True, slots=True)
class Maintenance:
    """One window; ``entities`` are patterns such as service:shop/*; ``weekly`` if it recurs."""

    id: str
    start_ms: int
    end_ms: int
    entities: tuple[str, ...]
    reason: str
    by: str
    weekly: Weekly | None = None

    def spans(self, around_ms: int, until_ms: int | None = None) -> Iterator[tuple[int, int]]:
        """Yield when it holds, from the day before a moment to the day after it or ``until_ms``."""
        if self.weekly is None:
            yield self.start_ms, self.end_ms
            return
        zone = zone_of(self.weekly.zone)
        for day in days_around(around_ms, until_ms or around_ms, zone):
            if span := self.weekly.on(day, zone):
                first, last = max(span[0], self.start_ms), min(span[1], self.end_ms)
                if first < last:
                    yield first, last


@dataclass(slots=True)
class MaintenanceDesk:
    """Plans, ends and knows windows, read anew when the journal was written to."""

    records: Records
    journal: Journal
    clock: Clock
    _known: tuple[int, list[Maintenance]] = (-1, [])

    def plan(
        self,
        start_ms: int,
        end_ms: int,
        entities: Sequence[str],
        reason: str,
        *,
        by: str,
        weekly: Weekly | None = None,
    ) -> Maintenance:
        """Plan a window; raises :class:`BadInput` for one that is empty, over or endless."""
        days = 370 if weekly else 30
        hint = f"give an end ahead, at most {days} days after the start, entities and a reason"
        if not start_ms < end_ms <= start_ms + days * DAY_MS or end_ms <= self.clock.now_ms():
            raise BadInput(f"a window from {start_ms} to {end_ms} ms cannot be", hint=hint)
        globs = tuple(dict.fromkeys(each.strip() for each in entities if each.strip()))
        if not globs or len(globs) > MOST_MATCHERS or not reason.strip():
            raise BadInput("a window needs entities (* for all) and a reason", hint=hint)
        made = Maintenance(
            secrets.token_hex(4), start_ms, end_ms, globs, reason.strip(), by, weekly
        )
        if not any(made.spans(start_ms, min(end_ms, start_ms + 8 * DAY_MS))):
            raise BadInput(f"{weekly} never comes between start and end", hint=hint)
        body = {**asdict(made), "weekly": weekly and weekly.model_dump(mode="json")}
        with self.journal.writing(by) as write:
            state = "weekly" if weekly else ""
            write.put(Record("maintenance", made.id, body, state, "", start_ms))
            said = str(weekly or "")
            write.event(MaintenancePlanned(made.id, start_ms, end_ms, globs, made.reason, said))
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
            start = min(known.start_ms, now)
            body = {**record.body, "start_ms": start, "end_ms": now}
            write.put(replace(record, body=body, state="", time_ms=start))
            write.event(MaintenanceEnded(window))

    def all(self, *, limit: int = 200, state: str | None = None) -> list[Maintenance]:
        """List windows, the one that starts last first."""
        with self.records.reading() as unit:
            rows = unit.find("maintenance", state=state, newest_first=True, limit=limit)
        return [load(Maintenance, row) for row in rows]

    def windows(self) -> tuple[Window, ...]:
        """Return the windows as correlate takes them; of weekly ones those of about now."""
        now = self.clock.now_ms()
        return tuple(
            Window(*span, one.entities, one.reason)
            for one in self._recent()
            for span in one.spans(now)
        )

    def expected(self, entities: Sequence[str], now_ms: int) -> str:
        """Say why trouble of all these entities is expected now; empty where it is not."""
        for one in self._recent():
            if (
                entities
                and any(first <= now_ms < last for first, last in one.spans(now_ms))
                and all(any(fnmatchcase(each, glob) for glob in one.entities) for each in entities)
            ):
                return f"maintenance {one.id}: {one.reason}"
        return ""

    def _recent(self) -> list[Maintenance]:
        writes = self.journal.writes
        if self._known[0] != writes:
            self._known = writes, [*self.all(state=""), *self.all(state="weekly")]
        return self._known[1]
