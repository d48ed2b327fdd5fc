"""Keeps count of what was not kept, how much of it, and why.

In: :class:`Rejected` from decoders and the :class:`Cleaner`, per door and tenant. Out:
:class:`Rejection` rows for the page and the counters, newest first. Bounded: past
``MAX_ROWS`` (door, tenant, reason) triples, new tenants are counted together under ``other``.

>>> from twinhelm.core.clock import FakeClock
>>> book = RejectionBook(FakeClock(5))
>>> book.add("remote_write", "default", (Rejected("late", 2, "up at 3 ms"),))
>>> book.snapshot()[0].count
2
"""

import threading
from collections.abc import Iterable
from dataclasses import replace

from twinhelm.aiops.types import Rejected, Rejection
from twinhelm.core.clock import Clock

__all__ = ["RejectionBook"]

MAX_ROWS = 2_000
MAX_EXAMPLE = 500


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

    def total(self) -> int:
        """Count everything ever rejected."""
        with self._lock:
            return sum(row.count for row in self._rows.values())

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
