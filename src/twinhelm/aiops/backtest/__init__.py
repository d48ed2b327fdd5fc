"""Back-tests: the wing's rooms on recorded history, scored by published measures.

Like :mod:`twinhelm.aiops.flow` this walks rooms and holds no judgement of its own.
"""

from twinhelm.aiops.backtest.detect import run_detect
from twinhelm.aiops.backtest.feedback import Learnt, run_feedback
from twinhelm.aiops.backtest.report import Result, Summary, report_html

__all__ = ["Learnt", "Result", "Summary", "report_html", "run_detect", "run_feedback"]
