"""One judgement for one thing that many series describe: a machine, a service.

Question: is the whole strange now, given how strange its series usually are together? In:
per-series scores ``(n, k)`` of :class:`.baseline.Detector`, rows in time order. Out: a score in
0..1 and a decision per row, causal. The evidence of all series is added up, each within a cap so
that one broken gauge is not a broken machine; the sum's own tail is followed as for a single
series, slowly, on rows before this one only, and strange rows teach it nothing.

Wrong when the series of one thing are strange together for a living: the first times are flagged.
Cost: one pass over the scores.

>>> JointDetector().observe(np.zeros((3, 5)))[0].tolist()
[0.0, 0.0, 0.0]
"""

import math

import numpy as np
from numba import njit

from twinhelm.aiops.detect.kernel import SCORE_HALF, threshold_of
from twinhelm.core.arrays import BOOL, F64
from twinhelm.core.errors import BadInput
from twinhelm.core.settings import DetectSettings

__all__ = ["JointDetector"]

_ORDINARY = 1.0
"""Evidence that one row in ten has; only what lies beyond it counts."""
_CAP = 5.0
"""The most evidence that one series brings; squared, so that few strong beat many weak."""
_TAIL_SHARE, _TAIL_LOG = 0.02, 1.69897
_TEACHES = 2.5
"""Rows with more evidence teach the tail nothing: trouble of a whole machine comes in long
stretches, which would soon pass for normal."""
_STRICT = 1.6
"""So evidence runs high here, and the decision asks this many times what one series is asked."""
_YOUNG = 100
_SIZE_ROWS = 20_000.0

N, SIZE, Q, H = range(4)


@njit(cache=True, nogil=True)
def _walk(scores: F64, state: F64, threshold: float, score: F64, alarm: BOOL) -> None:
    """Judge rows in order; ``state`` holds the four figures between calls."""
    for i in range(len(scores)):
        evidence = 0.0
        for j in range(scores.shape[1]):
            s = min(scores[i, j], 0.99)
            evidence += min(max(SCORE_HALF * s / (1.0 - s) - _ORDINARY, 0.0), _CAP) ** 2
        n = state[N] + 1.0
        state[N] = n
        z = evidence / max(state[SIZE], 0.1 * scores.shape[1])
        tail = state[H] + 2.0 / n
        if z <= state[Q]:
            surprise = _TAIL_LOG * z / state[Q]
        else:
            surprise = _TAIL_LOG + math.log10(z / state[Q]) / tail
        bad = n > _YOUNG and surprise >= _STRICT * threshold
        score[i] = surprise / (surprise + SCORE_HALF) if n > _YOUNG else 0.0
        alarm[i] = bad
        if not bad:
            state[SIZE] += max(1.0 / _SIZE_ROWS, 1.0 / n) * (evidence - state[SIZE])
        if n > _YOUNG and surprise < _TEACHES:
            if z > state[Q]:
                state[H] += (math.log(z / state[Q]) - state[H]) / 400.0
                state[Q] += 0.005 * (1.0 - _TAIL_SHARE)
            else:
                state[Q] = max(state[Q] - 0.005 * _TAIL_SHARE, 1.0)


class JointDetector:
    """Judges the rows of one thing; its figures stay between calls."""

    def __init__(self, settings: DetectSettings | None = None) -> None:
        self.threshold = threshold_of((settings or DetectSettings()).sensitivity)
        self._state = np.array([0.0, 0.0, 2.5, 0.2])

    @property
    def bar(self) -> float:
        """Return the evidence that alarms."""
        return _STRICT * self.threshold

    def observe(self, scores: F64) -> tuple[F64, BOOL]:
        """Judge rows ``(n, k)`` of per-series scores; return ``(n,)`` scores and decisions.

        The first 100 rows score 0. Raises :class:`BadInput` unless ``scores`` is a finite matrix.
        """
        matrix = np.ascontiguousarray(scores, np.float64)
        if matrix.ndim != 2 or not np.isfinite(matrix).all():
            raise BadInput(
                f"joint scores of shape {matrix.shape} must be a finite (n, k) matrix",
                hint="give Detector scores, one column per series",
            )
        score, alarm = np.zeros(len(matrix)), np.zeros(len(matrix), np.bool_)
        _walk(matrix, self._state, self.threshold, score, alarm)
        return score, alarm
