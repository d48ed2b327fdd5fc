"""What people answered, and what was judged otherwise because of it."""

from twinhelm.events.event import Event, event

__all__ = ["FeedbackGiven", "FeedbackUndone", "LessonsApplied", "LessonsDiffer"]


@event("feedback.given", "feedback/{id}")
class FeedbackGiven(Event):
    """Somebody called something right or wrong; ``of`` is its kind, ``on`` refers to it."""

    id: int
    of: str
    on: str
    right: bool
    reason: str


@event("feedback.undone", "feedback/{id}")
class FeedbackUndone(Event):
    """Somebody took an answer back; nothing of what it taught is left."""

    id: int
    on: str


@event("lessons.applied", "lessons/{of}")
class LessonsApplied(Event):
    """What answers teach of one kind is in force, as ``version``, and how that came."""

    of: str
    version: str
    answers: list[int]
    because: str


@event("lessons.differ", "anomaly/{anomaly}")
class LessonsDiffer(Event):
    """What is in shadow would have judged an anomaly otherwise than what is in force."""

    anomaly: str
    text: str
    answers: list[int]
