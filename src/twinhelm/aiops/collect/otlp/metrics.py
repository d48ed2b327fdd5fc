"""Decode OTLP metrics into columns named as Prometheus names them.

In: an ``ExportMetricsServiceRequest`` as plain protobuf bytes. Out: a
:class:`~twinhelm.aiops.types.Received` with samples, what metrics say of themselves, and what was
not kept. Times are epoch ms; a point "with no recorded value" becomes a stale marker.

Gauges, cumulative sums, explicit histograms and summaries are kept; see
:mod:`twinhelm.aiops.collect.otlp.series` for names and labels. Not kept and said so: delta
temporality, exponential histograms, exemplars, points without a time, without a value, or whose
buckets and bounds do not fit together, and series whose labels are bad or refused.

Measured on one shared core: 9 M samples/s (``benchmarks/decode.py``). Series are known by their
bytes as in :mod:`twinhelm.aiops.collect.remote_write`; past the bound all are forgotten and
met anew, at about 20 us each.

Source: opentelemetry-proto 1.x; OpenTelemetry "Prometheus and OpenMetrics Compatibility".

>>> from twinhelm.core.settings import LimitSettings
>>> decoder = OtlpMetricsDecoder(lambda new: np.arange(len(new), dtype=np.uint32), LimitSettings())
>>> len(decoder.decode(b"").samples)
0
"""

import threading
from collections.abc import Iterable

import numpy as np
from google.protobuf.message import DecodeError
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from twinhelm.aiops.collect.otlp import points
from twinhelm.aiops.collect.otlp.lanes import LaneTable
from twinhelm.aiops.collect.otlp.point import POINT_SIZE
from twinhelm.aiops.collect.wire.columns import Columns
from twinhelm.aiops.types import Intern, Received, Rejected
from twinhelm.core.arrays import I64, U8
from twinhelm.core.errors import BadInput, TooLarge
from twinhelm.core.settings import LimitSettings

__all__ = ["OtlpMetricsDecoder"]


class OtlpMetricsDecoder:
    """Decodes the requests of one tenant; may be called from any thread.

    ``intern`` is as in :class:`~twinhelm.aiops.collect.remote_write.RemoteWriteDecoder`.
    """

    def __init__(self, intern: Intern, limits: LimitSettings, *, seed: int | None = None) -> None:
        self._table = LaneTable(intern, limits, np.random.default_rng(seed))
        self._lock = threading.Lock()

    def decode(self, raw: bytes) -> Received:
        """Decode a request from protobuf.

        Raises :class:`BadInput` with the byte offset where the bytes are no such request, and
        :class:`TooLarge` past a bound; nothing of the request is kept then.
        """
        data = np.frombuffer(raw or b"\0", np.uint8)[: len(raw)]
        state = np.zeros(points.STATE_SIZE, np.int64)
        columns = Columns(len(raw) // 24 + 16)
        with self._lock:
            self._walk(data, columns, state)
            try:
                return self._received(raw, columns, state)
            except DecodeError as error:
                raise BadInput(
                    f"an attribute, name or resource is no valid protobuf: {error}",
                    hint="text must be UTF-8; check Content-Encoding and Content-Type",
                ) from error

    def _walk(self, data: U8, columns: Columns, state: I64) -> None:
        """Fill in columns and state, growing what is too small."""
        table = self._table
        table.begin()
        room = np.empty(3, np.int64), np.empty(POINT_SIZE, np.int64)
        while True:
            state[:] = 0
            state[points.LANES] = table.lanes
            blocks, known = table.blocks.arrays, table.known
            status = points.walk_metrics(
                data, table.max_block, blocks, known, columns.rows, *room, state
            )
            table.lanes = int(state[points.LANES])
            if status == points.DONE:
                return
            if status == points.BAD_BYTES:
                raise BadInput(
                    f"the bytes from {state[points.AT]} on are no valid OTLP metrics request",
                    hint="check Content-Encoding and Content-Type",
                )
            if status == points.TOO_LONG:
                raise TooLarge(
                    f"the resource, scope or metric at byte {state[points.AT]} is named by more "
                    f"than {table.max_block} bytes",
                    hint="drop attributes at the source",
                )
            if status == points.NO_ROOM_ROWS:
                columns.grow(0)
            else:
                table.grow(status, int(state[points.NEEDED]))

    def _received(self, raw: bytes, columns: Columns, state: I64) -> Received:
        rows = columns.rows.first(int(state[points.ROWS]))
        samples, rejected = self._table.ids.resolve(*rows)
        not_kept = (*rejected, *_not_kept(raw, state))
        return Received(samples=samples, metas=self._table.take_metas(), rejected=not_kept)


def _name(metric: bytes) -> str:
    try:
        return Metric.FromString(metric).name[:200]
    except DecodeError:
        return ""


def _not_kept(raw: bytes, state: I64) -> Iterable[Rejected]:
    for cause, reason in enumerate(points.CAUSES):
        count, start, stop = state[points.FIRST_CAUSE + 3 * cause :][:3].tolist()
        if count:
            yield Rejected(reason, count, _name(raw[start:stop]))
    if exemplars := int(state[points.EXEMPLARS]):
        yield Rejected("exemplar", exemplars, "exemplars are not kept")
