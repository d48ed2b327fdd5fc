"""Gathers from the journal and the records what :mod:`twinhelm.aiops.notify.quality` judges.

Each incident that began in a range is one row; what happened to it is read from the journal, what
raised it from its first member. One walk over the journal's rows of a few kinds.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from twinhelm.aiops.notify.quality import Incidents, Quality, judged
from twinhelm.core.arrays import F64
from twinhelm.core.errors import BadInput, NotFound
from twinhelm.core.labels import metric_name
from twinhelm.core.ports import JournalRow, Records, TelemetryStore
from twinhelm.events.journal import Journal
from twinhelm.events.kinds.machines import (
    IncidentAcknowledged,
    IncidentCommented,
    IncidentOpened,
    IncidentReopened,
    IncidentResolved,
)
from twinhelm.events.kinds.repairs import RepairStarted

__all__ = ["QualityDesk"]

LONGEST_MS = 400 * 86_400_000
HOUSE = "twinhelm"


@dataclass(slots=True)
class QualityDesk:
    """Answers how good the alerts were; reads only."""

    records: Records
    journal: Journal
    telemetry: TelemetryStore

    def over(self, start_ms: int, end_ms: int) -> Quality:
        """Judge the incidents that began in ``start_ms <= t < end_ms``; at most 400 days."""
        if not start_ms < end_ms <= start_ms + LONGEST_MS:
            said = f"a range from {start_ms} to {end_ms} ms cannot be judged"
            raise BadInput(said, hint="choose at most 400 days")
        opened = {
            int(row.body["incident"]): row
            for row in self.journal.walk(IncidentOpened.kind)
            if start_ms <= row.time_ms < end_ms
        }
        taken, resolved = self._first(IncidentAcknowledged.kind), self._last(opened)
        acted = {key for key, row in taken.items() if row.actor != HOUSE}
        acted |= {key for key, row in resolved.items() if row.actor != HOUSE}
        acted |= set(self._first(IncidentCommented.kind))
        repaired = set(self._first(RepairStarted.kind))
        flaps: dict[int, int] = defaultdict(int)
        for row in self.journal.walk(IncidentReopened.kind):
            flaps[int(row.body["incident"])] += 1
        keys = list(opened)
        rows = [opened[key] for key in keys]
        return judged(
            Incidents(
                np.array([row.time_ms for row in rows], np.float64),
                _times(taken, keys),
                _times(resolved, keys),
                np.array([key in acted or key in repaired for key in keys], bool),
                np.array([key in repaired for key in keys], bool),
                np.array([flaps[key] for key in keys], np.int64),
                [str(row.body["severity"]) for row in rows],
                self._rules(rows),
                [str(next(iter(row.body["entities"]), "unknown")) for row in rows],
            ),
            start_ms,
            end_ms,
        )

    def _first(self, kind: str) -> dict[int, JournalRow]:
        found: dict[int, JournalRow] = {}
        for row in self.journal.walk(kind):
            found.setdefault(int(row.body["incident"]), row)
        return found

    def _last(self, opened: dict[int, JournalRow]) -> dict[int, JournalRow]:
        """Return the last end of each incident that has not come back since."""
        found = {int(row.body["incident"]): row for row in self.journal.walk(IncidentResolved.kind)}
        for row in self.journal.walk(IncidentReopened.kind):
            key = int(row.body["incident"])
            if key in found and row.seq > found[key].seq:
                del found[key]
        return {key: row for key, row in found.items() if key in opened}

    def _rules(self, rows: list[JournalRow]) -> list[str]:
        """Name the metric or alert of each first member."""
        firsts = [str(next(iter(row.body["members"]), "")) for row in rows]
        series = [first.partition(":")[0] for first in firsts]
        ids = sorted({int(one) for one in series if one.isdigit() and len(one) < 10})
        try:
            known = self.telemetry.series(np.array(ids, np.uint32)) if ids else []
        except NotFound:  # the records outlived the telemetry that they speak of
            known = []
        names = {str(info.id): metric_name(info.labels) for info in known}
        with self.records.reading() as unit:
            alerts = {one: unit.get("alert", one) for one in set(firsts) if ":" not in one and one}
        for first, record in alerts.items():
            if record is not None:
                names[first] = dict(record.body["labels"]).get("alertname", "an alert")
        found = zip(series, firsts, strict=True)
        return [names.get(each) or names.get(first) or "unknown" for each, first in found]


def _times(rows: dict[int, JournalRow], keys: list[int]) -> F64:
    return np.array([rows[key].time_ms if key in rows else np.nan for key in keys], np.float64)
