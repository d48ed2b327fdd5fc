"""The detector: every series, every tick, no set-up.

Question: is this sample strange for its series? In: :class:`SampleBlock` of signals (gauge
values, counter rates) with dense ids, from :mod:`twinhelm.aiops.flow`. Out:
:class:`twinhelm.aiops.types.Scores`, a row per sample. What it looks for and when it is wrong
stands in :mod:`.kernel`. State is one row of 128 bytes per series, and 280 bytes of
time-of-day profile once a series is three hours old; matrices grow by doubling.

>>> detector = Detector(DetectSettings())
>>> block = SampleBlock(np.zeros(1, np.uint32), np.array([1000]), np.array([1.5]))
>>> float(detector.observe(block).score[0])
0.0
"""

import threading

import numpy as np

from twinhelm.aiops.detect import kernel
from twinhelm.aiops.detect.kernel import SEEN, SLOT, WIDTH, N, threshold_of
from twinhelm.aiops.detect.season import WIDTH as PROFILE_WIDTH
from twinhelm.aiops.detect.snapshot import pack, unpack
from twinhelm.aiops.types import Scores
from twinhelm.core.arrays import F32, F64, I64, U32, longer
from twinhelm.core.errors import BadInput, TooLarge
from twinhelm.core.settings import DetectSettings
from twinhelm.core.telemetry import SampleBlock

__all__ = ["DETECTOR", "MAX_SERIES", "Detector", "detect_array"]

DETECTOR = "baseline/1"
"""Name and version of this detector as a product: scores of one version compare."""
MAX_SERIES = 20_000_000
"""Ids are dense; one above this is a mistake, not a large site."""
_FORMAT = 1
_SPARE = 64
"""Profiles kept ready, so that few series get theirs within a block."""
_NEVER = np.iinfo(np.int64).min


