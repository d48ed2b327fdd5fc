"""Decode Prometheus remote write, versions 1 and 2, into columns.

In: a request body, decompressed (:mod:`twinhelm.aiops.collect.wire.compression`), from the web
door. Out: a :class:`~twinhelm.aiops.types.Received` whose samples carry series ids, for the
intake flow. Times are epoch ms, values float64 with stale markers kept bit for bit.

A series that was seen before is known by its label bytes and costs no Python object; a new one
is parsed, checked and handed to ``intern`` once. Not kept, and said so in ``rejected``: native
histograms and exemplars, series whose labels are bad, and series that ``intern`` refuses. A
sender of either version must be answered 400 where a sample or native histogram was rejected;
exemplars alone are no fault of its.

Measured on one shared core, snappy included: version 1 takes 33 M samples/s at 10 samples a
series and 12 M at one, version 2 16 M and 2.4 M (``benchmarks/decode.py``). Memory: about 300
bytes a series, bounded by two generations of ``limits.max_series_per_tenant`` each: series that
stopped are forgotten when a new generation begins.

Sources: Prometheus remote write 1.0 specification; 2.0-rc.4 specification.

>>> from twinhelm.core.settings import LimitSettings
>>> decoder = RemoteWriteDecoder(lambda new: np.arange(len(new), dtype=np.uint32), LimitSettings())
>>> raw = bytes.fromhex("0a1b0a0e0a085f5f6e616d655f5f120275701209090000000000000840")
>>> decoder.decode_v1(raw).samples.value
array([3.])
"""

import threading

import numpy as np

from twinhelm.aiops.collect.wire import writes
from twinhelm.aiops.collect.wire.columns import Columns
from twinhelm.aiops.collect.wire.series import SeriesTable
from twinhelm.aiops.types import Intern, Received, Rejected
from twinhelm.core.arrays import I64, U8
from twinhelm.core.errors import BadInput, TooLarge
from twinhelm.core.settings import LimitSettings
from twinhelm.core.telemetry import MetricMeta, MetricType, SampleBlock

__all__ = ["RemoteWriteDecoder"]

MAX_SYMBOLS = 4_000_000
KEPT_ROWS = 262_144
"""Columns of up to this many rows (5 MB) are used for one request after the other."""
MAX_METAS = 65_536
"""Metadata entries kept from one request; senders repeat them, so that the rest comes later."""

_TYPES = dict(enumerate(MetricType))
_SPLIT_TYPES = (MetricType.HISTOGRAM, MetricType.GAUGEHISTOGRAM, MetricType.SUMMARY)


