"""Says why telemetry is not kept, and counts how much of it.

In: :class:`Rejected` from decoders and the :class:`Cleaner`, per door and tenant. Out:
:class:`Rejection` rows for the page and the counters, newest first. Bounded: past
``MAX_ROWS`` (door, tenant, reason) triples, new tenants are counted together under ``other``.

>>> from twinhelm.core.clock import FakeClock
>>> book = RejectionBook(FakeClock(5))
>>> book.add("remote_write", "default", (Rejected("late", 2, "up at 3 ms"),))
>>> book.snapshot()[0].count
2
>>> Reason("late").meaning
'Older than the newest sample of its series and already in the store.'
"""

import threading
from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum
from typing import Self

from twinhelm.aiops.types import Rejected, Rejection
from twinhelm.core.clock import Clock

__all__ = ["Reason", "RejectionBook"]

MAX_ROWS = 2_000
MAX_EXAMPLE = 500


class Reason(StrEnum):
    """Why something was not kept, in the words of decoders, cleaner and doors alike."""

    _value_: str
    meaning: str
    """What was wrong, in a sentence."""

    def __new__(cls, value: str, meaning: str) -> Self:
        """Make a word that knows its sentence."""
        made = str.__new__(cls, value)
        made._value_, made.meaning = value, meaning
        return made

    DUPLICATE = "duplicate", "The same time and value was sent again; nothing is lost."
    CONFLICTING = "conflicting", "Another value already stands at that time; the first one is kept."
    LATE = "late", "Older than the newest sample of its series and already in the store."
    TOO_FAR_AHEAD = "too_far_ahead", "Further ahead of the clock here than limits.max_future_s."
    TOO_OLD = "too_old", "Further back than limits.max_past_days."
    SERIES_LIMIT = "series_limit", "A new series past limits.max_series_per_tenant."
    BAD_LABELS = "bad_labels", "Labels that are repeated, badly named, too many or too long."
    NATIVE_HISTOGRAM = "native_histogram", "A native (exponential) histogram, which is not kept."
    EXEMPLAR = "exemplar", "An exemplar, which is not kept."
    DELTA_TEMPORALITY = "delta_temporality", "A delta sum or histogram that could not be added up."
    NO_TIME = "no_time", "A point without a time."
    BAD_VALUE = "bad_value", "A value that is not a number of the kind that was announced."
    LINE_TOO_LONG = "line_too_long", "A log line longer than limits.max_log_line_bytes."
    TOO_LARGE = "too_large", "A request or a part of it past a size limit."
    MALFORMED = "malformed", "Bytes that do not follow the format."
    UNSUPPORTED = "unsupported", "A form of telemetry that this door does not take."


class RejectionBook:
    """Counts of what was not kept. Safe from several threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rows: dict[tuple[str, str, str], Rejection] = {}
        self._lock = threading.Lock()

    def add(self, door: str, tenant: str, rejected: Iterable[Rejected]) -> None:
        """Count what one request had rejected."""
        now_ms = self._clock.now_ms()
        with self._lock:
            for one in rejected:
                if one.count > 0:
                    self._add(door, tenant, one, now_ms)

    def snapshot(self) -> list[Rejection]:
        """List what was rejected, the newest first."""
        with self._lock:
            rows = list(self._rows.values())
        return sorted(rows, key=lambda row: (-row.last_ms, row.door, row.tenant, row.reason))

    def restore(self, rows: Iterable[Rejection]) -> None:
        """Take over a snapshot; counts made since the start are added to it."""
        with self._lock:
            for row in rows:
                key = (row.door, row.tenant, row.reason)
                have = self._rows.get(key)
                if have is None:
                    self._rows[key] = row
                else:
                    first_ms = min(have.first_ms, row.first_ms)
                    count = have.count + row.count
                    self._rows[key] = replace(have, first_ms=first_ms, count=count)

    def _add(self, door: str, tenant: str, one: Rejected, now_ms: int) -> None:
        key = (door, tenant, one.reason)
        if key not in self._rows and len(self._rows) >= MAX_ROWS:
            key = (door, "other", one.reason)
        have = self._rows.get(key)
        self._rows[key] = Rejection(
            *key,
            count=one.count + (have.count if have else 0),
            example=(one.example or (have.example if have else ""))[:MAX_EXAMPLE],
            first_ms=have.first_ms if have else now_ms,
            last_ms=now_ms,
        )
