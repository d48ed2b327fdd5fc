"""The diagnose room: an incident in, a ranked and honest list of suspects out."""

from twinhelm.aiops.diagnose.arrays import Ranked, rank_arrays
from twinhelm.aiops.diagnose.culprits import culprit_of
from twinhelm.aiops.diagnose.ranking import RANKER, Diagnosis, rank
from twinhelm.aiops.diagnose.window import SeriesWindow, window_of

__all__ = [
    "RANKER",
    "Diagnosis",
    "Ranked",
    "SeriesWindow",
    "culprit_of",
    "rank",
    "rank_arrays",
    "window_of",
]