class RemoteWriteDecoder:
    """Decodes the requests of one tenant; may be called from any thread.

    ``intern`` is given label sets not met before and returns their ids; an id of 0xFFFFFFFF
    means refused for the series limit, 0xFFFFFFFE refused for bad labels. What it raises passes
    through, and the request may be sent again.
    """

    def __init__(self, intern: Intern, limits: LimitSettings, *, seed: int | None = None) -> None:
        self._series = SeriesTable(intern, limits, np.random.default_rng(seed))
        self._max_gathered = limits.max_decoded_bytes
        self._columns = Columns(KEPT_ROWS // 16)
        self._lock = threading.Lock()

    def decode_v1(self, raw: bytes | memoryview) -> Received:
        """Decode a ``prometheus.WriteRequest``.

        Raises :class:`BadInput` with the byte offset where the bytes are no such request, and
        :class:`TooLarge` past a bound; nothing of the request is kept then.
        """
        data = np.frombuffer(raw or b"\0", np.uint8)[: len(raw)]
        state = np.zeros(writes.STATE_SIZE, np.int64)
        metas = np.empty((min(len(raw) // 4, MAX_METAS), 7), np.int64)
        with self._lock:
            samples, rejected = self._walk(data, metas, state)
        if (lost := int(state[writes.METAS]) - len(metas)) > 0:
            rejected.append(Rejected("too_large", lost, f"metadata past {MAX_METAS} entries"))
        said: dict[MetricMeta, None] = {}
        for kind, *spans in metas[: state[writes.METAS]].tolist():
            name, help_, unit = _texts(raw, spans)
            said[MetricMeta(name, _TYPES.get(kind, MetricType.UNKNOWN), unit, help_)] = None
        return Received(samples=samples, metas=tuple(said), rejected=tuple(rejected))

    def decode_v2(self, raw: bytes | memoryview) -> Received:
        """Decode an ``io.prometheus.write.v2.Request``; raises as :meth:`decode_v1` does."""
        data = np.frombuffer(raw or b"\0", np.uint8)[: len(raw)]
        state = np.zeros(writes.STATE_SIZE, np.int64)
        symbols = _symbols(data, state)
        metas = np.empty((min(len(raw) // 4, MAX_METAS), 4), np.int64)
        with self._lock:
            samples, rejected = self._walk(data, metas, state, symbols)
            metas = metas[: state[writes.METAS]]
            names = self._series.names(metas[:, 0])
        said: dict[MetricMeta, None] = {}
        for name, (_, kind, text, unit) in zip(names, metas.tolist(), strict=True):
            help_, unit_ = _texts(raw, symbols[[text, unit]].ravel().tolist())
            type_ = _TYPES.get(kind, MetricType.UNKNOWN)
            if type_ in _SPLIT_TYPES:
                for suffix in ("_bucket", "_sum", "_count"):
                    name = name.removesuffix(suffix)
            if name:
                said[MetricMeta(name, type_, unit_, help_)] = None
        return Received(samples=samples, metas=tuple(said), rejected=tuple(rejected))

    def _walk(
        self, data: U8, metas: I64, state: I64, symbols: I64 | None = None
    ) -> tuple[SampleBlock, list[Rejected]]:
        """Read a request, of version 2 where there are symbols, growing what is too small."""
        series = self._series
        series.begin()
        columns = self._columns
        while True:
            common = data, series.max_block, series.table.arrays, columns.rows, metas, state
            if symbols is None:
                status = writes.walk_v1(*common)
            else:
                status = writes.walk_v2(*common, self._max_gathered, symbols, series.described)
            if status == writes.DONE:
                break
            if status == writes.NO_ROOM_ROWS:
                columns.grow(int(state[writes.ROWS]))
            elif status == writes.NO_ROOM_BLOCKS:
                series.grow(int(state[writes.NEEDED]))
            else:
                raise _refusal(status, state)
        rows = columns.rows.first(int(state[writes.ROWS]))
        samples, rejected = series.ids.resolve(rows.lane, rows.time.copy(), rows.value.copy())
        if len(columns.rows.lane) > KEPT_ROWS:
            self._columns = Columns(KEPT_ROWS // 16)
        if histograms := int(state[writes.HISTOGRAMS]):
            text = series.ids.describe(int(state[writes.HISTOGRAM_SLOT]) - 1)
            rejected.append(Rejected("native_histogram", histograms, text))
        if exemplars := int(state[writes.EXEMPLARS]):
            rejected.append(Rejected("exemplar", exemplars, "exemplars are not kept"))
        if long := int(state[writes.LONG_SAMPLES]):
            text = f"the series at byte {state[writes.LONG_AT]} has labels past all limits"
            rejected.append(Rejected("bad_labels", long, text))
        return samples, rejected


def _symbols(data: U8, state: I64) -> I64:
    """Find the symbols of a version 2 request; the first must be empty."""
    symbols = np.empty((min(len(data) // 2 + 1, MAX_SYMBOLS), 2), np.int64)
    status = writes.scan_symbols(data, symbols, state)
    if status == writes.TOO_MUCH:
        raise TooLarge(
            f"the request has more than {MAX_SYMBOLS} symbols", hint="send smaller requests"
        )
    if status:
        raise _refusal(status, state)
    symbols = symbols[: state[writes.SYMBOLS]]
    if len(data) and (not len(symbols) or symbols[0, 0] != symbols[0, 1]):
        raise BadInput(
            "the first symbol of a remote-write 2.0 request must be the empty string",
            hint="check that the body is io.prometheus.write.v2.Request",
        )
    return symbols


def _texts(raw: bytes | memoryview, spans: list[int]) -> list[str]:
    """Read the texts that lie between pairs of offsets."""
    ends = zip(spans[::2], spans[1::2], strict=True)
    return [str(raw[start:end], "utf-8", "replace") for start, end in ends]


def _refusal(status: int, state: I64) -> BadInput | TooLarge:
    at = int(state[writes.AT])
    if status == writes.TOO_MUCH:
        text = f"the labels up to byte {at} expand past limits.max_decoded_bytes"
        return TooLarge(text, hint="send smaller requests")
    text = f"the bytes from {at} on are not a valid remote-write request"
    hint = "check Content-Encoding and Content-Type"
    if status == writes.OTHER_VERSION:
        text = f"field at byte {at} belongs to the other version of remote write"
        hint = "Content-Type must say proto=io.prometheus.write.v2.Request for version 2 only"
    elif status == writes.BAD_REFS:
        text = f"the series at byte {at} refers to symbols that are not there, or to an odd number"
        hint = "check the sender"
    return BadInput(text, hint=hint)
