"""Turns what happened in short windows of time into series: how often, and how much on average.

In: for one window, a number per happening that says whom it concerns, and its measures (a
duration, a failure). Out: a :class:`SampleBlock` at the window's end, a row per subject and
measure: the first measure is how often, per second; the others are sums per second or means, as
:class:`Measure` says. A subject lives on for ``LIFE_MS`` after its last happening: till then each
window without any says 0 per second and no mean, so that what stops is seen; then stale markers
end its series.

At most ``MOST`` subjects live at once; happenings of others are counted in ``left_out``.

Held in memory only: after a restart a subject is told of again once something happens to it.
Cost: a few microseconds a subject and window, tens of nanoseconds a happening.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from twinhelm.aiops.types import Intern
from twinhelm.core.arrays import F64, I64
from twinhelm.core.labels import METRIC, labels_of
from twinhelm.core.telemetry import STALE_NAN_BITS, SampleBlock

__all__ = ["AHEAD_MS", "WINDOW_MS", "Measure", "Tally"]

WINDOW_MS = 2_000
LIFE_MS = 300_000
AHEAD_MS = 600_000
"""What happens later than this after now is not believed; as with samples by default."""
MOST = 20_000


@dataclass(frozen=True, slots=True)
class Measure:
    """A series of every subject: its metric name, and whether it is a mean or a sum per second."""

    name: str
    mean: bool = False


class Tally:
    """The subjects of one kind that live; for one thread."""

    def __init__(self, intern: Intern, *measures: Measure) -> None:
        self._intern = intern
        self._measures = measures
        self._ids: dict[int, list[int]] = {}
        self._newest_ms: dict[int, int] = {}
        self.left_out = 0

    def __len__(self) -> int:
        """Count the subjects that live."""
        return len(self._ids)

    def close(
        self,
        end_ms: int,
        subjects: I64,
        sums: Sequence[F64],
        describe: Callable[[int], dict[str, str]],
    ) -> tuple[SampleBlock, list[int]]:
        """Tell of the window that ends at ``end_ms``, and which subjects' lives end with it.

        ``sums`` holds ``(n,)`` per measure; of the first, how many happenings a row stands for.
        ``describe`` gives a new subject's labels, less the metric name. What ``intern`` raises
        leaves the window untold.
        """
        present, place = np.unique(subjects, return_inverse=True)
        self._meet([one for one in present.tolist() if one not in self._ids], describe)
        living = list(self._ids)
        row = {one: at for at, one in enumerate(living)}
        known = np.array([one in row for one in present.tolist()], np.bool_)
        at = [row[one] for one in present[known].tolist()]
        self._newest_ms.update(dict.fromkeys(present[known].tolist(), end_ms))
        values = np.zeros((len(living), len(self._measures)))
        values[:, [measure.mean for measure in self._measures]] = np.nan
        totals = [np.bincount(place, weights, len(present)) for weights in sums]
        self.left_out += int(totals[0][~known].sum())
        for column, (measure, total) in enumerate(zip(self._measures, totals, strict=True)):
            share = total / (totals[0] if measure.mean else WINDOW_MS / 1000)
            values[at, column] = share[known]
        told = ~np.isnan(values)
        over = [one for one in living if end_ms - self._newest_ms[one] >= LIFE_MS]
        gone = [row[one] for one in over]
        values.view(np.uint64)[gone] = STALE_NAN_BITS
        told[gone] = True
        ids = np.array(list(self._ids.values()), np.uint32).reshape(values.shape)
        for one in over:
            del self._ids[one], self._newest_ms[one]
        count = int(told.sum())
        return SampleBlock(ids[told], np.full(count, end_ms), values[told]), over

    def _meet(self, new: list[int], describe: Callable[[int], dict[str, str]]) -> None:
        new = new[: MOST - len(self._ids)]
        if not new:
            return
        labels = [
            labels_of({**described, METRIC: measure.name})
            for described in map(describe, new)
            for measure in self._measures
        ]
        width = len(self._measures)
        ids = self._intern(labels).tolist()
        for place, one in enumerate(new):
            self._ids[one] = ids[place * width : (place + 1) * width]
