"""Says which samples are new, which came late, and which are not kept.

In: a :class:`SampleBlock` in arrival order, as a decoder of the collect room made it. Out: an
:class:`Admission`: ``fresh`` samples go on to the store and the detector; ``late`` ones (older
than the newest of their series) need a look into the store first, with :func:`admit_history`;
the rest is counted by :class:`Reason`. State: per series id the newest time and its value, 16
bytes a series. About 10 ns a sample; when all are fresh the block itself is handed on, not a
copy. Stale markers are ordinary samples here (Prometheus, model/value: a NaN with a fixed bit
pattern says that the series ended).

Wrong when the caller admits samples and then fails to store them: the sender's retry would be
called duplicate. So after a failed append call :meth:`Cleaner.revert`.

>>> import numpy as np
>>> from twinhelm.core.settings import LimitSettings
>>> cleaner = Cleaner(LimitSettings())
>>> block = SampleBlock(np.zeros(2, np.uint32), np.full(2, 1000, np.int64), np.ones(2))
>>> [(r.reason, r.count) for r in cleaner.admit(block, 2000).rejected]
[('duplicate', 1)]
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numba import njit

from twinhelm.aiops.clean.rejections import Reason
from twinhelm.aiops.types import Rejected
from twinhelm.core.arrays import I64, U8, U32, U64, Array, longer
from twinhelm.core.settings import LimitSettings
from twinhelm.core.telemetry import SampleBlock

__all__ = ["BAD_SERIES", "NO_SERIES", "Admission", "Cleaner", "admit_history", "frozen"]

NO_SERIES = 0xFFFF_FFFF
"""The id of a series that the cardinality limit refused."""
BAD_SERIES = 0xFFFF_FFFE
"""The id of a series whose labels were refused."""

_NEVER = np.iinfo(np.int64).min
_UNKNOWN_VALUE = np.uint64(0x7FF8_0000_DEAD_BEEF)
"""Stands for a newest value that is only known to the store (after a restart)."""
_MAX_SERIES = 1 << 28
_GROW = 1024

_FRESH, _LATE = 0, 1
_CODES = (Reason.DUPLICATE, Reason.CONFLICTING, Reason.TOO_FAR_AHEAD, Reason.TOO_OLD,
          Reason.SERIES_LIMIT, Reason.BAD_LABELS)  # fmt: skip
"""Reasons by kernel code, from 2 on."""


@dataclass(frozen=True, slots=True)
class Admission:
    """What became of a block: kept, to be looked up, and not kept."""

    fresh: SampleBlock
    late: SampleBlock
    rejected: tuple[Rejected, ...] = ()


class Cleaner:
    """Per-series memory of the newest sample; one for all tenants, since ids are global.

    Safe to call from several threads; calls take turns.
    """

    def __init__(self, limits: LimitSettings) -> None:
        self._future_ms = int(limits.max_future_s * 1000)
        self._past_ms = int(limits.max_past_days * 86_400_000)
        self._time: I64 = np.full(_GROW, _NEVER, np.int64)
        self._value: U64 = np.full(_GROW, _UNKNOWN_VALUE, np.uint64)
        self._lock = threading.Lock()

    def admit(
        self, block: SampleBlock, now_ms: int, *, examples: Mapping[str, str] | None = None
    ) -> Admission:
        """Sort out a block and remember the newest of each series.

        ``examples`` may bring, by reason, labels of series that the gate refused
        (:attr:`SeriesGate.examples`), to be shown instead of a bare time and value.
        """
        if not len(block):
            return Admission(block, SampleBlock.empty())
        series = frozen(block.series)
        times = frozen(block.time_ms)
        bits = frozen(block.value.view(np.uint64))
        with self._lock:
            self._grow(_highest(series))
            latest, earliest = now_ms + self._future_ms, now_ms - self._past_ms
            codes, counts = _judge(series, times, bits, self._time, self._value, latest, earliest)
        if counts[_FRESH] == len(block):
            return Admission(block, SampleBlock.empty())
        rejected = tuple(
            self._rejected(block, codes, code, int(counts[code]), now_ms, examples or {})
            for code in range(2, len(counts))
            if counts[code]
        )
        return Admission(
            block.rows(codes == _FRESH),
            block.rows(codes == _LATE) if counts[_LATE] else SampleBlock.empty(),
            rejected,
        )

    def prime(self, last_times: Mapping[int, int]) -> None:
        """Take over the newest time of each series from the store, after a restart or import.

        Never moves a series back. A sample at exactly a primed time counts as late, so that the
        store, which knows the value, decides.
        """
        if not last_times:
            return
        ids = np.fromiter(last_times.keys(), np.int64, len(last_times))
        times = np.fromiter(last_times.values(), np.int64, len(last_times))
        with self._lock:
            self._grow(int(ids.max()))
            newer = times > self._time[ids]
            self._time[ids[newer]] = times[newer]
            self._value[ids[newer]] = _UNKNOWN_VALUE

    def revert(self, series: U32, last_times: Mapping[int, int]) -> None:
        """Forget what was admitted of ``series`` since the store last kept something.

        Call with the admitted block's series and :meth:`TelemetryStore.last_times` when the
        append failed; the sender's retry is then fresh again.
        """
        with self._lock:
            for one in np.unique(series).tolist():
                if one < len(self._time):
                    self._time[one] = last_times.get(one, _NEVER)
                    self._value[one] = _UNKNOWN_VALUE

    def _grow(self, highest: int) -> None:
        size = len(self._time)
        if highest < size:
            return
        grown = min(max(highest + 1, size * 2), _MAX_SERIES)
        self._time = longer(self._time, grown, _NEVER)
        self._value = longer(self._value, grown, _UNKNOWN_VALUE)

    def _rejected(
        self, block: SampleBlock, codes: U8, code: int, count: int, now_ms: int,
        examples: Mapping[str, str],
    ) -> Rejected:  # fmt: skip
        reason = _CODES[code - 2]
        at = int(np.argmax(codes == code))
        series, time_ms = int(block.series[at]), int(block.time_ms[at])
        text = f"series {series} at {time_ms} ms, value {float(block.value[at]):.6g}"
        if reason is Reason.TOO_FAR_AHEAD:
            text += f", {(time_ms - now_ms) / 1000:.0f} s ahead of the clock here"
        elif reason is Reason.TOO_OLD:
            text += f", {(now_ms - time_ms) / 86_400_000:.0f} days back"
        elif series >= _MAX_SERIES:
            text = f"a sample at {time_ms} ms, value {float(block.value[at]):.6g}"
        return Rejected(reason.value, count, examples.get(reason.value, text))


def admit_history(existing: SampleBlock, incoming: SampleBlock) -> SampleBlock:
    """Return the rows of ``incoming`` whose (series, time) is new, each once, in their order.

    ``existing`` is what the store holds of those series over that stretch, in any order. Of
    equal rows in ``incoming`` the first one stays. Cost: one sort of both.
    """
    if not len(incoming):
        return incoming
    series = np.concatenate((existing.series, incoming.series))
    times = np.concatenate((existing.time_ms, incoming.time_ms))
    order = np.lexsort((times, series))
    by_series, by_time = series[order], times[order]
    repeated = np.zeros(len(order), np.bool_)
    repeated[1:] = (by_series[1:] == by_series[:-1]) & (by_time[1:] == by_time[:-1])
    keep = np.empty(len(order), np.bool_)
    keep[order] = ~repeated  # lexsort is stable: existing rows come first among equals
    return incoming.rows(keep[len(existing) :])


def frozen(array: Array) -> Array:
    """View an array as contiguous and read-only, so that kernels compile once, not per flag."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def _highest(series: U32) -> int:
    """Find the highest id that names a series; the two refusal ids do not."""
    highest = int(series.max())
    if highest < _MAX_SERIES:
        return highest
    named = series[series < _MAX_SERIES]
    return int(named.max()) if len(named) else 0


@njit(cache=True, nogil=True)
def _judge(
    series: U32, times: I64, bits: U64, newest_time: I64, newest_value: U64, latest: int,
    earliest: int,
) -> tuple[U8, I64]:  # fmt: skip
    codes = np.zeros(len(series), np.uint8)
    counts = np.zeros(8, np.int64)
    for i in range(len(series)):
        one = series[i]
        time = times[i]
        if one >= len(newest_time):
            code = 7 if one == BAD_SERIES else 6
        elif time > latest:
            code = 4
        elif time < earliest:
            code = 5
        elif time > newest_time[one]:
            newest_time[one] = time
            newest_value[one] = bits[i]
            code = 0
        elif time < newest_time[one] or newest_value[one] == _UNKNOWN_VALUE:
            code = 1
        elif newest_value[one] == bits[i]:
            code = 2
        else:
            code = 3
        codes[i] = code
        counts[code] += 1
    return codes, counts
