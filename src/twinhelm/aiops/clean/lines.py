"""Turns log lines into series: how many lines and how many errors each entity writes per second.

In: :class:`~twinhelm.core.telemetry.LogBlock` as they come. Out, for each window of 2 s, a
:class:`~twinhelm.core.telemetry.SampleBlock` with ``logs_lines_per_second`` and
``logs_errors_per_second`` of each entity that wrote anything lately. A line is an error from
severity 17 (ERROR) on; one that came without a severity is judged by its text: a level such as
``ERROR`` or ``level=fatal`` near its beginning.

Only counts are held. What belongs before the oldest open window is late, and only counted. About
0.1 us a line with a severity, 0.5 us without.

>>> [bool(ERROR.search(line)) for line in ("12:00 ERROR no room", "level=error x", "no error")]
[True, True, False]
"""

import re
from collections import Counter

import numpy as np

from twinhelm.aiops.clean.callees import NOBODY, Entities
from twinhelm.aiops.clean.entities import entity_of
from twinhelm.aiops.clean.tally import WINDOW_MS, Intern, Measure, Tally
from twinhelm.core.arrays import Array
from twinhelm.core.labels import Labels
from twinhelm.core.telemetry import LogBlock, SampleBlock

__all__ = ["ERROR", "Lines"]

ERROR_SEVERITY = 17
MOST_STREAMS = 20_000
AHEAD_MS = 60_000
LOOKED_AT = 200
WINDOW_NS = WINDOW_MS * 1_000_000
ERROR = re.compile(
    r"\b(?:ERROR|CRITICAL|FATAL|PANIC|SEVERE)\b"
    r"|\b(?:level|lvl|severity)\"?\s?[=:]\s?\"?(?i:err|crit|fatal|panic|alert|emerg)"
)


class Lines:
    """The counts of one tenant's open windows; for one thread."""

    def __init__(self, intern: Intern) -> None:
        self._tally = Tally(
            intern, Measure("logs_lines_per_second"), Measure("logs_errors_per_second")
        )
        self._entities = Entities()
        self._streams: dict[Labels, int] = {}
        self._open: dict[int, Counter[tuple[int, bool]]] = {}

    @property
    def idle(self) -> bool:
        """True while nothing waits and nothing lives."""
        return not self._open and not len(self._tally)

    def take(self, block: LogBlock, oldest: int, now_ms: int) -> Counter[str]:
        """Count lines; ``oldest`` is the first window that is open.

        Returns how many were left out, by reason: ``late``, ``ahead``, ``full``.
        """
        who = np.array([self._entity(labels) for labels in block.streams])[block.stream]
        window = block.time_ns // WINDOW_NS
        late = window < oldest
        ahead = block.time_ns > (now_ms + AHEAD_MS) * 1_000_000
        good = np.flatnonzero(~late & ~ahead & (who != NOBODY))
        left_out = Counter(late=int(late.sum()), ahead=int(ahead.sum()))
        left_out["full"] = len(block) - len(good) - left_out.total()
        error = block.severity >= ERROR_SEVERITY
        for i in good[block.severity[good] == 0].tolist():
            error[i] = ERROR.search(block.body[i], 0, LOOKED_AT) is not None
        for one, count in _counted(window[good], who[good], error[good]).items():
            self._open.setdefault(one[0], Counter())[one[1:]] += count
        return +left_out

    def close(self, window: int) -> SampleBlock:
        """Tell of one window, the oldest that is open."""
        found = self._open.pop(window, Counter[tuple[int, bool]]())
        who = np.array([one for one, _ in found], np.int64)
        lines = np.array(list(found.values()), np.float64)
        errors = lines * np.array([error for _, error in found], np.float64)
        end_ms = (window + 1) * WINDOW_MS
        return self._tally.close(end_ms, who, (lines, errors), self._entities.naming)[0]

    def _entity(self, labels: Labels) -> int:
        known = self._streams.get(labels)
        if known is None:
            if len(self._streams) >= MOST_STREAMS:
                self._streams.clear()
            entity = entity_of(labels)
            known = NOBODY if entity.startswith("other:") else self._entities.number(entity)
            self._streams[labels] = known
        return known


def _counted(window: Array, who: Array, error: Array) -> Counter[tuple[int, int, bool]]:
    found, counts = np.unique(np.stack((window, who, error)), axis=1, return_counts=True)
    rows = zip(*found.tolist(), counts.tolist(), strict=True)
    return Counter({(at, one, bool(bad)): count for at, one, bad, count in rows})
