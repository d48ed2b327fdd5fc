"""What diagnose looks at besides the anomalies: series around the incident, and changes.

The series are those of the incident's entities and of what trouble may share with them (see
:class:`~twinhelm.aiops.correlate.Neighbours`), the telling ones first (the incident's own, known
indicators, a named process), as signals on one grid from some minutes before the start until now.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from twinhelm.aiops.clean import SignalMaker, twin_of
from twinhelm.aiops.correlate import Neighbours
from twinhelm.aiops.diagnose import SeriesWindow, window_of
from twinhelm.aiops.indicators import indicator_of
from twinhelm.aiops.types import Anomaly, Described, Incident
from twinhelm.core.ports import TelemetryStore
from twinhelm.core.telemetry import Change

__all__ = ["gather"]

BEFORE_MS = 10 * 60_000
LONGEST_MS = 60 * 60_000
CHANGES_BEFORE_MS = 2 * 3_600_000
MAX_SERIES = 600


def gather(
    telemetry: TelemetryStore,
    incident: Incident,
    anomalies: Iterable[Anomaly],
    known: Mapping[int, Described],
    near: Neighbours,
    now: int,
) -> tuple[SeriesWindow, list[Change]]:
    """Read the series and the changes around an incident."""
    since = incident.since_ms
    anomalies = [anomaly for anomaly in anomalies if anomaly.last_ms >= since]
    start = min([since, *(anomaly.start_ms for anomaly in anomalies)])
    first, last = start - BEFORE_MS, min(now, start + LONGEST_MS)
    members = {anomaly.series for anomaly in anomalies}
    ids = _candidates(incident, members, known, near)
    changes = telemetry.read_changes(start - CHANGES_BEFORE_MS, now)
    if not ids:
        return SeriesWindow.empty(), changes
    # The rate of a counter needs the sample before the window.
    block = telemetry.read_samples(np.array(ids, np.uint32), first - 60_000, last)
    maker = SignalMaker()
    for series in ids:
        maker.declare(series, known[series][0])
    window = window_of(
        maker.signals(block),
        ids,
        [known[series][0] for series in ids],
        [known[series][1] for series in ids],
        [known[series][2] for series in ids],
        start_ms=first,
        end_ms=last,
    )
    return window, changes


def _candidates(
    incident: Incident, members: set[int], known: Mapping[int, Described], near: Neighbours
) -> list[int]:
    """Choose the series to look at, ascending; the telling ones where there are too many."""
    own = set(incident.entities)
    wanted = own.union(*(near.around(entity) for entity in incident.entities))

    def rank(series: int) -> tuple[bool, bool, bool, int]:
        labels, entity, _ = known[series]
        process = any(name == "process" for name, _ in labels)
        telling = process or indicator_of(labels) is not None
        return (series not in members, not telling, entity not in own, series)

    # Other threads add series meanwhile: take the keys at once.
    around = [series for series in list(known) if known[series][1] in wanted]
    if len(around) <= MAX_SERIES:
        return sorted(around)
    chosen = sorted(around, key=rank)[:MAX_SERIES]
    at = {known[series][0]: series for series in around}  # the mean of a sum needs its count
    return sorted({*chosen, *(at.get(twin_of(known[series][0]), series) for series in chosen)})
