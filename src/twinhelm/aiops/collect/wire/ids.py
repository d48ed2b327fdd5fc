"""Turn what kernels found into series ids, meeting each new series once.

A kernel names a series by a *lane*, a small number that stands for the same series in every
request. :class:`Ids` holds the id of each lane. Lanes without one are parsed by the owner's
``parse`` and handed to ``intern`` together. What came of a lane is remembered whether it was
good, bad or refused, so that a sender who repeats bad labels costs no more than any other;
refused series are offered again now and then. Not for two threads at once.
"""

from collections.abc import Callable, Sequence

import numpy as np

from twinhelm.aiops.collect.wire.labels import in_words
from twinhelm.aiops.types import Rejected
from twinhelm.core.arrays import F64, I64, U32
from twinhelm.core.labels import Labels
from twinhelm.core.telemetry import SampleBlock

__all__ = ["BAD", "NEW", "REFUSED", "REFUSED_REQUESTS", "SKIP", "Ids"]

REFUSED, BAD, SKIP, NEW = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFC
"""Ids that are none: past the series limit, bad labels, not wanted, not yet met."""

REFUSED_REQUESTS = 256
"""After so many requests with refused series they are offered again: the limit may be raised."""


class Ids:
    """Ids by lane.

    ``intern`` is as in :class:`~twinhelm.aiops.collect.remote_write.RemoteWriteDecoder`.
    ``parse`` is given lanes, ascending, and returns for each its labels, or a text that says what
    is wrong with them, or None where the lane's samples are not wanted. ``adopt`` may first fill
    in lanes whose ids the owner knows from elsewhere.
    """

    def __init__(
        self,
        intern: Callable[[list[Labels]], U32],
        parse: Callable[[I64], Sequence[Labels | str | None]],
        adopt: Callable[[I64], None] = lambda _: None,
    ) -> None:
        self._intern = intern
        self._parse = parse
        self._adopt = adopt
        self._refused_requests = 0
        self.clear(0)

    def clear(self, capacity: int) -> None:
        """Forget every lane and make room for ``capacity``."""
        self.lanes: U32 = np.full(capacity, NEW, np.uint32)
        self._wrong: dict[int, str] = {}

    def grow(self, capacity: int) -> None:
        """Make room for lanes up to ``capacity``."""
        if len(self.lanes) < capacity:
            lanes = np.full(capacity, NEW, np.uint32)
            lanes[: len(self.lanes)] = self.lanes
            self.lanes = lanes

    def resolve(self, lanes: U32, time_ms: I64, value: F64) -> tuple[SampleBlock, list[Rejected]]:
        """Turn lanes into ids; samples of lanes without one are left out and counted."""
        ids = self.lanes[lanes]
        if not len(ids) or ids.max() < NEW:
            return SampleBlock(ids, time_ms, value), []
        new = ids == NEW
        if new.any():
            self._meet(np.unique(lanes[new]).astype(np.int64))
            ids = self.lanes[lanes]
        rejected = []
        for none, reason in ((BAD, "bad_labels"), (REFUSED, "series_limit")):
            mine = np.flatnonzero(ids == none)
            if len(mine):
                text = self.describe(int(lanes[mine[0]]))
                rejected.append(Rejected(reason, len(mine), text))
        if rejected and rejected[-1].reason == "series_limit":
            self._refused_requests += 1
        if self._refused_requests >= REFUSED_REQUESTS:
            self._refused_requests = 0
            self.lanes[self.lanes == REFUSED] = NEW
        good = ids < NEW
        return SampleBlock(ids[good], time_ms[good], value[good]), rejected

    def describe(self, lane: int) -> str:
        """Say in words which series a lane is, or what is wrong with it."""
        if lane in self._wrong:
            return self._wrong[lane]
        labels = self._parse(np.array([lane], np.int64))[0]
        return labels if isinstance(labels, str) else in_words(labels or ())

    def _meet(self, lanes: I64) -> None:
        """Find ids for lanes that have none."""
        self._adopt(lanes)
        lanes = lanes[self.lanes[lanes] == NEW]
        fresh: dict[Labels, list[int]] = {}
        for lane, labels in zip(lanes.tolist(), self._parse(lanes), strict=True):
            if labels is None:
                self.lanes[lane] = SKIP
            elif isinstance(labels, str):
                self.lanes[lane] = BAD
                self._wrong[lane] = labels
            else:
                fresh.setdefault(labels, []).append(lane)
        if fresh:
            given = self._intern(list(fresh))
            for id_, owners in zip(given.tolist(), fresh.values(), strict=True):
                self.lanes[owners] = id_
