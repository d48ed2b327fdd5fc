"""How advice comes about: what happened is gathered, looked through, tried, ranked and kept."""

from twinhelm.advise.flow.assessments import Assessments
from twinhelm.advise.flow.desk import AdviceDesk

__all__ = ["AdviceDesk", "Assessments"]
