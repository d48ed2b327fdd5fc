"""What the agent carried lately, as it came, until somebody asks.

In: scraped pages, OTLP bodies, pushes and events, with the time they were carried. Out: those of
a stretch of time. Nothing is decoded until it is asked for, so that keeping costs next to
nothing; bodies rest compressed, about 20 kB a second of the lab.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import cramjam

__all__ = ["Kept", "Kind", "Shelf"]

Kind = Literal["page", "metrics", "logs", "traces", "push", "change", "lineage"]
"""A scraped page; OTLP metrics, logs and traces; a Loki push; a CloudEvent; OpenLineage."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One body: when it was carried (epoch s), and of a page, whose it is."""

    at_s: float
    kind: Kind
    job: str
    packed: bytes

    @property
    def body(self) -> bytes:
        """The body as it came."""
        return bytes(cramjam.snappy.decompress_raw(self.packed))


class Shelf:
    """Keeps what is younger than ``keep_s``."""

    def __init__(self, keep_s: float) -> None:
        self._keep_s = keep_s
        self._all: deque[Kept] = deque()

    def put(self, at_s: float, kind: Kind, body: bytes, job: str = "") -> None:
        """Keep a body, and let go of what is too old."""
        self._all.append(Kept(at_s, kind, job, bytes(cramjam.snappy.compress_raw(body))))
        while self._all[0].at_s < at_s - self._keep_s:
            self._all.popleft()

    def between(self, start_s: float, end_s: float) -> Iterator[Kept]:
        """List what was carried from ``start_s`` up to ``end_s``."""
        return (kept for kept in tuple(self._all) if start_s <= kept.at_s < end_s)
