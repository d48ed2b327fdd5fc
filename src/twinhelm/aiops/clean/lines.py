"""Turns log lines into series: how many lines and how many errors each entity writes per second.

In: :class:`~twinhelm.core.telemetry.LogBlock` as they come. Out, for each window of 2 s, a
:class:`~twinhelm.core.telemetry.SampleBlock` with ``logs_lines_per_second`` and
``logs_errors_per_second`` of each entity that wrote anything lately. A line is an error from
severity 17 (ERROR) on; one that came without a severity is judged by its text: a level such as
``ERROR`` or ``level=fatal`` near its beginning.

Only counts are held. What belongs before the oldest open window is late, and only counted. About
0.1 us a line with a severity, 1 us without.

>>> [bool(ERROR.search(line)) for line in ("12:00 ERROR no room", "level=error x", "no error")]
[True, True, False]
"""

import re
from collections import Counter
from collections.abc import Iterator

import numpy as np

from twinhelm.aiops.clean.callees import NOBODY, Entities
from twinhelm.aiops.clean.entities import entity_of
from twinhelm.aiops.clean.tally import AHEAD_MS, WINDOW_MS, Measure, Tally
from twinhelm.aiops.types import Intern
from twinhelm.core.arrays import BOOL, I64, Array
from twinhelm.core.labels import Labels
from twinhelm.core.telemetry import LogBlock, SampleBlock

__all__ = ["ERROR", "Lines"]

ERROR_SEVERITY = 17
MOST_STREAMS = 20_000
LOOKED_AT = 200
WINDOW_NS = WINDOW_MS * 1_000_000
WORDS = ("ERROR", "level", "CRITICAL", "FATAL", "severity", "PANIC", "lvl", "SEVERE")
"""No line without one of these is an error by its text."""
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

        Returns how many were left out, by reason, as :meth:`.calls.Calls.take` does.
        """
        who = np.array([self._entity(labels) for labels in block.streams])[block.stream]
        window = block.time_ns // WINDOW_NS
        late = window < oldest
        ahead = block.time_ns > (now_ms + AHEAD_MS) * 1_000_000
        good = np.flatnonzero(~late & ~ahead & (who != NOBODY))
        left_out = Counter(late=int(late.sum()), ahead=int(ahead.sum()))
        left_out["unnamed"] = len(block) - len(good) - left_out.total()
        left_out["full"], self._tally.left_out = self._tally.left_out, 0
        error = block.severity >= ERROR_SEVERITY
        for i in good[block.severity[good] == 0].tolist():
            error[i] = _is_error(block.body[i][:LOOKED_AT])
        for at, one, count in _counted(window[good], who[good], error[good]):
            self._open.setdefault(at, Counter())[one] += count
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


def _is_error(line: str) -> bool:
    return any(word in line for word in WORDS) and ERROR.search(line) is not None


def _counted(window: I64, who: Array, error: BOOL) -> Iterator[tuple[int, tuple[int, bool], int]]:
    """Yield how many lines there are of each window, entity, and of errors or not."""
    first = window.min(initial=np.iinfo(np.int64).max)
    packed = (window - first) << 32 | who << 1 | error
    for one, count in zip(*map(np.ndarray.tolist, np.unique_counts(packed)), strict=True):
        yield int(first) + (one >> 32), (one >> 1 & 0x7FFFFFFF, bool(one & 1)), count
