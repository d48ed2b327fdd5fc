"""Which charts show an incident best: the series of its strongest signs, in their range.

In comes the file of an incident, out go up to :data:`MOST` drawings over the incident and a while
around it, with its anomalies shaded and changes marked. Blocking.
"""

from __future__ import annotations

from twinhelm.aiops.flow.incidents import IncidentFile
from twinhelm.aiops.types import Anomaly
from twinhelm.core.labels import metric_name
from twinhelm.web.pages.drawing import Drawing, query_of, short_name
from twinhelm.web.pages.pieces import range_link
from twinhelm.web.pages.sheet import Sheet

__all__ = ["draw_evidence", "marks_of", "window"]

MOST = 6
BEFORE_MS = 600_000
AFTER_MS = 300_000
LEAST_MS = 15_000
"""An anomaly of one sample is shaded at least this wide, or it could not be seen."""


def window(file: IncidentFile, now_ms: int) -> tuple[int, int]:
    """Return the range to look at: the incident and a while before and after it."""
    start = min([file.incident.started_ms, *(one.start_ms for one in file.anomalies)])
    start = max(start, file.incident.started_ms - 6 * BEFORE_MS)
    end = file.incident.resolved_ms
    return start - BEFORE_MS, now_ms if end is None else min(now_ms, end + AFTER_MS)


def draw_evidence(sheet: Sheet, file: IncidentFile) -> list[tuple[str, str, Drawing]]:
    """Draw the evidence: (title, link, drawing), the most telling first."""
    start, end = window(file, sheet.house.clock.now_ms())
    shown = []
    titles: set[str] = set()
    for series in _ranked(file)[:MOST]:
        own = [one for one in file.anomalies if one.series == series]
        labels = own[0].labels
        title = short_name(labels)
        if title in titles:
            title = query_of(labels)
        titles.add(title)
        drawing = sheet.drawer.draw([series], start, end).marked(
            spans=[(one.start_ms, max(one.end_ms or end, one.start_ms + LEAST_MS)) for one in own],
            marks=marks_of(file, start, end),
        )
        shown.append((title, range_link(query_of(labels), start, end), drawing))
    return shown


def marks_of(file: IncidentFile, start_ms: int, end_ms: int) -> list[tuple[int, str, str]]:
    """List the changes within a range as marks of a chart."""
    return [
        (change.time_ms, change.title, change.kind)
        for change in file.changes
        if start_ms <= change.time_ms <= end_ms
    ][:20]


def _ranked(file: IncidentFile) -> list[int]:
    """Order the series: those that the first suspects name, then by how strange they were."""
    named: dict[str, float] = {}
    for rank, claim in enumerate(file.claims):
        named.setdefault(str(claim.facts.get("indicator", "")), rank)
        for one in claim.evidence_for:
            named.setdefault(one.series.partition("{")[0], rank + 0.5)

    def key(one: Anomaly) -> tuple[float, float, float]:
        rank = named.get(metric_name(one.labels), len(named))
        return rank, -one.peak_score, -one.deviation

    ordered = [one.series for one in sorted(file.anomalies, key=key)]
    return list(dict.fromkeys(ordered))
