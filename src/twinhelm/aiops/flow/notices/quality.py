"""Gathers from the journal and the records what :mod:`twinhelm.aiops.notify.quality` judges.

Each incident that began in a range is one row; what happened to it is read from the journal, what
raised it from its first member. One walk over the journal's rows of a few kinds.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from twinhelm.aiops.notify.quality import Lived, Quality, judged
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
        walk = self.journal.walk
        opened = {_of(row): row for row in walk(IncidentOpened.kind)
                  if start_ms <= row.time_ms < end_ms}  # fmt: skip
        taken = {_of(row): row for row in [*walk(IncidentAcknowledged.kind)][::-1]}
        resolved = {_of(row): row for row in walk(IncidentResolved.kind)}
        flaps: Counter[int] = Counter()
        for row in walk(IncidentReopened.kind):
            flaps[key := _of(row)] += 1
            if key in resolved and row.seq > resolved[key].seq:  # it came back, and lasts
                del resolved[key]
        repaired = {_of(row) for row in walk(RepairStarted.kind)}
        acted = repaired | {_of(row) for row in walk(IncidentCommented.kind)}
        acted |= {key for rows in (taken, resolved) for key, row in rows.items()
                  if row.actor != HOUSE}  # fmt: skip
        rules = self._rules(opened.values())
        lived = [
            Lived(
                row.time_ms, taken[key].time_ms if key in taken else None,
                resolved[key].time_ms if key in resolved else None,
                key in acted, key in repaired, flaps[key], str(row.body["severity"]), rule,
                str(next(iter(row.body["entities"]), "unknown")),
            )
            for (key, row), rule in zip(opened.items(), rules, strict=True)
        ]  # fmt: skip
        return judged(lived, start_ms, end_ms)

    def _rules(self, rows: Iterable[JournalRow]) -> list[str]:
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


def _of(row: JournalRow) -> int:
    return int(row.body["incident"])