class Detector:
    """Robust online baselines of all series; safe to call from several threads.

    ``settings.sensitivity`` moves the decision only; scores stay comparable.
    """

    def __init__(self, settings: DetectSettings | None = None) -> None:
        self.threshold = threshold_of((settings or DetectSettings()).sensitivity)
        self._lock = threading.Lock()
        self._rows = np.zeros((0, WIDTH), np.float32)
        self._profiles = np.full((_SPARE, PROFILE_WIDTH), np.nan, np.float32)
        self._used = np.zeros(1, np.int64)
        self._count = 0

    def __len__(self) -> int:
        """Count the series ids known, the highest seen plus one."""
        return self._count

    @property
    def nbytes(self) -> int:
        """Bytes of state held now."""
        return self._rows.nbytes + self._profiles.nbytes

    def observe(self, block: SampleBlock) -> Scores:
        """Judge samples in order and learn from them.

        A sample that is NaN (a stale marker too), infinite, or not newer than the newest learnt
        of its series scores 0 and changes nothing. Until a series has 24 samples its range is
        NaN and its score 0. Raises :class:`BadInput` for columns of unequal length and
        :class:`TooLarge` for an id at or above ``MAX_SERIES``.
        """
        series = np.ascontiguousarray(block.series, np.uint32)
        time_ms = np.ascontiguousarray(block.time_ms, np.int64)
        value = np.ascontiguousarray(block.value, np.float64)
        n = len(series)
        if len(time_ms) != n or len(value) != n:
            raise BadInput(
                f"a block of {n} ids, {len(time_ms)} times and {len(value)} values",
                hint="give columns of one length",
            )
        expected, low, high, score = (np.empty(n) for _ in range(4))
        flagged = np.empty(n, np.bool_)
        if not n:
            return Scores(series, time_ms, value, expected, low, high, score, flagged)
        count = int(series.max()) + 1
        given = (series, time_ms, value)
        sort = None if (series[1:] >= series[:-1]).all() else _sort(series, count)
        if sort is not None:
            given = (series[sort[0]], time_ms[sort[0]], value[sort[0]])
        with self._lock:
            self._grow(count)
            wanted = kernel.walk(
                *given, self._rows, self._rows.view(np.int32), self._rows.view(np.int64),
                self._profiles, self._used, self.threshold, expected, low, high, score, flagged,
            )  # fmt: skip
            if wanted:
                self._add_profiles(wanted)
        if sort is not None:
            rank = sort[1]
            expected, low, high, score = expected[rank], low[rank], high[rank], score[rank]
            flagged = flagged[rank]
        return Scores(series, time_ms, value, expected, low, high, score, flagged)

    def forget(self, series: U32) -> None:
        """Make ``series`` as young as on their first day, so that history can be learnt anew."""
        with self._lock:
            known = series[series < self._count]
            whole = self._rows.view(np.int32)
            slots = whole[known, SLOT]
            self._rows[known] = 0.0
            whole[known, SLOT] = slots
            self._profiles[slots[slots > 0] - 1] = np.nan

    def seen_ms(self) -> I64:
        """Return the newest learnt time per series id (the least int64 for none)."""
        with self._lock:
            rows = self._rows[: self._count]
            return np.where(rows[:, N] > 0.0, rows.view(np.int64)[:, SEEN], _NEVER)

    def snapshot(self) -> bytes:
        """Write the whole state, for :meth:`restore`."""
        with self._lock:
            n = self._count
            return pack(
                DETECTOR,
                _FORMAT,
                {"series": n, "profiles": int(self._used[0])},
                {"rows": self._rows[:n], "profiles": self._profiles[: self._used[0]]},
            )

    def restore(self, data: bytes) -> None:
        """Replace the state by a snapshot's; on any error the state stays as it was.

        Raises :class:`BadInput` for damaged bytes and :class:`NewerFormat` for a newer format:
        the caller then goes on with a fresh detector.
        """
        facts, arrays = unpack(data, DETECTOR, _FORMAT)
        n, used = int(facts["series"]), int(facts["profiles"])
        rows, profiles = arrays.get("rows"), arrays.get("profiles")
        if (
            rows is None or rows.shape != (n, WIDTH) or rows.dtype != np.float32
            or profiles is None or profiles.shape != (used, PROFILE_WIDTH)
            or profiles.dtype != np.float32
            or (n and int(rows.view(np.int32)[:, SLOT].max()) > used)
        ):  # fmt: skip
            raise BadInput("the detector snapshot does not fit together", hint="start fresh")
        with self._lock:
            self._rows = _aligned(n)
            self._rows[:] = rows
            self._profiles = profiles
            self._used[0] = used
            self._count = n
            self._add_profiles(_SPARE)

    def _grow(self, count: int) -> None:
        """Make room for ids below ``count``; called under the lock."""
        if count > MAX_SERIES:
            raise TooLarge(
                f"series id {count - 1} is above the limit {MAX_SERIES - 1}",
                hint="ids are dense, from 0: use those the store gave",
            )
        self._count = max(self._count, count)
        have = len(self._rows)
        if count <= have:
            return
        rows = _aligned(max(count, 2 * have, 64))
        rows[:have] = self._rows
        self._rows = rows

    def _add_profiles(self, wanted: int) -> None:
        """Make room for ``wanted`` more profiles at least; called under the lock."""
        more = max(wanted, len(self._profiles))
        self._profiles = longer(self._profiles, len(self._profiles) + more, np.nan)


def _aligned(count: int) -> F32:
    """Return ``count`` zero rows that start on cache lines, so that a row spans two, not three."""
    size = count * WIDTH * 4
    raw = np.zeros(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size].view(np.float32).reshape(count, WIDTH)


def _sort(series: U32, count: int) -> tuple[I64, I64]:
    """Order samples by series, of one series as they came; return order and ranks."""
    if count <= 8 * len(series):
        order, rank = kernel.visit_order(series, count)
        return order, rank
    order = np.argsort(series, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return order, rank


def detect_array(
    values: F64, time_ms: I64 | None = None, *, settings: DetectSettings | None = None
) -> Scores:
    """Judge one series from its first sample to its last, as the running product would have.

    ``values`` is ``(n,)``, ``time_ms`` ``(n,)`` ascending epoch ms; without it, samples stand a
    minute apart. Pure: no state stays. This is the notebook user's face and the source of the
    expected band on charts. Raises :class:`BadInput` where the lengths differ.

    >>> scores = detect_array(np.r_[np.sin(np.arange(500.0)), 9.0])
    >>> bool(scores.flagged[-1]), bool(scores.flagged[:-1].any())
    (True, False)
    """
    value = np.asarray(values, np.float64)
    times = np.arange(len(value)) * 60_000 if time_ms is None else np.asarray(time_ms, np.int64)
    return Detector(settings).observe(SampleBlock(np.zeros(len(value), np.uint32), times, value))
