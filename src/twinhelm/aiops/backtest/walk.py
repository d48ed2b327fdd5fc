"""Take a labelled series through the product's own detector, causally.

In: :class:`.load.Labelled`. Out: score and alarm per row, in the rows' order. Rows are given in
blocks, but the detector is serial over samples, so row i is judged on rows up to i only. One
metric is judged by :class:`Detector` and alarms as :class:`AnomalyTracker` confirms; a machine's
metrics are judged one by one and then together by :class:`JointDetector`. Rows whose time does
not go on (repeated or stepping back) are not judged and score 0.
"""

import numpy as np

from twinhelm.aiops.backtest.load import Labelled
from twinhelm.aiops.detect import AnomalyTracker, Detector, JointDetector
from twinhelm.core.arrays import BOOL, F64
from twinhelm.core.settings import DetectSettings
from twinhelm.core.telemetry import SampleBlock

__all__ = ["judge"]

_BLOCK = 8192


def judge(series: Labelled, settings: DetectSettings | None = None) -> tuple[F64, BOOL]:
    """Return ``(n,)`` scores in 0..1 and ``(n,)`` alarms, as a user would have got them."""
    n, columns = series.values.shape
    score, alarm = np.zeros(n), np.zeros(n, np.bool_)
    detector, tracker, joint = Detector(settings), AnomalyTracker(), JointDetector(settings)
    times = series.time_ns // 1_000_000
    step = max(1, _BLOCK // columns)
    for start in range(0, n, step):
        rows = slice(start, min(start + step, n))
        block = SampleBlock(
            np.tile(np.arange(columns, dtype=np.uint32), rows.stop - start),
            np.repeat(times[rows], columns),
            series.values[rows].reshape(-1),
        )
        scores = detector.observe(block)
        if columns == 1:
            score[rows], alarm[rows] = scores.score, tracker.confirm(scores)
        else:
            score[rows], alarm[rows] = joint.observe(scores.score.reshape(-1, columns))
    return score, alarm
