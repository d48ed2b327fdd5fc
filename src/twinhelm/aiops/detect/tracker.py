"""From flagged samples to anomalies that open, last and close.

Question: which stretches of which series are anomalies now? In: :class:`Scores` of one tick.
Out: the :class:`Anomaly` values that opened, changed or closed. An anomaly opens once enough of
the newest samples are flagged: 3 of 5 for series with up to 30 s between samples, 2 of 4 up to
5 min (1 when it is gross: a score of 0.67 and more), 1 above. It starts at the first
flagged sample of those. It closes after eight quiet intervals, at least a minute, or 24 s where
samples come every three seconds or faster. Samples that are not flagged cost one array step, no
Python.

>>> tracker = AnomalyTracker()
>>> tracker.open
[]
"""

from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numba import njit

from twinhelm.aiops.detect.snapshot import pack, unpack
from twinhelm.aiops.types import Anomaly, Describe, Direction, Resource, Scores
from twinhelm.core.arrays import BOOL, F32, F64, I64, U8, U32, longer
from twinhelm.core.errors import BadInput
from twinhelm.core.labels import labels_of

__all__ = ["AnomalyTracker"]

_GROSS_SCORE = 0.67
_QUIET_INTERVALS = 8
_QUIET_MIN_MS, _QUIET_FAST_MS, _FAST_MS = 60_000, 24_000, 3_000
_QUIET_MAX_MS = 12 * 3_600_000
_FORMAT = 1
_NEVER = np.iinfo(np.int64).min


@njit(cache=True, nogil=True)
def _confirm(
    series: U32, time_ms: I64, score: F64, flagged: BOOL, gross: float, bits: U8, step: F32,
    last: I64, first: I64, out: BOOL,
) -> None:  # fmt: skip
    """Shift each sample's flag into its series' history and decide; see the module."""
    for i in range(len(series)):
        out[i] = False
        s = series[i]
        t = time_ms[i]
        if t <= last[s]:
            continue
        if last[s] != _NEVER:
            dt = float(t - last[s])
            step[s] = (
                dt if step[s] == 0.0 else step[s] + 0.1 * min(max(dt - step[s], -step[s]), step[s])
            )
        last[s] = t
        if flagged[i] and bits[s] == 0:
            first[s] = t
        b = ((bits[s] << 1) | (1 if flagged[i] else 0)) & 31
        bits[s] = b
        if not flagged[i]:
            continue
        if step[s] <= 30_000.0:
            need = 3
        elif step[s] <= 300_000.0:
            need = 2
            b &= 15
        else:
            need = 1
        count = 0
        while b:
            count += b & 1
            b >>= 1
        if score[i] >= gross and need == 2:
            need = 1
        out[i] = count >= need


