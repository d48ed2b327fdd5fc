"""A stretch of history: many samples of a few series, before any of them has an id.

Sources that read the past (:mod:`past`) and the host collector yield these; whoever keeps them
interns the labels once per stretch instead of once per sample.

``series`` is ``(n,)``, an index into ``labels``; ``time_ms`` ``(n,)`` epoch ms; ``value``
``(n,)``. ``cursor`` names the place in the source just after this stretch: give it back to the
source and it goes on from there.
"""

from collections.abc import Callable
from dataclasses import dataclass

from twinhelm.aiops.types import Intern, Received, Rejected
from twinhelm.core.arrays import F64, I64, U32
from twinhelm.core.labels import Labels
from twinhelm.core.telemetry import MetricMeta, SampleBlock

__all__ = ["History", "Progress"]

Progress = Callable[[int, int], None]
"""Told how much is done and how much there is, in the unit that the source documents."""


@dataclass(frozen=True, slots=True)
class History:
    """See the module."""

    labels: list[Labels]
    series: U32
    time_ms: I64
    value: F64
    cursor: str = ""
    rejected: tuple[Rejected, ...] = ()
    metas: tuple[MetricMeta, ...] = ()

    def __len__(self) -> int:
        return len(self.time_ms)

    def received(self, intern: Intern) -> Received:
        """Give every series its id; series without a sample are not interned."""
        samples = SampleBlock.empty()
        if len(self):
            samples = SampleBlock(intern(self.labels)[self.series], self.time_ms, self.value)
        return Received(samples=samples, metas=self.metas, rejected=self.rejected)
