"""Know the OTLP series of one tenant: blocks, the lanes that each has, and their ids.

A :class:`LaneTable` is what :func:`~twinhelm.aiops.collect.otlp.points.walk_metrics` fills in.
New points are parsed by handing their block, which is made of protobuf fields, to the generated
class, and their metric's, scope's and resource's blocks once each. Memory is bounded: past
:attr:`LaneTable.most` lanes all is forgotten and met anew. Not for two threads at once.
"""

import struct
from collections.abc import Sequence

import numpy as np
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    SummaryDataPoint,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from twinhelm.aiops.collect.otlp import points
from twinhelm.aiops.collect.otlp.series import Family, Kind, family_of, point_series, target_info
from twinhelm.aiops.collect.wire.blocks import BlockTable
from twinhelm.aiops.collect.wire.series import (
    GENERATION_BYTES,
    LEAST_GENERATION,
    Ids,
    largest_block,
)
from twinhelm.aiops.types import Intern
from twinhelm.core.arrays import I64, longer
from twinhelm.core.errors import TooLarge
from twinhelm.core.labels import Labels
from twinhelm.core.settings import LimitSettings
from twinhelm.core.telemetry import MetricMeta

__all__ = ["LaneTable"]

_HEAD = struct.Struct("<QQQQ")
_FIRST_LANES = 1024


class LaneTable:
    """Blocks, lanes and ids."""

    def __init__(self, intern: Intern, limits: LimitSettings, rng: np.random.Generator) -> None:
        self._limits = limits.labels
        self.most = max(2 * limits.max_series_per_tenant, LEAST_GENERATION)
        self.max_block = largest_block(limits)
        self.blocks = BlockTable(rng)
        self.ids = Ids(intern, self._parse)
        self._metas: dict[MetricMeta, None] = {}
        self._clear()

    def _clear(self) -> None:
        self.blocks.clear()
        self.ids.clear(_FIRST_LANES)
        self.lanes = self._before = 0
        self.known = points.Lanes(
            np.empty(len(self.blocks.spans), np.int64), np.empty(_FIRST_LANES, np.int64)
        )
        self._families: dict[int, Family | str] = {}

    def begin(self) -> None:
        """Begin a request, forgetting all where too much is known."""
        if (
            max(self.lanes, len(self.blocks)) > self.most
            or self.blocks.used_bytes > GENERATION_BYTES
        ):
            self._clear()
        self._before = self.lanes + len(self.blocks)

    def grow(self, status: int, needed: int) -> None:
        """Make room for ``needed`` bytes of blocks, or lanes; :class:`TooLarge` past the bound."""
        if self.lanes + len(self.blocks) - self._before > 2 * self.most:
            raise TooLarge(
                f"the request brings more than {self.most} new series",
                hint="send smaller requests or raise limits.max_series_per_tenant",
            )
        lane_of, owner_of = self.known
        if status == points.NO_ROOM_LANES:
            owner_of = longer(owner_of, max(2 * len(owner_of), self.lanes + needed))
            self.ids.grow(len(owner_of))
        else:
            self.blocks.grow(needed)
            lane_of = longer(lane_of, len(self.blocks.spans))
        self.known = points.Lanes(lane_of, owner_of)

    def take_metas(self) -> tuple[MetricMeta, ...]:
        """Return what new metrics said of themselves since the last call."""
        metas, self._metas = tuple(self._metas), {}
        return metas

    def _parse(self, lanes: I64) -> Sequence[Labels | str | None]:
        parsed: list[Labels | str | None] = []
        owner, made = -1, []
        slots = self.known.owner_of[lanes].tolist()
        for lane, slot in zip(lanes.tolist(), slots, strict=True):
            if slot != owner:
                owner, made = slot, self._series(slot)
            parsed.append(made[lane - int(self.known.lane_of[slot])])
        return parsed

    def _series(self, slot: int) -> list[Labels | str | None]:
        """Name the series of one slot, lane by lane."""
        sort, first, lanes, _, body = self._block(slot)
        if sort == points.SORT_RESOURCE:
            return [target_info(Resource.FromString(body), self._limits)]
        family = self._family(first)
        kind = family.kind if isinstance(family, Family) else Kind.GAUGE
        if kind is Kind.HISTOGRAM:
            histogram = HistogramDataPoint.FromString(body)
            attributes, steps = histogram.attributes, list(histogram.explicit_bounds)
        elif kind is Kind.SUMMARY:
            summary = SummaryDataPoint.FromString(body)
            attributes, steps = summary.attributes, [q.quantile for q in summary.quantile_values]
        else:
            attributes, steps = NumberDataPoint.FromString(body).attributes, []
        made = point_series(family, attributes, steps, self._limits)
        return [made] * lanes if isinstance(made, str) else list(made)

    def _family(self, slot: int) -> Family | str:
        if slot not in self._families:
            _, resource, scope, kind, body = self._block(slot)
            family = self._families[slot] = family_of(
                Resource.FromString(self._block(resource)[-1]),
                InstrumentationScope.FromString(self._block(scope)[-1]),
                Metric.FromString(body),
                Kind(kind),
            )
            if isinstance(family, Family) and family.meta.name:
                self._metas[family.meta] = None
        return self._families[slot]

    def _block(self, slot: int) -> tuple[int, int, int, int, bytes]:
        block = self.blocks.block(slot)
        sort, first, second, third = _HEAD.unpack_from(block)
        return sort, first, second, third, block[points.HEAD :]