class AnomalyTracker:
    """The lives of anomalies; one tracker follows one detector; not thread-safe."""

    def __init__(self) -> None:
        self._bits = np.zeros(0, np.uint8)
        self._step = np.zeros(0, np.float32)
        self._last = np.zeros(0, np.int64)
        self._first = np.zeros(0, np.int64)
        self._open: dict[int, Anomaly] = {}

    @property
    def open(self) -> list[Anomaly]:
        """Return the anomalies that last, by series."""
        return [self._open[s] for s in sorted(self._open)]

    def confirm(self, scores: Scores) -> BOOL:
        """Decide per sample whether it opens or extends an anomaly; keeps the short history.

        :meth:`update` calls this; call it directly only where no anomalies are wanted.
        """
        n = int(scores.series.max()) + 1 if len(scores.series) else 0
        if n > len(self._bits):
            rows = max(n, 2 * len(self._bits), 64)
            self._bits, self._step = longer(self._bits, rows), longer(self._step, rows)
            self._last, self._first = longer(self._last, rows, _NEVER), longer(self._first, rows)
        out = np.empty(len(scores.series), np.bool_)
        _confirm(
            scores.series, scores.time_ms, scores.score, scores.flagged, _GROSS_SCORE,
            self._bits, self._step, self._last, self._first, out,
        )  # fmt: skip
        return out

    def update(self, scores: Scores, describe: Describe, now_ms: int) -> list[Anomaly]:
        """Take one tick's scores; return what opened, changed or closed, each in its newest state.

        ``describe`` is asked once per opening. ``now_ms`` closes what has been quiet long enough.
        """
        touched: dict[str, Anomaly] = {}
        for i in np.flatnonzero(self.confirm(scores)).tolist():
            series, at = int(scores.series[i]), int(scores.time_ms[i])
            known = self._open.get(series)
            if known is not None and at - known.last_ms > self._quiet_ms(series):
                closed = self._close(known)
                touched[closed.key] = closed
                known = None
            anomaly = self._opened(scores, i, describe) if known is None else known
            anomaly = _extended(anomaly, scores, i, count=known is not None)
            self._open[series] = touched[anomaly.key] = anomaly
        for anomaly in [a for s, a in self._open.items() if now_ms - a.last_ms > self._quiet_ms(s)]:
            touched[anomaly.key] = self._close(anomaly)
        return list(touched.values())

    def snapshot(self) -> bytes:
        """Write the whole state, for :meth:`restore`."""
        return pack(
            "anomalies",
            _FORMAT,
            {"open": [asdict(a) for a in self.open]},
            {"bits": self._bits, "step": self._step, "last": self._last, "first": self._first},
        )

    def restore(self, data: bytes) -> None:
        """Replace the state by a snapshot's; on any error the state stays as it was.

        Raises :class:`BadInput` for damaged bytes and :class:`NewerFormat` for a newer format.
        """
        facts, arrays = unpack(data, "anomalies", _FORMAT)
        n = len(arrays.get("bits", ()))
        kinds = {"bits": np.uint8, "step": np.float32, "last": np.int64, "first": np.int64}
        if any(
            name not in arrays or arrays[name].shape != (n,) or arrays[name].dtype != kind
            for name, kind in kinds.items()
        ):
            raise BadInput("the anomaly snapshot does not fit together", hint="start fresh")
        known = [_read(row) for row in facts["open"]]
        self._bits, self._step = arrays["bits"], arrays["step"]
        self._last, self._first = arrays["last"], arrays["first"]
        self._open = {a.series: a for a in known}

    def _quiet_ms(self, series: int) -> float:
        """Say how long a series must be quiet for its anomaly to be over."""
        step = float(self._step[series]) if series < len(self._step) else 0.0
        least = _QUIET_FAST_MS if 0.0 < step <= _FAST_MS else _QUIET_MIN_MS
        return max(min(_QUIET_INTERVALS * step, _QUIET_MAX_MS), 2 * step, least)

    def _close(self, anomaly: Anomaly) -> Anomaly:
        self._open.pop(anomaly.series, None)
        return replace(anomaly, end_ms=anomaly.last_ms)

    def _opened(self, scores: Scores, i: int, describe: Describe) -> Anomaly:
        series, at = int(scores.series[i]), int(scores.time_ms[i])
        labels, entity, resource = describe(series)
        signal, expected = float(scores.signal[i]), float(scores.expected[i])
        return Anomaly(
            series=series,
            labels=labels,
            entity=entity,
            resource=resource,
            direction=Direction.UP if signal >= expected else Direction.DOWN,
            start_ms=min(int(self._first[series]), at),
            last_ms=at,
            end_ms=None,
            peak_score=0.0,
            value=signal,
            expected=expected,
            low=float(scores.low[i]),
            high=float(scores.high[i]),
            deviation=0.0,
            samples=max(int(self._bits[series]).bit_count(), 1),
        )


def _extended(anomaly: Anomaly, scores: Scores, i: int, *, count: bool) -> Anomaly:
    """Add flagged sample ``i`` to an anomaly; the worst sample gives value, range and direction.

    A young series' range widens while it is strange; what was usual before is what to tell.
    """
    signal, low, high = (float(a[i]) for a in (scores.signal, scores.low, scores.high))
    width = max(high - low, 1e-12 * max(abs(low), abs(high)), 1e-300)
    deviation = min(max(signal - high, low - signal, 0.0) / width, 1e9)
    score = float(scores.score[i])
    anomaly = replace(
        anomaly,
        last_ms=max(anomaly.last_ms, int(scores.time_ms[i])),
        samples=anomaly.samples + int(count),
    )
    if score <= anomaly.peak_score:
        return replace(anomaly, deviation=max(anomaly.deviation, deviation))
    expected = float(scores.expected[i])
    narrower = anomaly.high - anomaly.low < high - low
    if count and narrower and not anomaly.low <= signal <= anomaly.high:
        expected, low, high = anomaly.expected, anomaly.low, anomaly.high
    return replace(
        anomaly,
        peak_score=score,
        value=signal,
        expected=expected,
        low=low,
        high=high,
        deviation=max(anomaly.deviation, deviation),
        direction=Direction.UP if signal >= expected else Direction.DOWN,
    )


def _read(row: dict[str, Any]) -> Anomaly:
    try:
        kinds = {"resource": Resource(row["resource"]), "direction": Direction(row["direction"])}
        labels = labels_of([(str(k), str(v)) for k, v in row["labels"]])
        return Anomaly(**{**row, **kinds, "labels": labels})
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"an anomaly in the snapshot cannot be read: {error}") from error
