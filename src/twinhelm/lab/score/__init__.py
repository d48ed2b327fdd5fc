"""How good is the product at its job? Breaks a lab in every known way and holds it to the truth."""

from twinhelm.lab.score.judge import AFTER_S, FLOORS, Opening, Summary, Trial, Verdict, judge
from twinhelm.lab.score.page import NAMES, number, page, placed
from twinhelm.lab.score.report import document, judged, write_score
from twinhelm.lab.score.run import FULL, QUICK, Pace, Tally, run_once
from twinhelm.lab.score.watch import Watch

__all__ = [
    "AFTER_S", "FLOORS", "FULL", "NAMES", "QUICK", "Opening", "Pace", "Summary", "Tally", "Trial",
    "Verdict", "Watch", "document", "judge", "judged", "number", "page", "placed", "run_once",
    "write_score",
]  # fmt: skip
