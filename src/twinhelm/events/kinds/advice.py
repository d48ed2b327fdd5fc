"""What happens to advice: said, dismissed, said again; and assessments saved.

Subjects are ``advice/KEY`` and ``assessment/KEY``.
"""

from twinhelm.events.event import Event, event

__all__ = ["AdviceDismissed", "AdviceGiven", "AdviceTakenUp", "AssessmentSaved"]


@event("advice.given", "advice/{key}")
class AdviceGiven(Event):
    """A next thing to automate was found, or what was dismissed has grown (``again``)."""

    key: str
    text: str
    discipline: str
    hours_month: float
    confidence: float
    again: bool = False


@event("advice.dismissed", "advice/{key}")
class AdviceDismissed(Event):
    """Somebody does not want it, for ``reason``; it stays silent until there is much more of it."""

    key: str
    reason: str


@event("advice.taken_up", "advice/{key}")
class AdviceTakenUp(Event):
    """Somebody wants to hear of it again."""

    key: str


@event("assessment.saved", "assessment/{key}")
class AssessmentSaved(Event):
    """The guided assessment was answered and kept; ``scores`` by part, from 0 to 3."""

    key: str
    scores: dict[str, float]
