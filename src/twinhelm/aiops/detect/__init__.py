"""Detect: which values are strange, in every series, at every tick.

In: blocks of signals. Out: :class:`twinhelm.aiops.types.Scores` (:class:`Detector`) and the lives
of :class:`twinhelm.aiops.types.Anomaly` (:class:`AnomalyTracker`). A score of 0.5 means that the
tail of this series' own history gives such a value once in 1,000 samples (tails are taken on
the heavy side), 0.67 once in a million. Scores are evidence against "as before", not of harm.
"""

from twinhelm.aiops.detect.baseline import DETECTOR, Detector, detect_array
from twinhelm.aiops.detect.facts import Facts
from twinhelm.aiops.detect.joint import JointDetector
from twinhelm.aiops.detect.kernel import SCORE_HALF, bar_of
from twinhelm.aiops.detect.tracker import AnomalyTracker

__all__ = [
    "DETECTOR", "SCORE_HALF", "AnomalyTracker", "Detector", "Facts", "JointDetector", "bar_of",
    "detect_array",
]  # fmt: skip
