"""How does a version fare? Requests, failures and a histogram of times, counted as they pass.

A :class:`Tally` is written by the event loop alone; :meth:`Tally.copy` and :meth:`Tally.since`
give what others may look at. Times fall into buckets that grow by an eighth of a doubling, so a
quantile is right to 9 %.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import ceil, log2

__all__ = ["Tally"]

PER_DOUBLING = 8
BUCKETS = 8 * 27
"""From 1 us to 134 s."""


@dataclass(slots=True)
class Tally:
    """What happened to requests.

    ``errors`` are requests that the version failed at (5xx, too slow, died, or refused what the
    champion takes); ``refused`` those that were wrong in themselves. ``compared`` rows were
    answered in the shadow, ``differing`` of them otherwise than by the champion.
    """

    requests: int = 0
    errors: int = 0
    refused: int = 0
    rows: int = 0
    compared: int = 0
    differing: int = 0
    dropped: int = 0
    """Requests that were to be shadowed and were not, because the shadow was too far behind."""
    seconds: float = 0.0
    times: list[int] = field(default_factory=lambda: [0] * BUCKETS)

    def add(self, status: int, seconds: float, rows: int = 0) -> None:
        """Count one request."""
        self.requests += 1
        self.rows += rows
        self.seconds += seconds
        if status >= 500:
            self.errors += 1
        elif status != 200:
            self.refused += 1
        at = int(PER_DOUBLING * log2(max(seconds * 1e6, 1.0)))
        self.times[min(at, BUCKETS - 1)] += 1

    def copy(self) -> Tally:
        """Return what stands now."""
        return replace(self, times=list(self.times))

    def since(self, before: Tally) -> Tally:
        """Return what came after ``before``, a copy of this one."""
        numbers = {
            name: getattr(self, name) - getattr(before, name)
            for name in self.__slots__
            if name != "times"
        }
        times = [now - then for now, then in zip(self.times, before.times, strict=True)]
        return Tally(**numbers, times=times)

    @property
    def error_ratio(self) -> float:
        """Errors in requests, 0 to 1; 0 of none."""
        return self.errors / max(self.requests, 1)

    @property
    def disagreement(self) -> float:
        """Rows answered otherwise than by the champion, 0 to 1; 0 of none."""
        return self.differing / max(self.compared, 1)

    def quantile_s(self, share: float) -> float:
        """Return the time within which so many were answered (the bucket's upper end); 0 of none.

        >>> tally = Tally()
        >>> for each in range(100):
        ...     tally.add(200, 0.001 if each < 98 else 1.0)
        >>> round(tally.quantile_s(0.5), 3), tally.quantile_s(0.99) >= 1.0
        (0.001, True)
        """
        wanted, seen = ceil(share * sum(self.times)), 0
        for at, count in enumerate(self.times):
            seen += count
            if count and seen >= wanted:
                return float(2 ** ((at + 1) / PER_DOUBLING)) * 1e-6
        return 0.0

    def words(self) -> dict[str, float]:
        """Return what people and rules look at."""
        return {
            "requests": float(self.requests),
            "errors": float(self.errors),
            "error_ratio": self.error_ratio,
            "p50_ms": self.quantile_s(0.5) * 1e3,
            "p99_ms": self.quantile_s(0.99) * 1e3,
            "compared": float(self.compared),
            "disagreement": self.disagreement,
        }
