"""Pure numbers on arrays, for every wing: no I/O, no clock, randomness passed in."""

from twinhelm.stats.events import EventScore, event_score, merge_runs, runs_of
from twinhelm.stats.precision import auc_pr
from twinhelm.stats.vus import vus_pr, window_of

__all__ = ["EventScore", "auc_pr", "event_score", "merge_runs", "runs_of", "vus_pr", "window_of"]
